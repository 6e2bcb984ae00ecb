//! The states of a job and the moves between them. A move consumes the old state, so that an
//! illegal one does not compile; where the state is known only at run time, the methods on [`Job`]
//! return [`Illegal`].
//!
//! ```text
//! AwaitingInput -> Queued -> Running -> InReview -> Complete -> Expired
//!                                   \-> Complete   InReview -> Rejected
//! every state that is not gone -> Cancelled; what waits or runs -> Failed
//! ```

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::choices::{Choices, Sensitive};
use crate::error::Store;
use crate::job::{Attachment, AuditEvent, Job, JobHeader, JobState};
use crate::manifest::{ExportTotals, NamedFile};
use crate::retention::Retention;

/// The patient has not filled in the form yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AwaitingInput {
    #[serde(rename = "core")]
    pub header: JobHeader,
}

/// Everything is known; no worker has begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Queued {
    #[serde(rename = "core")]
    pub header: JobHeader,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    #[serde(rename = "core")]
    pub header: JobHeader,
    /// Upper bound of what the export contains, frozen by the plan.
    pub transaction_time: Timestamp,
    /// The store that its tasks wait for, while one does not respond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// What tasks failed by, other than by a store. Empty for nearly all jobs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub troubles: BTreeMap<String, Trouble>,
}

/// A store does not respond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    pub since: Timestamp,
    /// Which one, where that is known.
    pub store: Option<Store>,
}

/// How often a task failed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// By a fault of this server.
    #[serde(default)]
    pub defects: u32,
    /// The worker began with it and was not heard of again.
    #[serde(default)]
    pub lost: u32,
}

/// Everything is written; staff must approve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InReview {
    #[serde(rename = "core")]
    pub header: JobHeader,
    pub summary: ExportTotals,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Complete {
    #[serde(rename = "core")]
    pub header: JobHeader,
    pub summary: ExportTotals,
    /// The DocumentReference that lists what staff attached.
    pub attached: Option<NamedFile>,
    pub completed_at: Timestamp,
    pub expires_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    #[serde(rename = "core")]
    pub header: JobHeader,
    pub reason: String,
    /// The client has deleted it: it is gone for the client, and stays on the staff's list until it expires.
    #[serde(default)]
    pub dismissed: bool,
    pub expires_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failed {
    #[serde(rename = "core")]
    pub header: JobHeader,
    /// What the client is told.
    pub reason: String,
    /// FHIR IssueType code.
    pub code: String,
    pub expires_at: Timestamp,
}

/// Cancelled or expired: 404 for clients. The row stays for a while so that late workers see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gone {
    #[serde(rename = "core")]
    pub header: JobHeader,
}

/// A move that the state does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {action} a job whose status is '{}'", .state.ehi_status())]
pub struct Illegal {
    pub state: JobState,
    pub action: &'static str,
}

impl From<Illegal> for crate::error::Error {
    fn from(illegal: Illegal) -> Self {
        Self::conflict(illegal.to_string())
    }
}

/// Choices that cannot replace those of the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("a bulk export has no form")]
    NoForm,
    #[error(
        "'authorizations.{}' was not authorized by the patient: staff can take an authorization away, and not add one",
        .0.key()
    )]
    NotAuthorized(Sensitive),
}

impl From<Refused> for crate::error::Error {
    fn from(refused: Refused) -> Self {
        Self::invalid(refused.to_string())
    }
}

impl JobHeader {
    fn with_event(mut self, now: Timestamp, actor: &str, action: impl Into<String>) -> Self {
        self.changed_at = now;
        self.history.push(AuditEvent { at: now, actor: actor.to_owned(), action: action.into() });
        self
    }
}

impl AwaitingInput {
    pub fn customize(mut self, choices: Choices, actor: &str, now: Timestamp) -> Queued {
        self.header.request.choices = Some(choices);
        Queued { header: self.header.with_event(now, actor, "chose what to export") }
    }
}

impl Queued {
    /// Replaces the choices before a worker has begun. What the patient did not authorize stays unauthorized.
    pub fn choose_again(mut self, choices: Choices, actor: &str, now: Timestamp) -> Result<Self, Refused> {
        let request = &mut self.header.request;
        if request.selection.is_some() {
            return Err(Refused::NoForm);
        }
        let beyond = request.choices.as_ref().and_then(|before| choices.authorizes_beyond(before));
        if let Some(category) = beyond {
            return Err(Refused::NotAuthorized(category));
        }
        request.choices = Some(choices);
        Ok(Self { header: self.header.with_event(now, actor, "changed what to export") })
    }

    pub fn begin(self, transaction_time: Timestamp) -> Running {
        let header = self.header.with_event(transaction_time, "server", "began to collect");
        Running { header, transaction_time, waiting: None, troubles: BTreeMap::new() }
    }
}

impl Waiting {
    /// `waiting for the store since 10:42 (records)`; the time is UTC.
    pub fn describe(&self) -> String {
        let since = self.since.strftime("%H:%M");
        let store = self.store.map(|store| format!(" ({})", store.name())).unwrap_or_default();
        format!("waiting for the store since {since}{store}")
    }
}

impl Running {
    /// Everything is written: to staff for review, or to the client.
    pub fn finish(self, summary: ExportTotals, now: Timestamp, retention: &Retention) -> Job {
        let header =
            self.header.with_event(now, "server", format!("collected {} resources", summary.resources));
        if header.review {
            return Job::InReview(InReview { header, summary });
        }
        let expires_at = match header.request.output.retention_seconds {
            Some(seconds) => now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(now),
            None => retention.expires_at(now),
        };
        Job::Complete(Complete { header, summary, attached: None, completed_at: now, expires_at })
    }
}

impl InReview {
    pub fn approve(
        self,
        attached: Option<NamedFile>,
        actor: &str,
        now: Timestamp,
        retention: &Retention,
    ) -> Complete {
        Complete {
            header: self.header.with_event(now, actor, "approved"),
            summary: self.summary,
            attached,
            completed_at: now,
            expires_at: retention.expires_at(now),
        }
    }

    pub fn reject(self, reason: &str, actor: &str, now: Timestamp, retention: &Retention) -> Rejected {
        Rejected {
            header: self.header.with_event(now, actor, format!("rejected: {reason}")),
            reason: reason.to_owned(),
            dismissed: false,
            expires_at: retention.expires_at(now),
        }
    }

    pub fn attach(mut self, files: Vec<Attachment>, actor: &str, now: Timestamp) -> Self {
        let titles: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
        let what = format!("attached {}", titles.join(", "));
        self.header.attachments.extend(files);
        Self { header: self.header.with_event(now, actor, what), ..self }
    }

    /// Removes the attachments that `gone` names and returns them as well.
    pub fn detach(
        mut self,
        gone: impl Fn(&Attachment) -> bool,
        actor: &str,
        now: Timestamp,
    ) -> (Self, Vec<Attachment>) {
        let (removed, kept): (Vec<_>, Vec<_>) = self.header.attachments.into_iter().partition(gone);
        self.header.attachments = kept;
        if removed.is_empty() {
            return (self, removed);
        }
        let names: Vec<_> = removed.iter().map(|file| file.name.as_str()).collect();
        let what = format!("removed {}", names.join(", "));
        (Self { header: self.header.with_event(now, actor, what), ..self }, removed)
    }
}

impl Rejected {
    /// The client deletes it, which leaves the record of the staff's decision.
    pub fn dismiss(self, actor: &str, now: Timestamp) -> Self {
        if self.dismissed {
            return self;
        }
        Self { header: self.header.with_event(now, actor, "deleted by the client"), dismissed: true, ..self }
    }
}

impl Job {
    pub fn in_review(self, action: &'static str) -> Result<InReview, Illegal> {
        match self {
            Self::InReview(state) => Ok(state),
            other => Err(Illegal { state: other.state(), action }),
        }
    }

    /// The client or staff no longer want it. From every state but those already gone.
    pub fn cancel(self, actor: &str, now: Timestamp) -> Result<Gone, Illegal> {
        if self.state().is_gone() {
            return Err(Illegal { state: self.state(), action: "cancel" });
        }
        Ok(Gone { header: self.into_header().with_event(now, actor, "cancelled") })
    }

    /// The export cannot be made. Only what waits or runs can fail. `delivery_diagnostics` says what led to it, for the history.
    pub fn fail(
        self,
        reason: &str,
        code: &str,
        delivery_diagnostics: &str,
        now: Timestamp,
        retention: &Retention,
    ) -> Result<Failed, Illegal> {
        match self {
            Self::AwaitingInput(_) | Self::Queued(_) | Self::Running(_) => Ok(Failed {
                header: self.into_header().with_event(
                    now,
                    "server",
                    format!("failed: {reason} ({delivery_diagnostics})"),
                ),
                reason: reason.to_owned(),
                code: code.to_owned(),
                expires_at: retention.expires_at(now),
            }),
            Self::InReview(_)
            | Self::Complete(_)
            | Self::Rejected(_)
            | Self::Failed(_)
            | Self::Cancelled(_)
            | Self::Expired(_) => Err(Illegal { state: self.state(), action: "fail" }),
        }
    }

    /// Whether the time in its `Expires` has come: from then on it is gone for everybody, also before cleanup removes it.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        match self {
            Self::Complete(Complete { expires_at, .. })
            | Self::Rejected(Rejected { expires_at, .. })
            | Self::Failed(Failed { expires_at, .. }) => *expires_at <= now,
            Self::AwaitingInput(_)
            | Self::Queued(_)
            | Self::Running(_)
            | Self::InReview(_)
            | Self::Cancelled(_)
            | Self::Expired(_) => false,
        }
    }

    /// When the job must go, if it may go by time alone.
    pub fn is_expired(&self, now: Timestamp, retention: &Retention) -> bool {
        match self {
            Self::Complete(Complete { expires_at, .. })
            | Self::Rejected(Rejected { expires_at, .. })
            | Self::Failed(Failed { expires_at, .. }) => *expires_at <= now,
            Self::AwaitingInput(_) | Self::Queued(_) | Self::Running(_) | Self::InReview(_) => {
                retention.is_over(self.header().changed_at, retention.unfinished, now)
            }
            Self::Cancelled(_) | Self::Expired(_) => false,
        }
    }

    /// Its time is over.
    pub fn expire(self, now: Timestamp) -> Gone {
        Gone { header: self.into_header().with_event(now, "server", "expired") }
    }

    fn into_header(self) -> JobHeader {
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
}

#[cfg(test)]
mod tests;
