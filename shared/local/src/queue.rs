//! The queue in SQLite. Sending is durable. Receiving is not, because its loss only causes another delivery. A send
//! wakes the worker of the same process at once. Tasks are delivered in the order in which they were sent: the few workers of one
//! machine are not shared between clients.

use std::sync::Arc;

use async_trait::async_trait;
use domain::clock::{Clock, Random};
use domain::error::{Error, Result};
use domain::ports::queue::{Delivery, Inbox, MAX_DELIVERIES, Queue, TaskGroup};
use domain::task::Task;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use tokio::sync::Notify;

use crate::database::{Database, execute, sql};

/// The condition under which a message is due at the time `?1`.
macro_rules! due {
    () => {
        "(due_at <= ?1 OR hidden_at > ?1)"
    };
}

/// The queue of one machine: its sending and its receiving end.
pub struct LocalQueue {
    database: Arc<Database>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    sent: Notify,
}

impl LocalQueue {
    pub(super) fn new(database: Arc<Database>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { database, clock, random, sent: Notify::new() }
    }

    /// Waits until a task is sent or released, or until the next task is due.
    pub async fn wait(&self) -> Result<()> {
        let sent = self.sent.notified();
        let now = self.clock.now().as_millisecond();
        let due: Option<i64> = self.database.read(|connection| {
            let statement =
                "SELECT min(CASE WHEN hidden_at > ? THEN 0 ELSE due_at END) FROM messages WHERE dead = 0";
            connection.prepare_cached(statement)?.query_row([now], |row| row.get(0))
        })?;
        let wait = due.map_or(i64::from(u32::MAX), |due| due - now);
        let wait = std::time::Duration::from_millis(u64::try_from(wait).unwrap_or_default());
        tokio::select! {
            () = sent => {}
            () = tokio::time::sleep(wait) => {}
        }
        Ok(())
    }

    async fn delay(&self, delivery: &Delivery, delay: SignedDuration) -> Result<()> {
        let (now, due) = (self.clock.now().as_millisecond(), self.due_after(delay));
        let receipt = delivery.receipt.clone();
        self.database
            .write_relaxed(move |transaction| {
                let statement = "UPDATE messages SET due_at = ?, hidden_at = ? WHERE receipt = ?";
                execute(transaction, statement, params![due, now, receipt])?;
                Ok(())
            })
            .await
    }

    /// Returns the time after a delay, in milliseconds since 1970.
    fn due_after(&self, delay: SignedDuration) -> i64 {
        self.clock.now().saturating_add(delay).unwrap_or(Timestamp::MAX).as_millisecond()
    }

    /// Turns messages that were delivered [`MAX_DELIVERIES`] times into dead letters, then takes one message with a new
    /// receipt.
    async fn take(
        &self,
        take: impl FnOnce(&Transaction<'_>, i64, &str) -> rusqlite::Result<(String, u32)> + Send + 'static,
    ) -> Result<Option<Delivery>> {
        let now = self.clock.now().as_millisecond();
        let receipt = self.random.secret();
        let taken = self
            .database
            .write_relaxed(move |transaction| {
                let bury = concat!(
                    "UPDATE messages SET dead = 1, receipt = NULL WHERE dead = 0 AND ",
                    due!(),
                    " AND deliveries >= ?2"
                );
                transaction
                    .prepare_cached(bury)
                    .map_err(sql)?
                    .execute(params![now, MAX_DELIVERIES])
                    .map_err(sql)?;
                let taken = take(transaction, now, &receipt).optional().map_err(sql)?;
                Ok(taken.map(|(body, deliveries)| (body, deliveries, receipt)))
            })
            .await?;
        let Some((body, deliveries, receipt)) = taken else { return Ok(None) };
        match serde_json::from_str(&body) {
            Ok(task) => Ok(Some(Delivery { task, receipt, deliveries })),
            Err(error) => {
                // Another version of this program sent the message. This version can never read it, so the message is
                // removed; cleanup sends the next task of its job.
                let error = Error::reading(error);
                tracing::error!(error = %error, cause = error.causes(), "a message of the queue could not be read and was dropped");
                self.drop_message(receipt).await?;
                Ok(None)
            }
        }
    }

    async fn drop_message(&self, receipt: String) -> Result<()> {
        self.database
            .write_relaxed(move |transaction| {
                execute(transaction, "DELETE FROM messages WHERE receipt = ?", [receipt])?;
                Ok(())
            })
            .await
    }
}

#[async_trait]
impl Queue for LocalQueue {
    async fn send(&self, _: &TaskGroup, tasks: &[Task]) -> Result<()> {
        let bodies = tasks.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
        self.database
            .write(move |transaction| {
                // `due_at` is 0, not the present time, so that the message is due even if the clock is set back.
                let mut insert = transaction
                    .prepare_cached("INSERT INTO messages (body, due_at) VALUES (?, 0)")
                    .map_err(sql)?;
                for body in bodies {
                    insert.execute([body]).map_err(sql)?;
                }
                Ok(())
            })
            .await?;
        self.sent.notify_one();
        Ok(())
    }
}

#[async_trait]
impl Inbox for LocalQueue {
    async fn receive(&self, visibility: SignedDuration) -> Result<Option<Delivery>> {
        let hidden_until = self.due_after(visibility);
        self.take(move |transaction, now, receipt| {
            let take = concat!(
                "UPDATE messages SET due_at = ?2, hidden_at = ?1, receipt = ?3, deliveries = deliveries + 1 WHERE id =
                (SELECT id FROM messages WHERE dead = 0 AND ",
                due!(),
                " ORDER BY id LIMIT 1) RETURNING body, deliveries"
            );
            transaction.prepare_cached(take)?.query_row(params![now, hidden_until, receipt], taken)
        })
        .await
    }

    async fn acknowledge(&self, delivery: &Delivery) -> Result<()> {
        self.drop_message(delivery.receipt.clone()).await
    }

    async fn release(&self, delivery: &Delivery, delay: SignedDuration) -> Result<()> {
        self.delay(delivery, delay).await?;
        self.sent.notify_one();
        Ok(())
    }

    async fn extend(&self, delivery: &Delivery, visibility: SignedDuration) -> Result<()> {
        self.delay(delivery, visibility).await
    }

    async fn dead(&self) -> Result<Option<Delivery>> {
        let now = self.clock.now().as_millisecond();
        // Dead letters are rare, and this read costs less than a transaction.
        let any = self.database.read(|connection| {
            let statement = concat!(
                "SELECT 1 FROM messages WHERE dead = 1 OR (",
                due!(),
                " AND deliveries >= ?2) LIMIT 1"
            );
            connection
                .prepare_cached(statement)?
                .query_row(params![now, MAX_DELIVERIES], |_| Ok(()))
                .optional()
        })?;
        if any.is_none() {
            return Ok(None);
        }
        self.take(|transaction, _, receipt| {
            let take = "UPDATE messages SET receipt = ? WHERE id =
                (SELECT id FROM messages WHERE dead = 1 ORDER BY id LIMIT 1) RETURNING body, deliveries";
            transaction.prepare_cached(take)?.query_row([receipt], taken)
        })
        .await
    }
}

fn taken(row: &Row<'_>) -> rusqlite::Result<(String, u32)> {
    Ok((row.get(0)?, row.get(1)?))
}
