//! The resources of a file outside the patients' records that other files have as well: which file has the most recent version, and
//! whether a version is refused. [`crate::shared_versions`] writes the lists.

use std::collections::HashMap;

use crypto::fingerprint;
use domain::error::{Error, Result};
use domain::filter::Refusal;
use domain::lines::{Lines, StreamReader};
use domain::ports::files::{Files, read_all};
use domain::ports::records::Area;
use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use crate::keys::{format_key, wide_hash};

/// The maximum size of the index in bytes: it has room for hundreds of thousands of files.
const MAX_INDEX: usize = 64 * 1024 * 1024;
/// The maximum number of entries of a list in memory, about 80 MB. A file with more resources cannot be compared with itself either.
const MAX_ENTRIES: usize = 1_800_000;
/// A longer id, which no system has, is compared by its digest.
const MAX_ID: usize = 256;

/// Returns the key of a resource in the lists.
pub(crate) fn comparable_key(resource_type: &str, id: &str) -> String {
    match id.len() {
        0..=MAX_ID => format_key(resource_type, id),
        _ => format_key(resource_type, &fingerprint(id)),
    }
}

/// A resource that several files have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Listed {
    #[serde(rename = "k")]
    pub(crate) key: String,
    /// Whether this file has the most recent version.
    #[serde(rename = "l")]
    pub(crate) is_latest: bool,
    /// Whether a label refuses access to a version, in any file.
    #[serde(rename = "r")]
    pub(crate) is_refused: bool,
}

/// The files that have a list, in the order of the lists.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Index(Vec<String>);

impl Index {
    /// Returns the key of the index in the store.
    pub(crate) fn key(prefix: &str) -> String {
        format!("{prefix}index")
    }

    /// Adds a file. Returns the number of its list.
    pub(crate) fn add(&mut self, area: Area, name: &str) -> usize {
        self.0.push(path(area, name));
        self.0.len() - 1
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn path(area: Area, name: &str) -> String {
    format!("{}/{name}", area.directory())
}

/// Returns the key of a list in the store.
pub(crate) fn list_key(prefix: &str, number: usize) -> String {
    format!("{prefix}list-{number}")
}

/// The lists of an export.
pub(crate) struct ListsOfFiles<'f> {
    files: &'f dyn Files,
    /// `None` if no resource is in several files.
    written: Option<(&'f str, Index)>,
}

impl<'f> ListsOfFiles<'f> {
    /// Opens the lists with this prefix; `None` if there are none.
    pub(crate) async fn open(files: &'f dyn Files, prefix: Option<&'f str>) -> Result<Self> {
        let written = match prefix {
            None => None,
            Some(prefix) => {
                let index = read_all(files, &Index::key(prefix), MAX_INDEX).await?;
                Some((prefix, serde_json::from_slice(&index)?))
            }
        };
        Ok(Self { files, written })
    }

    /// Reads the list of a file.
    pub(crate) async fn of(&self, area: Area, name: &str) -> Result<Elsewhere> {
        let Some((prefix, index)) = &self.written else { return Ok(Elsewhere::default()) };
        let path = path(area, name);
        match index.0.iter().position(|file| *file == path) {
            Some(number) => Elsewhere::read(self.files, &list_key(prefix, number), MAX_ENTRIES).await,
            None => Ok(Elsewhere::default()),
        }
    }
}

/// The resources of one file that other files have as well.
#[derive(Default)]
pub(crate) struct Elsewhere {
    listed: HashMap<(u64, u64), (bool, bool), RandomState>,
    /// The last key of a list that is too long: nothing is known about later ones.
    last: Option<String>,
}

impl Elsewhere {
    async fn read(files: &dyn Files, key: &str, limit: usize) -> Result<Self> {
        let mut elsewhere = Self::default();
        let mut lines = Lines::new(Box::new(StreamReader(files.open(key, None).await?)));
        while let Some(line) = lines.next().await? {
            let text = line.text.ok_or_else(|| Error::internal("a line of a list is too long"))?;
            let Listed { key, is_latest, is_refused } = serde_json::from_slice(text)?;
            let (resource_type, id) = key.split_once('/').unwrap_or((&key, ""));
            elsewhere.listed.insert(wide_hash(resource_type, id), (is_latest, is_refused));
            if elsewhere.listed.len() == limit {
                elsewhere.last = Some(key);
                break;
            }
        }
        Ok(elsewhere)
    }

    /// Returns what is known of the versions of a resource in other files.
    pub(crate) fn find(&self, resource_type: &str, id: &str) -> Others {
        if self.listed.is_empty() {
            return Others::None;
        }
        let key = comparable_key(resource_type, id);
        let id = key.get(resource_type.len() + 1..).unwrap_or_default();
        match (self.listed.get(&wide_hash(resource_type, id)), &self.last) {
            // In a system-level export, only the tags of a token refuse access.
            (Some((is_latest, is_refused)), _) => {
                let refusal = is_refused.then_some(Refusal { category: None });
                if *is_latest { Others::Earlier(refusal) } else { Others::Later(refusal) }
            }
            (None, Some(last)) if key > *last => Others::Unknown,
            (None, _) => Others::None,
        }
    }
}

/// The versions of a resource in other files. If access to one of them is refused, it is refused to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    None,
    Earlier(Option<Refusal>),
    Later(Option<Refusal>),
    /// The list has no room for them.
    Unknown,
}

#[cfg(test)]
mod tests;
