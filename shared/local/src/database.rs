//! The SQLite database in WAL mode: one connection for writes, and two for concurrent reads.
//!
//! A write waits for the disk if its result is reported to a client. The other writes reach the disk with the next one
//! that waits: SQLite writes its log in order, so a power cut loses only the last writes and leaves no gap. A killed
//! process loses nothing.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use domain::error::{Error, Result, Store};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row, Transaction, TransactionBehavior};

use crate::blocking::blocking;

type Shared = Arc<Mutex<Handle>>;

pub(super) struct Database {
    writer: Shared,
    readers: Vec<Shared>,
    in_memory: bool,
}

struct Handle {
    connection: Connection,
    /// Whether its commits wait for the disk; `None` before the first commit.
    waits: Option<bool>,
}

/// The number of pages of the log after which a commit that waits for the disk moves them into the database. A commit that
/// does not wait does so only after more pages, so that the next one that waits usually does it.
const CHECKPOINT_PAGES: i64 = 1_000;
const CHECKPOINT_PAGES_RELAXED: i64 = 4_000;

/// The schema of a database, one migration for each version.
pub(super) type Migrations = &'static [Migration];

/// The change that brings a database to the next version.
pub(super) enum Migration {
    Statements(&'static str),
    /// A change that SQL statements cannot make.
    Step(fn(&Transaction<'_>) -> Result<()>),
}

impl Database {
    pub(super) fn open(path: &Path, schema: Migrations) -> Result<Self> {
        Self::open_file(path, schema).map_err(|error| with_path(path, error))
    }

    fn open_file(path: &Path, schema: Migrations) -> Result<Self> {
        let connect = || -> Result<Shared> {
            let connection = Connection::open(path).map_err(sql)?;
            connection.busy_timeout(std::time::Duration::from_secs(30)).map_err(sql)?;
            connection.pragma_update(None, "journal_mode", "wal").map_err(sql)?;
            Ok(shared(connection))
        };
        // SQLite creates its other files with the mode of this one.
        super::private::kept_file(path)?;
        let writer = connect()?;
        migrate(&mut lock(&writer).connection, schema)?;
        Ok(Self { writer, readers: vec![connect()?, connect()?], in_memory: false })
    }

    /// Opens an existing database only for reading, also while another process writes to it.
    pub(super) fn open_to_read(path: &Path, schema: Migrations) -> Result<Self> {
        let connect = || -> Result<Connection> {
            let connection =
                Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(sql)?;
            connection.busy_timeout(std::time::Duration::from_secs(30)).map_err(sql)?;
            Ok(connection)
        };
        let opened = connect().and_then(|connection| {
            let version: u32 =
                connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(sql)?;
            match version as usize == schema.len() {
                true => Ok(shared(connection)),
                false => Err(Error::invalid("the database is of another version of this program")),
            }
        });
        let only = opened.map_err(|error| with_path(path, error))?;
        Ok(Self { writer: only.clone(), readers: vec![only], in_memory: false })
    }

    pub(super) fn in_memory(schema: Migrations) -> Result<Self> {
        let mut connection = Connection::open_in_memory().map_err(sql)?;
        migrate(&mut connection, schema)?;
        let only = shared(connection);
        Ok(Self { writer: only.clone(), readers: vec![only], in_memory: true })
    }

    /// Runs one transaction. It and all earlier ones are durable when this returns.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if self.in_memory {
            return self.write_relaxed(work).await;
        }
        let writer = self.writer.clone();
        blocking(Store::Database, move || lock(&writer).transact(true, work)).await
    }

    /// Runs [`Database::write`] if `lasts` is set, and otherwise [`Database::write_relaxed`].
    pub(super) async fn write_lasting<T: Send + 'static>(
        &self,
        lasts: bool,
        work: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if lasts { self.write(work).await } else { self.write_relaxed(work).await }
    }

    /// Runs one transaction that a power cut may undo. It is only for changes that are made again after such a loss, or
    /// that are not reported before the next [`Database::write`]. It takes microseconds, so it runs on the calling
    /// thread if no other write is running.
    pub(super) async fn write_relaxed<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if let Some(mut writer) = lock_if_free(&self.writer) {
            return writer.transact(false, work).map_err(|error| error.of_store(Store::Database));
        }
        let writer = self.writer.clone();
        blocking(Store::Database, move || lock(&writer).transact(false, work)).await
    }

    /// Runs a read on the calling thread, because a short read takes less time than moving it to another thread.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let free = self.readers.iter().find_map(lock_if_free);
        let reader = free.unwrap_or_else(|| lock(&self.readers[0]));
        work(&reader.connection).map_err(sql)
    }
}

/// Updates a database to the newest version in one transaction. Refuses a database of a newer program, because this
/// program would misread it.
fn migrate(connection: &mut Connection, schema: Migrations) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
    let version: u32 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(sql)?;
    let missing = schema.get(version as usize..).ok_or_else(|| {
        Error::invalid(
            "the database was written by a newer version of this program; start the newer version, or use another --state",
        )
    })?;
    for migration in missing {
        match migration {
            Migration::Statements(statements) => transaction.execute_batch(statements).map_err(sql)?,
            Migration::Step(step) => step(&transaction)?,
        }
    }
    if !missing.is_empty() {
        transaction.pragma_update(None, "user_version", integer(schema.len() as u64)).map_err(sql)?;
    }
    transaction.commit().map_err(sql)
}

impl Handle {
    /// Runs one transaction. If `waits` is set, it is on the disk when this returns.
    fn transact<T>(&mut self, waits: bool, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        if self.waits != Some(waits) {
            // Unknown until both settings are made.
            self.waits = None;
            let (synchronous, pages) =
                if waits { ("full", CHECKPOINT_PAGES) } else { ("normal", CHECKPOINT_PAGES_RELAXED) };
            self.connection.pragma_update(None, "synchronous", synchronous).map_err(sql)?;
            self.connection.pragma_update(None, "wal_autocheckpoint", pages).map_err(sql)?;
            self.waits = Some(waits);
        }
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
        let done = work(&transaction)?;
        transaction.commit().map_err(sql)?;
        Ok(done)
    }
}

fn shared(connection: Connection) -> Shared {
    connection.set_prepared_statement_cache_capacity(64);
    Arc::new(Mutex::new(Handle { connection, waits: None }))
}

/// Locks a connection. If a thread panicked while it held the lock, its transaction was rolled back, so the connection
/// can be used.
fn lock(handle: &Shared) -> MutexGuard<'_, Handle> {
    handle.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lock_if_free(handle: &Shared) -> Option<MutexGuard<'_, Handle>> {
    match handle.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// The error of a file that SQLite cannot read. Retrying does not help.
#[derive(Debug, thiserror::Error)]
#[error(
    "the database is damaged: stop the server, move the state directory to another name, and restore it from a backup; keep the audit trail (audit.db) of the old directory if 'ehi audit verify' accepts it"
)]
struct DamagedDatabase(#[source] rusqlite::Error);

/// Adds the path to an error that the file itself causes.
fn with_path(path: &Path, error: Error) -> Error {
    match error {
        Error::Invalid(what) => Error::invalid(format!("{}: {what}", path.display())),
        Error::Internal(cause) if cause.is::<DamagedDatabase>() => {
            Error::invalid(format!("{}: {cause}", path.display()))
        }
        other => other,
    }
}

/// Runs a statement, which is compiled only once for a connection. Returns the number of rows that it changed.
pub(super) fn execute(
    transaction: &Transaction<'_>,
    statement: &str,
    values: impl rusqlite::Params,
) -> Result<usize> {
    transaction.prepare_cached(statement).map_err(sql)?.execute(values).map_err(sql)
}

/// Runs a statement, which is compiled only once for a connection. Returns the first row of its result, or `None` if the
/// result is empty.
pub(super) fn one_row<T>(
    transaction: &Transaction<'_>,
    statement: &str,
    values: impl rusqlite::Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>> {
    let mut select = transaction.prepare_cached(statement).map_err(sql)?;
    select.query_row(values, read).optional().map_err(sql)
}

/// Converts an error of SQLite. A wrong statement is a defect of this program, so it is not retried.
pub(super) fn sql(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::StorageFull(error.into()),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::internal(DamagedDatabase(error)),
        None
        | Some(
            ErrorCode::Unknown
            | ErrorCode::ConstraintViolation
            | ErrorCode::TypeMismatch
            | ErrorCode::ApiMisuse
            | ErrorCode::ParameterOutOfRange,
        ) => Error::internal(error),
        Some(_) => Error::unavailable(error).of_store(Store::Database),
    }
}

/// Converts a count to an integer of SQLite.
pub(super) fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Converts an integer of SQLite to a count.
pub(super) fn count(integer: i64) -> u64 {
    u64::try_from(integer).unwrap_or_default()
}

#[cfg(test)]
mod tests;
