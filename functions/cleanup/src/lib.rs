//! Cleanup: expires jobs, removes their files and files without a job, and sends lost tasks again. It runs each hour
//! and on demand.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::audit::{Action, Actor, Event, Outcome};
use domain::chunk::{attempt_prefix, job_prefix};
use domain::error::{Error, Kind, Result};
use domain::ids::JobId;
use domain::job::{Job, JobState};
use domain::ports::audit::AuditLog;
use domain::ports::files::Files;
use domain::ports::jobs::{self, JobQuery, Jobs, StoredJob};
use domain::ports::queue::Queue;
use domain::retries::is_over;
use futures_util::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use platform::Platform;
use platform::exports::resume;
use settings::Settings;
use storage::audit_chain::verify_newest;

/// The number of jobs that are read at once.
const PAGE: usize = 100;
/// The number of jobs that are cleaned up at the same time. On AWS each of them takes some calls of the stores.
const AT_ONCE: usize = 16;
/// The number of chunk indexes that are checked at once.
const CHUNKS: u32 = 64;
/// The number of entries of each chain of the audit trail that are verified.
const VERIFIED: usize = 200;
/// If no chunk of a job was finished for longer than this, its message was lost.
const STANDS_STILL: SignedDuration = SignedDuration::from_mins(60);

/// Runs one cleanup over all jobs and files.
pub async fn run(platform: Arc<impl Platform + ?Sized>) -> Result<()> {
    let cleanup = Cleanup {
        settings: platform.settings(),
        jobs: platform.jobs()?,
        queue: platform.queue()?,
        files: platform.files()?,
        audit: platform.audit()?,
        now: platform.clock().now(),
    };
    let failed = AtomicU64::new(0);
    // The oldest jobs come first, so that they expire even if a run ends too early.
    let query = JobQuery { oldest_first: true, count: PAGE, ..JobQuery::default() };
    let each = async |stored: StoredJob| {
        let id = stored.job.id().clone();
        // A failure at one job must not stop the cleanup of the others.
        if let Err(error) = cleanup.job(stored).await {
            tracing::warn!(job.id = %id, error = %error, cause = error.causes(), "cleanup of a job failed");
            failed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    };
    jobs::all(&*cleanup.jobs, query).try_for_each_concurrent(AT_ONCE, each).await?;
    let failed = failed.into_inner();
    cleanup.orphans().await?;
    let swept = platform.expiring()?.sweep().await?;
    let audited = cleanup.audit.sweep().await?;
    cleanup.look_at_audit_trail().await?;
    tracing::info!(
        expired_entries = swept,
        expired_audit_entries = audited,
        failed_jobs = failed,
        "cleanup done"
    );
    // Some records may now be stored longer than the settings permit. Therefore the run fails, and an alarm is raised.
    match failed {
        0 => Ok(()),
        _ => Err(Error::unavailable(format!(
            "the cleanup of {failed} exports failed; it is tried again at the next run"
        ))),
    }
}

struct Cleanup {
    settings: Arc<Settings>,
    jobs: Arc<dyn Jobs>,
    queue: Arc<dyn Queue>,
    files: Arc<dyn Files>,
    audit: Arc<dyn AuditLog>,
    now: Timestamp,
}

impl Cleanup {
    /// Verifies the newest entries of the audit trail, and logs its heads. The log is a second copy, which shows an operator which
    /// entries the trail must still have.
    async fn look_at_audit_trail(&self) -> Result<()> {
        let report = verify_newest(&*self.audit, self.now, VERIFIED).await?;
        for broken in &report.broken {
            tracing::error!(error = %broken, "the audit trail is broken: keep the store as it is, and run ehi audit verify");
        }
        if report.newer > 0 {
            tracing::warn!(
                entries = report.newer,
                "entries of the audit trail were written by a newer version of the server; they are not broken"
            );
        }
        for head in &report.heads {
            tracing::info!(head = %head, "newest entry of the audit trail");
        }
        Ok(())
    }

    async fn record(&self, event: Event) -> Result<()> {
        for entry in event.entries() {
            self.audit.append(&entry).await?;
        }
        Ok(())
    }

    /// Records the deletion of a job before it is deleted. If the entry cannot be written, the disk may be full, and only cleanup makes
    /// room on it: then the files of a job that no longer exists for any caller are removed first.
    async fn record_deletion(&self, deleted: &Event, job: &Job) -> Result<()> {
        match self.record(deleted.clone()).await {
            Err(Error::StorageFull(_) | Error::Unavailable(_)) if job.has_expired(self.now) => {
                self.files.remove_prefix(&job_prefix(job.id())).await?;
                self.record(deleted.clone()).await
            }
            recorded => recorded,
        }
    }

    async fn job(&self, stored: StoredJob) -> Result<()> {
        let retention = self.settings.retention;
        let id = stored.job.id().clone();
        let unchanged_since = stored.job.header().changed_at;
        let idle_since = stored.progress.last_done_at.map_or(unchanged_since, |at| at.max(unchanged_since));
        match stored.job.state() {
            _ if stored.job.is_expired(self.now, &retention) => {
                let deleted = Event::new(Actor::server(), Action::Deleted).of(&stored.job);
                self.record_deletion(&deleted, &stored.job).await?;
                let gone = Job::Expired(stored.job.expire(self.now));
                match self.jobs.replace(&gone, stored.version).await {
                    Ok(_) => self.files.remove_prefix(&job_prefix(&id)).await,
                    // Another call changed the job. The next run sees the result.
                    Err(Error::Conflict(_)) => self.record(deleted.with(Outcome::Failed)).await,
                    Err(error) => Err(error),
                }
            }
            JobState::Cancelled | JobState::Expired => {
                if !self.is_for_good(&stored).await? {
                    return Ok(());
                }
                // A late worker may have written files after they were removed.
                self.files.remove_prefix(&job_prefix(&id)).await?;
                if retention.is_over(unchanged_since, retention.gone, self.now) {
                    self.jobs.remove(&id).await
                } else {
                    Ok(())
                }
            }
            JobState::Rejected | JobState::Failed => self.files.remove_prefix(&job_prefix(&id)).await,
            JobState::InReview | JobState::Complete => {
                self.orphaned_attempts(&id, stored.progress.plan_end).await?;
                self.left_out(&stored.job).await
            }
            // The queue delivers its tasks again. More tasks would only send more requests to a store that is down.
            JobState::Running if self.waits(&stored) => Ok(()),
            JobState::Queued | JobState::Running if retention.is_over(idle_since, STANDS_STILL, self.now) => {
                resume(&stored.job, &*self.queue).await
            }
            JobState::Queued | JobState::Running | JobState::AwaitingInput => Ok(()),
        }
    }

    /// Returns whether the deletion of a job can no longer be undone. The job's row records this before the first file is removed, so
    /// that an incomplete export cannot be restored.
    async fn is_for_good(&self, stored: &StoredJob) -> Result<bool> {
        let Job::Cancelled(gone) = &stored.job else { return Ok(true) };
        match &gone.undo {
            None => Ok(true),
            Some(_) if gone.restorable(self.now).is_some() => Ok(false),
            Some(_) => {
                let for_good = Job::Cancelled(gone.clone().for_good());
                match self.jobs.replace(&for_good, stored.version).await {
                    Ok(_) => Ok(true),
                    Err(Error::Conflict(_)) => Ok(false),
                    Err(error) => Err(error),
                }
            }
        }
    }

    /// Removes the objects that staff left out of an export, if the process died before it removed them.
    async fn left_out(&self, job: &Job) -> Result<()> {
        let redactions = job.summary().map(|summary| &summary.redactions[..]).unwrap_or_default();
        for key in redactions.iter().flat_map(|redaction| &redaction.replaced) {
            self.files.remove(key).await?;
        }
        Ok(())
    }

    /// Returns whether a job waits for a store, and its `outage_hours` are not over.
    fn waits(&self, stored: &StoredJob) -> bool {
        let Job::Running(running) = &stored.job else { return false };
        let outage = self.settings.outage;
        running.waiting.is_some_and(|waiting| !is_over(waiting.since, outage, self.now))
    }

    /// Removes the files of unrecorded attempts of a finished job.
    async fn orphaned_attempts(&self, id: &JobId, plan_end: u32) -> Result<()> {
        let written = self.files.list(&job_prefix(id)).await?;
        let mut recorded = HashSet::new();
        for from in (0..plan_end).step_by(CHUNKS as usize) {
            for stored in self.jobs.chunks(id, from..plan_end.min(from + CHUNKS)).await? {
                recorded
                    .extend(stored.result.map(|result| attempt_prefix(id, stored.chunk.id, &result.attempt)));
            }
        }
        for name in written {
            let prefix = format!("{}{name}", job_prefix(id));
            // Sorted deletions and compared versions are used while the export runs.
            let is_attempt = name.ends_with('/')
                && (name.starts_with(|first: char| first.is_ascii_digit())
                    || ["deleted-", "versions-"].iter().any(|begin| name.starts_with(begin)));
            if is_attempt && !recorded.contains(&prefix) {
                self.files.remove_prefix(&prefix).await?;
            }
        }
        Ok(())
    }

    /// Removes the files of jobs that do not exist.
    async fn orphans(&self) -> Result<()> {
        for name in self.files.list("exports/").await? {
            let Ok(id) = JobId::parse(name.trim_end_matches('/')) else { continue };
            match self.jobs.get(&id).await {
                Ok(Some(_)) => {}
                Ok(None) => self.files.remove_prefix(&job_prefix(&id)).await?,
                // A job that cannot be read may be repaired, and then needs its files.
                Err(error) if matches!(error.kind(), Kind::Defect | Kind::Newer) => {
                    tracing::error!(job.id = %id, error = %error, cause = error.causes(), "a job cannot be read; its files stay");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
