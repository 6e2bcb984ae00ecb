//! The hash chains of the audit trail: seals entries, and verifies chains.
//!
//! An entry has the hash of the previous entry and the end of its retention. So a missing entry differs from an expired
//! one, and nothing must be stored about the beginning of a chain when old entries are removed.
//!
//! A chain alone cannot show that its newest entries were removed, or that an attacker with write access replaced the
//! whole chain. Comparison with [`Head`]s that are kept in another place detects both.

use aws_lc_rs::digest;
use domain::audit::{Action, Entry, Event, Link, SHARDS};
use domain::clock::hex;
use domain::error::{Error, Result};
use domain::ports::audit::{AuditLog, Keys, StoredEntry};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

/// The number of entries that are read at a time.
const PAGE: usize = 1_000;

/// Returns the SHA-256 of an entry's canonical form, hexadecimal.
fn hash_of(text: &str) -> String {
    hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

/// Makes the entry for an event. `previous` is the newest entry of the shard.
///
/// # Errors
///
/// [`Error::Internal`] if `previous` cannot be read.
pub fn sealed(
    shard: u8,
    previous: Option<&StoredEntry>,
    event: &Event,
    (now, kept): (Timestamp, SignedDuration),
) -> Result<StoredEntry> {
    // Another version of the server may have written the previous entry, with an action that this version does not
    // know.
    let before: Option<Chained> =
        previous.map(|previous| serde_json::from_str(&previous.text)).transpose()?;
    let kept_until = now.saturating_add(kept).unwrap_or(Timestamp::MAX);
    let entry = Entry {
        shard,
        sequence: before.as_ref().map_or(0, |before| before.sequence) + 1,
        previous: previous
            .zip(before.as_ref())
            .map(|(previous, before)| Link { hash: previous.hash.clone(), kept_until: before.kept_until }),
        at: whole_milliseconds(now)?,
        kept_until: whole_milliseconds(
            before.map_or(kept_until, |before| before.kept_until.max(kept_until)),
        )?,
        event: event.clone(),
    };
    let text = serde_json::to_string(&entry)?;
    Ok(StoredEntry { hash: hash_of(&text), text, keys: Keys::of(&entry) })
}

/// The fields of an entry on which the next one depends.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chained {
    sequence: u64,
    kept_until: Timestamp,
}

/// Returns an entry in its canonical form, with its keys.
fn known(text: &str) -> Option<(Entry, Keys)> {
    let entry: Entry = serde_json::from_str(text).ok()?;
    let keys = Keys::of(&entry);
    (serde_json::to_string(&entry).ok()? == text).then_some((entry, keys))
}

/// Returns an entry with an action that this version does not know, and its keys. The action of the returned entry is another one.
/// The canonical form is not checked, because entries of a newer version may have more fields. An entry with a known action and an unknown result or field
/// is unreadable.
fn newer(text: &str) -> Option<(Entry, Keys)> {
    let mut value: Value = serde_json::from_str(text).ok()?;
    let action = value.get_mut("event")?.get_mut("action")?;
    let name = action.as_str().filter(|name| Action::named(name).is_none())?.to_owned();
    *action = Value::from(Action::SettingsChanged.name());
    let entry: Entry = serde_json::from_value(value).ok()?;
    let keys = Keys { action: name, ..Keys::of(&entry) };
    Some((entry, keys))
}

fn whole_milliseconds(at: Timestamp) -> Result<Timestamp> {
    Timestamp::from_millisecond(at.as_millisecond()).map_err(Error::internal)
}

/// The newest entry of a chain, to be kept in another place. As text: `shard sequence hash keptUntil`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub shard: u8,
    pub sequence: u64,
    pub hash: String,
    pub kept_until: Timestamp,
}

impl std::fmt::Display for Head {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { shard, sequence, hash, kept_until } = self;
        write!(formatter, "{shard} {sequence} {hash} {kept_until}")
    }
}

impl std::str::FromStr for Head {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong =
            || Error::invalid(format!("'{text}' is not a shard, a sequence number, a hash and a time"));
        let mut words = text.split_ascii_whitespace();
        let mut next = || words.next().ok_or_else(wrong);
        let head = Self {
            shard: next()?.parse().map_err(|_| wrong())?,
            sequence: next()?.parse().map_err(|_| wrong())?,
            hash: next()?.to_owned(),
            kept_until: next()?.parse().map_err(|_| wrong())?,
        };
        let is_head = head.shard < SHARDS && head.hash.len() == 64 && words.next().is_none();
        if is_head { Ok(head) } else { Err(wrong()) }
    }
}

/// The first entry at which a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("shard {shard}, entry {sequence}: {problem}")]
pub struct Broken {
    pub shard: u8,
    pub sequence: u64,
    pub problem: Problem,
}

/// The fault of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("it is not an entry in its canonical form")]
    Unreadable,
    #[error("its hash is not that of its contents")]
    Changed,
    #[error("the values by which lists find it differ from its contents")]
    Misfiled,
    #[error("the previous entry was removed before the end of its retention")]
    Missing,
    #[error("it does not follow the previous entry")]
    Unlinked,
    #[error("it is expected, but it is missing")]
    CutOff,
    #[error("it differs from the expected entry")]
    Replaced,
}

/// Verifies the entries of one shard, which are given in the order of their sequence numbers.
#[derive(Debug)]
pub struct Verifier<'e> {
    shard: u8,
    now: Timestamp,
    /// The heads of this shard that were kept in another place and have not been found yet.
    expected: Vec<&'e Head>,
    last: Option<Head>,
    /// Whether the first entry may have any previous entry.
    begins_anywhere: bool,
    count: u64,
    newer: u64,
}

/// The result of the verification of a chain that is not broken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// The newest entry; `None` if the chain is empty.
    pub head: Option<Head>,
    /// The number of entries.
    pub entries: u64,
    /// The number of those whose action this version does not know, because a newer version wrote them.
    pub newer: u64,
}

impl<'e> Verifier<'e> {
    pub fn new(shard: u8, now: Timestamp, expected: &'e [Head]) -> Self {
        let expected = expected.iter().filter(|head| head.shard == shard).collect();
        Self { shard, now, expected, last: None, begins_anywhere: false, count: 0, newer: 0 }
    }

    /// Creates a verifier for the end of a chain, which does not check the entries before.
    pub fn of_end(shard: u8, now: Timestamp) -> Self {
        Self { begins_anywhere: true, ..Self::new(shard, now, &[]) }
    }

    /// Verifies the next entry.
    ///
    /// # Errors
    ///
    /// [`Broken`] with the number under which the store has the entry.
    pub fn next(&mut self, stored: &StoredEntry) -> Result<(), Broken> {
        let broken = |problem| Broken { shard: self.shard, sequence: stored.keys.sequence, problem };
        if hash_of(&stored.text) != stored.hash {
            return Err(broken(Problem::Changed));
        }
        let canonical = known(&stored.text);
        let is_newer = canonical.is_none();
        let read = canonical.or_else(|| newer(&stored.text));
        let (entry, keys) = read.ok_or_else(|| broken(Problem::Unreadable))?;
        if keys != stored.keys || entry.shard != self.shard {
            return Err(broken(Problem::Misfiled));
        }
        self.link(&entry).map_err(broken)?;
        let head = Head {
            shard: self.shard,
            sequence: entry.sequence,
            hash: stored.hash.clone(),
            kept_until: entry.kept_until,
        };
        if self.expected.iter().any(|known| known.sequence == head.sequence && known.hash != head.hash) {
            return Err(broken(Problem::Replaced));
        }
        self.expected.retain(|known| known.sequence != head.sequence);
        self.last = Some(head);
        self.count += 1;
        self.newer += u64::from(is_newer);
        Ok(())
    }

    /// Returns whether an entry follows the previous one, or one that has expired.
    fn link(&self, entry: &Entry) -> Result<(), Problem> {
        let Some(previous) = &entry.previous else {
            let is_first = entry.sequence == 1 && self.last.is_none();
            return if is_first { Ok(()) } else { Err(Problem::Unlinked) };
        };
        if entry.kept_until < previous.kept_until || entry.sequence <= 1 {
            return Err(Problem::Unlinked);
        }
        match &self.last {
            Some(last) if last.sequence >= entry.sequence => Err(Problem::Unlinked),
            Some(last) if last.sequence + 1 == entry.sequence => {
                let follows = last.hash == previous.hash && last.kept_until == previous.kept_until;
                if follows { Ok(()) } else { Err(Problem::Unlinked) }
            }
            None if self.begins_anywhere => Ok(()),
            // Entries expire in order: if the previous one has expired, so have all earlier ones.
            Some(_) | None if previous.kept_until <= self.now => Ok(()),
            Some(_) | None => Err(Problem::Missing),
        }
    }

    /// Ends the chain.
    ///
    /// # Errors
    ///
    /// [`Broken`] if an expected entry is missing and has not expired.
    pub fn end(self) -> Result<Verified, Broken> {
        let cut_off = self.expected.iter().find(|head| head.kept_until > self.now);
        match cut_off {
            Some(head) => {
                Err(Broken { shard: self.shard, sequence: head.sequence, problem: Problem::CutOff })
            }
            None => Ok(Verified { head: self.last, entries: self.count, newer: self.newer }),
        }
    }
}

/// The result of a verification.
#[derive(Debug, Default)]
pub struct Report {
    /// The number of entries that were read.
    pub entries: u64,
    /// The number of entries whose action this version does not know, because a newer version wrote them. They are not broken.
    pub newer: u64,
    /// The heads of the shards that have entries and are not broken.
    pub heads: Vec<Head>,
    /// The first broken entry of each broken shard.
    pub broken: Vec<Broken>,
}

/// Verifies all chains completely, and compares them with heads that were kept in another place.
///
/// # Errors
///
/// The error of the store.
pub async fn verify(log: &dyn AuditLog, now: Timestamp, expected: &[Head]) -> Result<Report> {
    let mut report = Report::default();
    for shard in 0..SHARDS {
        let (mut verifier, mut from) = (Verifier::new(shard, now, expected), 0);
        let verified = loop {
            let page = log.chain(shard, from, PAGE).await?;
            let Some(last) = page.last() else { break verifier.end() };
            from = last.keys.sequence + 1;
            if let Err(broken) = page.iter().try_for_each(|stored| verifier.next(stored)) {
                break Err(broken);
            }
        };
        report.add(verified);
    }
    Ok(report)
}

/// Verifies the newest entries of each chain, at most `count` of each.
///
/// # Errors
///
/// The error of the store.
pub async fn verify_newest(log: &dyn AuditLog, now: Timestamp, count: usize) -> Result<Report> {
    let mut report = Report::default();
    for shard in 0..SHARDS {
        let newest = log.newest(shard, count).await?;
        let mut verifier = Verifier::of_end(shard, now);
        let verified = newest.iter().try_for_each(|stored| verifier.next(stored));
        report.add(verified.and_then(|()| verifier.end()));
    }
    Ok(report)
}

impl Report {
    fn add(&mut self, verified: Result<Verified, Broken>) {
        match verified {
            Ok(verified) => {
                self.entries += verified.entries;
                self.newer += verified.newer;
                self.heads.extend(verified.head);
            }
            Err(broken) => self.broken.push(broken),
        }
    }
}
