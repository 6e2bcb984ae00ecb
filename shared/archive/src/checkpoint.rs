//! The state that one stage of a ZIP stores for the next one. Stages end between two files, so no compressor has to be continued.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The part of a ZIP that is written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Written {
    /// The number of bytes of the ZIP before its directory.
    pub(crate) bytes: u64,
    /// The number of files.
    pub(crate) entries: u64,
    /// The number of bytes of the directory.
    pub(crate) directory: u64,
    /// The number of bytes of `SHA256SUMS`.
    pub(crate) sums: u64,
}

/// What is known of the resources of one type.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) count: u64,
    /// The first and the last day, as FHIR writes it.
    pub(crate) days: Option<(String, String)>,
}

impl Facts {
    /// Adds a day to the period.
    pub(crate) fn add_day(&mut self, day: &str) {
        let (first, last) = self.days.get_or_insert_with(|| (day.to_owned(), day.to_owned()));
        if day < first.as_str() {
            day.clone_into(first);
        }
        if day > last.as_str() {
            day.clone_into(last);
        }
    }

    /// Adds what is known of other resources of the type.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        if let Some((first, last)) = &other.days {
            self.add_day(first);
            self.add_day(last);
        }
    }
}

/// The parts of the ZIP that are written, and what the later ones need to know of them.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The number of the next part.
    pub(crate) next: usize,
    pub(crate) facts: BTreeMap<String, Facts>,
    /// The number of bytes of the copy that are in the ZIP.
    pub(crate) copied: u64,
}

/// The objects that one stage has written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Segment {
    /// The prefix of their keys. It names the attempt, so that no other attempt writes the same objects.
    pub(crate) prefix: String,
    /// The number of bytes of the ZIP.
    pub(crate) bytes: u64,
}

impl Segment {
    /// Returns the key of the bytes of the ZIP.
    pub(crate) fn data(&self) -> String {
        format!("{}data", self.prefix)
    }

    /// Returns the key of the directory records of its files.
    pub(crate) fn directory(&self) -> String {
        format!("{}directory", self.prefix)
    }

    /// Returns the key of the lines of `SHA256SUMS` for its files.
    pub(crate) fn sums(&self) -> String {
        format!("{}sums", self.prefix)
    }
}

/// See the [module](self).
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    pub(crate) position: Position,
    pub(crate) written: Written,
    /// The segments of the ZIP, in their order.
    pub(crate) segments: Vec<Segment>,
    /// Whether the segments are the whole ZIP.
    pub(crate) is_whole: bool,
}

impl Checkpoint {
    /// Returns whether the segments are the whole ZIP, and only have to be joined.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Returns the number of bytes of the copy that are in the ZIP.
    pub fn copied(&self) -> u64 {
        self.position.copied
    }

    /// Returns the number of stages so far.
    pub fn stages(&self) -> usize {
        self.segments.len()
    }
}

#[cfg(test)]
mod tests;
