//! Simulated time: that of a tokio runtime whose clock is paused, which jumps to the next timer when nobody has anything
//! to do.

use std::time::Duration;

use domain::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// When a simulation begins: 2026-03-01T12:00:00Z.
const START: i64 = 1_772_366_400;

/// The time that long after the beginning.
pub(crate) fn at(elapsed: Duration) -> Timestamp {
    let start = Timestamp::from_second(START).unwrap_or(Timestamp::UNIX_EPOCH);
    SignedDuration::try_from(elapsed).map_or(start, |elapsed| start + elapsed)
}

/// Tells the simulated time. Made inside the runtime whose time it tells.
#[derive(Debug, Clone, Copy)]
pub struct SimulatedClock(Instant);

impl SimulatedClock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// A moment of the simulation as the runtime knows it.
    pub(crate) fn instant(&self, elapsed: Duration) -> Instant {
        self.0 + elapsed
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        at(self.elapsed())
    }
}
