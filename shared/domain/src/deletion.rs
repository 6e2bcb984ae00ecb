//! The deletion of a job by staff, which can be undone for a limited time.
//!
//! A deleted job no longer exists for its client, like a cancelled one. Its files are kept until the time to undo is over, but not
//! after the job would have expired. Then cleanup removes them. The patient can end that time at once, by taking back the permission
//! or by deleting the copy; so can the client, by deleting the export.

use jiff::{SignedDuration, Timestamp};

use crate::header::{HistoryEntry, JobHeader};
use crate::job::Job;
use crate::moves::{GAVE_WAY, Illegal, SERVER};
use crate::states::{Complete, Failed, Gone, Rejected, Restorable, Undo};

/// The action in a job's history when staff undo its deletion.
const RESTORED: &str = "undid the deletion";
/// The action of staff who delete a job.
const DELETED: &str = "deleted";
/// The action of a patient who withdraws the permission to release an export.
const TOOK_BACK: &str = "took back the permission";
/// The action of a patient or a client that deletes an export that staff could still restore.
const DELETED_FOR_GOOD: &str = "deleted for good";

/// How a patient or a client ended the time in which staff could undo a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UndoEnd {
    TookBackPermission,
    /// The patient deleted the copy.
    DeletedForGood,
    /// The client that started the export deleted it.
    DeletedByClient,
}

/// How an export ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The patient, the client or staff cancelled it, or deleted it without the possibility to undo.
    Cancelled,
    /// Nobody filled in its form before the client asked for another export.
    GaveWay,
    /// Staff deleted it on its page.
    Deleted,
    TookBackPermission,
    Expired,
}

/// The end of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended<'j> {
    pub end: End,
    /// As in the job's history.
    pub actor: &'j str,
    pub at: Timestamp,
}

impl JobHeader {
    /// Returns how often the job was deleted and restored.
    pub fn restorations(&self) -> usize {
        self.history.iter().filter(|event| event.action == RESTORED).count()
    }
}

impl Restorable {
    /// Returns the time in the job's `Expires` header; `None` for a job in review.
    fn expires_at(&self) -> Option<Timestamp> {
        match self {
            Self::InReview(_) => None,
            Self::Complete(Complete { expires_at, .. })
            | Self::Rejected(Rejected { expires_at, .. })
            | Self::Failed(Failed { expires_at, .. }) => Some(*expires_at),
        }
    }
}

impl Undo {
    /// Returns the time from which the job cannot be restored. The job would have expired then without its deletion as well. A deletion
    /// that an earlier version recorded can have an `until` that is later.
    pub fn ends_at(&self) -> Timestamp {
        self.job.expires_at().map_or(self.until, |expires_at| self.until.min(expires_at))
    }
}

impl Gone {
    /// Returns the job that can be restored; `None` if it cannot, or no longer.
    pub fn restorable(&self, now: Timestamp) -> Option<&Undo> {
        self.undo.as_ref().filter(|undo| undo.ends_at() > now)
    }

    /// Restores the job as it was before its deletion; `None` if the time to undo is over.
    pub fn restore(mut self, actor: &str, now: Timestamp) -> Option<Job> {
        self.restorable(now)?;
        let mut job = Job::from(*self.undo.take()?.job);
        *job.header_mut() = self.header.with_event(now, actor, RESTORED);
        Some(job)
    }

    /// Returns how and when the patient or the client ended the time to undo a deletion by staff; `None` if neither did.
    pub fn undo_end(&self) -> Option<(UndoEnd, &HistoryEntry)> {
        let [.., deletion, last] = &self.header.history[..] else { return None };
        let end = match last.action.as_str() {
            TOOK_BACK => UndoEnd::TookBackPermission,
            DELETED_FOR_GOOD if last.actor == self.header.owner.client.as_str() => UndoEnd::DeletedByClient,
            DELETED_FOR_GOOD => UndoEnd::DeletedForGood,
            _ => return None,
        };
        (self.undo.is_none() && deletion.action == DELETED).then_some((end, last))
    }

    /// Returns the deleted job without the possibility to undo.
    pub fn for_good(self) -> Self {
        Self { undo: None, ..self }
    }
}

impl Job {
    /// Returns the time until which staff can restore a job that they deleted; `None` if they cannot, or no longer.
    pub fn restorable_until(&self, now: Timestamp) -> Option<Timestamp> {
        let Self::Cancelled(gone) = self else { return None };
        gone.restorable(now).map(Undo::ends_at)
    }

    /// Returns the time until which a deletion at `now` can be undone: `undo` later, but not after the job's `Expires`. `None` if it
    /// cannot be undone.
    pub fn undo_until(&self, now: Timestamp, undo: SignedDuration) -> Option<Timestamp> {
        self.to_undo(now, undo).map(|undo| undo.until)
    }

    fn to_undo(&self, now: Timestamp, undo: SignedDuration) -> Option<Undo> {
        let until = now.saturating_add(undo).unwrap_or(now);
        let undo = Undo { job: Box::new(self.restorable()?), until };
        let until = undo.ends_at();
        (until > now).then_some(Undo { until, ..undo })
    }

    /// Returns how, by whom and when the export ended; `None` if it still exists.
    pub fn ended(&self, now: Timestamp) -> Option<Ended<'_>> {
        if let Some(at) = self.expires_at().filter(|expires_at| *expires_at <= now) {
            return Some(Ended { end: End::Expired, actor: SERVER, at });
        }
        let last = self.header().history.last()?;
        let end = match (self, last.action.as_str()) {
            (Self::Expired(_), _) => End::Expired,
            (Self::Cancelled(_), DELETED) => End::Deleted,
            (Self::Cancelled(_), TOOK_BACK) => End::TookBackPermission,
            (Self::Cancelled(_), GAVE_WAY) => End::GaveWay,
            (Self::Cancelled(_), _) => End::Cancelled,
            _ => return None,
        };
        Some(Ended { end, actor: &last.actor, at: last.at })
    }

    /// Deletes the export for staff. A job that no worker uses can be restored within `undo`, but not after its `Expires`.
    pub fn delete(self, actor: &str, now: Timestamp, undo: SignedDuration) -> Result<Gone, Illegal> {
        if self.state().is_gone() {
            return Err(Illegal { state: self.state(), action: "delete" });
        }
        let undo = self.to_undo(now, undo);
        Ok(Gone { header: self.into_header().with_event(now, actor, DELETED), undo })
    }

    /// Withdraws the patient's permission to release the export, even if staff could still restore it. Files that were
    /// downloaded before are not affected.
    pub fn take_back(self, actor: &str, now: Timestamp) -> Result<Gone, Illegal> {
        match self.is_within_reach(now) {
            true => Ok(self.end_for_good(actor, now, TOOK_BACK)),
            false => Err(Illegal { state: self.state(), action: "take back the permission for" }),
        }
    }

    /// Deletes an export for the patient or the client that staff have deleted and could still restore.
    pub fn delete_for_good(self, actor: &str, now: Timestamp) -> Result<Gone, Illegal> {
        match &self {
            Self::Cancelled(gone) if gone.restorable(now).is_some() => {
                Ok(self.end_for_good(actor, now, DELETED_FOR_GOOD))
            }
            _ => Err(Illegal { state: self.state(), action: "delete for good" }),
        }
    }

    /// Returns whether the export exists, or can be restored.
    fn is_within_reach(&self, now: Timestamp) -> bool {
        match self {
            Self::Cancelled(gone) => gone.restorable(now).is_some(),
            job => !job.state().is_gone(),
        }
    }

    fn end_for_good(self, actor: &str, now: Timestamp, action: &str) -> Gone {
        Gone { header: self.into_header().with_event(now, actor, action), undo: None }
    }

    /// Returns a copy of the job, if its deletion can be undone.
    fn restorable(&self) -> Option<Restorable> {
        match self {
            Self::InReview(state) => Some(Restorable::InReview(state.clone())),
            Self::Complete(state) => Some(Restorable::Complete(state.clone())),
            Self::Rejected(state) => Some(Restorable::Rejected(state.clone())),
            Self::Failed(state) => Some(Restorable::Failed(state.clone())),
            Self::AwaitingInput(_)
            | Self::Queued(_)
            | Self::Running(_)
            | Self::Cancelled(_)
            | Self::Expired(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
