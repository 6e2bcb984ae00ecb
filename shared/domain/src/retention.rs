//! The rules for the expiry of a job and its files (contract, section 3).

use jiff::{SignedDuration, Timestamp};

/// The times for which jobs are kept. The settings have them in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// For finished jobs and their files, since completion.
    pub finished: SignedDuration,
    /// For unfinished jobs, since the last change: the form is not filled in, the export is running, or the review is
    /// open.
    pub unfinished: SignedDuration,
    /// For rows of jobs that no longer exist for clients. They are kept so that late workers find them.
    pub gone: SignedDuration,
    /// For jobs that staff deleted, so that they can undo it. Zero deletes at once.
    pub undo: SignedDuration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            finished: SignedDuration::from_hours(24),
            unfinished: SignedDuration::from_hours(24 * 30),
            gone: SignedDuration::from_hours(24),
            undo: SignedDuration::from_hours(24),
        }
    }
}

impl Retention {
    /// Returns the time at which a job that finishes `now` expires.
    pub fn expires_at(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(self.finished).unwrap_or(Timestamp::MAX)
    }

    /// Returns whether a retention of `kept` that began at `since` is over.
    pub fn is_over(&self, since: Timestamp, kept: SignedDuration, now: Timestamp) -> bool {
        now.duration_since(since) >= kept
    }
}
