//! The audit trail in its own SQLite database, as one chain.
//!
//! Events that arrive during a write are written together by the next transaction, so that many of them wait for the
//! disk once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use domain::audit::{Event, is_position, position_of};
use domain::clock::Clock;
use domain::error::{Error, Result};
use domain::ids::PatientId;
use domain::ports::audit::{AuditLog, AuditPage, AuditQuery, Keys, StoredEntry, unreadable};
use jiff::{SignedDuration, Timestamp};
use rusqlite::types::Value as SqlValue;
use rusqlite::{Row, Transaction, params, params_from_iter};
use storage::audit_chain::sealed;
use tokio::sync::oneshot;

use crate::database::{Database, Migration, Migrations, count, execute, integer, one_row, sql};

/// The columns of a [`StoredEntry`].
macro_rules! columns {
    () => {
        "shard, sequence, position, actor, patient, action, outcome, kept_until, entry, hash"
    };
}

/// The name of the database below the state directory.
pub(super) const FILE: &str = "audit.db";

/// The trigger protects against mistakes. A person who can write to the file can remove it; the chain shows what they
/// changed.
pub(super) const SCHEMA: Migrations = &[Migration::Statements("
    CREATE TABLE entries (
        shard INTEGER NOT NULL, sequence INTEGER NOT NULL, position TEXT NOT NULL, actor TEXT NOT NULL, patient TEXT,
        action TEXT NOT NULL, outcome TEXT NOT NULL, kept_until INTEGER NOT NULL, entry TEXT NOT NULL, hash TEXT NOT NULL,
        PRIMARY KEY (shard, sequence)
    ) WITHOUT ROWID;
    CREATE INDEX entries_by_time ON entries (position);
    CREATE INDEX entries_by_patient ON entries (patient, position);
    CREATE INDEX entries_by_actor ON entries (actor, position);
    CREATE INDEX entries_by_action ON entries (action, position);
    CREATE TRIGGER entries_are_final BEFORE UPDATE ON entries
        BEGIN SELECT RAISE(ABORT, 'entries of the audit trail are final'); END;
"),
// The patients whom entries show among others, such as a list. The entries themselves name them, so this is only an index.
Migration::Statements("
    CREATE TABLE shown (
        shown_patient TEXT NOT NULL, shown_at TEXT NOT NULL, shard INTEGER NOT NULL, sequence INTEGER NOT NULL,
        PRIMARY KEY (shown_patient, shown_at, shard, sequence)
    ) WITHOUT ROWID;
    CREATE INDEX shown_by_entry ON shown (shard, sequence);
    INSERT OR IGNORE INTO shown SELECT named.value, position, shard, sequence FROM entries
        JOIN json_each(CASE WHEN json_valid(entry) THEN entry ELSE '{}' END, '$.event.shown') AS named;
")];

/// One process writes, so one chain is enough.
const SHARD: u8 = 0;

pub(super) struct LocalAuditLog {
    database: Arc<Database>,
    waiting: Arc<Mutex<Vec<Waiting>>>,
    kept: SignedDuration,
    clock: Arc<dyn Clock>,
}

/// An event that is not written yet.
struct Waiting {
    event: Event,
    written: oneshot::Sender<Result<()>>,
}

impl LocalAuditLog {
    pub(super) fn new(database: Database, kept: SignedDuration, clock: Arc<dyn Clock>) -> Self {
        Self { database: Arc::new(database), waiting: Arc::default(), kept, clock }
    }

    /// Writes all waiting events.
    async fn write(
        database: Arc<Database>,
        waiting: Arc<Mutex<Vec<Waiting>>>,
        (now, kept): (Timestamp, SignedDuration),
    ) {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let batch = taken.clone();
        let written = database
            .write(move |transaction| {
                // An earlier transaction may have written them.
                let mut batch = lock(&batch);
                *batch = std::mem::take(&mut *lock(&waiting));
                let mut newest = newest(transaction)?;
                for Waiting { event, .. } in batch.iter() {
                    let entry = sealed(SHARD, newest.as_ref(), event, (now, kept))?;
                    insert(transaction, &entry, &event.shown)?;
                    newest = Some(entry);
                }
                Ok(())
            })
            .await;
        let failed = written.err().map(|error| format!("{error}: {}", error.causes()));
        for Waiting { written, .. } in std::mem::take(&mut *lock(&taken)) {
            // The request may have been cancelled.
            let _ = written.send(match &failed {
                None => Ok(()),
                Some(cause) => Err(Error::unavailable(cause.clone())),
            });
        }
    }

    /// Returns the first entries of a query in a table, or in a join of tables that reads the first one in the order of `by`, a copy of
    /// the position. `of` is the column with the patient.
    fn page(
        &self,
        tables: &str,
        by: &str,
        of: Option<(&str, &PatientId)>,
        query: &AuditQuery,
    ) -> Result<Vec<StoredEntry>> {
        let (conditions, mut values) = conditions(query)?;
        let mut conditions: Vec<_> =
            conditions.iter().map(|condition| condition.replace("position", by)).collect();
        if let Some((column, patient)) = of {
            conditions.push(format!("{column} = ?"));
            values.push(SqlValue::from(patient.to_string()));
        }
        let conditions = if conditions.is_empty() { "1".to_owned() } else { conditions.join(" AND ") };
        let statement = format!(
            concat!("SELECT ", columns!(), " FROM {} WHERE {} ORDER BY {} DESC LIMIT {}"),
            tables,
            conditions,
            by,
            query.count + 1
        );
        self.select(&statement, values)
    }

    fn select(&self, statement: &str, values: Vec<SqlValue>) -> Result<Vec<StoredEntry>> {
        self.database.read(|connection| {
            let mut select = connection.prepare_cached(statement)?;
            select.query_map(params_from_iter(values), stored)?.collect()
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredEntry> {
    Ok(StoredEntry {
        keys: Keys {
            shard: row.get(0)?,
            sequence: count(row.get(1)?),
            position: row.get(2)?,
            actor: row.get(3)?,
            patient: row.get(4)?,
            action: row.get(5)?,
            outcome: row.get(6)?,
            kept_until: Timestamp::from_millisecond(row.get(7)?).unwrap_or(Timestamp::MIN),
        },
        text: row.get(8)?,
        hash: row.get(9)?,
    })
}

fn newest(transaction: &Transaction<'_>) -> Result<Option<StoredEntry>> {
    let statement =
        concat!("SELECT ", columns!(), " FROM entries WHERE shard = ? ORDER BY sequence DESC LIMIT 1");
    one_row(transaction, statement, [SHARD], stored)
}

/// Adds an entry, and the patients whom it shows to their index.
fn insert(transaction: &Transaction<'_>, entry: &StoredEntry, shown: &[PatientId]) -> Result<()> {
    let statement = concat!("INSERT INTO entries (", columns!(), ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    let keys = &entry.keys;
    let values = params![
        keys.shard,
        integer(keys.sequence),
        keys.position,
        keys.actor,
        keys.patient,
        keys.action,
        keys.outcome,
        keys.kept_until.as_millisecond(),
        entry.text,
        entry.hash
    ];
    let mut insert = transaction.prepare_cached(statement).map_err(sql)?;
    insert.execute(values).map_err(sql)?;
    let mut insert =
        transaction.prepare_cached("INSERT OR IGNORE INTO shown VALUES (?, ?, ?, ?)").map_err(sql)?;
    for patient in shown {
        let values = params![patient.as_str(), keys.position, keys.shard, integer(keys.sequence)];
        insert.execute(values).map_err(sql)?;
    }
    Ok(())
}

/// Returns the conditions of a query and their values, without that of the patient.
fn conditions(query: &AuditQuery) -> Result<(Vec<&'static str>, Vec<SqlValue>)> {
    if query.after.as_deref().is_some_and(|after| !is_position(after)) {
        return Err(Error::invalid("'page' is not a page of this list"));
    }
    let wanted = [
        ("actor = ?", query.actor.clone()),
        ("action = ?", query.action.map(|action| action.name().to_owned())),
        ("outcome = ?", query.outcome.map(|outcome| outcome.name().to_owned())),
        ("position >= ?", query.from.map(position_of)),
        ("position < ?", query.until.map(position_of)),
        ("position < ?", query.after.clone()),
    ];
    let given = wanted.into_iter().filter_map(|(condition, value)| Some((condition, SqlValue::from(value?))));
    Ok(given.unzip())
}

#[async_trait]
impl AuditLog for LocalAuditLog {
    async fn append(&self, event: &Event) -> Result<()> {
        let (sender, written) = oneshot::channel();
        lock(&self.waiting).push(Waiting { event: event.clone(), written: sender });
        // A cancelled request does not cancel the write, which may contain events of other requests.
        let time = (self.clock.now(), self.kept);
        tokio::spawn(Self::write(self.database.clone(), self.waiting.clone(), time));
        written.await.map_err(Error::unavailable)?
    }

    async fn list(&self, query: &AuditQuery) -> Result<AuditPage> {
        let mut rows = match &query.patient {
            None => self.page("entries", "position", None, query)?,
            Some(patient) => {
                let about = self.page("entries", "position", Some(("patient", patient)), query)?;
                let shown = "shown CROSS JOIN entries USING (shard, sequence)";
                let mut rows = self.page(shown, "shown_at", Some(("shown_patient", patient)), query)?;
                rows.extend(about);
                rows
            }
        };
        rows.sort_by(|one, other| other.keys.position.cmp(&one.keys.position));
        rows.dedup_by(|one, other| one.keys.position == other.keys.position);
        let more = rows.len() > query.count;
        rows.truncate(query.count);
        let next = rows.last().filter(|_| more).map(|last| last.keys.position.clone());
        let readable = rows
            .into_iter()
            .filter_map(|row| serde_json::from_str(&row.text).inspect_err(|_| unreadable(&row.keys)).ok());
        Ok(AuditPage { entries: readable.collect(), next })
    }

    async fn chain(&self, shard: u8, from: u64, count: usize) -> Result<Vec<StoredEntry>> {
        let statement = concat!(
            "SELECT ",
            columns!(),
            " FROM entries WHERE shard = ? AND sequence >= ? ORDER BY sequence LIMIT ?"
        );
        let values = [i64::from(shard), integer(from), integer(count as u64)];
        self.select(statement, values.map(SqlValue::from).to_vec())
    }

    async fn newest(&self, shard: u8, count: usize) -> Result<Vec<StoredEntry>> {
        let statement =
            concat!("SELECT ", columns!(), " FROM entries WHERE shard = ? ORDER BY sequence DESC LIMIT ?");
        let values = [i64::from(shard), integer(count as u64)];
        let mut entries = self.select(statement, values.map(SqlValue::from).to_vec())?;
        entries.reverse();
        Ok(entries)
    }

    /// Keeps the newest entry, so that the next one continues its chain.
    async fn sweep(&self) -> Result<u64> {
        let now = self.clock.now().as_millisecond();
        self.database
            .write(move |transaction| {
                let statement = "SELECT sequence FROM entries WHERE shard = ? AND kept_until > ? ORDER BY sequence LIMIT 1";
                let first_kept: Option<i64> =
                    one_row(transaction, statement, params![SHARD, now], |row| row.get(0))?;
                let newest = newest(transaction)?.map(|newest| integer(newest.keys.sequence));
                let Some(end) = first_kept.or(newest) else { return Ok(0) };
                let statement = "DELETE FROM shown WHERE shard = ? AND sequence < ?";
                execute(transaction, statement, params![SHARD, end])?;
                let statement = "DELETE FROM entries WHERE shard = ? AND sequence < ?";
                Ok(execute(transaction, statement, params![SHARD, end])? as u64)
            })
            .await
    }
}
