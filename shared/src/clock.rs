//! The only source of time and of randomness; both are fixed in tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use aws_lc_rs::digest;
use jiff::{SignedDuration, Timestamp};

use crate::domain::ids::{Attempt, JobId};

/// Tells the time. Every `now` in the project comes from here.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;

    /// Milliseconds since then; none when that is yet to come.
    fn since(&self, then: Timestamp) -> u64 {
        u64::try_from(self.now().duration_since(then).as_millis()).unwrap_or_default()
    }
}

/// Makes values nobody can guess.
pub trait Ids: Send + Sync {
    /// Fills `bytes` with random bytes.
    fn fill(&self, bytes: &mut [u8]);

    /// A secret of 256 bits as 64 hexadecimal digits: codes, tokens, session ids.
    fn secret(&self) -> String {
        let mut bytes = [0; 32];
        self.fill(&mut bytes);
        hex(&bytes)
    }

    /// A new job id: UUID version 7, so that ids sort by their time of creation.
    fn job(&self, now: Timestamp) -> JobId {
        let mut bytes = [0; 10];
        self.fill(&mut bytes);
        let milliseconds = u64::try_from(now.as_millisecond()).unwrap_or_default();
        JobId::from_uuid(uuid::Builder::from_unix_timestamp_millis(milliseconds, &bytes).into_uuid())
    }

    /// A new attempt at a chunk.
    fn attempt(&self) -> Attempt {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        Attempt::from_bytes(bytes)
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The time of the machine.
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine for its time")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The random source of the operating system.
pub struct SystemIds;

impl Ids for SystemIds {
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes)
            .expect("the operating system's random source answers or the process is useless");
    }
}

/// A clock that moves only when told to.
#[derive(Clone)]
pub struct FixedClock(Arc<AtomicI64>);

impl FixedClock {
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.as_millisecond())))
    }

    pub fn advance(&self, by: SignedDuration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// The same unguessable-looking values in the same order, for tests.
pub struct SeededIds {
    seed: u64,
    drawn: AtomicU64,
}

impl SeededIds {
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: AtomicU64::new(0) }
    }
}

impl Ids for SeededIds {
    fn fill(&self, bytes: &mut [u8]) {
        let drawn = self.drawn.fetch_add(1, Ordering::SeqCst);
        let block = digest::digest(&digest::SHA256, format!("{}:{drawn}", self.seed).as_bytes());
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = block.as_ref()[index % block.as_ref().len()];
        }
    }
}
