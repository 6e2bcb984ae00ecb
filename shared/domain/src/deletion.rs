//! The deletion of a job by staff, and its undoing for a while.
//!
//! A deleted job is gone for its client at once, as a cancelled one is. Its files stay until the time to undo is over, and then
//! cleanup removes them.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::job::{Job, JobHeader};
use crate::states::{Gone, Illegal};

/// The action of staff who bring back what was deleted.
const RESTORED: &str = "undid the deletion";

/// A job that staff deleted, for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Undo {
    /// The job as it was.
    pub job: Box<Job>,
    pub until: Timestamp,
}

impl JobHeader {
    /// How often the job was deleted and brought back.
    pub fn restorations(&self) -> usize {
        self.history.iter().filter(|event| event.action == RESTORED).count()
    }
}

impl Gone {
    /// What can be brought back, as long as it can.
    pub fn restorable(&self, now: Timestamp) -> Option<&Undo> {
        self.undo.as_ref().filter(|undo| undo.until > now && !undo.job.has_expired(now))
    }

    /// The job as it was before staff deleted it; `None` if its time is over.
    pub fn restore(mut self, actor: &str, now: Timestamp) -> Option<Job> {
        self.restorable(now)?;
        let mut job = *self.undo.take()?.job;
        *job.header_mut() = self.header.with_event(now, actor, RESTORED);
        Some(job)
    }

    /// The same without what could be brought back.
    pub fn for_good(self) -> Self {
        Self { undo: None, ..self }
    }
}

impl Job {
    /// Staff delete the export. What no worker is at can be brought back for as long as `undo` says.
    pub fn delete(self, actor: &str, now: Timestamp, undo: SignedDuration) -> Result<Gone, Illegal> {
        let until = now.saturating_add(undo).unwrap_or(now);
        let undo =
            (self.can_be_restored() && until > now).then(|| Undo { job: Box::new(self.clone()), until });
        if self.state().is_gone() {
            return Err(Illegal { state: self.state(), action: "delete" });
        }
        Ok(Gone { header: self.into_header().with_event(now, actor, "deleted"), undo })
    }

    /// Whether a deletion of the job can be undone: no worker is at it, and it does not wait for one.
    pub fn can_be_restored(&self) -> bool {
        match self {
            Self::InReview(_) | Self::Complete(_) | Self::Rejected(_) | Self::Failed(_) => true,
            Self::AwaitingInput(_)
            | Self::Queued(_)
            | Self::Running(_)
            | Self::Cancelled(_)
            | Self::Expired(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retention::Retention;
    use crate::states::tests::in_review;

    #[test]
    fn a_deletion_is_undone_within_its_time_and_never_while_workers_are_at_it() {
        let (now, day) = (Timestamp::UNIX_EPOCH, SignedDuration::from_hours(24));
        let review = in_review();
        let gone = Job::InReview(review.clone()).delete("admin", now, day).expect("it is there");
        let late = now + day;
        assert!(gone.restorable(late).is_none() && gone.clone().restore("admin", late).is_none());
        let restored = gone.clone().restore("other", now).expect("in time");
        let Job::InReview(again) = &restored else { panic!("another state") };
        assert_eq!((&again.summary, again.header.restorations()), (&review.summary, 1));
        assert!(gone.for_good().restore("admin", now).is_none());
        let deleted = Job::Cancelled(restored.delete("admin", now, SignedDuration::ZERO).expect("there"));
        assert!(deleted.clone().delete("admin", now, day).is_err(), "it is gone");
        // What expires before its deletion can no more be undone has expired.
        let retention = Retention { finished: SignedDuration::from_hours(1), ..Retention::default() };
        let complete = Job::Complete(review.approve(None, "admin", now, &retention));
        let gone = complete.delete("admin", now, day).expect("there");
        assert!(gone.restorable(now + SignedDuration::from_mins(59)).is_some());
        assert!(gone.restorable(now + SignedDuration::from_mins(60)).is_none());
    }
}
