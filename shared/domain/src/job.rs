//! A job in one of its [states](crate::states). The changes of state are in [`moves`](crate::moves).

use serde::{Deserialize, Serialize};

use crate::header::JobHeader;
use crate::ids::JobId;
use crate::manifest::ExportTotals;
use crate::states::{AwaitingInput, Complete, Failed, Gone, InReview, Queued, Rejected, Restorable, Running};

/// A job in one of its states. It is stored as one document and changed by compare-and-set on its version.
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

/// The state of a job without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobState {
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

impl JobState {
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

    /// Returns the name in stores and logs.
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

    /// Returns the state with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Returns the status in a job's JSON, with the names of SMART's ehi-server (contract, section 4).
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

    /// Returns the states that a status in a job's JSON stands for, except those of jobs that no longer exist for
    /// clients.
    pub fn with_ehi_status(status: &str) -> Vec<Self> {
        Self::ALL.into_iter().filter(|state| !state.is_gone() && state.ehi_status() == status).collect()
    }

    /// Returns whether the job no longer exists for clients, who get 404.
    pub fn is_gone(self) -> bool {
        matches!(self, Self::Cancelled | Self::Expired)
    }
}

impl Job {
    pub fn state(&self) -> JobState {
        match self {
            Self::AwaitingInput(_) => JobState::AwaitingInput,
            Self::Queued(_) => JobState::Queued,
            Self::Running(_) => JobState::Running,
            Self::InReview(_) => JobState::InReview,
            Self::Complete(_) => JobState::Complete,
            Self::Rejected(_) => JobState::Rejected,
            Self::Failed(_) => JobState::Failed,
            Self::Cancelled(_) => JobState::Cancelled,
            Self::Expired(_) => JobState::Expired,
        }
    }

    pub fn header(&self) -> &JobHeader {
        match self {
            Self::AwaitingInput(state) => &state.header,
            Self::Queued(state) => &state.header,
            Self::Running(state) => &state.header,
            Self::InReview(state) => &state.header,
            Self::Complete(state) => &state.header,
            Self::Rejected(state) => &state.header,
            Self::Failed(state) => &state.header,
            Self::Cancelled(state) | Self::Expired(state) => &state.header,
        }
    }

    pub(crate) fn header_mut(&mut self) -> &mut JobHeader {
        match self {
            Self::AwaitingInput(state) => &mut state.header,
            Self::Queued(state) => &mut state.header,
            Self::Running(state) => &mut state.header,
            Self::InReview(state) => &mut state.header,
            Self::Complete(state) => &mut state.header,
            Self::Rejected(state) => &mut state.header,
            Self::Failed(state) => &mut state.header,
            Self::Cancelled(state) | Self::Expired(state) => &mut state.header,
        }
    }

    pub(crate) fn into_header(self) -> JobHeader {
        match self {
            Self::AwaitingInput(state) => state.header,
            Self::Queued(state) => state.header,
            Self::Running(state) => state.header,
            Self::InReview(state) => state.header,
            Self::Complete(state) => state.header,
            Self::Rejected(state) => state.header,
            Self::Failed(state) => state.header,
            Self::Cancelled(state) | Self::Expired(state) => state.header,
        }
    }

    /// Returns the totals of an export whose files are written.
    pub fn summary(&self) -> Option<&ExportTotals> {
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
        &self.header().id
    }

    /// Returns whether somebody still has to do something for this job: the patient, a worker or staff.
    pub fn is_unfinished(&self) -> bool {
        self.is_active() || matches!(self, Self::AwaitingInput(_) | Self::InReview(_))
    }

    /// Returns whether a worker may still write files of this job.
    pub fn is_active(&self) -> bool {
        matches!(self, Self::Queued(_) | Self::Running(_))
    }
}

impl From<Restorable> for Job {
    fn from(restorable: Restorable) -> Self {
        match restorable {
            Restorable::InReview(state) => Self::InReview(state),
            Restorable::Complete(state) => Self::Complete(state),
            Restorable::Rejected(state) => Self::Rejected(state),
            Restorable::Failed(state) => Self::Failed(state),
        }
    }
}
