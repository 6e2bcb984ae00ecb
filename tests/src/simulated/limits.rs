//! The capacity of one partition: token buckets that are refilled every second.

use std::collections::HashMap;
use std::time::Duration;

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
    /// The number of reads and writes of rows that were refused.
    pub(super) refused: u64,
    levels: HashMap<Limited, (f64, Duration)>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { gets: GETS, refused: 0, levels: HashMap::new() }
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

    /// Returns whether the partition of a row accepts a request, and counts it if not.
    pub(crate) fn admits(&mut self, limited: &Limited, now: Duration) -> bool {
        let admits = self.left(limited, now) > 0.0;
        self.refused += u64::from(!admits);
        admits
    }

    /// Sends requests to a partition of a bucket. Returns how many of them it accepts.
    pub(crate) fn accept(&mut self, limited: &Limited, requests: u64, now: Duration) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between zero and the requests of a second"
        )]
        let free = self.left(limited, now).max(0.0) as u64;
        let accepted = requests.min(free);
        #[expect(clippy::cast_precision_loss, reason = "at most the requests of a second")]
        let used = accepted as f64;
        self.use_up(limited.clone(), used, now);
        accepted
    }

    /// Records the units that a request used.
    pub(crate) fn use_up(&mut self, limited: Limited, units: f64, now: Duration) {
        let left = self.left(&limited, now) - units;
        self.levels.insert(limited, (left, now));
    }
}
