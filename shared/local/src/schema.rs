//! The schema of the state.

use crate::database::Migration::{Statements, Step};
use crate::database::Migrations;
use crate::job_rows;

/// One migration for each version. A migration never changes after its release; a new one is added at the
/// end. `user_version` stores the version of a database; databases from before it was stored also start with the first
/// migration. (`rusqlite_migration` does the same, but its version 2.6 is for `rusqlite` 0.40, and 0.41 is used here.)
pub(super) const STATE: Migrations = &[
    Statements(SCHEMA),
    // The time since which a message is hidden until `due_at`. If it is in the future, the clock was set back since.
    Statements("ALTER TABLE messages ADD COLUMN hidden_at INTEGER NOT NULL DEFAULT 0;"),
    // The end of an export's plan, and the part of the plan whose chunks were sent.
    Statements(
        "ALTER TABLE jobs ADD COLUMN plan_end INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE jobs ADD COLUMN plan_sent INTEGER NOT NULL DEFAULT 0;
     UPDATE jobs SET plan_end = chunks_planned;",
    ),
    // The indexes for lists and searches of jobs, and then the rows of existing jobs.
    Statements("CREATE INDEX jobs_by_state ON jobs (state, created_at, id);
     CREATE INDEX jobs_by_patient ON jobs (patient, created_at, id);
     CREATE TABLE job_search (
         key TEXT NOT NULL, position TEXT NOT NULL, words TEXT NOT NULL, job TEXT NOT NULL, PRIMARY KEY (key, position)
     ) WITHOUT ROWID;
     CREATE INDEX job_search_by_job ON job_search (job);"),
    Step(job_rows::fill),
    // The mails to patients that are not sent yet. They have no address: it is in the job.
    Statements(
        "CREATE TABLE mails (
         number INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, kind TEXT NOT NULL, due_at INTEGER NOT NULL,
         tries INTEGER NOT NULL DEFAULT 0, outcome TEXT, UNIQUE (job, kind)
     );",
    ),
    // The time at which a chunk of the export was last finished, in milliseconds.
    Statements("ALTER TABLE jobs ADD COLUMN done_at INTEGER;"),
];

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS jobs (
        id TEXT PRIMARY KEY, version INTEGER NOT NULL, state TEXT NOT NULL, patient TEXT, owner TEXT NOT NULL,
        created_at INTEGER NOT NULL, job TEXT NOT NULL,
        chunks_planned INTEGER NOT NULL DEFAULT 0, chunks_done INTEGER NOT NULL DEFAULT 0,
        plan_complete INTEGER NOT NULL DEFAULT 0, bytes_planned INTEGER NOT NULL DEFAULT 0,
        bytes_done INTEGER NOT NULL DEFAULT 0, resources INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS jobs_by_time ON jobs (created_at, id);
    CREATE INDEX IF NOT EXISTS jobs_by_owner ON jobs (owner, created_at, id);
    CREATE TABLE IF NOT EXISTS chunks (
        job TEXT NOT NULL, id TEXT NOT NULL, chunk TEXT NOT NULL, result TEXT, PRIMARY KEY (job, id)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, due_at INTEGER NOT NULL,
        deliveries INTEGER NOT NULL DEFAULT 0, receipt TEXT, dead INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX IF NOT EXISTS messages_due ON messages (dead, due_at);
    CREATE TABLE IF NOT EXISTS grants (
        kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, expires_at INTEGER NOT NULL,
        version INTEGER NOT NULL, PRIMARY KEY (kind, key)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS grants_by_time ON grants (expires_at);
";

#[cfg(test)]
mod tests;
