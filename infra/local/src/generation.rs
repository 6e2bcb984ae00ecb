//! The generations of an index: each one that is made has a name of its own.

use crypto::OsRandom;
use domain::clock::{Clock as _, Random as _, SystemClock};

/// Returns the name of a new generation, and its time. The names of later generations sort after it.
pub(crate) fn generation() -> (String, jiff::Timestamp) {
    let now = SystemClock.now();
    let attempt: String =
        OsRandom.attempt().to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    (format!("{:013}-{attempt}", now.as_millisecond()), now)
}

/// Returns when a generation was begun, in milliseconds.
fn begun(generation: &str) -> Option<i64> {
    generation.split('-').next()?.parse().ok()
}

/// The time after which the files of a generation that was never completed are removed. Making an index does not take as long.
const ABANDONED_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// Returns whether a generation that is not complete was abandoned, so that nobody writes its files any more.
pub(crate) fn is_abandoned(generation: &str, now: jiff::Timestamp) -> bool {
    begun(generation).is_some_and(|begun| begun < now.as_millisecond().saturating_sub(ABANDONED_MS))
}
