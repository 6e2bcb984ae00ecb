//! The names of the record layout (`infra/docs/records.md`), and the rule for other names.
//!
//! An entry whose name the layout does not have is still listed, and reading it returns [`Error::Damaged`], so that an
//! export reports it. Two kinds of entries are skipped, because they contain no records: names that begin with a dot
//! (operating systems and editors write them), and objects without bytes (some programs mark directories and finished work
//! with them).

use domain::error::{Error, Result};
use domain::ids::PatientId;
use domain::ports::records::{Area, is_records};

/// The directory of the index of patients ([`crate::patient_index`]), in the record store.
pub const INDEX: &str = "index";

/// The directory of an entry.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    /// `Patient/<id>/`
    Record,
    /// `Patient/<id>/files/`
    Documents,
    Area(Area),
}

impl Place {
    /// Returns whether the layout has this name here; names are relative to the directory.
    fn has(self, name: &str) -> bool {
        let is_spelled = !name.is_empty() && !name.contains(['/', char::REPLACEMENT_CHARACTER]);
        is_spelled
            && match self {
                Self::Record => is_records(name),
                Self::Documents => true,
                Self::Area(area) => area.has(name),
            }
    }

    /// Returns whether an entry is listed.
    pub fn lists(self, name: &str, is_empty: bool) -> bool {
        self.has(name) || !(is_empty || is_hidden(name))
    }

    /// Returns [`Error::Damaged`] if the layout does not have the name. `file` is its path below the root of the records.
    pub fn check(self, name: &str, file: &str) -> Result<()> {
        if self.has(name) {
            return Ok(());
        }
        let problem = if name.contains(char::REPLACEMENT_CHARACTER) {
            "its name is not UTF-8; rename it"
        } else if name.contains('/') {
            "it is in a directory that the layout of the records does not have"
        } else {
            match self {
                Self::Record | Self::Area(Area::Shared | Area::Deleted) => {
                    "its name ends neither in .ndjson nor in .ndjson.gz; rename it or, if it is a directory, move its files \
                     out of it"
                }
                Self::Area(Area::Groups) => "its name is not the id of a Group followed by .json; rename it",
                Self::Documents => "it has no name",
            }
        };
        Err(Error::damaged(file, problem))
    }
}

/// Returns whether an entry directly below `Patient/` is reported because it is not a patient's directory. `name` is
/// without the `/` at the end of a directory.
pub fn is_stray(name: &str, is_directory: bool, is_empty: bool) -> bool {
    let is_patient = is_directory && PatientId::parse(name).is_ok();
    !is_patient && !is_empty && !is_hidden(name)
}

fn is_hidden(name: &str) -> bool {
    name.split('/').any(|part| part.starts_with('.'))
}

#[cfg(test)]
mod tests;
