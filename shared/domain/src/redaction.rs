//! A redaction: staff leave a single resource or document out of an export that they review, with a reason.
//!
//! The file with the resource is replaced by a file without it, under another key. A document is no longer served. The
//! client finds the reason in an error file of the manifest, and the [ledger](crate::ledger) counts it. Neither reveals
//! more of the resource than its type.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ledger::{Ledger, Reason};

/// The maximum number of redactions of one export, which keeps the job's row small. To leave out more, staff reject the
/// export.
pub(crate) const MAX_REDACTIONS: usize = 100;
/// The maximum length of a reason in characters.
pub const MAX_REASON: usize = 500;
/// The maximum length of all reasons of one export in bytes, for the same purpose.
pub(crate) const MAX_REASONS_BYTES: usize = 50_000;
/// The name of the file with the reasons, in URLs and in the manifest.
pub const REASONS: &str = "OperationOutcome.left-out.ndjson";

/// One redaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Redaction {
    pub what: Redacted,
    pub reason: String,
    /// The tag of the language of the page on which the reason was typed. `None` in redactions of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// A member of staff.
    #[serde(rename = "who")]
    pub actor: String,
    pub at: Timestamp,
    /// The keys of objects that are no longer part of the export. They were removed, unless the process died before it
    /// removed them.
    pub replaced: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Redacted {
    Resource {
        #[serde(rename = "type")]
        resource_type: String,
        id: Option<String>,
    },
    /// An attachment of the record, by its name in URLs.
    Document { name: String },
}

impl Redaction {
    /// Returns the notice for the client.
    pub fn notice(&self) -> String {
        let what = match &self.what {
            Redacted::Resource { resource_type, .. } => resource_type.as_str(),
            Redacted::Document { .. } => "document",
        };
        format!("staff left out one {what}: {}", self.reason)
    }
}

impl Ledger {
    /// Counts one line of an output file as left out by staff. It counts as a line that was read, while there are any.
    /// Otherwise the export created it: such a line was never read, so it is only subtracted.
    pub(crate) fn leave_out_line(&mut self) {
        let resources = &mut self.resources;
        if resources.written > resources.attachments {
            resources.written -= 1;
            resources.left_out.add(Reason::Staff, 1);
        } else {
            resources.made = resources.made.saturating_sub(1);
        }
    }

    /// Counts one attachment as left out by staff: a document of `files/`, or else a Binary. The name of an attachment
    /// does not tell which of them it is, so documents are counted first.
    pub(crate) fn leave_out_attachment(&mut self) {
        if self.documents.written > 0 {
            self.documents.written -= 1;
            self.documents.left_out.add(Reason::Staff, 1);
        } else if self.resources.attachments > 0 {
            self.resources.attachments -= 1;
            self.resources.written -= 1;
            self.resources.left_out.add(Reason::Staff, 1);
        }
    }
}

#[cfg(test)]
mod tests;
