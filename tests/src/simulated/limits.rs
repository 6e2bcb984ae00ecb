//! The capacity of one partition: token buckets that are refilled every second.

use std::collections::HashMap;
use std::time::Duration;

use super::random::mixed;

/// Units per second of one partition (DynamoDB, best practices for partition keys).
pub(super) const READ_UNITS: f64 = 3_000.0;
pub(super) const WRITE_UNITS: f64 = 1_000.0;
/// Requests per second of one partition of a bucket (S3, performance guidelines).
pub(super) const GETS: f64 = 5_500.0;
pub(super) const PUTS: f64 = 3_500.0;

/// A limited capacity of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Limited {
    Reads(&'static str, String),
    Writes(&'static str, String),
    Gets(String),
    Puts(String),
}

/// The current level of each limit.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// GET and LIST requests per second of one partition of a bucket.
    pub(super) gets: f64,
    levels: HashMap<Limited, (f64, Duration)>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { gets: GETS, levels: HashMap::new() }
    }
}

impl Limits {
    fn rate(&self, limited: &Limited) -> f64 {
        match limited {
            Limited::Reads(..) => READ_UNITS,
            Limited::Writes(..) => WRITE_UNITS,
            Limited::Gets(_) => self.gets,
            Limited::Puts(_) => PUTS,
        }
    }

    /// Returns the remaining units of a second's capacity; negative if more was used.
    fn left(&self, limited: &Limited, now: Duration) -> f64 {
        let rate = self.rate(limited);
        match self.levels.get(limited) {
            Some((left, at)) => (left + now.saturating_sub(*at).as_secs_f64() * rate).min(rate),
            None => rate,
        }
    }

    /// Returns whether a request is accepted.
    pub(crate) fn admits(&self, limited: &Limited, now: Duration) -> bool {
        self.left(limited, now) > 0.0
    }

    /// Returns whether the n-th request is accepted while modelled requests wait: the partition divides its capacity between both.
    pub(crate) fn admits_one(&self, limited: &Limited, number: u64, now: Duration) -> bool {
        let (rate, owed) = (self.rate(limited), (-self.left(limited, now)).max(0.0));
        #[expect(clippy::cast_precision_loss, reason = "a number below a thousand")]
        let random = (mixed(number ^ 0x503d) % 1_000) as f64 / 1_000.0;
        random < rate / (rate + owed)
    }

    /// Records the units that a request used.
    pub(crate) fn use_up(&mut self, limited: Limited, units: f64, now: Duration) {
        let left = self.left(&limited, now) - units;
        self.levels.insert(limited, (left, now));
    }

    /// Adds `units` requests to the queue; returns the time until the last of them is accepted.
    pub(crate) fn reserve(&mut self, limited: Limited, units: f64, now: Duration) -> Duration {
        let rate = self.rate(&limited);
        self.use_up(limited.clone(), units, now);
        let left = self.left(&limited, now);
        if left >= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(-left / rate) }
    }
}
