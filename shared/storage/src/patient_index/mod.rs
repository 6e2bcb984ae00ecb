//! The index of the patients of a lake: by which words, birth dates and identifiers each of them is found.
//!
//! It is in the lake, below `index/`. The file `current.json` ([`Current`]) names a generation, and
//! `index/<generation>/` has its files. They never change: a new index is a new generation, and `current.json` is replaced
//! when all of its files are complete. So a search always reads one whole index, also while another is written.
//!
//! `rows` has the rows of all patients ([`Findable::rows`](domain::patient_search::Findable::rows)), sorted by their bytes. It is
//! cut into blocks of about 64 KB. `fences-1` has a line for each block: the key of its first row, where it begins, and its
//! length in bytes. If that file has more than one block, `fences-2` has the same for its blocks, and so on. So a search reads one block
//! of each file, and then the rows from where its words begin: about four small reads for ten million patients, and never a
//! whole file.

mod read;
mod write;

use domain::error::{Error, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::layout::INDEX;

pub use self::read::{Cost, Found, PageLimits, PatientIndex};
pub use self::write::{Kept, add, write, write_in_blocks};

/// The file that names the generation.
pub const CURRENT: &str = "current.json";
/// The version of the format. Version 1 has the same files, but no words that are written together, one spelling of each
/// word, and at most 8 identifiers of a patient. It is read, and not renewed: the next index is a whole one.
const FORMAT: u32 = 2;
const OLDEST_FORMAT: u32 = 1;
/// The bytes after which a block ends.
const BLOCK: u64 = 64 * 1024;
/// The bytes that a row can have: it has at most 48 words of 32 characters, 33 identifiers of 128 characters, and four bytes
/// for a character.
const MAX_ROW: u64 = 24 * 1024;

/// What `current.json` has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Current {
    format: u32,
    /// The directory of the files. Later generations have later names.
    pub generation: String,
    /// When the index was begun.
    pub made: Timestamp,
    /// When the last scan of all records was begun: a renewal reads only some of them. Earlier versions have not written it.
    #[serde(default)]
    complete: Option<Timestamp>,
    /// The generation that this one has replaced. Its files stay until this one is replaced.
    #[serde(default)]
    pub replaced: Option<String>,
    /// The number of patients.
    pub patients: u64,
    /// The number of patients without a name.
    pub without_name: u64,
    /// The bytes of `rows`, and of each file of fences.
    levels: Vec<u64>,
}

impl Current {
    /// Reads `current.json`.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if it does not name an index, or if a newer version of the program wrote it.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let damaged = |what: &str| Error::damaged(format!("{INDEX}/{CURRENT}"), what);
        let is_none = || damaged("it does not name an index");
        let parsed: Value = serde_json::from_slice(text).map_err(|_| is_none())?;
        if parsed["format"].as_u64().is_some_and(|format| format > u64::from(FORMAT)) {
            return Err(damaged(
                "a newer version of the program wrote it: update this program, or make a new index with it",
            ));
        }
        let current: Self = serde_json::from_value(parsed).map_err(|_| is_none())?;
        let is_known = current.format >= OLDEST_FORMAT && !current.levels.is_empty();
        let is_plain = current.generation.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if is_known && is_plain && !current.generation.is_empty() { Ok(current) } else { Err(is_none()) }
    }

    /// Returns whether an earlier version of the program made the index, so that patients are found in fewer ways.
    pub fn is_of_earlier_version(&self) -> bool {
        self.format < FORMAT
    }

    /// Returns when the last scan of all records was begun. Records that changed later may not be in the index as they are.
    pub fn complete(&self) -> Timestamp {
        self.complete.unwrap_or(self.made)
    }

    /// Returns this generation as one that renews a part of an earlier one: it is as complete as that one.
    #[must_use]
    pub fn renewing(self, before: &Self) -> Self {
        Self { complete: Some(before.complete()), ..self }
    }

    /// Returns the keys of the files of the generation below the root of the lake, and their sizes in bytes.
    pub fn files(&self) -> impl Iterator<Item = (String, u64)> {
        let key = |level| format!("{INDEX}/{}/{}", self.generation, level_name(level));
        self.levels.iter().enumerate().map(move |(level, bytes)| (key(level), *bytes))
    }
}

/// Returns the name of the file of a level below the directory of its generation.
fn level_name(level: usize) -> String {
    match level {
        0 => "rows".to_owned(),
        level => format!("fences-{level}"),
    }
}
