//! The mails to patients that are not sent yet, in SQLite. A row is written in the transaction that changes its job, so
//! that no mail is lost or invented. It has no address: the job has it, and the mail is written when it is sent.

use std::sync::Arc;

use domain::audit::Outcome;
use domain::clock::Clock;
use domain::error::{Error, Result};
use domain::ids::JobId;
use domain::job::{Job, JobState};
use domain::notice::{Notice, NoticeKind};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use tokio::sync::Notify;

use crate::database::{Database, execute};

/// The longest wait before a mail is tried again, in milliseconds. A mail that is due later than this was put back
/// before the clock was set back, and is due.
const LONGEST_WAIT: i64 = 10 * 60 * 1000;

/// The mails of one machine.
pub struct LocalOutbox {
    database: Arc<Database>,
    clock: Arc<dyn Clock>,
    added: Notify,
}

/// A mail that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingMail {
    number: i64,
    pub job: JobId,
    pub kind: NoticeKind,
    /// The number of attempts to send it.
    pub tries: u32,
    /// The outcome, if it is known and only has to be recorded.
    pub outcome: Option<Outcome>,
}

/// The mail for a job that enters its state.
pub(super) struct NewMail {
    job: String,
    kind: NoticeKind,
    state: JobState,
}

impl NewMail {
    pub(super) fn of(job: &Job) -> Option<Self> {
        let notice = Notice::of_state(job)?;
        Some(Self { job: notice.job.to_string(), kind: notice.kind, state: job.state() })
    }
}

/// Adds the mail of a job that was in the state `before`, if the change causes one.
pub(super) fn add(
    transaction: &Transaction<'_>,
    mail: Option<&NewMail>,
    before: Option<JobState>,
) -> Result<()> {
    let Some(mail) = mail.filter(|mail| Notice::is_caused(before, mail.state)) else { return Ok(()) };
    let statement = "INSERT OR IGNORE INTO mails (job, kind, due_at) VALUES (?, ?, 0)";
    execute(transaction, statement, params![mail.job, mail.kind.name()])?;
    Ok(())
}

impl LocalOutbox {
    pub(super) fn new(database: Arc<Database>, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock, added: Notify::new() }
    }

    pub(super) fn wake(&self) {
        self.added.notify_one();
    }

    /// Returns the oldest mail that is due.
    pub fn due(&self) -> Result<Option<WaitingMail>> {
        let now = self.clock.now().as_millisecond();
        let found = self.database.read(|connection| {
            let statement = "SELECT number, job, kind, tries, outcome FROM mails WHERE due_at <= ?1 OR due_at > ?2 ORDER BY number LIMIT 1";
            let mut select = connection.prepare_cached(statement)?;
            select.query_row([now, now + LONGEST_WAIT], RawMail::of).optional()
        })?;
        found.map(RawMail::waiting).transpose()
    }

    /// Waits until a mail is added, or until the next one is due.
    pub async fn wait(&self) -> Result<()> {
        let added = self.added.notified();
        let now = self.clock.now().as_millisecond();
        let next: Option<i64> = self.database.read(|connection| {
            connection.prepare_cached("SELECT min(due_at) FROM mails")?.query_row([], |row| row.get(0))
        })?;
        let wait = next.map_or(i64::from(u32::MAX), |due| (due - now).clamp(0, LONGEST_WAIT));
        let wait = std::time::Duration::from_millis(u64::try_from(wait).unwrap_or_default());
        tokio::select! {
            () = added => {}
            () = tokio::time::sleep(wait) => {}
        }
        Ok(())
    }

    /// Puts a mail back, to be tried again after a pause.
    pub async fn put_back(&self, mail: &WaitingMail, pause: SignedDuration) -> Result<()> {
        let due = self.clock.now().saturating_add(pause).unwrap_or(Timestamp::MAX).as_millisecond();
        let statement = "UPDATE mails SET due_at = ?, tries = tries + 1 WHERE number = ?";
        self.write(statement, (due, mail.number)).await
    }

    /// Stores the outcome of a mail, so that it is not sent again if it cannot be recorded now.
    pub async fn settle(&self, mail: &WaitingMail, outcome: Outcome) -> Result<()> {
        let statement = "UPDATE mails SET outcome = ? WHERE number = ?";
        self.write(statement, (outcome.name(), mail.number)).await
    }

    /// Removes a mail.
    pub async fn remove(&self, mail: &WaitingMail) -> Result<()> {
        self.write("DELETE FROM mails WHERE number = ?", [mail.number]).await
    }

    async fn write(
        &self,
        statement: &'static str,
        values: impl rusqlite::Params + Send + 'static,
    ) -> Result<()> {
        self.database.write(move |transaction| execute(transaction, statement, values).map(|_| ())).await
    }
}

/// A row as it is stored.
struct RawMail {
    number: i64,
    job: String,
    kind: String,
    tries: u32,
    outcome: Option<String>,
}

impl RawMail {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get(0)?,
            job: row.get(1)?,
            kind: row.get(2)?,
            tries: row.get(3)?,
            outcome: row.get(4)?,
        })
    }

    fn waiting(self) -> Result<WaitingMail> {
        let kind = NoticeKind::named(&self.kind);
        Ok(WaitingMail {
            number: self.number,
            job: JobId::parse(&self.job).map_err(Error::internal)?,
            kind: kind.ok_or_else(|| Error::internal("a waiting mail is of an unknown kind"))?,
            tries: self.tries,
            outcome: self.outcome.as_deref().and_then(Outcome::named),
        })
    }
}
