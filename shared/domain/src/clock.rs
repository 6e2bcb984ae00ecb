//! The only sources of time and of random values. Tests replace both by fixed ones.

use jiff::Timestamp;

use crate::ids::{Attempt, JobId};

/// The source of the current time. Every `now` in the project comes from it.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;

    /// Returns milliseconds since `then`; zero if it is in the future.
    fn elapsed(&self, then: Timestamp) -> u64 {
        u64::try_from(self.now().duration_since(then).as_millis()).unwrap_or_default()
    }
}

/// The source of unpredictable values.
pub trait Random: Send + Sync {
    /// Fills `bytes` with random bytes.
    fn fill(&self, bytes: &mut [u8]);

    /// Returns a secret of 256 bits as 64 hexadecimal digits, for codes, tokens and session ids.
    fn secret(&self) -> String {
        let mut bytes = [0; 32];
        self.fill(&mut bytes);
        hex(&bytes)
    }

    /// Returns a new job id: UUID version 7, so that ids sort by their time of creation.
    fn job(&self, now: Timestamp) -> JobId {
        let mut bytes = [0; 10];
        self.fill(&mut bytes);
        let milliseconds = u64::try_from(now.as_millisecond()).unwrap_or_default();
        JobId::from_uuid(uuid::Builder::from_unix_timestamp_millis(milliseconds, &bytes).into_uuid())
    }

    /// Returns a new attempt at a chunk.
    fn attempt(&self) -> Attempt {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        Attempt::from_bytes(bytes)
    }
}

/// Returns bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The clock of the machine.
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the clock of the machine")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
