//! Simulated time: the time of a tokio runtime whose clock is paused, and which jumps to the next timer when every task
//! waits.

use std::time::Duration;

use domain::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The start of a simulation: 2026-03-01T12:00:00Z.
const START: i64 = 1_772_366_400;

/// Returns the time after this duration from the start.
pub(crate) fn at(elapsed: Duration) -> Timestamp {
    let start = Timestamp::from_second(START).unwrap_or(Timestamp::UNIX_EPOCH);
    SignedDuration::try_from(elapsed).map_or(start, |elapsed| start + elapsed)
}

/// Returns the simulated time. It is created inside the runtime whose time it returns.
#[derive(Debug, Clone, Copy)]
pub struct SimulatedClock(Instant);

impl SimulatedClock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Converts a time of the simulation into the runtime's.
    pub(crate) fn instant(&self, elapsed: Duration) -> Instant {
        self.0 + elapsed
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        at(self.elapsed())
    }
}
