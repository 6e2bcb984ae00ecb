//! A job: what all its states share, and the enum over them. The moves are in [`super::states`].

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{ClientId, FileName, JobId, PatientId};
use super::manifest::Summary;
use super::request::ExportRequest;
use super::states::{AwaitingInput, Complete, Failed, Gone, InReview, Queued, Rejected, Running};

/// A job in one of its states. Stored as one document, changed by compare-and-set on its version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Job {
    AwaitingInput(AwaitingInput),
    Queued(Queued),
    Running(Running),
    InReview(InReview),
    Complete(Complete),
    Rejected(Rejected),
    Failed(Failed),
    Cancelled(Gone),
    Expired(Gone),
}

/// What every state of a job has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Core {
    pub id: JobId,
    pub owner: Owner,
    /// Whose record it is, for an export of one patient.
    pub patient: Option<PatientSummary>,
    pub request: ExportRequest,
    /// Staff look at it before the client gets it.
    pub review: bool,
    pub created_at: Timestamp,
    /// The last change of state.
    pub changed_at: Timestamp,
    pub history: Vec<Event>,
    /// The id of the request that started it, as the log has it.
    #[serde(default)]
    pub request_id: Option<String>,
    /// Files that staff attached.
    pub attachments: Vec<Attachment>,
}

/// Who started a job. Only a token of the same client, for the same patient, sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    pub client: ClientId,
    /// The token's issuer, for tokens that are not ours: client ids are only unique within it.
    #[serde(default)]
    pub issuer: Option<String>,
    /// The patient of the token; `None` for a system's token.
    pub patient: Option<PatientId>,
}

impl Owner {
    /// The owner as one text, by which stores find the owner's jobs.
    pub fn key(&self) -> String {
        let patient = self.patient.as_ref().map_or("", |patient| patient.as_str());
        format!("{} {patient} {}", self.client, self.issuer.as_deref().unwrap_or_default())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatientSummary {
    pub id: PatientId,
    pub name: String,
}

/// One line of a job's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub at: Timestamp,
    pub who: String,
    pub what: String,
}

/// A file that staff attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    pub name: FileName,
    pub title: String,
    pub content_type: String,
    pub size: u64,
    /// SHA-1, base64: what FHIR's `Attachment.hash` wants.
    pub hash: String,
    /// Where it is in the store.
    pub key: String,
}

/// The name of a state, as filters and logs spell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    AwaitingInput,
    Queued,
    Running,
    InReview,
    Complete,
    Rejected,
    Failed,
    Cancelled,
    Expired,
}

impl State {
    pub const ALL: [Self; 9] = [
        Self::AwaitingInput,
        Self::Queued,
        Self::Running,
        Self::InReview,
        Self::Complete,
        Self::Rejected,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
    ];

    /// The name in stores and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::AwaitingInput => "awaiting-input",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::InReview => "in-review",
            Self::Complete => "complete",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// The status in a job's JSON: the names of SMART's ehi-server (architecture, job states).
    pub fn ehi_status(self) -> &'static str {
        match self {
            Self::AwaitingInput => "awaiting-input",
            Self::Queued | Self::Running => "requested",
            Self::InReview => "retrieved",
            Self::Complete => "approved",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Cancelled | Self::Expired => "gone",
        }
    }

    /// The states behind a status of a job's JSON.
    pub fn with_ehi_status(status: &str) -> Vec<Self> {
        Self::ALL.into_iter().filter(|state| !state.is_gone() && state.ehi_status() == status).collect()
    }

    /// Gone for every client: 404.
    pub fn is_gone(self) -> bool {
        matches!(self, Self::Cancelled | Self::Expired)
    }
}

impl Job {
    pub fn state(&self) -> State {
        match self {
            Self::AwaitingInput(_) => State::AwaitingInput,
            Self::Queued(_) => State::Queued,
            Self::Running(_) => State::Running,
            Self::InReview(_) => State::InReview,
            Self::Complete(_) => State::Complete,
            Self::Rejected(_) => State::Rejected,
            Self::Failed(_) => State::Failed,
            Self::Cancelled(_) => State::Cancelled,
            Self::Expired(_) => State::Expired,
        }
    }

    pub fn core(&self) -> &Core {
        match self {
            Self::AwaitingInput(state) => &state.core,
            Self::Queued(state) => &state.core,
            Self::Running(state) => &state.core,
            Self::InReview(state) => &state.core,
            Self::Complete(state) => &state.core,
            Self::Rejected(state) => &state.core,
            Self::Failed(state) => &state.core,
            Self::Cancelled(state) | Self::Expired(state) => &state.core,
        }
    }

    /// The totals of an export that is written.
    pub fn summary(&self) -> Option<&Summary> {
        match self {
            Self::Complete(complete) => Some(&complete.summary),
            Self::InReview(review) => Some(&review.summary),
            Self::AwaitingInput(_)
            | Self::Queued(_)
            | Self::Running(_)
            | Self::Rejected(_)
            | Self::Failed(_)
            | Self::Cancelled(_)
            | Self::Expired(_) => None,
        }
    }

    pub fn id(&self) -> &JobId {
        &self.core().id
    }

    /// Whether a worker may still write for this job.
    pub fn is_active(&self) -> bool {
        matches!(self, Self::Queued(_) | Self::Running(_))
    }
}
