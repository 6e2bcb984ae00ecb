//! The rows of jobs as SQLite returns them.

use domain::chunk::Progress;
use domain::error::{Error, Result};
use domain::ports::jobs::StoredJob;
use jiff::Timestamp;
use rusqlite::Row;

use crate::database::count;

/// The columns of a [`RawJob`].
macro_rules! columns {
    () => {
        concat!("job, ", counters!())
    };
}

/// The columns that change whenever a job changes.
macro_rules! counters {
    () => {
        "version, chunks_planned, chunks_done, plan_complete, bytes_planned, bytes_done, resources, plan_end, plan_sent, done_at"
    };
}

/// The statement that reads a [`RawJob`].
pub(super) const GET: &str = concat!("SELECT ", columns!(), " FROM jobs WHERE id = ?");
/// The statement that reads only the counters of a job.
pub(super) const PEEK: &str = concat!("SELECT ", counters!(), " FROM jobs WHERE id = ?");

/// A row whose JSON is not parsed yet.
pub(super) struct RawJob {
    pub(super) job: String,
    version: i64,
    pub(super) progress: Progress,
}

impl RawJob {
    pub(super) fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { job: row.get(0)?, version: row.get(1)?, progress: progress(row, 2)? })
    }

    pub(super) fn stored(self) -> Result<StoredJob> {
        Ok(StoredJob {
            job: serde_json::from_str(&self.job).map_err(Error::reading)?,
            version: count(self.version),
            progress: self.progress,
        })
    }
}

/// Reads the counters of a row, which begin at the column `first`.
pub(super) fn progress(row: &Row<'_>, first: usize) -> rusqlite::Result<Progress> {
    Ok(Progress {
        chunks_planned: row.get(first)?,
        chunks_done: row.get(first + 1)?,
        plan_complete: row.get(first + 2)?,
        bytes_planned: count(row.get(first + 3)?),
        bytes_done: count(row.get(first + 4)?),
        resources: count(row.get(first + 5)?),
        plan_end: row.get(first + 6)?,
        plan_sent: row.get(first + 7)?,
        last_done_at: row
            .get::<_, Option<i64>>(first + 8)?
            .and_then(|at| Timestamp::from_millisecond(at).ok()),
    })
}
