//! The finished job as the API shows it (Bulk Data 2.0, response to a complete status; contract, section 2).
//!
//! Finish writes a [`StoredManifest`] into the store: names and keys, no URLs, because the URLs
//! belong to the moment and the client that asks.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::choices::Sensitive;
use crate::chunk::{OutputFile, Purpose};
use crate::ids::{Attempt, JobId};
use crate::ledger::Ledger;

/// Where one attempt at Finish puts the pages of the manifest; the job's [`ExportTotals`] names the one that counts.
pub fn manifest_prefix(job: &JobId, attempt: &Attempt) -> String {
    format!("exports/{job}/manifest-{attempt}/")
}

/// Files of one page at most, up to the end of a chunk. Clients that know nothing of pages read this many.
pub const PAGE_FILES: u64 = 10_000;
/// Chunks of a page where pages are given out while the export is running: their bounds must not depend on what is
/// not written yet.
pub const PARTIAL_PAGE_CHUNKS: u32 = 50;

/// A page of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredManifest {
    pub transaction_time: Timestamp,
    pub files: Vec<NamedFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedFile {
    /// The last segment of the file's URL.
    pub name: String,
    #[serde(flatten)]
    pub file: OutputFile,
}

/// What a finished export came to; kept in the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportTotals {
    pub transaction_time: Timestamp,
    /// Where the manifest's pages are in the store: a prefix.
    pub manifest: String,
    pub pages: u32,
    pub files: u64,
    pub resources: u64,
    pub bytes: u64,
    #[serde(default)]
    pub withheld: BTreeMap<Sensitive, u64>,
    /// The sum over all chunks; `None` in rows of versions that did not count.
    #[serde(default)]
    pub ledger: Option<Ledger>,
}

impl ExportTotals {
    /// Where a page is in the store.
    pub fn page_key(&self, page: u32) -> String {
        format!("{}{page}.json", self.manifest)
    }
}

/// Names the files of a page in the order they come: `Patient.ndjson`, `Patient.2.ndjson` and so on, on later pages
/// `Patient.1-1.ndjson`, so that a name tells its page. The export's own documents are
/// `DocumentReference.documents.ndjson`, errors `OperationOutcome.errors.ndjson`.
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

    /// The page that a file of this name is on.
    pub fn page_of(name: &str) -> u32 {
        let number = name.strip_suffix(".ndjson").and_then(|name| name.rsplit_once('.'));
        number
            .and_then(|(_, number)| number.split_once('-'))
            .and_then(|(page, _)| page.parse().ok())
            .unwrap_or(0)
    }
}

impl StoredManifest {
    /// Finds `Patient.ndjson`, or for `Patient` the first file of that type.
    pub fn find(&self, name: &str) -> Option<&NamedFile> {
        self.files
            .iter()
            .find(|named| named.name == name)
            .or_else(|| self.files.iter().find(|named| named.file.resource_type == name))
    }
}
