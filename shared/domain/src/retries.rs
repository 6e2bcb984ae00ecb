//! What follows from a task that failed: the one place that decides it, for every host.
//!
//! - A store that does not respond is waited for by time, for as long as `outage_hours` says.
//! - A fault of this server, or a worker that died, counts; after [`MAX_DEFECTS`] the job fails.
//! - What trying again cannot change fails the job at once.

use jiff::{SignedDuration, Timestamp};

use crate::clock::Random;
use crate::error::{Error, Kind};

/// How often one task may fail by a fault of this server.
pub const MAX_DEFECTS: u32 = 3;
/// How often the worker may die with one task, beyond the first [`FREE_DELIVERIES`].
pub const MAX_LOST: u32 = 3;
/// Deliveries that are not looked at: a process that is restarted loses what it had in its hands.
pub const FREE_DELIVERIES: u32 = 2;
/// How often a task may lose a race before that counts as a defect.
const MAX_RACES: u32 = 20;
/// The longest wait between two tries. With 1,000 deliveries, which is the most of SQS, it covers 72 hours.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(5);

/// What becomes of a task that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Tried again after a while.
    Again(SignedDuration),
    /// The job fails.
    Fail,
}

/// What is known of a task's tries when one has failed.
#[derive(Debug, Clone, Copy)]
pub struct Tries {
    /// How often the task was delivered, this time included.
    pub deliveries: u32,
    /// How often it failed by a fault of this server, this time included.
    pub defects: u32,
    /// Since when its job waits for a store.
    pub waiting_since: Option<Timestamp>,
}

/// What the error counts as.
pub fn kind(error: &Error, deliveries: u32) -> Kind {
    match error.kind() {
        // A race that is lost again and again is none.
        Kind::Contended if deliveries > MAX_RACES => Kind::Defect,
        kind => kind,
    }
}

/// Decides what becomes of a task; `outage` is how long stores are waited for.
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
        Kind::Contended | Kind::Defect | Kind::Unavailable => {
            Decision::Again(pause(tries.deliveries, random))
        }
    }
}

/// Whether an outage has lasted too long. A clock that was set back only makes the wait longer.
pub fn is_over(since: Timestamp, outage: SignedDuration, now: Timestamp) -> bool {
    now.duration_since(since) >= outage
}

/// Longer each time up to [`LONGEST_WAIT`], and a different one for everybody, so that a store that comes back is not
/// asked by all at the same moment.
pub fn pause(deliveries: u32, random: &dyn Random) -> SignedDuration {
    let mut drawn = [0; 4];
    random.fill(&mut drawn);
    let longest = SignedDuration::from_secs(1 << deliveries.min(10)).min(LONGEST_WAIT).as_millis();
    let half = u64::try_from(longest / 2).unwrap_or_default();
    let extra = u64::from(u32::from_le_bytes(drawn)) % (half + 1);
    SignedDuration::from_millis(i64::try_from(half + extra).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Draws the same value each time.
    struct Same(u64);

    impl Random for Same {
        fn fill(&self, bytes: &mut [u8]) {
            for (byte, drawn) in bytes.iter_mut().zip(self.0.to_le_bytes().into_iter().cycle()) {
                *byte = drawn;
            }
        }
    }

    const OUTAGE: SignedDuration = SignedDuration::from_hours(6);

    fn decided(error: &Error, tries: Tries) -> Decision {
        decide(kind(error, tries.deliveries), tries, OUTAGE, Timestamp::UNIX_EPOCH + OUTAGE, &Same(1))
    }

    fn is_again(decision: Decision) -> bool {
        matches!(decision, Decision::Again(_))
    }

    #[test]
    fn an_outage_ends_by_time_and_a_defect_by_count() {
        let tries = Tries { deliveries: 900, defects: 0, waiting_since: None };
        let since = |minutes| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
        let down = Error::unavailable("no route to the store");
        assert!(is_again(decided(&down, Tries { waiting_since: Some(since(1)), ..tries })));
        assert_eq!(decided(&down, Tries { waiting_since: Some(since(0)), ..tries }), Decision::Fail);
        assert!(is_again(decided(&down, tries)), "nobody knows since when");
        let ours = Error::internal("a defect");
        assert!(is_again(decided(&ours, Tries { defects: MAX_DEFECTS - 1, ..tries })));
        assert_eq!(decided(&ours, Tries { defects: MAX_DEFECTS, ..tries }), Decision::Fail);
        let damaged = Error::damaged("Group/a.json", "it is no Group");
        assert_eq!(decided(&damaged, tries), Decision::Fail);
    }

    #[test]
    fn a_race_is_tried_again_at_once_but_not_for_ever() {
        let race = Error::conflict("somebody was faster");
        let tries = |deliveries| Tries { deliveries, defects: MAX_DEFECTS, waiting_since: None };
        assert_eq!(decided(&race, tries(1)), Decision::Again(SignedDuration::ZERO));
        assert!(is_again(decided(&race, tries(MAX_RACES))));
        assert_eq!(decided(&race, tries(MAX_RACES + 1)), Decision::Fail);
    }

    proptest! {
        #[test]
        fn waits_grow_within_their_bounds(deliveries in 1u32..2_000, seed: u64) {
            let wait = pause(deliveries, &Same(seed));
            prop_assert!(wait >= SignedDuration::from_secs(1) && wait <= LONGEST_WAIT);
            prop_assert!(deliveries < 10 || wait >= LONGEST_WAIT / 2);
        }
    }
}
