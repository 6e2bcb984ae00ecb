//! The names of the record layout (`infra/docs/records.md`), and the rule for other names.
//!
//! An entry whose name the layout does not have is still listed, and reading it returns [`Error::Damaged`], so that an
//! export reports it. Two kinds of entries are skipped, because they contain no records: names that begin with a dot
//! (operating systems and editors write them), and objects without bytes (some programs mark directories and finished work
//! with them).

use domain::error::{Error, Result};
use domain::ids::PatientId;
use domain::ports::records::{Area, is_records};

/// The directory of the index of patients, beside the records ([`crate::patient_index`]).
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
mod tests {
    use super::*;

    #[test]
    fn names_that_the_layout_does_not_have_are_listed_and_refused() {
        let areas = [Place::Record, Place::Area(Area::Shared), Place::Area(Area::Deleted)];
        for place in areas {
            for name in ["a.ndjson", "a.b.ndjson.gz", ".a.ndjson"] {
                assert!(place.lists(name, true) && place.check(name, name).is_ok(), "{place:?} {name}");
            }
            for name in ["a.NDJSON", "a.json", "a", "sub/a.ndjson", "\u{fffd}.ndjson", "a.ndjson.zst"] {
                assert!(place.lists(name, false), "{place:?} {name}");
                assert!(matches!(place.check(name, name), Err(Error::Damaged(_))), "{place:?} {name}");
                assert!(!place.lists(name, true), "{place:?} {name}: nothing is lost");
            }
            assert!(!place.lists(".DS_Store", false) && !place.lists("sub/.keep", false));
        }
        let groups = Place::Area(Area::Groups);
        assert!(groups.check("g.json", "").is_ok() && groups.check("a b.json", "").is_err());
        assert!(Place::Documents.check("any name.pdf", "").is_ok());
        assert!(Place::Documents.check("sub/scan.pdf", "").is_err());
    }

    #[test]
    fn strays_are_entries_that_are_not_a_patients_directory() {
        assert!(!is_stray("ann", true, false) && !is_stray(".DS_Store", false, false));
        assert!(is_stray("ann.ndjson", false, false) && is_stray("a b", true, false));
        assert!(is_stray("ann", false, false), "a file is not a patient's directory");
    }
}
