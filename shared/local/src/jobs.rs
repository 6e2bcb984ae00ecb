//! Jobs and chunks in SQLite.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use domain::chunk::{Chunk, Progress};
use domain::error::{Error, Result};
use domain::event::JobEvent;
use domain::ids::{ChunkId, JobId};
use domain::job::{Job, JobState};
use domain::ports::jobs::{
    Append, DoneChunk, Finished, JobPage, JobQuery, Jobs, Plan, StoredChunk, StoredJob, StoredResult,
};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use storage::bounded::Bounded;
use storage::job_list;

use crate::database::{Database, count, execute, integer, one_row};
use crate::job_rows::{self, JobRows, NewRows};
use crate::outbox::{self, LocalOutbox, NewMail};
use crate::raw_job::{GET, PEEK, RawJob, progress};

pub(super) struct LocalJobs {
    database: Arc<Database>,
    /// Parsed jobs. One is used only while its version and its counters are current.
    parsed: Bounded<JobId, Arc<StoredJob>>,
    /// The mails to patients; `None` if the server sends none.
    outbox: Option<Arc<LocalOutbox>>,
}

/// The maximum total size of parsed jobs in memory, counted by their stored size.
const MAX_PARSED_BYTES: u64 = 4 * 1024 * 1024;

impl LocalJobs {
    pub(super) fn new(database: Arc<Database>, outbox: Option<Arc<LocalOutbox>>) -> Self {
        Self { database, parsed: Bounded::new(MAX_PARSED_BYTES), outbox }
    }

    /// Returns the mail for a job that enters its state, if its patient gets one.
    fn mail(&self, job: &Job) -> Option<NewMail> {
        self.outbox.as_ref().and_then(|_| NewMail::of(job))
    }

    /// Wakes the task that sends mails.
    fn wake_mails(&self) {
        if let Some(outbox) = &self.outbox {
            outbox.wake();
        }
    }
}

#[async_trait]
impl Jobs for LocalJobs {
    async fn create(&self, job: &Job) -> Result<()> {
        self.parsed.remove(job.id());
        let (row, rows, mail) = (JobRow::of(job)?, NewRows::of(job), self.mail(job));
        self.database
            .write_lasting(lasts(job.state()), move |transaction| {
                let created = execute(
                    transaction,
                    "INSERT OR IGNORE INTO jobs (id, version, state, patient, owner, created_at, job) VALUES (?, 1, ?, ?, ?, ?, ?)",
                    params![row.id, row.state, row.patient, row.owner, row.created_at, row.job],
                );
                if created? != 1 {
                    return Err(Error::conflict("the job already exists"));
                }
                outbox::add(transaction, mail.as_ref(), None)?;
                job_rows::add(transaction, &rows)
            })
            .await?;
        self.wake_mails();
        Ok(())
    }

    async fn get(&self, id: &JobId) -> Result<Option<StoredJob>> {
        let found = self.database.read(|connection| {
            let mut select = connection.prepare_cached(GET)?;
            select.query_row([id.as_str()], RawJob::of).optional()
        })?;
        found.map(RawJob::stored).transpose()
    }

    async fn peek(&self, id: &JobId) -> Result<Option<Arc<StoredJob>>> {
        // The two reads may see different versions. That is safe: the cached job comes from one row, and the next call
        // compares it again.
        let current = self.database.read(|connection| {
            let mut select = connection.prepare_cached(PEEK)?;
            select.query_row([id.as_str()], |row| Ok((row.get(0)?, progress(row, 1)?))).optional()
        })?;
        let Some((version, progress)) = current else {
            self.parsed.remove(id);
            return Ok(None);
        };
        let version = count(version);
        let is_current = |kept: &Arc<StoredJob>| kept.version == version && kept.progress == progress;
        if let Some(kept) = self.parsed.get(id).filter(is_current) {
            return Ok(Some(kept));
        }
        let found = self.database.read(|connection| {
            let mut select = connection.prepare_cached(GET)?;
            select.query_row([id.as_str()], RawJob::of).optional()
        })?;
        let Some(row) = found else { return Ok(None) };
        let bytes = row.job.len() as u64;
        let stored = Arc::new(row.stored()?);
        self.parsed.put(id.clone(), stored.clone(), bytes);
        Ok(Some(stored))
    }

    async fn replace(&self, job: &Job, version: u64) -> Result<u64> {
        let (row, mail) = (JobRow::of(job)?, self.mail(job));
        let before = self
            .database
            .write_lasting(lasts(job.state()), move |transaction| {
                let state = "SELECT state FROM jobs WHERE id = ?";
                let before = one_row(transaction, state, [&row.id], |row| row.get::<_, String>(0))?;
                let replaced = execute(
                    transaction,
                    "UPDATE jobs SET version = version + 1, state = ?, patient = ?, owner = ?, job = ? WHERE id = ? AND version = ?",
                    params![row.state, row.patient, row.owner, row.job, row.id, integer(version)],
                );
                if replaced? != 1 {
                    return Err(Error::conflict(
                        "another request changed the job at the same time; read it again",
                    ));
                }
                let before = before.as_deref().and_then(JobState::named);
                outbox::add(transaction, mail.as_ref(), before)?;
                Ok(before)
            })
            .await?;
        self.wake_mails();
        // One machine has no event bus, so the change of state is logged instead.
        if let Some(event) = JobEvent::of_change(before, job) {
            tracing::info!(job.id = %job.id(), job.state = event.state.name(), "job changed its state");
        }
        Ok(version + 1)
    }

    async fn remove(&self, id: &JobId) -> Result<()> {
        self.parsed.remove(id);
        let id = id.to_string();
        self.database
            .write(move |transaction| {
                execute(transaction, "DELETE FROM chunks WHERE job = ?", [&id])?;
                job_rows::remove(transaction, &id)?;
                execute(transaction, "DELETE FROM jobs WHERE id = ?", [&id])?;
                Ok(())
            })
            .await
    }

    async fn list(&self, query: &JobQuery) -> Result<JobPage> {
        job_list::page(&JobRows(&self.database), query).await
    }

    async fn count(&self, states: &[JobState], at_most: usize) -> Result<usize> {
        let of_state = "SELECT count(*) FROM (SELECT 1 FROM jobs WHERE state = ? LIMIT ?)";
        let limit = integer(at_most as u64);
        let counted: i64 = self.database.read(|connection| {
            let mut count = connection.prepare_cached(of_state)?;
            let count =
                |state: &JobState| count.query_row(params![state.name(), limit], |row| row.get::<_, i64>(0));
            states.iter().map(count).sum()
        })?;
        Ok(usize::try_from(counted.min(limit)).unwrap_or_default())
    }

    async fn append(&self, job: &JobId, append: Append<'_>) -> Result<Option<Progress>> {
        let id = job.to_string();
        let (at, plan) = (append.at, append.plan);
        let chunks = append.chunks.to_vec();
        // The tasks of the chunks are sent later by a write that waits for the disk, or the chunk is handled in this
        // task.
        self.database
            .write_relaxed(move |transaction| {
                let known = progress_of(transaction, &id)?;
                if known.plan_end != at || known.plan_complete != (plan == Plan::HasEnded) {
                    return Ok(None);
                }
                for chunk in &chunks {
                    add_chunk(transaction, &id, chunk)?;
                }
                let end = u64::from(at) + chunks.len() as u64;
                let statement = "UPDATE jobs SET plan_end = ?, plan_sent = ?, plan_complete = ? WHERE id = ?";
                let changed = params![integer(end), at, plan != Plan::Continues, id];
                execute(transaction, statement, changed)?;
                progress_of(transaction, &id).map(Some)
            })
            .await
    }

    async fn chunk(&self, job: &JobId, chunk: ChunkId) -> Result<Option<StoredChunk>> {
        let found = self.database.read(|connection| {
            let mut select =
                connection.prepare_cached("SELECT chunk, result FROM chunks WHERE job = ? AND id = ?")?;
            select.query_row(params![job.as_str(), chunk.to_string()], raw_chunk).optional()
        })?;
        found.map(stored_chunk).transpose()
    }

    async fn chunks(&self, job: &JobId, indexes: Range<u32>) -> Result<Vec<StoredChunk>> {
        let rows: Vec<_> = self.database.read(|connection| {
            let statement = "SELECT chunk, result FROM chunks WHERE job = ? AND id >= ? AND id < ?";
            let mut select = connection.prepare_cached(statement)?;
            let [from, to] = [indexes.start, indexes.end].map(|index| format!("{index:06}."));
            select.query_map(params![job.as_str(), from, to], raw_chunk)?.collect()
        })?;
        let mut chunks = rows.into_iter().map(stored_chunk).collect::<Result<Vec<_>>>()?;
        // SQLite sorts the ids as text, which is wrong from the tenth part of a chunk on.
        chunks.sort_by_key(|stored| stored.chunk.id);
        Ok(chunks)
    }

    async fn results(&self, job: &JobId, indexes: Range<u32>) -> Result<Vec<StoredResult>> {
        let chunks = self.chunks(job, indexes).await?;
        let result = |stored: StoredChunk| {
            let StoredChunk { chunk, result } = stored;
            result.map(|result| StoredResult { chunk: chunk.id, covered: chunk.work.covered(), result })
        };
        Ok(chunks.into_iter().filter_map(result).collect())
    }

    async fn finish_chunk(&self, job: &JobId, done: DoneChunk<'_>) -> Result<Finished> {
        let DoneChunk { chunk, result, rest, at } = done;
        let (id, chunk) = (job.to_string(), chunk.id.to_string());
        let (bytes, resources, at) =
            (integer(result.bytes_read), integer(result.resources()), at.as_millisecond());
        let result = serde_json::to_string(result)?;
        let rest = rest.cloned();
        self.database
            .write_lasting(bytes > CHEAP_BYTES, move |transaction| {
                let statement = "UPDATE chunks SET result = ? WHERE job = ? AND id = ? AND result IS NULL";
                let is_first = execute(transaction, statement, params![result, id, chunk])? == 1;
                if is_first {
                    let statement = "UPDATE jobs SET chunks_done = chunks_done + 1, bytes_done = bytes_done + ?, resources = resources + ?, done_at = ? WHERE id = ?";
                    execute(transaction, statement, params![bytes, resources, at, id])?;
                    if let Some(rest) = rest {
                        add_chunk(transaction, &id, &rest)?;
                    }
                }
                let statement = "SELECT 1 FROM chunks WHERE job = ? AND id = ? AND result = ?";
                let own = || one_row(transaction, statement, params![id, chunk, result], |_| Ok(()));
                let recorded = is_first || own()?.is_some();
                Ok(Finished { recorded, progress: progress_of(transaction, &id)? })
            })
            .await
    }
}

/// Returns whether a state must be on the disk before a client can read it. Only recorded work of a running job is
/// repeated after a power cut. A queued job must be durable at once: a repeated kick-off may report it before its Plan
/// task is sent.
fn lasts(state: JobState) -> bool {
    state != JobState::Running
}

/// A chunk that has read no more bytes than this may be repeated after a power cut, which takes less than a second.
const CHEAP_BYTES: i64 = 64 * 1024 * 1024;

/// The columns of a job.
struct JobRow {
    id: String,
    state: &'static str,
    patient: Option<String>,
    owner: String,
    created_at: i64,
    job: String,
}

impl JobRow {
    fn of(job: &Job) -> Result<Self> {
        let header = job.header();
        Ok(Self {
            id: header.id.to_string(),
            state: job.state().name(),
            patient: header.patient.as_ref().map(|patient| patient.id.to_string()),
            owner: header.owner.key(),
            created_at: header.created_at.as_millisecond(),
            job: serde_json::to_string(job)?,
        })
    }
}

/// Adds a new chunk, and counts it in its job.
fn add_chunk(transaction: &Transaction<'_>, job: &str, chunk: &Chunk) -> Result<()> {
    let statement = "INSERT INTO chunks (job, id, chunk) VALUES (?, ?, ?)";
    let text = serde_json::to_string(chunk)?;
    execute(transaction, statement, params![job, chunk.id.to_string(), text])?;
    let bytes = integer(chunk.planned_bytes());
    let statement =
        "UPDATE jobs SET chunks_planned = chunks_planned + 1, bytes_planned = bytes_planned + ? WHERE id = ?";
    execute(transaction, statement, params![bytes, job])?;
    Ok(())
}

fn progress_of(transaction: &Transaction<'_>, job: &str) -> Result<Progress> {
    let row = one_row(transaction, GET, [job], RawJob::of)?;
    Ok(row.ok_or(Error::NotFound("there is no such job"))?.progress)
}

fn raw_chunk(row: &Row<'_>) -> rusqlite::Result<(String, Option<String>)> {
    Ok((row.get(0)?, row.get(1)?))
}

fn stored_chunk((chunk, result): (String, Option<String>)) -> Result<StoredChunk> {
    let result = result.as_deref().map(serde_json::from_str).transpose().map_err(Error::reading)?;
    Ok(StoredChunk { chunk: serde_json::from_str(&chunk).map_err(Error::reading)?, result })
}

#[cfg(test)]
mod tests;
