//! Sorts the deletions before an export with `_since` is planned, if they are too many for each chunk to read them all.

use domain::chunk::job_prefix;
use domain::error::{Error, Result};
use domain::filter::Filter;
use domain::job::Job;
use domain::ports::records::Area;
use domain::states::Running;

use crate::deletions::DeletionReader;
use crate::{Generator, sorter};

/// A chunk may read this fraction of its bytes from `deleted/`. If `deleted/` is larger, it is sorted.
const SHARE: u64 = 128;

impl Generator {
    /// Sorts the deletions and records that on the job, unless they are sorted already or are few. Returns `false` if the job was changed
    /// in the meantime.
    pub(crate) async fn sort_deletions(&self, running: &Running, version: u64) -> Result<bool> {
        let filter = Filter::of(running);
        let Some(selector) = filter.since().filter(|_| running.sorted_deletions.is_none()) else {
            return Ok(true);
        };
        let parts = self.records.area(Area::Deleted).await?;
        let bytes: u64 = parts.iter().map(|part| part.bytes).sum();
        if bytes.saturating_mul(SHARE) <= self.settings.chunk_bytes {
            return Ok(true);
        }
        let attempt = self.random.attempt();
        let prefix = format!("{}deleted-{attempt}/", job_prefix(&running.header.id));
        let reader = DeletionReader::new(&*self.records, selector).await?;
        if let Err(error) = sorter::sort(&*self.files, &prefix, reader).await {
            return self.discard_attempt(&prefix, error).await.map(|()| false);
        }
        let noted = Running { sorted_deletions: Some(prefix.clone()), ..running.clone() };
        match self.jobs.replace(&Job::Running(noted), version).await {
            // The caller reads the job again, which now has the sorted deletions.
            Ok(_) => Ok(false),
            Err(Error::Conflict(_)) => {
                // The response to our own success may have been lost.
                let stored = self.jobs.get(&running.header.id).await?;
                let is_ours = stored.is_some_and(|stored| {
                    matches!(stored.job, Job::Running(ref now) if now.sorted_deletions.as_ref() == Some(&prefix))
                });
                if !is_ours {
                    self.files.remove_prefix(&prefix).await?;
                }
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Removes files that only the workers of an export need, at its end. If that fails, they are removed with the job.
    pub(crate) async fn remove_helpers(&self, prefix: &str) {
        if let Err(error) = self.files.remove_prefix(prefix).await {
            tracing::warn!(%error, cause = error.causes(), "files of the workers were not removed; they are removed with the export");
        }
    }
}
