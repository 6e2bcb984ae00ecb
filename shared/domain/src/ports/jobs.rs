//! Jobs and their chunks.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;

use crate::chunk::{Chunk, ChunkResult, Covered, Progress};
use crate::error::{Error, Result};
use crate::ids::{ChunkId, JobId, PatientId};
use crate::job::{Job, JobState, Owner};

/// A job as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredJob {
    pub job: Job,
    /// Counts the changes; a replace must name the version it read.
    pub version: u64,
    pub progress: Progress,
}

impl StoredJob {
    /// Whole percent: 100 once everything is written, at most 99 before.
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
}

/// Which jobs to list; newest first.
#[derive(Debug, Clone, Default)]
pub struct JobQuery {
    /// Any of these states; all when empty.
    pub states: Vec<JobState>,
    pub patient: Option<PatientId>,
    pub owner: Option<Owner>,
    /// At most this many.
    pub count: usize,
    /// Where the last page ended.
    pub after: Option<String>,
}

#[derive(Debug)]
pub struct JobPage {
    pub jobs: Vec<StoredJob>,
    /// Hand this to the next query; `None` on the last page.
    pub next: Option<String>,
}

/// A chunk and, once it is finished, its result.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredChunk {
    pub chunk: Chunk,
    pub result: Option<ChunkResult>,
}

/// A finished chunk without what it was told to do.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredResult {
    pub chunk: ChunkId,
    pub covered: Covered,
    pub result: ChunkResult,
}

/// Chunks that are appended to the plan of an export, all or none.
#[derive(Debug, Clone)]
pub struct Append<'c> {
    /// The index of the first chunk, which is where the plan must end now.
    pub at: u32,
    /// With indexes that follow each other; at most [`MAX_APPENDED`].
    pub chunks: &'c [Chunk],
    pub plan: Plan,
}

/// The most chunks of one [`Append`]: their rows fit a transaction of DynamoDB (100 items, 4 MB).
pub const MAX_APPENDED: usize = 20;

/// What an [`Append`] expects of the plan, and makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// It is not complete, and stays so.
    Continues,
    /// It is not complete, and these chunks are its last ones.
    Ends,
    /// It is complete: the chunks belong to the end of the export.
    HasEnded,
}

/// What finishing a chunk came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// False when another attempt was recorded before: this one's files are orphans.
    pub recorded: bool,
    pub progress: Progress,
}

/// Logs a row that a list leaves out.
pub fn unreadable(id: &str, error: &Error) {
    tracing::error!(job.id = id, error = %error, cause = error.causes(), "a job cannot be read and is left out");
}

/// The store of jobs.
///
/// Every method is atomic and, when it returns, durable. Two racing replaces of one version: exactly
/// one succeeds. A lost response followed by the same call again must not count anything twice.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Stores a new job at version 1. [`crate::error::Error::Conflict`] when the id is taken.
    async fn create(&self, job: &Job) -> Result<()>;

    async fn get(&self, id: &JobId) -> Result<Option<StoredJob>>;

    /// The job as [`Jobs::get`] returns it, to look at only. A store may return what it has parsed before, as long as it
    /// asks each time whether that is still what it has.
    async fn peek(&self, id: &JobId) -> Result<Option<Arc<StoredJob>>> {
        Ok(self.get(id).await?.map(Arc::new))
    }

    /// Replaces the job if it is still at `version`; returns the new version.
    /// [`crate::error::Error::Conflict`] when it is not, or is gone.
    async fn replace(&self, job: &Job, version: u64) -> Result<u64>;

    /// Removes a job and its chunks. Removing what is not there is no error.
    async fn remove(&self, id: &JobId) -> Result<()>;

    /// A page of jobs. A row that cannot be read is left out and logged by its id, so that it hides no other.
    async fn list(&self, query: &JobQuery) -> Result<JobPage>;

    /// Whether the job is running. A store may return what was true a second ago.
    async fn is_running(&self, id: &JobId) -> Result<bool> {
        Ok(self.get(id).await?.is_some_and(|stored| stored.job.state() == JobState::Running))
    }

    /// Appends chunks to the plan. `None`, and nothing is appended, when the plan does not end where the call says or is
    /// not as it expects: somebody else was faster, or an earlier call succeeded whose response was lost. All chunks
    /// before `at` were sent to workers before ([`Progress::plan_sent`]). [`crate::error::Error::NotFound`] for a job that
    /// is gone.
    async fn append(&self, job: &JobId, append: Append<'_>) -> Result<Option<Progress>>;

    async fn chunk(&self, job: &JobId, chunk: ChunkId) -> Result<Option<StoredChunk>>;

    /// The chunks with these indexes and their rests, in the order of their ids.
    async fn chunks(&self, job: &JobId, indexes: Range<u32>) -> Result<Vec<StoredChunk>>;

    /// The results of the chunks with these indexes and their rests, in the order of their ids. Chunks that are open have
    /// none.
    async fn results(&self, job: &JobId, indexes: Range<u32>) -> Result<Vec<StoredResult>>;

    /// Takes a chunk from open to done, adds to the job's counters, and adds `rest` as a new chunk, all
    /// or nothing, exactly once. For a chunk that is done already nothing changes. The chunk is one that was read from
    /// here. [`crate::error::Error::NotFound`] for a job that is gone.
    async fn finish_chunk(
        &self,
        job: &JobId,
        chunk: &Chunk,
        result: &ChunkResult,
        rest: Option<&Chunk>,
    ) -> Result<Finished>;
}
