//! Whether a job is still wanted, asked every few seconds.

use domain::error::Result;
use domain::ids::JobId;
use jiff::{SignedDuration, Timestamp};

use crate::Generator;

/// All workers of an export ask for the same row. So often, 500 of them stay far below what one partition gives.
const INTERVAL: SignedDuration = SignedDuration::from_secs(5);

/// See the [module](self).
pub(crate) struct Watch<'g> {
    generator: &'g Generator,
    job: &'g JobId,
    asked_at: Timestamp,
}

impl<'g> Watch<'g> {
    /// Of a job that was found running just now.
    pub(crate) fn new(generator: &'g Generator, job: &'g JobId) -> Self {
        Self { generator, job, asked_at: generator.clock.now() }
    }

    /// False when the job was found cancelled, failed or removed.
    pub(crate) async fn is_wanted(&mut self) -> Result<bool> {
        let now = self.generator.clock.now();
        // A clock that was set back must not stop the asking.
        if now.duration_since(self.asked_at).abs() < INTERVAL {
            return Ok(true);
        }
        self.asked_at = now;
        self.generator.jobs.is_running(self.job).await
    }
}
