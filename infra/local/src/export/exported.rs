//! The result of an export, and the names and sizes of its files.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use domain::ids::FileName;
use domain::ledger::Patients;
use fhir::media_types::extension_of;
use url::Url;

use super::verify::Verified;
use crate::Failure;

/// The result of an export.
#[derive(Debug, Default)]
pub(crate) struct Exported {
    pub(crate) files: usize,
    pub(crate) attachments: usize,
    pub(crate) resources: u64,
    pub(crate) bytes: u64,
    pub(crate) problems: u64,
    /// The attachments that the server does not have, and its error for each.
    pub(crate) missing: BTreeMap<String, String>,
    /// The URLs of attachments that are not on the server of the FHIR base. They are not downloaded.
    pub(crate) elsewhere: BTreeSet<String>,
    /// The number of lines that are too long to be searched for attachments.
    pub(crate) long_lines: u64,
    /// The numbers of patients that were planned, had no record, or could not be read completely. `None` if the manifest has no ledger.
    pub(crate) patients: Option<Patients>,
    /// The number of Bundles of deleted resources.
    pub(crate) deleted: u64,
    /// The checks of the files of the manifest.
    pub(crate) files_verified: Verified,
    /// The checks of the attachments.
    pub(crate) attachments_verified: Verified,
}

/// The names of the files of a directory.
#[derive(Debug, Default)]
pub(super) struct Names {
    used: HashSet<String>,
    /// The last number in a variant of each name that was requested more than once.
    numbers: HashMap<String, usize>,
}

impl Names {
    /// Returns an empty directory's names, in which some are reserved.
    pub(super) fn reserving<const N: usize>(reserved: [&str; N]) -> Self {
        Self { used: reserved.map(str::to_owned).into(), numbers: HashMap::new() }
    }

    /// Adds and returns the name, or a numbered variant if it is already used, because the URLs of a server may all end with the same
    /// segment.
    pub(super) fn unique(&mut self, name: String) -> String {
        if self.used.insert(name.clone()) {
            return name;
        }
        let number = self.numbers.entry(name.clone()).or_insert(1);
        loop {
            *number += 1;
            let variant = format!("{number}-{name}");
            if self.used.insert(variant.clone()) {
                return variant;
            }
        }
    }
}

pub(super) fn bytes_of(path: &Path) -> Result<u64, Failure> {
    Ok(std::fs::metadata(path).map_err(|error| Failure::of_path(path, &error))?.len())
}

/// Returns the last segment of a URL as a safe file name.
pub(super) fn file_name(url: &Url) -> String {
    let last = url.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default();
    FileName::sanitize(last).to_string()
}

/// Returns the file name of an attachment. A name without an extension, such as the id of a Binary, gets that of the content type.
pub(super) fn attachment_name(url: &Url, content_type: Option<&str>) -> String {
    let name = file_name(url);
    match content_type {
        Some(content_type) if !name.contains('.') => format!("{name}.{}", extension_of(content_type)),
        _ => name,
    }
}

#[cfg(test)]
mod tests;
