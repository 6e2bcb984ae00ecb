//! Expiring entries in SQLite.

use std::sync::Arc;

use async_trait::async_trait;
use domain::clock::Clock;
use domain::error::{Error, Result};
use domain::ports::expiring::{EntryKind, ExpiringEntry, ExpiringStore};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};
use serde_json::Value;

use crate::database::{Database, count, execute, integer, one_row};

pub(super) struct LocalExpiringStore {
    database: Arc<Database>,
    clock: Arc<dyn Clock>,
}

impl LocalExpiringStore {
    pub(super) fn new(database: Arc<Database>, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock }
    }

    fn now(&self) -> i64 {
        self.clock.now().as_millisecond()
    }
}

/// Returns whether an entry must be on the disk before it is reported to a client. Export slots and idempotency keys
/// belong to an export that is about to start, and reach the disk together with it.
fn lasts(kind: EntryKind) -> bool {
    !matches!(kind, EntryKind::ExportSlot | EntryKind::Idempotency)
}

fn columns(row: &Row<'_>) -> rusqlite::Result<(String, i64, i64)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn entry((value, expires_at, version): (String, i64, i64)) -> Result<ExpiringEntry> {
    Ok(ExpiringEntry {
        value: serde_json::from_str(&value)?,
        expires_at: Timestamp::from_millisecond(expires_at).map_err(Error::internal)?,
        version: count(version),
    })
}

#[async_trait]
impl ExpiringStore for LocalExpiringStore {
    async fn put(&self, kind: EntryKind, key: &str, value: Value, expires_at: Timestamp) -> Result<bool> {
        let (key, now) = (key.to_owned(), self.now());
        self.database
            .write_lasting(lasts(kind), move |transaction| {
                let statement =
                    "INSERT INTO grants (kind, key, value, expires_at, version) VALUES (?1, ?2, ?3, ?4, 1)
                    ON CONFLICT (kind, key) DO UPDATE SET value = ?3, expires_at = ?4, version = version + 1
                    WHERE grants.expires_at <= ?5";
                let values = params![kind.name(), key, value.to_string(), expires_at.as_millisecond(), now];
                Ok(execute(transaction, statement, values)? == 1)
            })
            .await
    }

    async fn get(&self, kind: EntryKind, key: &str) -> Result<Option<ExpiringEntry>> {
        let now = self.now();
        let found = self.database.read(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT value, expires_at, version FROM grants WHERE kind = ? AND key = ? AND expires_at > ?",
            )?;
            select.query_row(params![kind.name(), key, now], columns).optional()
        })?;
        found.map(entry).transpose()
    }

    async fn replace(&self, kind: EntryKind, key: &str, entry: &ExpiringEntry) -> Result<bool> {
        let (key, now, entry) = (key.to_owned(), self.now(), entry.clone());
        self.database
            .write_lasting(lasts(kind), move |transaction| {
                let statement = "UPDATE grants SET value = ?, expires_at = ?, version = version + 1
                    WHERE kind = ? AND key = ? AND version = ? AND expires_at > ?";
                let expires_at = entry.expires_at.as_millisecond();
                let values = params![
                    entry.value.to_string(),
                    expires_at,
                    kind.name(),
                    key,
                    integer(entry.version),
                    now
                ];
                Ok(execute(transaction, statement, values)? == 1)
            })
            .await
    }

    async fn take(&self, kind: EntryKind, key: &str) -> Result<Option<ExpiringEntry>> {
        let (key, now) = (key.to_owned(), self.now());
        let found = self
            .database
            .write(move |transaction| {
                let statement =
                    "DELETE FROM grants WHERE kind = ? AND key = ? RETURNING value, expires_at, version";
                let row = one_row(transaction, statement, params![kind.name(), key], columns)?;
                Ok(row.filter(|(_, expires_at, _)| *expires_at > now))
            })
            .await?;
        found.map(entry).transpose()
    }

    async fn sweep(&self) -> Result<u64> {
        let now = self.now();
        self.database
            .write(move |transaction| {
                let removed = execute(transaction, "DELETE FROM grants WHERE expires_at <= ?", [now])?;
                Ok(removed as u64)
            })
            .await
    }
}
