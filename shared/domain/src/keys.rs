//! The keys of an export's files in the store.

use crate::ids::{Attempt, ChunkId, JobId};

/// Returns the prefix of all files of an export: `exports/{job}/`.
pub fn job_prefix(job: &JobId) -> String {
    format!("exports/{job}/")
}

/// Returns the prefix of one attempt's files: `exports/{job}/{chunk}-{attempt}/`.
pub fn attempt_prefix(job: &JobId, chunk: ChunkId, attempt: &Attempt) -> String {
    format!("exports/{job}/{chunk}-{attempt}/")
}
