//! The names of the record layout (`infra/docs/records.md`), the rule for other names, and what the name of a file says about its
//! content. Names and extensions are case-sensitive.
//!
//! An entry whose name the layout does not have is still listed, and reading it returns [`Error::Damaged`], so that an
//! export reports it. Two kinds of entries are skipped, because they contain no records: names that begin with a dot
//! (operating systems and editors write them), and objects without bytes (some programs mark directories and finished work
//! with them).

use std::fmt::Display;

use domain::error::{Error, Result};
use domain::ids::PatientId;
use domain::ports::records::Area;
use fhir::ids::is_fhir_id;

/// The directory of the patients' records, in the record store.
pub const PATIENTS: &str = "Patient";
/// The directory of a patient's documents, in the directory of the patient.
pub const DOCUMENTS: &str = "files";
/// The directory of the index of patients ([`crate::patient_index`]), in the record store.
pub const INDEX: &str = "index";

const NDJSON: &str = ".ndjson";
const GZIP: &str = ".gz";

/// Returns the prefix of the keys of a patient's files.
pub fn patient_prefix(patient: impl Display) -> String {
    format!("{PATIENTS}/{patient}/")
}

/// Returns the prefix of the keys of an area.
pub fn area_prefix(area: Area) -> String {
    format!("{}/", area.directory())
}

/// Returns whether a file with this name is NDJSON, compressed once or not.
pub fn is_ndjson(name: &str) -> bool {
    is_plain_ndjson(uncompressed(name))
}

/// Returns whether a file with this name is NDJSON that is not compressed.
pub fn is_plain_ndjson(name: &str) -> bool {
    name.ends_with(NDJSON)
}

/// Returns whether a file with this name is compressed.
pub fn is_gzip(name: &str) -> bool {
    name.ends_with(GZIP)
}

/// Returns the name that a file has when it is decompressed once.
pub fn uncompressed(name: &str) -> &str {
    name.strip_suffix(GZIP).unwrap_or(name)
}

/// The directory of an entry.
#[derive(Debug, Clone, Copy)]
pub enum Directory {
    /// `Patient/<id>/`
    Record,
    /// `Patient/<id>/files/`
    Documents,
    Area(Area),
}

impl Directory {
    /// Returns whether the layout has this name here; names are relative to the directory.
    pub fn has(self, name: &str) -> bool {
        let is_spelled = !name.is_empty() && !name.contains(['/', char::REPLACEMENT_CHARACTER]);
        is_spelled
            && match self {
                Self::Record | Self::Area(Area::Shared | Area::Deleted) => is_ndjson(name),
                Self::Area(Area::Groups) => name.strip_suffix(".json").is_some_and(is_fhir_id),
                Self::Documents => true,
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
