//! The moves between the [states](crate::states) of a job. A move consumes the old state, so that an illegal move does not
//! compile. If the state is known only at run time, the methods of [`Job`] return [`Illegal`].

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::choices::Choices;
use crate::header::{Attachment, HistoryEntry, JobHeader};
use crate::job::{Job, JobState};
use crate::manifest::{ExportTotals, NamedFile};
use crate::retention::Retention;
use crate::sensitive::Sensitive;
use crate::states::{AwaitingInput, Complete, Failed, Gone, InReview, Queued, Rejected, Running, Waiting};

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
        "'authorizations.{}' was not authorized by the patient: staff can remove an authorization, but cannot add one",
        .0.key()
    )]
    NotAuthorized(Sensitive),
}

impl From<Refused> for crate::error::Error {
    fn from(refused: Refused) -> Self {
        Self::invalid(refused.to_string())
    }
}

/// The server in a job's history.
pub(crate) const SERVER: &str = "server";
/// The action of the server if an export [gives way](AwaitingInput::give_way) to another one.
pub(crate) const GAVE_WAY: &str =
    "cancelled: nobody filled in the form, and the client asked for another export";
/// The action of the form in a job's history.
const CHOSE: &str = "chose what to export";
/// The action of staff who change the choices of the form.
const CHANGED: &str = "changed what to export";
/// The action of staff who approve an export.
const APPROVED: &str = "approved";
/// The prefix of the action of staff who reject an export. The reason follows.
const REJECTED: &str = "rejected: ";

/// The person or program that made the choices of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChosenBy {
    Patient,
    /// The app that owns the export, with its token.
    App,
    Staff,
}

impl JobHeader {
    /// Returns who made the choices, or changed them last.
    pub fn chosen_by(&self) -> ChosenBy {
        self.author(&[CHOSE, CHANGED])
    }

    /// Returns who ticked the private topics. Staff who change the choices can only remove topics.
    pub fn topics_chosen_by(&self) -> ChosenBy {
        self.author(&[CHOSE])
    }

    /// Returns who did the last one of these actions. Without such an action, the choices came with the request: from the patient, on a
    /// form whose language is known, or from an app.
    fn author(&self, actions: &[&str]) -> ChosenBy {
        let last = self.history.iter().rev().find(|event| actions.contains(&event.action.as_str()));
        match last {
            _ if self.owner.is_staff() => ChosenBy::Staff,
            Some(event) if event.is_by_patient() => ChosenBy::Patient,
            Some(event) if event.action == CHOSE && event.actor == self.owner.client.as_str() => {
                ChosenBy::App
            }
            Some(_) => ChosenBy::Staff,
            None if self.request.choices.is_some() && self.language.is_none() => ChosenBy::App,
            None => ChosenBy::Patient,
        }
    }

    /// Returns when the choices were made: in the form, or with the request that started the job.
    pub fn chosen_at(&self) -> Timestamp {
        let chose = self.history.iter().rev().find(|event| event.action == CHOSE);
        chose.map_or(self.created_at, |event| event.at)
    }

    /// Returns when the permission of the patient to release private topics ends: it lasts for `due` after the patient gave it.
    /// `None` if the export has no private topics.
    pub fn permission_ends(&self, due: SignedDuration) -> Option<Timestamp> {
        let choices = self.request.choices.as_ref()?;
        let has_topics = Sensitive::ALL.into_iter().any(|category| choices.authorizes(category));
        has_topics.then(|| self.chosen_at().saturating_add(due).unwrap_or(Timestamp::MAX))
    }

    /// Returns whether the permission of the patient to release private topics has ended.
    pub fn permission_is_over(&self, due: SignedDuration, now: Timestamp) -> bool {
        self.permission_ends(due).is_some_and(|end| end < now)
    }

    /// Returns the decision of staff about the export, if there is one.
    pub fn decision(&self) -> Option<&HistoryEntry> {
        let is_decision =
            |event: &&HistoryEntry| event.action == APPROVED || event.action.starts_with(REJECTED);
        self.history.iter().rev().find(is_decision)
    }

    pub(crate) fn with_event(mut self, now: Timestamp, actor: &str, action: impl Into<String>) -> Self {
        self.changed_at = now;
        self.history.push(HistoryEntry { at: now, actor: actor.to_owned(), action: action.into() });
        self
    }
}

impl AwaitingInput {
    pub fn customize(mut self, choices: Choices, actor: &str, now: Timestamp) -> Queued {
        self.header.request.choices = Some(choices);
        Queued { header: self.header.with_event(now, actor, CHOSE) }
    }

    /// Cancels the export, because nobody filled in its form and the client has asked for another one.
    pub fn give_way(self, now: Timestamp) -> Gone {
        Gone { header: self.header.with_event(now, SERVER, GAVE_WAY), undo: None }
    }

    /// Saves the choices that staff make for a patient who is present. Only the patient can authorize a category.
    pub fn customize_by_staff(
        self,
        choices: Choices,
        actor: &str,
        now: Timestamp,
    ) -> Result<Queued, Refused> {
        match choices.authorizes_beyond(&Choices::default()) {
            Some(category) => Err(Refused::NotAuthorized(category)),
            None => Ok(self.customize(choices, actor, now)),
        }
    }
}

impl Queued {
    /// Replaces the choices before a worker starts. A category that the patient did not authorize cannot be authorized.
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
        Ok(Self { header: self.header.with_event(now, actor, CHANGED) })
    }

    /// Begins to collect. A change of the records takes up to `records_delay` until it is in the record store. Therefore the
    /// `transactionTime` of a bulk export is earlier by this delay: a change that arrives later is newer, and is in the next export with
    /// `_since`. The export contains every change that is in the store. So a change within the delay is exported twice, and none is
    /// missing.
    pub fn begin(self, now: Timestamp, records_delay: SignedDuration) -> Running {
        let delay = self.header.request.selection.as_ref().map_or(SignedDuration::ZERO, |_| records_delay);
        let transaction_time = now.saturating_sub(delay).unwrap_or(now);
        let began_at = (transaction_time != now).then_some(now);
        let header = self.header.with_event(now, SERVER, "began to collect");
        Running {
            header,
            transaction_time,
            began_at,
            waiting: None,
            troubles: BTreeMap::new(),
            sorted_deletions: None,
            shared_versions: None,
            comparison: None,
        }
    }
}

impl Waiting {
    /// Returns the text for the status, such as `waiting for the store since 10:42 (records)`; the time is UTC.
    pub fn describe(&self) -> String {
        let since = self.since.strftime("%H:%M");
        let store = self.store.map(|store| format!(" ({})", store.name())).unwrap_or_default();
        format!("waiting for the store since {since}{store}")
    }
}

impl Running {
    /// Finishes an export whose files are written. The job becomes `InReview` if staff must review it, and otherwise
    /// `Complete`.
    pub fn finish(self, summary: ExportTotals, now: Timestamp, retention: &Retention) -> Job {
        let header =
            self.header.with_event(now, SERVER, format!("collected {} resources", summary.resources));
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
            header: self.header.with_event(now, actor, APPROVED),
            summary: self.summary,
            attached,
            completed_at: now,
            expires_at: retention.expires_at(now),
        }
    }

    pub fn reject(self, reason: &str, actor: &str, now: Timestamp, retention: &Retention) -> Rejected {
        Rejected {
            header: self.header.with_event(now, actor, format!("{REJECTED}{reason}")),
            reason: reason.to_owned(),
            chosen: None,
            typed: None,
            second_look: false,
            dismissed: false,
            expires_at: retention.expires_at(now),
        }
    }

    pub fn attach(mut self, files: Vec<Attachment>, actor: &str, now: Timestamp) -> Self {
        let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
        let action = format!("attached {}", names.join(", "));
        self.header.attachments.extend(files);
        Self { header: self.header.with_event(now, actor, action), ..self }
    }

    /// Removes the attachments that `is_removed` selects, and returns them too.
    pub fn detach(
        mut self,
        is_removed: impl Fn(&Attachment) -> bool,
        actor: &str,
        now: Timestamp,
    ) -> (Self, Vec<Attachment>) {
        let (removed, kept): (Vec<_>, Vec<_>) = self.header.attachments.into_iter().partition(is_removed);
        self.header.attachments = kept;
        if removed.is_empty() {
            return (self, removed);
        }
        let names: Vec<_> = removed.iter().map(|file| file.name.as_str()).collect();
        let action = format!("removed {}", names.join(", "));
        (Self { header: self.header.with_event(now, actor, action), ..self }, removed)
    }

    /// Replaces the files by those without the redacted resource. `what` is also shown to the client.
    pub fn leave_out(self, summary: ExportTotals, what: &str, actor: &str, now: Timestamp) -> Self {
        Self { header: self.header.with_event(now, actor, what), summary }
    }
}

impl Rejected {
    /// The reason of a rejection for which staff gave none.
    pub const NO_REASON: &str = "no reason was given";

    /// Deletes the job for the client. The staff's decision is kept.
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

    /// Cancels the export for the client or staff. This is possible in every state except `Cancelled` and `Expired`.
    pub fn cancel(self, actor: &str, now: Timestamp) -> Result<Gone, Illegal> {
        if self.state().is_gone() {
            return Err(Illegal { state: self.state(), action: "cancel" });
        }
        Ok(Gone { header: self.into_header().with_event(now, actor, "cancelled"), undo: None })
    }

    /// Fails a job that is waiting or running. `delivery_diagnostics` describes the failed deliveries in the history.
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
                    SERVER,
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

    /// Returns the time in the job's `Expires` header. From then on the job no longer exists for any caller, even before cleanup
    /// removes it. `None` if the job has not finished, or has ended.
    pub fn expires_at(&self) -> Option<Timestamp> {
        match self {
            Self::Complete(Complete { expires_at, .. })
            | Self::Rejected(Rejected { expires_at, .. })
            | Self::Failed(Failed { expires_at, .. }) => Some(*expires_at),
            Self::AwaitingInput(_)
            | Self::Queued(_)
            | Self::Running(_)
            | Self::InReview(_)
            | Self::Cancelled(_)
            | Self::Expired(_) => None,
        }
    }

    /// Returns whether the time in the job's `Expires` header is over.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at().is_some_and(|expires_at| expires_at <= now)
    }

    /// Returns whether cleanup must expire the job: its time in `Expires` is over, or it was not finished within its
    /// retention.
    pub fn is_expired(&self, now: Timestamp, retention: &Retention) -> bool {
        match self {
            Self::Complete(_) | Self::Rejected(_) | Self::Failed(_) => self.has_expired(now),
            Self::AwaitingInput(_) | Self::Queued(_) | Self::Running(_) | Self::InReview(_) => {
                retention.is_over(self.header().changed_at, retention.unfinished, now)
            }
            Self::Cancelled(_) | Self::Expired(_) => false,
        }
    }

    /// Expires the job at the end of its retention.
    pub fn expire(self, now: Timestamp) -> Gone {
        Gone { header: self.into_header().with_event(now, SERVER, "expired"), undo: None }
    }
}

#[cfg(test)]
pub(crate) mod tests;
