//! The port for the store of the [audit trail](crate::audit).

use async_trait::async_trait;
use futures_util::TryStreamExt;
use futures_util::stream::{self, Stream};
use jiff::Timestamp;

use crate::audit::{Action, Entry, Event, Outcome};
use crate::error::Result;
use crate::ids::PatientId;

/// An entry as it is stored: its canonical form, its hash, and copies of some of its values, by which lists find it.
/// Verification compares the copies as well, because a changed copy would hide the entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// The canonical form of the [`Entry`].
    pub text: String,
    /// The SHA-256 of the text, hexadecimal.
    pub hash: String,
    pub keys: Keys,
}

/// The values by which a store finds an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    pub shard: u8,
    pub sequence: u64,
    /// [`Entry::position`].
    pub position: String,
    /// The id of the actor.
    pub actor: String,
    pub patient: Option<String>,
    pub action: String,
    pub outcome: String,
    pub kept_until: Timestamp,
}

impl Keys {
    pub fn of(entry: &Entry) -> Self {
        Self {
            shard: entry.shard,
            sequence: entry.sequence,
            position: entry.position(),
            actor: entry.event.actor.id.clone(),
            patient: entry.event.patient.as_ref().map(ToString::to_string),
            action: entry.event.action.name().to_owned(),
            outcome: entry.event.outcome.name().to_owned(),
            kept_until: entry.kept_until,
        }
    }
}

/// The entries to list, newest first. Each condition that is set must hold.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// The id of the actor.
    pub actor: Option<String>,
    /// The patient whose record an entry concerns, or one of the patients whom it shows ([`Event::shown`]).
    pub patient: Option<PatientId>,
    pub action: Option<Action>,
    pub outcome: Option<Outcome>,
    /// Not before this time.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// The maximum number of entries.
    pub count: usize,
    /// [`AuditPage::next`] of the previous page.
    pub after: Option<String>,
}

impl AuditQuery {
    /// Returns whether an entry that an index found matches the rest of the query, apart from its times.
    pub fn matches(&self, event: &Event) -> bool {
        self.actor.as_ref().is_none_or(|actor| *actor == event.actor.id)
            && self.patient.as_ref().is_none_or(|patient| event.names(patient))
            && self.action.is_none_or(|action| action == event.action)
            && self.outcome.is_none_or(|outcome| outcome == event.outcome)
    }
}

#[derive(Debug)]
pub struct AuditPage {
    pub entries: Vec<Entry>,
    /// `after` of the next query; `None` on the last page.
    pub next: Option<String>,
}

/// Logs that a list leaves an entry out because it cannot be read. Verification of the chain finds it as well. An action that this
/// version does not know is no fault: a newer version wrote the entry.
pub fn unreadable(keys: &Keys) {
    if Action::named(&keys.action).is_none() {
        tracing::warn!(
            shard = keys.shard,
            sequence = keys.sequence,
            "an entry of the audit trail was written by a newer version of the server and is left out"
        );
        return;
    }
    tracing::error!(
        shard = keys.shard,
        sequence = keys.sequence,
        "an entry of the audit trail cannot be read and is left out: verify the chain"
    );
}

/// Returns all entries that a query finds, page after page.
pub fn all(log: &dyn AuditLog, query: AuditQuery) -> impl Stream<Item = Result<Entry>> + Unpin + Send {
    let pages = stream::try_unfold(Some(query), async move |query: Option<AuditQuery>| -> Result<_> {
        let Some(query) = query else { return Ok(None) };
        let page = log.list(&query).await?;
        let rest = page.next.map(|after| AuditQuery { after: Some(after), ..query });
        Ok(Some((stream::iter(page.entries.into_iter().map(Ok)), rest)))
    });
    Box::pin(pages.try_flatten())
}

/// The store of the audit trail. Entries are only added, and removed at the end of their retention; they never change.
///
/// A store has an index of the patients whom entries show, such as a list. The index is no part of the chain: the entries
/// themselves name these patients.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Adds an entry with the current time. When this returns, the entry is durable, and a query by each patient whom it
    /// names finds it. If a call is repeated because its response was lost, the event is added once. Concurrent writers add
    /// to the same chain one after the other, or to different chains.
    async fn append(&self, event: &Event) -> Result<()>;

    /// Returns a page of entries, newest first. A store reads a limited number of entries for each page, so a page may
    /// have fewer entries than requested, or none, although more follow. An entry that cannot be read is left out and
    /// logged.
    async fn list(&self, query: &AuditQuery) -> Result<AuditPage>;

    /// Returns the entries of a shard from a sequence number on, in their order, at most `count`.
    async fn chain(&self, shard: u8, from: u64, count: usize) -> Result<Vec<StoredEntry>>;

    /// Returns the newest entries of a shard, in the order of their sequence numbers, at most `count`.
    async fn newest(&self, shard: u8, count: usize) -> Result<Vec<StoredEntry>>;

    /// Removes entries at the end of their retention, and returns their number. The remaining chain still verifies.
    async fn sweep(&self) -> Result<u64>;
}
