//! The jobs that hold the slots of a client: until when they hold them, and the refusal of another export.

use domain::error::Error;
use domain::job::Job;
use domain::owner::Owner;
use domain::ports::jobs::StoredJob;
use jiff::{SignedDuration, Timestamp};

use super::{ABANDONED, STARTING};

/// The `Retry-After` in seconds if it is unknown when an export will be finished.
const UNKNOWN: u64 = 30;
/// The maximum `Retry-After`, in seconds. A slot may be free earlier than expected: an export can be cancelled, or staff can decide.
const MAX_WAIT: u64 = 3_600;
/// The maximum number of jobs that a refusal names.
const MAX_NAMED: usize = 10;

/// A slot that is held.
pub(super) struct Held {
    pub(super) since: Timestamp,
    /// `None` if the job does not exist yet.
    pub(super) stored: Option<StoredJob>,
    /// The time for which an export may wait for the patient or for staff.
    pub(super) unfinished: SignedDuration,
}

impl Held {
    pub(super) fn is_unfinished(&self, now: Timestamp) -> bool {
        match &self.stored {
            Some(stored) => stored.job.is_unfinished(),
            None => now.duration_since(self.since) < STARTING,
        }
    }

    /// Returns the seconds after which the slot is free, or may be taken over; `None` if that is not known.
    fn seconds_left(&self, now: Timestamp) -> Option<u64> {
        let Some(stored) = &self.stored else { return seconds_until(self.since, STARTING, now) };
        // Later than this time, the form was opened or filled in meanwhile: only its end is known.
        let gives_way = abandoned_at(&stored.job).filter(|at| *at > now);
        match (&stored.job, gives_way) {
            (_, Some(at)) => seconds_until(at, SignedDuration::ZERO, now),
            (Job::AwaitingInput(_) | Job::InReview(_), None) => {
                seconds_until(stored.job.header().changed_at, self.unfinished, now)
            }
            _ => stored.seconds_left(now),
        }
    }
}

/// Returns the time from which a job may give way; `None` if it does not wait for its form.
pub(super) fn abandoned_at(job: &Job) -> Option<Timestamp> {
    match job {
        Job::AwaitingInput(awaiting) => awaiting.header.created_at.saturating_add(ABANDONED).ok(),
        _ => None,
    }
}

fn seconds_until(from: Timestamp, after: SignedDuration, now: Timestamp) -> Option<u64> {
    let millis = from.saturating_add(after).ok()?.duration_since(now).as_millis();
    Some(u64::try_from(millis).unwrap_or_default().div_ceil(1_000))
}

/// Returns the refusal of an export of this owner. It names the owner's jobs that hold the slots, so that the client can cancel one.
pub(super) fn refusal(what: &str, held: &[Held], owner: &Owner, now: Timestamp) -> Error {
    let waits = held.iter().map(|held| held.seconds_left(now).unwrap_or(UNKNOWN));
    let retry_after = waits.min().unwrap_or(UNKNOWN).clamp(1, MAX_WAIT);
    let jobs = held.iter().filter_map(|held| held.stored.as_ref()).map(|stored| &stored.job);
    // Another user of the same client cannot cancel the job.
    let mut own: Vec<_> = jobs.filter(|job| job.header().owner == *owner).collect();
    own.sort_by_key(|job| (job.header().created_at, job.id()));
    let mut named: Vec<_> =
        own.iter().take(MAX_NAMED).map(|job| format!("{} ({})", job.id(), job.state().name())).collect();
    if own.len() > MAX_NAMED {
        named.push(format!("and {} more", own.len() - MAX_NAMED));
    }
    let how = match named.is_empty() {
        true => String::new(),
        false => format!(", with DELETE /jobs/{{job}}/status: {}", named.join(", ")),
    };
    let text = format!(
        "this client has {what}, which is the limit: wait until one ends, or cancel one of them{how}"
    );
    Error::TooMany { text, retry_after }
}

#[cfg(test)]
mod tests;
