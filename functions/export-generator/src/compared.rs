//! Has the plan compare the versions of resources outside the patients' records ([`crate::shared_versions`]), once for an export.

use domain::chunk::{Work, job_prefix};
use domain::error::{Error, Result};
use domain::filter::Filter;
use domain::job::Job;
use domain::ports::queue::Deadline;
use domain::ports::records::Area;
use domain::states::Running;
use storage::sorter::Limits;

use crate::Generator;
use crate::shared_versions::{OutsideFile, compare};

impl Generator {
    /// Compares the files of these works, if there are several, and records the result on the job. Returns `false` if there is too
    /// little time left to begin.
    pub(crate) async fn compare_outside(
        &self,
        running: &Running,
        works: &[(Work, u64)],
        deadline: &dyn Deadline,
    ) -> Result<bool> {
        let outside = self.outside_files(works).await?;
        if outside.len() < 2 || running.shared_versions.is_some() {
            return Ok(true);
        }
        if deadline.is_near(self.clock.now()) {
            return Ok(false);
        }
        let attempt = self.random.attempt();
        let prefix = format!("{}versions-{attempt}/", job_prefix(&running.header.id));
        let filter = Filter::of(running);
        let compared =
            compare(&*self.records, &*self.files, &prefix, &filter, &outside, Limits::default()).await;
        match compared {
            Ok(false) => self.files.remove_prefix(&prefix).await.map(|()| true),
            Ok(true) => self.record_comparison(running, &prefix).await.map(|()| true),
            Err(error) => self.discard_attempt(&prefix, error).await.map(|()| true),
        }
    }

    /// Returns the files outside the patients' records that are exported, in the order in which their versions are compared.
    async fn outside_files(&self, works: &[(Work, u64)]) -> Result<Vec<OutsideFile>> {
        let shared = works.iter().filter_map(|(work, _)| match work {
            Work::Shared(name) => Some((Area::Shared, name.clone())),
            _ => None,
        });
        let mut files: Vec<_> = shared.collect();
        if works.iter().any(|(work, _)| *work == Work::Groups) {
            let groups = self.records.area(Area::Groups).await?;
            files.extend(groups.into_iter().map(|part| (Area::Groups, part.name)));
        }
        Ok(files)
    }

    /// Records the lists on the job, unless another task has done so or the export has ended.
    async fn record_comparison(&self, running: &Running, prefix: &str) -> Result<()> {
        const RACES: u32 = 20;
        for _ in 0..RACES {
            let Some((now, stored)) = self.running(&running.header.id).await? else { break };
            match &now.shared_versions {
                // The response to our own success may have been lost.
                Some(known) if known == prefix => return Ok(()),
                Some(_) => break,
                None => {}
            }
            let noted = Running { shared_versions: Some(prefix.to_owned()), ..now };
            match self.jobs.replace(&Job::Running(noted), stored.version).await {
                Ok(_) => return Ok(()),
                Err(Error::Conflict(_)) => {}
                // The job may have been changed, so the lists stay.
                Err(error) => return Err(error),
            }
        }
        self.files.remove_prefix(prefix).await
    }
}
