//! What travels on the queue. Every task may arrive twice; the second time it changes nothing.

use serde::{Deserialize, Serialize};

use crate::ids::{ChunkId, JobId};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "camelCase")]
pub enum Task {
    /// Walk the cohort from where the stored chunks end, and cut it into further chunks.
    Plan { job: JobId },
    /// Collect and write one chunk.
    Chunk { job: JobId, chunk: ChunkId },
    /// Assemble the manifest.
    Finish { job: JobId },
}

impl Task {
    pub fn job(&self) -> &JobId {
        match self {
            Self::Plan { job } | Self::Chunk { job, .. } | Self::Finish { job } => job,
        }
    }

    /// What names it within its job.
    pub fn key(&self) -> String {
        match self {
            Self::Plan { .. } | Self::Finish { .. } => self.name().to_owned(),
            Self::Chunk { chunk, .. } => format!("chunk {chunk}"),
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Plan { .. } => "plan",
            Self::Chunk { .. } => "chunk",
            Self::Finish { .. } => "finish",
        }
    }
}
