//! Tables: rows in the order of their keys, sparse indexes, and the rows that a transaction locks.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::time::Duration;

use super::items::{Item, text};

/// The hash key and the range key; the range key is empty in a table without one.
pub(crate) type Key = (String, String);

/// The keys of a table or of an index.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schema {
    pub(crate) hash: &'static str,
    pub(crate) range: Option<&'static str>,
}

#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) schema: Schema,
    rows: BTreeMap<Key, Item>,
    indexes: Vec<(&'static str, Schema)>,
    /// The entries of each index: its key, and the key of the row.
    entries: Vec<BTreeSet<(Key, Key)>>,
    /// The rows that a transaction is writing, and until when it locks them.
    held: HashMap<Key, Duration>,
}

impl Table {
    pub(crate) fn new(schema: Schema, indexes: &[(&'static str, Schema)]) -> Self {
        Self {
            schema,
            rows: BTreeMap::new(),
            indexes: indexes.to_vec(),
            entries: vec![BTreeSet::new(); indexes.len()],
            held: HashMap::new(),
        }
    }

    /// Creates the table of jobs, as `template.yaml` declares it.
    pub(crate) fn of_jobs() -> Self {
        let by = |hash| Schema { hash, range: Some("listed_at") };
        Self::new(
            Schema { hash: "job_id", range: Some("part") },
            &[
                ("by-listing", by("listing")),
                ("by-owner", by("job_owner")),
                ("by-patient", by("patient_id")),
                ("by-state", by("job_state")),
            ],
        )
    }

    /// Creates the table of grants.
    pub(crate) fn of_grants() -> Self {
        Self::new(Schema { hash: "grant_key", range: None }, &[])
    }

    /// Creates the table of the audit trail.
    pub(crate) fn of_audit() -> Self {
        let by = |hash| Schema { hash, range: Some("listed_at") };
        Self::new(
            Schema { hash: "shard_id", range: Some("entry_number") },
            &[("by-time", by("shard_id")), ("by-actor", by("actor_id")), ("by-patient", by("patient_id"))],
        )
    }

    /// Returns the key of an item; an error if an attribute of the key is missing or not a text.
    pub(crate) fn key_of(&self, item: &Item) -> Result<Key, String> {
        key(self.schema, item)
            .ok_or_else(|| "one of the key attributes is missing or of another type".to_owned())
    }

    /// Returns the key in a request, which must have the key's attributes only.
    pub(crate) fn checked_key(&self, item: &Item) -> Result<Key, String> {
        if item.len() != 1 + usize::from(self.schema.range.is_some()) {
            return Err("the provided key element does not match the schema".to_owned());
        }
        self.key_of(item)
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Item> {
        self.rows.get(key)
    }

    pub(crate) fn len(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Writes or removes a row; returns the number of indexes that the old or the new row is in.
    pub(crate) fn set(&mut self, key: Key, item: Option<Item>) -> u64 {
        let mut changed = 0;
        for ((_, schema), entries) in self.indexes.iter().zip(&mut self.entries) {
            let before = self.rows.get(&key).and_then(|row| index_key(*schema, row));
            let after = item.as_ref().and_then(|row| index_key(*schema, row));
            changed += u64::from(before.is_some() || after.is_some());
            if before != after {
                if let Some(before) = before {
                    entries.remove(&(before, key.clone()));
                }
                if let Some(after) = after {
                    entries.insert((after, key.clone()));
                }
            }
        }
        match item {
            Some(item) => drop(self.rows.insert(key, item)),
            None => drop(self.rows.remove(&key)),
        }
        changed
    }

    /// Returns whether a transaction locks a row.
    pub(crate) fn is_held(&self, key: &Key, now: Duration) -> bool {
        self.held.get(key).is_some_and(|until| *until > now)
    }

    pub(crate) fn hold(&mut self, key: Key, now: Duration, until: Duration) {
        if self.held.len() > 10_000 {
            self.held.retain(|_, until| *until > now);
        }
        self.held.insert(key, until);
    }

    pub(crate) fn index(&self, name: &str) -> Option<(usize, Schema)> {
        self.indexes.iter().position(|(known, _)| *known == name).map(|place| (place, self.indexes[place].1))
    }

    /// Returns the rows of a hash key, sorted by range key, within bounds.
    pub(crate) fn range<'t>(
        &'t self,
        hash: &str,
        (low, high): (Bound<String>, Bound<String>),
        forward: bool,
    ) -> Box<dyn Iterator<Item = (&'t Key, &'t Item)> + 't> {
        let Some(range) = ordered(hash, low, high) else { return Box::new(std::iter::empty()) };
        let rows = self.rows.range(range);
        if forward { Box::new(rows) } else { Box::new(rows.rev()) }
    }

    /// Returns the rows of an index in the same way.
    pub(crate) fn index_range<'t>(
        &'t self,
        index: usize,
        hash: &str,
        (low, high): (Bound<String>, Bound<String>),
        forward: bool,
    ) -> Vec<(&'t Key, &'t Item)> {
        let Some((low, high)) = ordered(hash, low, high) else { return Vec::new() };
        let is_in = |(key, _): &&(Key, Key)| {
            (match &low {
                Bound::Included(low) => key >= low,
                Bound::Excluded(low) => key > low,
                Bound::Unbounded => true,
            }) && (match &high {
                Bound::Included(high) => key <= high,
                Bound::Excluded(high) => key < high,
                Bound::Unbounded => true,
            })
        };
        let mut rows: Vec<_> = self.entries[index]
            .iter()
            .filter(is_in)
            .filter_map(|(_, key)| self.rows.get_key_value(key))
            .collect();
        if !forward {
            rows.reverse();
        }
        rows
    }
}

/// Returns the bounds with the hash key in front; `None` if no key can be between them.
fn ordered(hash: &str, low: Bound<String>, high: Bound<String>) -> Option<(Bound<Key>, Bound<Key>)> {
    let low = match low {
        Bound::Included(low) => Bound::Included((hash.to_owned(), low)),
        Bound::Excluded(low) => Bound::Excluded((hash.to_owned(), low)),
        Bound::Unbounded => Bound::Included((hash.to_owned(), String::new())),
    };
    let high = match high {
        Bound::Included(high) => Bound::Included((hash.to_owned(), high)),
        Bound::Excluded(high) => Bound::Excluded((hash.to_owned(), high)),
        // No text sorts between a text and the same text with a zero byte at its end.
        Bound::Unbounded => Bound::Excluded((format!("{hash}\0"), String::new())),
    };
    let (Bound::Included(first) | Bound::Excluded(first)) = &low else { return None };
    let (Bound::Included(last) | Bound::Excluded(last)) = &high else { return None };
    let is_empty =
        first > last || (first == last && !matches!((&low, &high), (Bound::Included(_), Bound::Included(_))));
    (!is_empty).then_some((low, high))
}

fn key(schema: Schema, item: &Item) -> Option<Key> {
    let hash = text(item, schema.hash)?;
    let range = match schema.range {
        Some(range) => text(item, range)?,
        None => "",
    };
    Some((hash.to_owned(), range.to_owned()))
}

/// Returns the key of a row in an index; `None` if the row does not have the index's attributes, so that it is not in the index.
fn index_key(schema: Schema, item: &Item) -> Option<Key> {
    key(schema, item)
}
