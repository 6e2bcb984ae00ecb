//! The stored manifest of a finished export (Bulk Data 2.0, response to a complete status; contract, section 2).
//!
//! The task Finish writes a [`StoredManifest`] for each page. It has the names and the keys of the files and no URLs,
//! because the URLs depend on the client and on the time of the request.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::chunk::{OutputFile, Purpose};
use crate::ids::{Attempt, JobId};
use crate::ledger::Ledger;
use crate::redaction::{MAX_REASONS_BYTES, MAX_REDACTIONS, Redacted, Redaction};
use crate::sensitive::Sensitive;

/// Returns the prefix under which one attempt at Finish writes the pages of the manifest. The job's [`ExportTotals`]
/// has the prefix of the attempt that succeeded.
pub fn manifest_prefix(job: &JobId, attempt: &Attempt) -> String {
    format!("exports/{job}/manifest-{attempt}/")
}

/// The number of files after which a page ends, at the end of a chunk. Clients that do not support pages read only the
/// first page.
pub const PAGE_FILES: u64 = 10_000;
/// The number of chunks in a page if pages are returned while the export is running. The bounds of a page must not depend
/// on files that are not written yet.
pub const PARTIAL_PAGE_CHUNKS: u32 = 50;

/// The maximum size of the entries of a part of a page, in bytes. A function on AWS returns at most 6 MB, and a response also has the
/// members around the entries. The parts of a page that a client has read must stay the same, so this number must not change.
pub const PART_BYTES: usize = 5_000_000;
/// An upper bound for the size of an entry without the server's URL, the name and the type of the file, in any dialect, with a signature,
/// and as a part of the JSON string in which a function on AWS returns it. It must not change, like [`PART_BYTES`].
const ENTRY_BYTES: usize = 400;

/// Returns the end of the part of a page that begins with the file at `from`: the position after its last file. A part has at least one
/// file. `url_bytes` is the length of the server's URL. The result depends on nothing else but the stored files, so that a link leads to
/// the same part at any time.
pub fn part_end(files: &[NamedFile], from: usize, url_bytes: usize) -> usize {
    let mut bytes = 0;
    for (position, file) in files.iter().enumerate().skip(from) {
        bytes += file.entry_bytes(url_bytes);
        if bytes > PART_BYTES && position > from {
            return position;
        }
    }
    files.len()
}

/// A page of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredManifest {
    pub transaction_time: Timestamp,
    pub files: Vec<NamedFile>,
}

/// A file of the manifest and its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedFile {
    /// The last segment of the file's URL.
    pub name: String,
    #[serde(flatten)]
    pub file: OutputFile,
}

impl NamedFile {
    /// Returns an upper bound for the size of the file's entry in a response. An error is in two lists of some dialects.
    pub fn entry_bytes(&self, url_bytes: usize) -> usize {
        let entry = ENTRY_BYTES + url_bytes + self.name.len() + self.file.resource_type.len();
        if self.file.purpose == Purpose::Error { 2 * entry } else { entry }
    }
}

/// The totals of a finished export, which are stored in the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportTotals {
    pub transaction_time: Timestamp,
    /// The prefix of the manifest's pages in the store.
    pub manifest: String,
    pub pages: u32,
    pub files: u64,
    pub resources: u64,
    /// The size of all files, uncompressed.
    pub bytes: u64,
    /// Withheld resources by sensitive category.
    #[serde(default)]
    pub withheld: BTreeMap<Sensitive, u64>,
    /// The sum over all chunks; `None` in rows of versions without ledgers.
    #[serde(default)]
    pub ledger: Option<Ledger>,
    /// The redactions by staff, in order. Empty for nearly all exports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redactions: Vec<Redaction>,
}

impl ExportTotals {
    /// Returns the totals of an export that has no page and no file yet. `manifest` is the prefix of its pages in the store.
    pub fn new(transaction_time: Timestamp, manifest: String) -> Self {
        Self {
            transaction_time,
            manifest,
            pages: 0,
            files: 0,
            resources: 0,
            bytes: 0,
            withheld: BTreeMap::new(),
            ledger: None,
            redactions: Vec::new(),
        }
    }

    /// Returns the key of a page in the store.
    pub fn page_key(&self, page: u32) -> String {
        format!("{}{page}.json", self.manifest)
    }

    /// Returns whether staff left this attachment of the record out.
    pub fn has_left_out(&self, attachment: &str) -> bool {
        let is_it = |redaction: &Redaction| matches!(&redaction.what, Redacted::Document { name } if name == attachment);
        self.redactions.iter().any(is_it)
    }

    /// Returns whether `more` things can be left out of the export for a reason.
    pub fn has_room_for(&self, more: usize, reason: &str) -> bool {
        let reasons: usize = self.redactions.iter().map(|redaction| redaction.reason.len()).sum();
        self.redactions.len() + more <= MAX_REDACTIONS && reasons + more * reason.len() <= MAX_REASONS_BYTES
    }

    /// Adds a redaction to the totals. The caller has updated the counts of the files.
    pub fn leave_out(&mut self, redaction: Redaction) {
        if let Some(ledger) = &mut self.ledger {
            match redaction.what {
                Redacted::Resource { .. } => ledger.leave_out_line(),
                Redacted::Document { .. } => ledger.leave_out_attachment(),
            }
        }
        self.redactions.push(redaction);
    }
}

/// Names the files of a page in their order: `Patient.ndjson`, `Patient.2.ndjson` and so on. On later pages the names have
/// the number of the page: `Patient.1-1.ndjson`. DocumentReferences that the export created are in
/// `DocumentReference.documents.ndjson`, and errors in `OperationOutcome.errors.ndjson`.
#[derive(Debug, Default)]
pub struct Names {
    page: u32,
    used: HashMap<(Purpose, String), u32>,
}

impl Names {
    pub fn of_page(page: u32) -> Self {
        Self { page, used: HashMap::new() }
    }

    pub fn name(&mut self, file: OutputFile) -> NamedFile {
        let number = self.used.entry((file.purpose, file.resource_type.clone())).or_default();
        *number += 1;
        let number = match (self.page, *number) {
            (0, 1) => String::new(),
            (0, number) => format!(".{number}"),
            (page, number) => format!(".{page}-{number}"),
        };
        NamedFile { name: format!("{}{}{number}.ndjson", file.resource_type, file.purpose.marker()), file }
    }

    /// Returns the page of the file with this name.
    pub fn page_of(name: &str) -> u32 {
        let number = name.strip_suffix(".ndjson").and_then(|name| name.rsplit_once('.'));
        number
            .and_then(|(_, number)| number.split_once('-'))
            .and_then(|(page, _)| page.parse().ok())
            .unwrap_or(0)
    }
}

impl StoredManifest {
    /// Finds a file by its name, such as `Patient.ndjson`; for a type, such as `Patient`, finds the first file of that type.
    pub fn find(&self, name: &str) -> Option<&NamedFile> {
        self.files
            .iter()
            .find(|named| named.name == name)
            .or_else(|| self.files.iter().find(|named| named.file.resource_type == name))
    }
}

#[cfg(test)]
mod tests;
