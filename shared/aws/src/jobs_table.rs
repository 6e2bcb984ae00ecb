//! The DynamoDB table of jobs and chunks.
//!
//! | `job_id` | `part` | contents |
//! |---|---|---|
//! | id | `job` | the job's document, its revision, and the keys of the indexes |
//! | id | `progress` | the counters, and the end of the plan |
//! | id, or id`#`shard | `chunk#000000.0` | a chunk |
//! | id, or id`#`shard | `done#000000.0` | the result of a chunk |
//! | id`#`shard | `progress` | the counters of the chunks there |
//! | `find#`key | time`.`id | a row of the search, see [`super::job_rows`] |
//!
//! - The indexes are sparse (only `job` items have their keys) and have only keys, the state and the owner. A list reads a
//!   page of an index and then the jobs. No request scans the table. All jobs share one partition of the listing index, which
//!   allows a thousand writes a second; it is written only when a job is created or changes its state.
//! - `expires_at` is the table's time to live. It is long after the time at which cleanup removes the job.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::clock::Clock;
use domain::retention::Retention;
use jiff::SignedDuration;

use crate::items::number;
use crate::table::Table;

pub(super) struct AwsJobs {
    pub(super) table: Table,
    pub(super) retention: Retention,
    pub(super) clock: Arc<dyn Clock>,
}

/// The sort key of the job's document.
pub(super) const JOB: &str = "job";
/// The sort key of the counters, in each partition of a job.
pub(super) const PROGRESS: &str = "progress";
/// The additional lifetime of an item after all retention times, so that cleanup removes it first.
const BACKSTOP: SignedDuration = SignedDuration::from_hours(24 * 366);

impl AwsJobs {
    pub(super) fn time_to_live(&self) -> AttributeValue {
        // Staff may renew a review, and each state has its own retention, but only the item of the job is written each
        // time.
        let kept = [self.retention.finished, self.retention.unfinished, self.retention.gone, BACKSTOP]
            .into_iter()
            .fold(SignedDuration::ZERO, SignedDuration::saturating_add);
        number(self.clock.now().as_second().saturating_add(kept.as_secs()))
    }
}
