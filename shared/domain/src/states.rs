//! The states of a job. [`moves`](crate::moves) are the moves between them.
//!
//! ```text
//! AwaitingInput -> Queued -> Running -> InReview -> Complete
//!                                   \-> Complete   InReview -> Rejected
//! AwaitingInput, Queued, Running -> Failed
//! every state except Cancelled and Expired -> Cancelled, Expired
//! ```

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Store;
use crate::header::JobHeader;
use crate::manifest::{ExportTotals, NamedFile};
use crate::rejection::{RejectionReason, TypedReason};

/// The patient has not filled in the form yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AwaitingInput {
    #[serde(rename = "core")]
    pub header: JobHeader,
}

/// The request is complete, and no worker has started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Queued {
    #[serde(rename = "core")]
    pub header: JobHeader,
}

/// Workers collect and write the export.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    #[serde(rename = "core")]
    pub header: JobHeader,
    /// The time after which all changes are in the next export with `_since`. It is set when the first worker starts.
    pub transaction_time: Timestamp,
    /// The time at which the first worker started, if that is not `transaction_time`: see [`Running::changed_until`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<Timestamp>,
    /// The store for which the tasks wait while it does not respond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// Failures of tasks that were not caused by a store, by the key of the task. Empty for nearly all jobs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub troubles: BTreeMap<String, Trouble>,
    /// The prefix of the files with the sorted deletions; `None` if the deletions are few, so that each chunk reads
    /// them from the record store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sorted_deletions: Option<String>,
    /// The prefix of the files with the versions of resources that are in several files outside the records; `None` if there
    /// are none, or if they are not compared yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_versions: Option<String>,
    /// The key of the file with the progress of the comparison of these versions; `None` if the comparison has not begun, or ended at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<String>,
}

impl Running {
    /// Returns the upper limit of the changes in the export: the time at which it began.
    pub fn changed_until(&self) -> Timestamp {
        self.began_at.unwrap_or(self.transaction_time)
    }
}

/// A store does not respond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    pub since: Timestamp,
    /// The store, if it is known.
    pub store: Option<Store>,
}

/// The number of failures of a task.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Failures by a fault of this server.
    #[serde(default)]
    pub defects: u32,
    /// Deliveries whose worker started and never reported a result.
    #[serde(default)]
    pub lost: u32,
}

/// All files are written, and staff must approve or reject the export.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InReview {
    #[serde(rename = "core")]
    pub header: JobHeader,
    pub summary: ExportTotals,
}

/// The client can download the files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Complete {
    #[serde(rename = "core")]
    pub header: JobHeader,
    pub summary: ExportTotals,
    /// The file with the DocumentReference for the files that staff attached.
    pub attached: Option<NamedFile>,
    pub completed_at: Timestamp,
    pub expires_at: Timestamp,
}

/// Staff have rejected the export.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    #[serde(rename = "core")]
    pub header: JobHeader,
    /// The complete reason in one text, which clients get: a reason from the list is in English.
    pub reason: String,
    /// The reason that staff chose from the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<RejectionReason>,
    /// The text that staff typed on their page. `None` for a rejection by the API, where the language of `reason` is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typed: Option<TypedReason>,
    /// The patient may ask for a second look by another clinician (45 CFR 164.524(a)(4)).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub second_look: bool,
    /// The client has deleted the job. It no longer exists for the client, but stays in the staff's list until it
    /// expires.
    #[serde(default)]
    pub dismissed: bool,
    pub expires_at: Timestamp,
}

/// The export failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failed {
    #[serde(rename = "core")]
    pub header: JobHeader,
    /// The reason for the client.
    pub reason: String,
    /// The code of the issue (FHIR R4, IssueType).
    pub code: String,
    pub expires_at: Timestamp,
}

/// Cancelled or expired: clients get 404. The row is kept for a while so that late workers find it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gone {
    #[serde(rename = "core")]
    pub header: JobHeader,
    /// The job that staff deleted and can restore. Its files are kept until the time to undo is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
}

/// A deleted job that can still be restored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Undo {
    /// The job before its deletion.
    pub job: Box<Restorable>,
    pub until: Timestamp,
}

/// A job that can be restored after its deletion: no worker uses it, and it does not wait for one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Restorable {
    InReview(InReview),
    Complete(Complete),
    Rejected(Rejected),
    Failed(Failed),
}
