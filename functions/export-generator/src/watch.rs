//! Checks every few seconds whether a job is still wanted.

use domain::error::Result;
use domain::ids::JobId;
use jiff::{SignedDuration, Timestamp};

use crate::Generator;

/// The time between two reads. All workers of an export read the same row: 500 of them stay far below the limit of one
/// partition.
const INTERVAL: SignedDuration = SignedDuration::from_secs(5);

/// Watches one job for a task.
pub(crate) struct Watch<'g> {
    generator: &'g Generator,
    job: &'g JobId,
    asked_at: Timestamp,
}

impl<'g> Watch<'g> {
    /// Starts with a job that was just read as running.
    pub(crate) fn new(generator: &'g Generator, job: &'g JobId) -> Self {
        Self { generator, job, asked_at: generator.clock.now() }
    }

    /// Returns `false` if the job is cancelled, failed or removed.
    pub(crate) async fn is_wanted(&mut self) -> Result<bool> {
        let now = self.generator.clock.now();
        // The absolute value is used so that a clock that is set back does not stop the checks.
        if now.duration_since(self.asked_at).abs() < INTERVAL {
            return Ok(true);
        }
        self.asked_at = now;
        self.generator.jobs.is_running(self.job).await
    }
}
