//! Has the plan compare the versions of resources outside the patients' records ([`crate::shared_versions`]), once for an export.

use domain::chunk::{Work, job_prefix};
use domain::error::{Error, Result};
use domain::filter::Filter;
use domain::ids::JobId;
use domain::job::Job;
use domain::ports::queue::Deadline;
use domain::ports::records::Area;
use domain::states::Running;
use storage::sorter::Limits;

use crate::Generator;
use crate::shared_versions::Comparison;
use crate::shared_versions::begun::{Begun, Compared, OutsideFile, Pace};
use crate::watch::Watch;

impl Generator {
    /// Compares the files of these works, if there are several, and records the result on the job. Returns `false` if the next invocation
    /// must continue.
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
        let id = &running.header.id;
        let begun = self.begun(running, &outside).await?;
        let is_continued = begun.done > 0 || begun.lines > 0;
        let attempt = self.random.attempt();
        let prefix = format!("{}versions-{attempt}/", job_prefix(id));
        let filter = Filter::of(running);
        let (records, files) = (&*self.records, &*self.files);
        let comparison =
            Comparison { records, files, prefix: &prefix, filter: &filter, limits: Limits::default() };
        let mut pace = Pace { generator: self, deadline, watch: Watch::new(self, id) };
        match comparison.run(begun, &mut pace).await {
            Ok(Compared::Listed) => {
                let listed = |now| Running { shared_versions: Some(prefix.clone()), ..now };
                self.record_comparison(id, &prefix, listed).await?;
                self.forget_begun(running).await.map(|()| true)
            }
            Ok(Compared::Nothing) => {
                self.files.remove_prefix(&prefix).await?;
                self.forget_begun(running).await.map(|()| true)
            }
            Ok(Compared::Paused(begun)) => {
                let key = format!("{prefix}begun");
                begun.save(&*self.files, &key).await?;
                let paused = |now| Running { comparison: Some(key.clone()), ..now };
                self.record_comparison(id, &prefix, paused).await?;
                self.forget_begun(running).await.map(|()| false)
            }
            Ok(Compared::Unwanted) => self.files.remove_prefix(&prefix).await.map(|()| false),
            // Another invocation has ended the comparison and removed its files. Without them, it begins again.
            Err(Error::NotFound(_)) if is_continued => {
                self.files.remove_prefix(&prefix).await?;
                self.forget_begun(running).await.map(|()| false)
            }
            Err(error) => self.discard_attempt(&prefix, error).await.map(|()| true),
        }
    }

    /// Returns the progress of the comparison.
    async fn begun(&self, running: &Running, outside: &[OutsideFile]) -> Result<Begun> {
        let Some(key) = &running.comparison else { return Ok(Begun::of(outside)) };
        match Begun::load(&*self.files, key).await {
            Ok(mut begun) => Ok(if begun.has_only(outside) { begun } else { Begun::of(outside) }),
            Err(Error::NotFound(_)) => Ok(Begun::of(outside)),
            Err(error) => Err(error),
        }
    }

    /// Removes the file with the progress of the comparison.
    async fn forget_begun(&self, running: &Running) -> Result<()> {
        match &running.comparison {
            Some(key) => self.files.remove(key).await,
            None => Ok(()),
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

    /// Records files with this prefix on the job. Removes them if another task has recorded its lists, or if the export has ended.
    async fn record_comparison(
        &self,
        id: &JobId,
        prefix: &str,
        note: impl Fn(Running) -> Running,
    ) -> Result<()> {
        const RACES: u32 = 20;
        for _ in 0..RACES {
            let Some((now, stored)) = self.running(id).await? else { break };
            match &now.shared_versions {
                // The response to our own success may have been lost.
                Some(known) if known == prefix => return Ok(()),
                Some(_) => break,
                None => {}
            }
            match self.jobs.replace(&Job::Running(note(now)), stored.version).await {
                Ok(_) => return Ok(()),
                Err(Error::Conflict(_)) => {}
                // The job may have been changed, so the files stay.
                Err(error) => return Err(error),
            }
        }
        self.files.remove_prefix(prefix).await
    }
}
