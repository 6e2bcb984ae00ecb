//! Decides for every host what happens to a task that failed.
//!
//! - If a store does not respond, the task is tried again until `outage_hours` are over.
//! - Faults of this server and deaths of workers are counted; the job fails after [`MAX_DEFECTS`] or [`MAX_LOST`].
//! - If a newer version of the server wrote what the task needs, the task is tried again as long as the queue delivers it.
//! - If trying again cannot help, the job fails at once.

use jiff::{SignedDuration, Timestamp};

use crate::clock::Random;
use crate::error::{Error, Kind};

/// The number of failures of a task by a fault of this server after which the job fails.
pub const MAX_DEFECTS: u32 = 3;
/// The number of workers that may die while they handle a task, not counting the first [`FREE_DELIVERIES`].
pub const MAX_LOST: u32 = 3;
/// The number of first deliveries for which a lost worker is not counted, because the restart of a process also loses
/// tasks.
pub const FREE_DELIVERIES: u32 = 2;
/// The number of deliveries after which losing a race is a defect.
const MAX_RACES: u32 = 20;
/// The longest wait between two tries. The waits of the 1,000 deliveries that SQS allows are more than the 72 hours that
/// `outage_hours` allows.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(6);

/// What happens to a task that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is tried again after this time.
    Again(SignedDuration),
    /// Its job fails.
    Fail,
}

/// The tries of a task, after one of them failed.
#[derive(Debug, Clone, Copy)]
pub struct Tries {
    /// The number of deliveries of the task, this one included.
    pub deliveries: u32,
    /// The number of failures by a fault of this server, this one included.
    pub defects: u32,
    /// The time since which its job waits for a store.
    pub waiting_since: Option<Timestamp>,
}

/// Returns the kind of an error of a task after this many deliveries.
pub fn kind(error: &Error, deliveries: u32) -> Kind {
    match error.kind() {
        // A real race does not fail so often.
        Kind::Contended if deliveries > MAX_RACES => Kind::Defect,
        kind => kind,
    }
}

/// Decides what happens to a task. `outage` is the longest time for which a task waits for a store.
pub fn decide(
    kind: Kind,
    tries: Tries,
    outage: SignedDuration,
    now: Timestamp,
    random: &dyn Random,
) -> Decision {
    match kind {
        Kind::Damaged | Kind::Refused => Decision::Fail,
        Kind::Defect if tries.defects >= MAX_DEFECTS => Decision::Fail,
        Kind::Unavailable if tries.waiting_since.is_some_and(|since| is_over(since, outage, now)) => {
            Decision::Fail
        }
        Kind::Contended if tries.deliveries <= FREE_DELIVERIES => Decision::Again(SignedDuration::ZERO),
        Kind::Contended | Kind::Newer | Kind::Defect | Kind::Unavailable => {
            Decision::Again(pause(tries.deliveries, random))
        }
    }
}

/// Returns whether an outage has lasted too long. If the clock was set back, the wait is only longer.
pub fn is_over(since: Timestamp, outage: SignedDuration, now: Timestamp) -> bool {
    now.duration_since(since) >= outage
}

/// Returns the wait before the next try. It doubles with each delivery up to [`LONGEST_WAIT`] and has a random part, so
/// that not all tasks use a store at the same moment when it responds again.
pub fn pause(deliveries: u32, random: &dyn Random) -> SignedDuration {
    let mut drawn = [0; 4];
    random.fill(&mut drawn);
    let longest = SignedDuration::from_secs(1 << deliveries.min(10)).min(LONGEST_WAIT).as_millis();
    let half = u64::try_from(longest / 2).unwrap_or_default();
    let extra = u64::from(u32::from_le_bytes(drawn)) % (half + 1);
    SignedDuration::from_millis(i64::try_from(half + extra).unwrap_or_default())
}

#[cfg(test)]
mod tests;
