//! Why something cannot be left out of an export. Most reasons are known from the totals and the size of the file, before anybody types
//! a reason for it.

use domain::chunk::Purpose;
use domain::error::Error;
use domain::job::{Job, JobState};
use domain::manifest::{ExportTotals, NamedFile};
use domain::refusal::Refusal;
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

/// Returns why nothing more can be left out of the export.
pub(super) fn of_export(totals: &ExportTotals) -> Option<Refusal> {
    let of_files = || (totals.pages > MAX_PAGES).then_some(Refusal::ManyFiles);
    of_reason(totals, 1, SHORTEST).or_else(of_files)
}

/// Returns why no line of the file can be left out.
pub(super) fn of_file(named: &NamedFile) -> Option<Refusal> {
    if !is_left_out_by_line(named) {
        return Some(Refusal::Notices);
    }
    (named.file.size > MAX_REWRITTEN).then_some(Refusal::LargeFile)
}

/// Returns why a line of an export in review cannot be left out. The documents of a line that is too long to be shown are not counted.
pub(super) fn of_line(job: &Job, named: &NamedFile, line: &Line) -> Option<Refusal> {
    let totals = job.summary().filter(|_| job.state() == JobState::InReview)?;
    let documents = || {
        let named = attachments_in(line.text.as_deref().unwrap_or_default(), job.id());
        named.iter().filter(|attachment| !totals.has_left_out(&attachment.url_name())).count()
    };
    let of_documents = || of_reason(totals, 1 + documents(), SHORTEST);
    of_file(named).or_else(|| of_export(totals)).or_else(of_documents)
}

/// Returns why this number of things cannot be left out for a reason.
pub(super) fn of_reason(totals: &ExportTotals, count: usize, reason: &str) -> Option<Refusal> {
    if totals.has_room_for(count, reason) {
        None
    } else if totals.has_room_for(count, SHORTEST) {
        Some(Refusal::LongReason)
    } else if totals.has_room_for(1, SHORTEST) {
        Some(Refusal::ManyDocuments)
    } else {
        Some(Refusal::Full)
    }
}

/// Returns the error of a refusal. Its text is in English; pages show the sentence of [`in_words`].
pub(super) fn error(refusal: Refusal) -> Error {
    Error::NotLeftOut { refusal, text: text(refusal, &Words::default()) }
}

/// Returns the sentences about a refusal in the reader's language.
pub(super) fn in_words(refusal: Refusal) -> String {
    text(refusal, &request_context::words())
}

pub(super) fn message(refusal: Refusal) -> Message {
    Message { text: in_words(refusal), in_english: false }
}

fn text(refusal: Refusal, words: &Words) -> String {
    let key = match refusal {
        Refusal::Notices => "leave-out-not-notices",
        Refusal::LargeFile => "leave-out-not-large",
        Refusal::LargeFileOfDocument => "leave-out-not-document",
        Refusal::ManyFiles => "leave-out-not-files",
        Refusal::ManyDocuments => "leave-out-not-documents",
        Refusal::Full => "leave-out-not-full",
        Refusal::LongReason => "leave-out-reason-room",
    };
    words.text(key, &[("size", &words.size(MAX_REWRITTEN))])
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
