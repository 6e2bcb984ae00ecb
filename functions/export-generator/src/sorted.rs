//! Reads deletions sorted by patient, so that a chunk reads only those of its patients.
//!
//! The plan writes one sorted file ([`sorter`](crate::sorter)), and the index of its blocks.

use std::collections::BTreeSet;
use std::ops::Range;

use domain::error::{Error, Result};
use domain::lines::{Lines, StreamReader};
use domain::ports::files::{Files, read_all, write_all};
use serde::{Deserialize, Serialize};
use storage::sorter::Row;

use crate::deletions::Deletion;

/// The maximum size of the index in bytes. Only the index of a file of hundreds of gigabytes would be larger.
const MAX_INDEX: usize = 64 * 1024 * 1024;

/// The positions of the patients in the sorted file.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Index {
    /// The first patient of each block, and the offset of the block.
    pub(crate) blocks: Vec<(Option<String>, u64)>,
    pub(crate) bytes: u64,
    /// Problems with lines and files that cannot be used.
    pub(crate) problems: Vec<String>,
}

impl Index {
    /// Writes the index. The sorted deletions can be read from then on.
    pub(crate) async fn write(&self, files: &dyn Files, prefix: &str) -> Result<()> {
        write_all(files, &format!("{prefix}index"), serde_json::to_vec(self)?).await
    }
}

/// Returns the key of the sorted file.
pub(crate) fn key(prefix: &str) -> String {
    format!("{prefix}sorted")
}

/// The sorted deletions of an export.
pub(crate) struct Sorted<'f> {
    files: &'f dyn Files,
    prefix: &'f str,
    index: Index,
}

impl<'f> Sorted<'f> {
    pub(crate) async fn open(files: &'f dyn Files, prefix: &'f str) -> Result<Self> {
        let index = read_all(files, &format!("{prefix}index"), MAX_INDEX).await?;
        Ok(Self { files, prefix, index: serde_json::from_slice(&index)? })
    }

    pub(crate) fn problems(self) -> Vec<String> {
        self.index.problems
    }

    /// Returns all deletions.
    pub(crate) async fn all(&self) -> Result<Option<SortedLines>> {
        match self.index.blocks.len() {
            0 => Ok(None),
            blocks => self.read(0..blocks).await.map(Some),
        }
    }

    /// Returns the parts of the file that may have deletions of these patients, in order.
    pub(crate) async fn of(&self, patients: &BTreeSet<Option<&str>>) -> Result<Vec<SortedLines>> {
        let mut blocks = BTreeSet::new();
        for patient in patients {
            let begins = |limit: &dyn Fn(Option<&str>) -> bool| {
                self.index.blocks.partition_point(|(first, _)| limit(first.as_deref()))
            };
            // The block before the first one that begins with this patient or a later one may end with this patient.
            let from = begins(&|first| first < *patient).saturating_sub(1);
            blocks.extend(from..begins(&|first| first <= *patient));
        }
        let mut found = Vec::new();
        let blocks: Vec<usize> = blocks.into_iter().collect();
        for adjacent in blocks.chunk_by(|one, next| one + 1 == *next) {
            found.push(self.read(adjacent[0]..adjacent[0] + adjacent.len()).await?);
        }
        Ok(found)
    }

    async fn read(&self, blocks: Range<usize>) -> Result<SortedLines> {
        let (_, from) = self.index.blocks[blocks.start];
        let to = self.index.blocks.get(blocks.end).map_or(self.index.bytes, |(_, begin)| *begin);
        SortedLines::open(self.files, &key(self.prefix), Some(from..to)).await
    }
}

/// Reads deletions from a file that the sorter wrote.
pub(crate) struct SortedLines(Lines);

impl SortedLines {
    pub(crate) async fn open(files: &dyn Files, key: &str, range: Option<Range<u64>>) -> Result<Self> {
        Ok(Self(Lines::new(Box::new(StreamReader(files.open(key, range).await?)))))
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Deletion>> {
        let Some(line) = self.0.next().await? else { return Ok(None) };
        let text = line.text.ok_or_else(|| Error::internal("a line of sorted deletions is too long"))?;
        Deletion::read(text).map(Some)
    }
}
