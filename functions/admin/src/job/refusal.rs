//! Why something cannot be left out of an export. Most reasons are known from the totals and the size of the file, before anybody types
//! a reason for it.

use domain::chunk::Purpose;
use domain::error::Error;
use domain::job::{Job, JobState};
use domain::manifest::{ExportTotals, NamedFile};
use web::pages::Message;
use web::request_context;
use words::Words;

use super::cut::attachments_in;
use super::lines::Line;

/// The largest file that is written again within a request.
pub(super) const MAX_REWRITTEN: u64 = 128 * 1024 * 1024;
/// The maximum number of pages of a manifest that are written again.
const MAX_PAGES: u32 = 8;
/// The shortest reason.
const SHORTEST: &str = "x";

/// See the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The lines of the file are notices about the export.
    Notices,
    /// The file is too large to be written again.
    LargeFile,
    /// A file that names the document is too large to be written again.
    LargeFileOfDocument,
    /// The manifest has too many pages to be written again.
    ManyFiles,
    /// The resource names more documents than can still be left out.
    ManyDocuments,
    /// The job has no room for another redaction.
    Full,
    /// The job has room for another redaction, but not for this reason.
    LongReason,
}

impl Refusal {
    const ALL: [Self; 7] = [
        Self::Notices,
        Self::LargeFile,
        Self::LargeFileOfDocument,
        Self::ManyFiles,
        Self::ManyDocuments,
        Self::Full,
        Self::LongReason,
    ];

    /// Returns why nothing more can be left out of the export.
    pub(super) fn of_export(totals: &ExportTotals) -> Option<Self> {
        let of_files = || (totals.pages > MAX_PAGES).then_some(Self::ManyFiles);
        Self::of_reason(totals, 1, SHORTEST).or_else(of_files)
    }

    /// Returns why no line of the file can be left out.
    pub(super) fn of_file(named: &NamedFile) -> Option<Self> {
        if !is_left_out_by_line(named) {
            return Some(Self::Notices);
        }
        (named.file.size > MAX_REWRITTEN).then_some(Self::LargeFile)
    }

    /// Returns why a line of an export in review cannot be left out. The documents of a line that is too long to be shown are not counted.
    pub(super) fn of_line(job: &Job, named: &NamedFile, line: &Line) -> Option<Self> {
        let totals = job.summary().filter(|_| job.state() == JobState::InReview)?;
        let documents = || {
            let named = attachments_in(line.text.as_deref().unwrap_or_default(), job.id());
            named.iter().filter(|attachment| !totals.has_left_out(&attachment.url_name())).count()
        };
        let of_documents = || Self::of_reason(totals, 1 + documents(), SHORTEST);
        Self::of_file(named).or_else(|| Self::of_export(totals)).or_else(of_documents)
    }

    /// Returns why this number of things cannot be left out for a reason.
    pub(super) fn of_reason(totals: &ExportTotals, count: usize, reason: &str) -> Option<Self> {
        if totals.has_room_for(count, reason) {
            None
        } else if totals.has_room_for(count, SHORTEST) {
            Some(Self::LongReason)
        } else if totals.has_room_for(1, SHORTEST) {
            Some(Self::ManyDocuments)
        } else {
            Some(Self::Full)
        }
    }

    /// Returns the refusal of which the error tells.
    pub(super) fn of_error(error: &Error) -> Option<Self> {
        let (Error::TooLarge(text) | Error::Invalid(text)) = error else { return None };
        Self::ALL.into_iter().find(|refusal| refusal.text(&Words::default()) == *text)
    }

    pub(super) fn error(self) -> Error {
        let text = self.text(&Words::default());
        match self {
            Self::LargeFile | Self::LargeFileOfDocument | Self::ManyFiles => Error::TooLarge(text),
            Self::Notices | Self::ManyDocuments | Self::Full | Self::LongReason => Error::Invalid(text),
        }
    }

    /// Returns the sentences about it in the reader's language.
    pub(super) fn in_words(self) -> String {
        self.text(&request_context::words())
    }

    pub(super) fn message(self) -> Message {
        Message { text: self.in_words(), in_english: false }
    }

    fn text(self, words: &Words) -> String {
        let key = match self {
            Self::Notices => "leave-out-not-notices",
            Self::LargeFile => "leave-out-not-large",
            Self::LargeFileOfDocument => "leave-out-not-document",
            Self::ManyFiles => "leave-out-not-files",
            Self::ManyDocuments => "leave-out-not-documents",
            Self::Full => "leave-out-not-full",
            Self::LongReason => "leave-out-reason-room",
        };
        words.text(key, &[("size", &words.size(MAX_REWRITTEN))])
    }
}

/// Returns whether staff can leave out single lines of a file: its lines are resources, and not notices about the export.
pub(super) fn is_left_out_by_line(named: &NamedFile) -> bool {
    match named.file.purpose {
        Purpose::Output | Purpose::Documents => true,
        Purpose::Blocks | Purpose::Deleted | Purpose::Error => false,
    }
}

#[cfg(test)]
mod tests;
