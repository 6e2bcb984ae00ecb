//! The generations of an index: each one that is made has a name of its own.

use crypto::OsRandom;
use domain::clock::{Clock as _, Random as _, SystemClock};

/// The name of a new generation, and its time. Later ones have later names.
pub(crate) fn generation() -> (String, jiff::Timestamp) {
    let now = SystemClock.now();
    let attempt: String =
        OsRandom.attempt().to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    (format!("{:013}-{attempt}", now.as_millisecond()), now)
}

/// When a generation was begun, in milliseconds.
pub(crate) fn begun(generation: &str) -> Option<i64> {
    generation.split('-').next()?.parse().ok()
}
