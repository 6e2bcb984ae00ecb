//! The events that other systems receive about an export: it waits for staff, or it has ended (CloudEvents 1.0).
//!
//! An event identifies only the job. It contains no patient, no client, no member of staff and nothing of a record.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::job::{Job, JobState};

/// A change of a job's state for which an event is published.
#[derive(Debug, Clone, PartialEq)]
pub struct JobEvent {
    /// The job's id and state, followed by the number of restorations if staff deleted and restored the job. A job
    /// enters a state once between two restorations, so receivers can recognize a repeated event by its id.
    pub id: String,
    pub state: JobState,
    /// The time at which the job entered the state.
    pub at: Timestamp,
    data: Value,
}

impl JobEvent {
    /// Returns the event for a change from the state `before` to this job; `None` if no event is published for it.
    pub fn of_change(before: Option<JobState>, job: &Job) -> Option<Self> {
        let state = job.state();
        let is_published = match state {
            JobState::InReview
            | JobState::Complete
            | JobState::Rejected
            | JobState::Failed
            | JobState::Cancelled
            | JobState::Expired => true,
            JobState::AwaitingInput | JobState::Queued | JobState::Running => false,
        };
        if !is_published || before == Some(state) {
            return None;
        }
        let kind = if job.header().request.selection.is_some() { "bulk" } else { "ehi" };
        let mut data = json!({ "job": job.id().as_str(), "state": state.name(), "kind": kind });
        if let Some(summary) = job.summary() {
            data["files"] = json!(summary.files);
            data["resources"] = json!(summary.resources);
            data["bytes"] = json!(summary.bytes);
        }
        let turn = match job.header().restorations() {
            0 => String::new(),
            times => format!("/{times}"),
        };
        let id = format!("{}/{}{turn}", job.id(), state.name());
        Some(Self { id, state, at: job.header().changed_at, data })
    }

    /// Wraps the event in the envelope. `source` is the server's base URL.
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

/// An event with the attributes of CloudEvents 1.0.
#[derive(Debug, Clone, PartialEq)]
pub struct CloudEvent {
    pub id: String,
    pub source: String,
    pub event_type: String,
    pub time: Timestamp,
    pub data: Value,
}

impl CloudEvent {
    /// Returns the event in the JSON format of the specification.
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
