//! The tasks on the queue. A task can be delivered twice; the second delivery changes nothing.

use serde::{Deserialize, Serialize};

use crate::ids::{ChunkId, JobId};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "camelCase")]
pub enum Task {
    /// Continues the plan after the stored chunks and divides the cohort into further chunks.
    Plan { job: JobId },
    /// Collects and writes one chunk.
    Chunk { job: JobId, chunk: ChunkId },
    /// Exports the resources to which the chunks refer, and writes the manifest.
    Finish { job: JobId },
    /// Makes the ZIP of a patient's copy in a language, in stages. `run` names the request of the patient for it: the task of an earlier one
    /// changes nothing.
    Zip {
        job: JobId,
        language: String,
        /// Empty in a task of an earlier version, like in the state of its ZIP.
        #[serde(default)]
        run: String,
    },
}

impl Task {
    pub fn job(&self) -> &JobId {
        match self {
            Self::Plan { job } | Self::Chunk { job, .. } | Self::Finish { job } | Self::Zip { job, .. } => {
                job
            }
        }
    }

    /// Returns the name of the task within its job, such as `plan` or `chunk 000003.0`.
    pub fn key(&self) -> String {
        match self {
            Self::Plan { .. } | Self::Finish { .. } => self.name().to_owned(),
            Self::Chunk { chunk, .. } => format!("chunk {chunk}"),
            Self::Zip { language, .. } => format!("zip {language}"),
        }
    }

    /// Returns the name of the kind of task, as in its JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Plan { .. } => "plan",
            Self::Chunk { .. } => "chunk",
            Self::Finish { .. } => "finish",
            Self::Zip { .. } => "zip",
        }
    }
}
