//! A pack: one object of the store that holds the small files of one attempt at a chunk, back to back.
//!
//! A file of one kilobyte costs a store as much as one of a megabyte: a request on AWS, two waits for the disk on
//! one machine. Where a file stands in the pack is recorded with the chunk: in [`OutputFile`](super::chunk::OutputFile) and
//! [`ChunkResult`](super::chunk::ChunkResult). Attachments may be thousands, so that only the place of their [`Index`] is
//! recorded, with its hash: it stands behind the last of them in the same object.

use serde::{Deserialize, Serialize};

use crate::chunk::attempt_prefix;
use crate::ids::{Attempt, ChunkId, FileName, JobId};

/// Files of fewer bytes go into the pack; larger ones are objects of their own. Each host can return a file of this size in
/// one response.
pub const SMALL: usize = 256 * 1024;
/// Attachments of a pack at most; the others of a chunk are objects of their own.
pub const MAX_ATTACHMENTS: usize = 4_096;
/// Bytes of an index at most: of each attachment a name of 160 bytes, two numbers and what is between them.
pub const MAX_INDEX: u64 = MAX_ATTACHMENTS as u64 * 210 + 2;

/// The key of an attempt's pack.
pub fn pack_key(job: &JobId, chunk: ChunkId, attempt: &Attempt) -> String {
    format!("{}pack", attempt_prefix(job, chunk, attempt))
}

/// Where a file stands in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub offset: u64,
    /// Bytes as they are stored.
    pub length: u64,
    /// Whether they are stored as gzip.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gzip: bool,
}

/// A file of the store: an object, or a place in a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredLocation")]
pub struct Location {
    /// The key of the object.
    pub key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// A [`Location`] as rows have it; a key alone in those of versions without packs.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredLocation {
    Object(String),
    Located { key: String, place: Option<Place> },
}

impl From<StoredLocation> for Location {
    fn from(stored: StoredLocation) -> Self {
        match stored {
            StoredLocation::Object(key) => Self::object(key),
            StoredLocation::Located { key, place } => Self { key, place },
        }
    }
}

impl Location {
    /// An object of its own.
    pub fn object(key: String) -> Self {
        Self { key, place: None }
    }
}

/// Where the index of a pack's attachments stands, and what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexPlace {
    pub offset: u64,
    pub length: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// The attachments of a pack by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    /// In the order of their names, each once.
    entries: Vec<(FileName, u64, u64)>,
}

/// Why bytes are no index of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoIndex {
    #[error("it is no list of names and places")]
    Unreadable,
    #[error("it has more than {MAX_ATTACHMENTS} entries")]
    TooMany,
    #[error("its names are not in their order, or one stands there twice")]
    Order,
    #[error("one of its entries lies outside of the pack")]
    Outside,
}

impl Index {
    /// Of attachments with different names, as many as a pack has at most.
    pub fn new(mut entries: Vec<(FileName, u64, u64)>) -> Self {
        entries.sort_unstable();
        Self { entries }
    }

    /// As it is stored in the pack.
    pub fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&self.entries)
    }

    /// Reads an index that stands at this offset of its pack, behind all that it names.
    pub fn parse(bytes: &[u8], offset: u64) -> Result<Self, NoIndex> {
        let entries: Vec<(FileName, u64, u64)> =
            serde_json::from_slice(bytes).map_err(|_| NoIndex::Unreadable)?;
        if entries.len() > MAX_ATTACHMENTS {
            return Err(NoIndex::TooMany);
        }
        if !entries.is_sorted_by(|(one, ..), (other, ..)| one < other) {
            return Err(NoIndex::Order);
        }
        let ends_before =
            |(_, at, length): &(FileName, u64, u64)| at.checked_add(*length).is_some_and(|end| end <= offset);
        if entries.iter().all(ends_before) { Ok(Self { entries }) } else { Err(NoIndex::Outside) }
    }

    /// Where the attachment of a name stands.
    pub fn find(&self, name: &FileName) -> Option<Place> {
        let at = self.entries.binary_search_by(|(known, ..)| known.cmp(name)).ok()?;
        let (_, offset, length) = self.entries[at];
        Some(Place { offset, length, gzip: false })
    }

    /// Bytes that it needs in memory.
    pub fn weight(&self) -> u64 {
        let names: usize = self.entries.iter().map(|(name, ..)| name.as_str().len()).sum();
        (names + self.entries.len() * size_of::<(FileName, u64, u64)>()) as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> FileName {
        FileName::parse(text).expect("a name")
    }

    #[test]
    fn rows_of_versions_without_packs_are_read() {
        let old: Location = serde_json::from_str("\"exports/a/references.txt\"").expect("a key");
        assert_eq!(old, Location::object("exports/a/references.txt".to_owned()));
        let packed = Location {
            key: "exports/a/pack".to_owned(),
            place: Some(Place { offset: 1, length: 2, gzip: true }),
        };
        for location in [old, packed] {
            let text = serde_json::to_string(&location).expect("JSON");
            assert_eq!(serde_json::from_str::<Location>(&text).expect("a location"), location, "{text}");
        }
        let plain = serde_json::to_string(&Place { offset: 1, length: 2, gzip: false }).expect("JSON");
        assert_eq!(plain, "{\"offset\":1,\"length\":2}");
    }

    #[test]
    fn what_is_no_index_is_refused_in_words() {
        for (text, expected) in [
            ("", NoIndex::Unreadable),
            ("{}", NoIndex::Unreadable),
            ("[[\"a\",0]]", NoIndex::Unreadable),
            ("[[\"../a\",0,1]]", NoIndex::Unreadable),
            ("[[\".a\",0,1]]", NoIndex::Unreadable),
            ("[[\"a\",-1,1]]", NoIndex::Unreadable),
            ("[[\"a\",0,1]] x", NoIndex::Unreadable),
            ("[[\"b\",0,1],[\"a\",1,1]]", NoIndex::Order),
            ("[[\"a\",0,1],[\"a\",1,1]]", NoIndex::Order),
            ("[[\"a\",0,11]]", NoIndex::Outside),
            ("[[\"a\",11,0]]", NoIndex::Outside),
            ("[[\"a\",18446744073709551615,1]]", NoIndex::Outside),
        ] {
            assert_eq!(Index::parse(text.as_bytes(), 10), Err(expected), "{text}");
        }
        let many: Vec<_> =
            (0..=MAX_ATTACHMENTS).map(|number| (name(&format!("{number:05}")), 0, 1)).collect();
        let bytes = Index::new(many).to_bytes().expect("JSON");
        assert_eq!(Index::parse(&bytes, 10), Err(NoIndex::TooMany));
    }

    #[test]
    fn the_largest_index_is_within_its_limit() {
        let longest = |number: usize| name(&format!("{number:0160}"));
        let entries = (0..MAX_ATTACHMENTS).map(|number| (longest(number), u64::MAX / 2, u64::MAX / 2));
        let bytes = Index::new(entries.collect()).to_bytes().expect("JSON");
        assert!(bytes.len() as u64 <= MAX_INDEX, "{}", bytes.len());
    }

    proptest! {
        #[test]
        fn an_index_finds_what_was_put_into_it(names in prop::collection::btree_set("[a-z]{1,3}", 0..20), other in "[a-z]{1,3}") {
            let entries: Vec<_> = names.iter().zip(0_u64..).map(|(text, number)| (name(text), number * 10, number)).collect();
            let end = names.len() as u64 * 11;
            let index = Index::parse(&Index::new(entries.clone()).to_bytes().expect("JSON"), end).expect("an index");
            for (name, offset, length) in entries {
                prop_assert_eq!(index.find(&name), Some(Place { offset, length, gzip: false }));
            }
            prop_assert_eq!(index.find(&name(&other)).is_some(), names.contains(&other));
        }
    }
}
