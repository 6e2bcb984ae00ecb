//! The finished job as the API shows it (Bulk Data 2.0, response to a complete status; contract, section 2).
//!
//! Finish writes a [`StoredManifest`] into the store: names and keys, no URLs, because the URLs
//! belong to the moment and the client that asks.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::choices::Sensitive;
use super::chunk::{OutputFile, Purpose};
use super::ids::{Attempt, JobId};

/// Where one attempt at Finish puts the manifest; the job's [`Summary`] names the one that counts.
pub fn manifest_key(job: &JobId, attempt: &Attempt) -> String {
    format!("exports/{job}/manifest-{attempt}.json")
}

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
pub struct Summary {
    pub transaction_time: Timestamp,
    /// Where the manifest is in the store.
    pub manifest: String,
    pub files: u64,
    pub resources: u64,
    pub bytes: u64,
    #[serde(default)]
    pub withheld: BTreeMap<Sensitive, u64>,
}

/// Names files in the order they come: `Patient.ndjson`, `Patient.2.ndjson` and so on; the
/// export's own documents are `DocumentReference.documents.ndjson`, errors `OperationOutcome.ndjson`.
#[derive(Debug, Default)]
pub struct Names {
    used: HashMap<(Purpose, String), u32>,
}

impl Names {
    pub fn name(&mut self, file: OutputFile) -> NamedFile {
        let number = self.used.entry((file.purpose, file.resource_type.clone())).or_default();
        *number += 1;
        let marker = match file.purpose {
            Purpose::Output => "",
            Purpose::Documents => ".documents",
            Purpose::Error => ".errors",
        };
        let number = if *number == 1 { String::new() } else { format!(".{number}") };
        NamedFile { name: format!("{}{marker}{number}.ndjson", file.resource_type), file }
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

    /// The manifest on the wire. `download` makes the absolute URL of a file's name.
    pub fn to_json(&self, request: &str, extra: &[NamedFile], download: impl Fn(&str) -> String) -> Value {
        let entry = |named: &NamedFile| {
            json!({
                "type": named.file.resource_type,
                "url": download(&named.name),
                "count": named.file.count,
                "extension": { "sha256": named.file.sha256, "size": named.file.size },
            })
        };
        let files = || self.files.iter().chain(extra);
        let is_error = |named: &&NamedFile| named.file.purpose == Purpose::Error;
        json!({
            "transactionTime": crate::fhir::instant(self.transaction_time),
            "request": request,
            "requiresAccessToken": true,
            "output": files().filter(|named| !is_error(named)).map(entry).collect::<Vec<_>>(),
            "deleted": [],
            "error": files().filter(is_error).map(entry).collect::<Vec<_>>(),
        })
    }
}
