//! A pack: one object of the store that contains the small files of one attempt at a chunk, one after the other.
//!
//! A pack saves requests: a file of one kilobyte costs a store as much as one of a megabyte, which is a request on AWS and
//! two waits for the disk on one machine. The place of a file in the pack is recorded with the chunk, in
//! [`OutputFile`](super::chunk::OutputFile) and [`ChunkResult`](super::chunk::ChunkResult). There can be thousands of
//! attachments, so only the place and the hash of their [`Index`] are recorded. The index follows the last attachment in
//! the same object.

use serde::{Deserialize, Serialize};

use crate::ids::{Attempt, ChunkId, FileName, JobId};
use crate::keys::attempt_prefix;

/// Files with fewer bytes are written to the pack; larger ones are separate objects. Each host can return a file of this
/// size in one response.
pub const SMALL: usize = 256 * 1024;
/// The maximum number of attachments in a pack; further ones of the chunk are separate objects.
pub const MAX_ATTACHMENTS: usize = 4_096;
/// The maximum size of an index in bytes: for each attachment a name of 160 bytes, two numbers and the separators.
pub const MAX_INDEX: u64 = MAX_ATTACHMENTS as u64 * 210 + 2;

/// Returns the key of an attempt's pack.
pub fn pack_key(job: &JobId, chunk: ChunkId, attempt: &Attempt) -> String {
    format!("{}pack", attempt_prefix(job, chunk, attempt))
}

/// The bytes of a pack that are one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackRange {
    pub offset: u64,
    /// The number of stored bytes.
    pub length: u64,
    /// Whether the bytes are stored as gzip.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gzip: bool,
}

/// The location of a file in the store: an object, or a place in a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredLocation")]
pub struct Location {
    /// The key of the object.
    pub key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<PackRange>,
}

/// The stored form of a [`Location`]. Rows of versions without packs have only a key.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredLocation {
    Object(String),
    Located { key: String, place: Option<PackRange> },
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
    /// Returns the location of a file that is a whole object.
    pub fn object(key: String) -> Self {
        Self { key, place: None }
    }
}

/// The place of the index of a pack's attachments, and its hash.
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
    /// Name, offset and length of each attachment, in the order of their names, each name once.
    entries: Vec<(FileName, u64, u64)>,
}

/// The reason why bytes are not the index of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoIndex {
    #[error("it is not a list of names and places")]
    Unreadable,
    #[error("it has more than {MAX_ATTACHMENTS} entries")]
    TooMany,
    #[error("its names are not sorted, or a name occurs twice")]
    Order,
    #[error("one of its entries is outside the pack")]
    Outside,
}

impl Index {
    /// Creates an index from the names, offsets and lengths of attachments: at most [`MAX_ATTACHMENTS`], with different
    /// names.
    pub fn new(mut entries: Vec<(FileName, u64, u64)>) -> Self {
        entries.sort_unstable();
        Self { entries }
    }

    /// Returns the bytes that are stored in the pack.
    pub fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&self.entries)
    }

    /// Parses an index that is at this offset of its pack, after all attachments that it lists.
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

    /// Returns the place of the attachment of this name.
    pub fn find(&self, name: &FileName) -> Option<PackRange> {
        let at = self.entries.binary_search_by(|(known, ..)| known.cmp(name)).ok()?;
        let (_, offset, length) = self.entries[at];
        Some(PackRange { offset, length, gzip: false })
    }

    /// Returns the attachments and their places, in the order of their names.
    pub fn places(&self) -> impl Iterator<Item = (&FileName, PackRange)> {
        let place = |offset: &u64, length: &u64| PackRange { offset: *offset, length: *length, gzip: false };
        self.entries.iter().map(move |(name, offset, length)| (name, place(offset, length)))
    }

    /// Returns the bytes that the index needs in memory.
    pub fn weight(&self) -> u64 {
        let names: usize = self.entries.iter().map(|(name, ..)| name.as_str().len()).sum();
        (names + self.entries.len() * size_of::<(FileName, u64, u64)>()) as u64
    }
}

#[cfg(test)]
mod tests;
