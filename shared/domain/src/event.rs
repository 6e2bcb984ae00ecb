//! What the outside is told of an export: that it waits for staff, or that it is over (CloudEvents 1.0).
//!
//! An event names a job and nobody else: no patient, no client, no member of staff, nothing of a record.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::job::{Job, JobState};

/// A change of a job's state that others are told of.
#[derive(Debug, Clone, PartialEq)]
pub struct JobEvent {
    /// The job's id and its state. A job never enters a state twice, so that an event that is told again is known by it.
    pub id: String,
    pub state: JobState,
    /// When the job entered the state.
    pub at: Timestamp,
    data: Value,
}

impl JobEvent {
    /// What is told when a job that was in state `before` is now this one; `None` where nobody is told.
    pub fn of_change(before: Option<JobState>, job: &Job) -> Option<Self> {
        let state = job.state();
        let is_told = match state {
            JobState::InReview
            | JobState::Complete
            | JobState::Rejected
            | JobState::Failed
            | JobState::Cancelled
            | JobState::Expired => true,
            JobState::AwaitingInput | JobState::Queued | JobState::Running => false,
        };
        if !is_told || before == Some(state) {
            return None;
        }
        let kind = if job.header().request.selection.is_some() { "bulk" } else { "ehi" };
        let mut data = json!({ "job": job.id().as_str(), "state": state.name(), "kind": kind });
        if let Some(summary) = job.summary() {
            data["files"] = json!(summary.files);
            data["resources"] = json!(summary.resources);
            data["bytes"] = json!(summary.bytes);
        }
        Some(Self { id: format!("{}/{}", job.id(), state.name()), state, at: job.header().changed_at, data })
    }

    /// The event in its envelope. `source` is the server's base URL.
    pub fn into_cloud_event(self, source: &str, stage: &str) -> CloudEvent {
        let mut data = self.data;
        data["stage"] = json!(stage);
        CloudEvent {
            id: self.id,
            source: source.to_owned(),
            event_type: format!("ehi-export.job.{}", self.state.name()),
            time: self.at,
            data,
        }
    }
}

/// An event in the envelope of CloudEvents 1.0.
#[derive(Debug, Clone, PartialEq)]
pub struct CloudEvent {
    pub id: String,
    pub source: String,
    pub event_type: String,
    pub time: Timestamp,
    pub data: Value,
}

impl CloudEvent {
    /// The JSON format of the specification.
    pub fn to_json(&self) -> Value {
        json!({
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.event_type,
            "subject": self.data["job"],
            "time": self.time.to_string(),
            "datacontenttype": "application/json",
            "data": self.data,
        })
    }
}
