//! What staff leave out of an export that they review: a single resource or document, with the reason.
//!
//! A file without the resource takes the place of the file that has it, under another key; a document is no longer served.
//! The reason reaches the client in an error file of the manifest, and the [ledger](crate::ledger) counts it. Neither says
//! more of the resource than its type.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ledger::{Ledger, Reason};
use crate::manifest::ExportTotals;
use crate::states::InReview;

/// The most that staff leave out of one export; who wants more rejects it. It keeps the job's row small.
pub const MAX_REDACTIONS: usize = 100;
/// The longest reason, in bytes.
pub const MAX_REASON: usize = 500;
/// The name of the file with the reasons, in URLs and in the manifest.
pub const REASONS: &str = "OperationOutcome.left-out.ndjson";

/// See the [module](self).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Redaction {
    pub what: Redacted,
    pub reason: String,
    /// A member of staff.
    #[serde(rename = "who")]
    pub actor: String,
    pub at: Timestamp,
    /// The keys of objects that are no longer part of the export. They were removed, unless the process died just then.
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
    /// What the client is told.
    pub fn notice(&self) -> String {
        let what = match &self.what {
            Redacted::Resource { resource_type, .. } => resource_type.as_str(),
            Redacted::Document { .. } => "document",
        };
        format!("staff left out one {what}: {}", self.reason)
    }
}

impl ExportTotals {
    /// Whether staff left this attachment of the record out.
    pub fn has_left_out(&self, attachment: &str) -> bool {
        let is_it = |redaction: &Redaction| matches!(&redaction.what, Redacted::Document { name } if name == attachment);
        self.redactions.iter().any(is_it)
    }

    /// The totals after a redaction. The caller has counted what became of the files.
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

impl InReview {
    /// Replaces the files by those without what staff leave out. `what` is said to the client as well.
    pub fn leave_out(self, summary: ExportTotals, what: &str, actor: &str, now: Timestamp) -> Self {
        Self { header: self.header.with_event(now, actor, what), summary }
    }
}

impl Ledger {
    /// Counts one line of an output file as left out by staff. A line that the export created was never read, so it only
    /// counts no more; which lines those are is known as long as there are others.
    fn leave_out_line(&mut self) {
        let resources = &mut self.resources;
        if resources.written > resources.attachments {
            resources.written -= 1;
            resources.left_out.add(Reason::Staff, 1);
        } else {
            resources.made = resources.made.saturating_sub(1);
        }
    }

    /// Counts one attachment as left out by staff: a document of a patient's `files/`, or else a Binary. The name of an
    /// attachment does not tell which of the two it is, so documents are counted first.
    fn leave_out_attachment(&mut self) {
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
mod tests {
    use crate::ledger::LeftOut;

    use super::*;

    #[test]
    fn what_staff_leave_out_stays_accounted_for() {
        let mut ledger = Ledger::default();
        (ledger.resources.read, ledger.resources.written, ledger.resources.attachments) = (5, 5, 2);
        (ledger.resources.made, ledger.documents.found, ledger.documents.written) = (1, 1, 1);
        for lines in (0..4).rev() {
            ledger.leave_out_line();
            assert_eq!((ledger.check(), ledger.lines()), (Ok(()), lines));
        }
        for _ in 0..4 {
            ledger.leave_out_attachment();
            assert_eq!((ledger.check(), ledger.lines()), (Ok(()), 0));
        }
        let left_out = |counts: &LeftOut| counts.get(Reason::Staff);
        assert_eq!((left_out(&ledger.resources.left_out), left_out(&ledger.documents.left_out)), (5, 1));
    }
}
