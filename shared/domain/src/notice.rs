//! The mails that a patient gets about an export: the request has arrived, the copy is ready, or there is a message.
//!
//! A notice is only about a copy of the patient's own ([`JobHeader::is_own_copy_of`]): an export that the patient asked
//! for, or that staff started for the patient. Staff ask for the latter, so it causes no notice but the one that it is
//! ready. There is no notice about the export of a clinician or of a backend service, or about a bulk export, and none
//! about an export that staff deleted and restored, because the patient got it before.

use jiff::Timestamp;

use crate::email::EmailAddress;
use crate::header::JobHeader;
use crate::ids::{JobId, PatientId};
use crate::job::{Job, JobState};
use crate::states::{Complete, Queued};

/// The subject of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// The patient's choices have arrived.
    Received,
    /// The patient can download the copy.
    Ready,
    /// The export was rejected or failed. The reason is on the patient's page, and not in the mail.
    Message,
}

impl NoticeKind {
    pub const ALL: [Self; 3] = [Self::Received, Self::Ready, Self::Message];

    /// Returns the name in stores and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Ready => "ready",
            Self::Message => "message",
        }
    }

    /// Returns the kind with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    fn of_state(state: JobState) -> Option<Self> {
        match state {
            JobState::Queued => Some(Self::Received),
            JobState::Complete => Some(Self::Ready),
            JobState::Rejected | JobState::Failed => Some(Self::Message),
            JobState::AwaitingInput
            | JobState::Running
            | JobState::InReview
            | JobState::Cancelled
            | JobState::Expired => None,
        }
    }
}

/// A mail to a patient about an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub kind: NoticeKind,
    pub job: JobId,
    pub patient: PatientId,
    pub to: EmailAddress,
    /// The tag of the language in which the patient filled in the form, if it is known.
    pub language: Option<String>,
    /// The time since which the notice is due.
    pub since: Timestamp,
    /// The time until which the copy can be downloaded, if it is ready.
    pub expires_at: Option<Timestamp>,
}

impl Notice {
    /// Returns the notice for a change from the state `before` to this job; `None` if the patient gets none. A new job
    /// has no state before.
    pub fn of_change(before: Option<JobState>, job: &Job) -> Option<Self> {
        Self::of_state(job).filter(|_| Self::is_caused(before, job.state()))
    }

    /// Returns the notice for a job that has just entered its state.
    pub fn of_state(job: &Job) -> Option<Self> {
        Self::of(NoticeKind::of_state(job.state())?, job)
    }

    /// Returns whether a change between two states causes a notice: the state is another one, and not that of a job that
    /// staff have restored.
    pub fn is_caused(before: Option<JobState>, state: JobState) -> bool {
        before != Some(state) && before != Some(JobState::Cancelled)
    }

    /// Returns the notice of a kind about the job as it is now; `None` if the patient gets none, for example because
    /// the copy that was ready has been deleted.
    pub fn of(kind: NoticeKind, job: &Job) -> Option<Self> {
        let header = job.header();
        let patient = header.patient.as_ref()?;
        let to = patient.email.clone()?;
        let is_due = match kind {
            NoticeKind::Received => {
                !job.state().is_gone() && !header.owner.is_staff() && header.request.choices.is_some()
            }
            NoticeKind::Ready => job.state() == JobState::Complete,
            NoticeKind::Message => {
                matches!(job.state(), JobState::Rejected | JobState::Failed) && !header.owner.is_staff()
            }
        };
        if !is_due || !header.is_own_copy_of(&patient.id) {
            return None;
        }
        let expires_at = match job {
            Job::Complete(Complete { expires_at, .. }) => Some(*expires_at),
            _ => None,
        };
        let since = if kind == NoticeKind::Received { header.chosen_at() } else { header.changed_at };
        Some(Self {
            kind,
            job: header.id.clone(),
            patient: patient.id.clone(),
            to,
            language: header.language.clone(),
            since,
            expires_at: expires_at.filter(|_| kind == NoticeKind::Ready),
        })
    }

    /// Returns the id of the mail, which is the same for each attempt to send it. A job causes each kind once.
    pub fn id(&self) -> String {
        format!("{}.{}", self.job, self.kind.name())
    }

    /// Returns whether the copy is no longer there, so that a mail would only confuse.
    pub fn is_outdated(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }
}

impl Queued {
    /// Adds the language in which the patient filled in the form.
    #[must_use]
    pub fn in_language(self, language: Option<&str>) -> Self {
        let language = language.map(str::to_owned).or(self.header.language);
        Self { header: JobHeader { language, ..self.header } }
    }
}

#[cfg(test)]
mod tests;
