//! When a job and its files expire (contract, section 3).

use jiff::{SignedDuration, Timestamp};

/// How long things are kept. All in seconds in the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Finished jobs and their files, after completion.
    pub finished: SignedDuration,
    /// Jobs that nobody finished: form not filled in, review not done.
    pub unfinished: SignedDuration,
    /// Rows of jobs that are gone for clients, kept so that late workers see them.
    pub gone: SignedDuration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            finished: SignedDuration::from_hours(24),
            unfinished: SignedDuration::from_hours(24 * 30),
            gone: SignedDuration::from_hours(24),
        }
    }
}

impl Retention {
    pub fn expires_at(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(self.finished).unwrap_or(Timestamp::MAX)
    }

    pub fn is_over(&self, since: Timestamp, kept: SignedDuration, now: Timestamp) -> bool {
        now.duration_since(since) >= kept
    }
}
