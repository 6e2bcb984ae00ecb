//! The port for the store of jobs and their chunks.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use futures_util::stream::{self, Stream};
use jiff::Timestamp;

use crate::chunk::{Chunk, ChunkResult, Covered, Progress};
use crate::error::{Error, Result};
use crate::ids::{ChunkId, ClientId, JobId, PatientId};
use crate::job::{Job, JobState};
use crate::owner::Owner;
use crate::search::Search;

/// A job as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredJob {
    pub job: Job,
    /// Counts the changes; a replace must name the version that it read.
    pub version: u64,
    pub progress: Progress,
}

impl StoredJob {
    /// Returns the whole percent: 100 when all files are written, at most 99 before.
    pub fn percent(&self) -> u8 {
        match &self.job {
            Job::InReview(_) | Job::Complete(_) | Job::Rejected(_) => 100,
            Job::AwaitingInput(_)
            | Job::Queued(_)
            | Job::Running(_)
            | Job::Failed(_)
            | Job::Cancelled(_)
            | Job::Expired(_) => self.progress.percent(),
        }
    }

    /// Returns the seconds until all files are written at the current rate; `None` while that rate is not known well enough.
    pub fn seconds_left(&self, now: Timestamp) -> Option<u64> {
        /// The time is estimated only after this share of the bytes, or after this time.
        const FROM_PERCENT: u8 = 5;
        const FROM_MILLIS: u64 = 10_000;

        let Job::Running(running) = &self.job else { return None };
        let progress = &self.progress;
        let elapsed = u64::try_from(now.duration_since(running.header.changed_at).as_millis()).ok()?;
        let is_known = progress.percent() >= FROM_PERCENT || elapsed >= FROM_MILLIS;
        if !progress.plan_complete || progress.bytes_done == 0 || !is_known {
            return None;
        }
        let left = progress.bytes_planned.saturating_sub(progress.bytes_done);
        let seconds = u128::from(elapsed) * u128::from(left) / u128::from(progress.bytes_done) / 1000;
        u64::try_from(seconds).ok()
    }
}

/// The jobs to list. Each condition that is set must hold.
#[derive(Debug, Clone, Default)]
pub struct JobQuery {
    /// Jobs in any of these states; an empty list means all states.
    pub states: Vec<JobState>,
    pub patient: Option<PatientId>,
    pub owner: Option<Owner>,
    /// The client that owns the job, for any issuer.
    pub client: Option<ClientId>,
    /// Jobs of the patients that a search finds. Jobs of many patients are not searched.
    pub search: Option<Search>,
    pub created_from: Option<Timestamp>,
    /// This time itself is not included.
    pub created_before: Option<Timestamp>,
    /// The oldest job comes first; otherwise the newest.
    pub oldest_first: bool,
    /// The maximum number of jobs.
    pub count: usize,
    /// [`JobPage::next`] of the previous page.
    pub after: Option<String>,
}

/// A page of a list. A page with a `next` may have fewer jobs than requested, or none, because a store reads a limited
/// number of rows for each page.
#[derive(Debug)]
pub struct JobPage {
    pub jobs: Vec<StoredJob>,
    /// `after` of the next query; `None` on the last page.
    pub next: Option<String>,
}

/// A chunk and, once it is finished, its result.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredChunk {
    pub chunk: Chunk,
    pub result: Option<ChunkResult>,
}

/// The result of a finished chunk, without the details of its work.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredResult {
    pub chunk: ChunkId,
    pub covered: Covered,
    pub result: ChunkResult,
}

/// Chunks that are appended to the plan of an export, all or none.
#[derive(Debug, Clone)]
pub struct Append<'c> {
    /// The index of the first chunk. The plan must end there.
    pub at: u32,
    /// At most [`MAX_APPENDED`] chunks with consecutive indexes.
    pub chunks: &'c [Chunk],
    pub plan: Plan,
}

/// The maximum number of chunks in one [`Append`]. Their rows fit into a transaction of DynamoDB (100 items, 4 MB).
pub const MAX_APPENDED: usize = 20;

/// The state of the plan that an [`Append`] expects, and the state after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// The plan is not complete and stays so.
    Continues,
    /// The plan is not complete, and these chunks are its last ones.
    Ends,
    /// The plan is complete. The chunks belong to the finish stages of the export.
    HasEnded,
}

/// The end of a worker's attempt at a chunk, which [`Jobs::finish_chunk`] records.
#[derive(Debug, Clone, Copy)]
pub struct DoneChunk<'c> {
    /// The chunk as it was read from the store.
    pub chunk: &'c Chunk,
    pub result: &'c ChunkResult,
    /// The remaining part of the chunk, as a new chunk.
    pub rest: Option<&'c Chunk>,
    pub at: Timestamp,
}

/// The outcome of [`Jobs::finish_chunk`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// `false` if another attempt was recorded before, so that the files of this one are orphans.
    pub recorded: bool,
    pub progress: Progress,
}

/// Returns all jobs that a query finds, page after page. A page is read only after all jobs of the previous page were
/// consumed, so it shows changes that were made meanwhile.
pub fn all(jobs: &dyn Jobs, query: JobQuery) -> impl Stream<Item = Result<StoredJob>> + Unpin {
    let pages = stream::try_unfold(Some(query), async move |query: Option<JobQuery>| -> Result<_> {
        let Some(query) = query else { return Ok(None) };
        let page = jobs.list(&query).await?;
        let rest = page.next.map(|after| JobQuery { after: Some(after), ..query });
        Ok(Some((stream::iter(page.jobs.into_iter().map(Ok)), rest)))
    });
    Box::pin(pages.try_flatten())
}

/// Logs that a list leaves a job out because its row cannot be read.
pub fn unreadable(id: &str, error: &Error) {
    tracing::error!(job.id = id, error = %error, cause = error.causes(), "a job cannot be read and is left out");
}

/// The store of jobs.
///
/// Every method is atomic, and its change is durable when it returns. If two replaces of one version race, exactly one
/// succeeds. A call that is repeated because its response was lost must not count anything twice.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Stores a new job at version 1. Returns [`crate::error::Error::Conflict`] if there is a job with this id.
    async fn create(&self, job: &Job) -> Result<()>;

    async fn get(&self, id: &JobId) -> Result<Option<StoredJob>>;

    /// Returns the same job as [`Jobs::get`], for reading only. A store may return a job that it has parsed before if
    /// it checks each time that the job has not changed.
    async fn peek(&self, id: &JobId) -> Result<Option<Arc<StoredJob>>> {
        Ok(self.get(id).await?.map(Arc::new))
    }

    /// Replaces the job if it is still at `version`, and returns the new version. Returns
    /// [`crate::error::Error::Conflict`] if it is at another version or does not exist.
    async fn replace(&self, job: &Job, version: u64) -> Result<u64>;

    /// Removes a job and its chunks. It is not an error if there is no such job.
    async fn remove(&self, id: &JobId) -> Result<()>;

    /// Returns a page of jobs. A row that cannot be read is left out and logged by its id, so that the others are still
    /// listed.
    async fn list(&self, query: &JobQuery) -> Result<JobPage>;

    /// Returns the number of jobs in any of these states, counted up to `at_most`. The number may be a second old.
    async fn count(&self, states: &[JobState], at_most: usize) -> Result<usize>;

    /// Returns whether the job is running. The result may be a second old.
    async fn is_running(&self, id: &JobId) -> Result<bool> {
        Ok(self.get(id).await?.is_some_and(|stored| stored.job.state() == JobState::Running))
    }

    /// Appends chunks to the plan. Returns `None` and appends nothing if the plan does not end at `at` or is not in the
    /// expected state: another worker has appended first, or an earlier call succeeded whose response was lost. The
    /// caller has sent all chunks before `at` to workers ([`Progress::plan_sent`]). Returns
    /// [`crate::error::Error::NotFound`] if the job does not exist.
    async fn append(&self, job: &JobId, append: Append<'_>) -> Result<Option<Progress>>;

    async fn chunk(&self, job: &JobId, chunk: ChunkId) -> Result<Option<StoredChunk>>;

    /// Returns the chunks with these indexes, including those for remaining patients, in the order of their ids.
    async fn chunks(&self, job: &JobId, indexes: Range<u32>) -> Result<Vec<StoredChunk>>;

    /// Returns the results of the finished chunks with these indexes, including those for remaining patients, in the
    /// order of their ids.
    async fn results(&self, job: &JobId, indexes: Range<u32>) -> Result<Vec<StoredResult>>;

    /// Finishes a chunk: stores its result, adds to the job's counters, and adds `rest` as a new chunk. All of this
    /// happens exactly once or not at all; a chunk that is already finished does not change. Returns
    /// [`crate::error::Error::NotFound`] if the job does not exist.
    async fn finish_chunk(&self, job: &JobId, done: DoneChunk<'_>) -> Result<Finished>;
}
