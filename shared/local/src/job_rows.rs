//! The indexes of jobs in SQLite: the reads of lists, and the search rows.

use async_trait::async_trait;
use domain::error::Result;
use domain::job::{Job, JobState};
use domain::listing::{Index, Span, position};
use domain::ports::jobs::{StoredJob, unreadable};
use domain::search;
use rusqlite::types::Value as SqlValue;
use rusqlite::{OptionalExtension, Row as SqlRow, Transaction, params, params_from_iter};
use storage::job_list::{Row, Rows};

use crate::database::{Database, execute, integer, sql};
use crate::raw_job::{GET, RawJob};

/// Adds the search rows of a new job.
pub(super) fn add(transaction: &Transaction<'_>, job: &NewRows) -> Result<()> {
    let statement = "INSERT OR REPLACE INTO job_search (key, position, words, job) VALUES (?, ?, ?, ?)";
    let mut insert = transaction.prepare_cached(statement).map_err(sql)?;
    for row in &job.rows {
        insert.execute(params![row.key, job.position, row.words, job.id]).map_err(sql)?;
    }
    Ok(())
}

/// Removes the search rows of a job.
pub(super) fn remove(transaction: &Transaction<'_>, id: &str) -> Result<()> {
    execute(transaction, "DELETE FROM job_search WHERE job = ?", [id])?;
    Ok(())
}

/// Adds the search rows of all jobs to a database of an earlier version. A job that cannot be read gets none.
pub(super) fn fill(transaction: &Transaction<'_>) -> Result<()> {
    let mut select = transaction.prepare("SELECT id, job FROM jobs").map_err(sql)?;
    let mut rows = select.query([]).map_err(sql)?;
    while let Some(row) = rows.next().map_err(sql)? {
        let (id, text): (String, String) = (row.get(0).map_err(sql)?, row.get(1).map_err(sql)?);
        match serde_json::from_str::<Job>(&text) {
            Ok(job) => add(transaction, &NewRows::of(&job))?,
            Err(error) => unreadable(&id, &error.into()),
        }
    }
    Ok(())
}

/// The search rows of a stored job.
pub(super) struct NewRows {
    id: String,
    position: String,
    rows: Vec<search::SearchRow>,
}

impl NewRows {
    pub(super) fn of(job: &Job) -> Self {
        Self { id: job.id().to_string(), position: position(job.header()), rows: search::rows(job) }
    }
}

/// Returns the statement that reads rows of an index, and its values. The text depends only on the kind of the index and the order,
/// so a connection compiles few statements.
fn select(index: &Index, span: &Span, limit: usize) -> (String, Vec<SqlValue>) {
    let order = if span.oldest_first { "ASC" } else { "DESC" };
    let limit = SqlValue::from(integer(limit as u64));
    let (above, below) =
        (span.above.as_deref().unwrap_or_default(), span.below.as_deref().unwrap_or("9999999999999."));
    if let Index::Search(key) = index {
        let statement = format!(
            "SELECT position, words, NULL FROM job_search WHERE key = ? AND position > ? AND position < ? ORDER BY position {order} LIMIT ?"
        );
        let values = [key, above, below].map(|value| SqlValue::from(value.to_owned()));
        return (statement, values.into_iter().chain([limit]).collect());
    }
    let (condition, value) = match index {
        Index::State(state) => ("state = ? AND", Some(state.name())),
        Index::Owner(owner) => ("owner = ? AND", Some(owner.as_str())),
        Index::Patient(patient) => ("patient = ? AND", Some(patient.as_str())),
        Index::All | Index::Search(_) => ("", None),
    };
    let mut values: Vec<SqlValue> = value.into_iter().map(|value| value.to_owned().into()).collect();
    for bound in [above, below] {
        // A bound of a date has no id.
        let (at, id) = bound.split_once('.').unwrap_or((bound, ""));
        values.push(at.parse::<i64>().unwrap_or_default().into());
        values.push(id.to_owned().into());
    }
    values.push(limit);
    let statement = format!(
        "SELECT printf('%013d.', created_at) || id, NULL, state FROM jobs WHERE {condition} (created_at, id) > (?, ?) AND (created_at, id) < (?, ?) ORDER BY created_at {order}, id {order} LIMIT ?"
    );
    (statement, values)
}

fn row(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    let state: Option<String> = row.get(2)?;
    Ok(Row {
        position: row.get(0)?,
        words: row.get(1)?,
        state: state.as_deref().and_then(JobState::named),
        client: None,
    })
}

/// The indexes in a database of jobs.
pub(super) struct JobRows<'d>(pub(super) &'d Database);

#[async_trait]
impl Rows for JobRows<'_> {
    async fn rows(&self, index: &Index, span: &Span, limit: usize) -> Result<Vec<Row>> {
        let (statement, values) = select(index, span, limit);
        self.0.read(|connection| {
            let mut select = connection.prepare_cached(&statement)?;
            select.query_map(params_from_iter(values), row)?.collect()
        })
    }

    async fn jobs(&self, ids: &[&str]) -> Result<Vec<StoredJob>> {
        let found = self.0.read(|connection| {
            let mut select = connection.prepare_cached(GET)?;
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                found.extend(select.query_row([id], |row| Ok((*id, RawJob::of(row)))).optional()?);
            }
            Ok(found)
        })?;
        let readable = found.into_iter().filter_map(|(id, row)| {
            let stored = row.map_err(sql).and_then(RawJob::stored);
            // One row that cannot be read must not hide the others.
            stored.inspect_err(|error| unreadable(id, error)).ok()
        });
        Ok(readable.collect())
    }
}

#[cfg(test)]
mod tests;
