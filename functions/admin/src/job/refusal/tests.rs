use domain::chunk::OutputFile;
use domain::redaction::{Redacted, Redaction};
use jiff::Timestamp;
use words::Language;

use super::*;

fn totals() -> ExportTotals {
    ExportTotals { pages: 1, ..ExportTotals::new(Timestamp::UNIX_EPOCH, "manifest/".to_owned()) }
}

/// Returns the totals after this number of things was left out for this reason.
fn after(count: usize, reason: &str) -> ExportTotals {
    let redaction = Redaction {
        what: Redacted::Document { name: "letter.pdf".to_owned() },
        reason: reason.to_owned(),
        language: None,
        actor: "admin".to_owned(),
        at: Timestamp::UNIX_EPOCH,
        replaced: Vec::new(),
    };
    ExportTotals { redactions: vec![redaction; count], ..totals() }
}

fn file(purpose: Purpose, size: u64) -> NamedFile {
    let file = OutputFile {
        purpose,
        resource_type: "Observation".to_owned(),
        key: "key".to_owned(),
        place: None,
        count: 1,
        size,
        sha256: String::new(),
    };
    NamedFile { name: "Observation.ndjson".to_owned(), file }
}

#[test]
fn an_export_has_room_for_a_hundred_redactions_and_a_manifest_of_eight_pages() {
    for (totals, refused) in [
        (totals(), None),
        (ExportTotals { pages: 8, ..totals() }, None),
        (ExportTotals { pages: 9, ..totals() }, Some(Refusal::ManyFiles)),
        (after(99, "x"), None),
        (after(100, "x"), Some(Refusal::Full)),
        (after(99, &"x".repeat(505)), None),
        (after(100, ""), Some(Refusal::Full)),
        (after(50, &"x".repeat(1_000)), Some(Refusal::Full)),
    ] {
        assert_eq!(Refusal::of_export(&totals), refused, "{}", totals.redactions.len());
    }
}

#[test]
fn a_reason_or_the_number_of_documents_may_be_too_much() {
    let almost = after(49, &"x".repeat(1_020));
    assert_eq!(Refusal::of_reason(&almost, 1, "short"), None);
    assert_eq!(Refusal::of_reason(&almost, 1, &"x".repeat(21)), Some(Refusal::LongReason));
    assert_eq!(Refusal::of_reason(&almost, 20, "x"), None);
    assert_eq!(Refusal::of_reason(&almost, 21, "x"), Some(Refusal::ManyDocuments));
    assert_eq!(Refusal::of_reason(&after(98, "x"), 2, "x"), None);
    assert_eq!(Refusal::of_reason(&after(98, "x"), 3, "x"), Some(Refusal::ManyDocuments));
    assert_eq!(Refusal::of_reason(&after(100, "x"), 3, "x"), Some(Refusal::Full));
}

#[test]
fn a_file_is_written_again_up_to_a_size() {
    assert_eq!(Refusal::of_file(&file(Purpose::Output, MAX_REWRITTEN)), None);
    assert_eq!(Refusal::of_file(&file(Purpose::Output, MAX_REWRITTEN + 1)), Some(Refusal::LargeFile));
    assert_eq!(Refusal::of_file(&file(Purpose::Error, 1)), Some(Refusal::Notices));
}

#[test]
fn an_error_tells_which_refusal_it_is() {
    for refusal in Refusal::ALL {
        assert_eq!(Refusal::of_error(&refusal.error()), Some(refusal));
        for language in Language::all() {
            let text = refusal.text(&Words { language, ..Words::default() });
            assert!(!text.contains('{') && !text.is_empty(), "{text}");
        }
    }
    assert_eq!(Refusal::of_error(&Error::invalid("another")), None);
    assert_eq!(Refusal::of_error(&Error::conflict(Refusal::Full.text(&Words::default()))), None);
}
