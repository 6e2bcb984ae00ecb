use std::collections::BTreeSet;

use domain::chunk::OutputFile;
use domain::redaction::{Redacted, Redaction};
use jiff::Timestamp;
use web::respond::status_of;
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
        assert_eq!(of_export(&totals), refused, "{}", totals.redactions.len());
    }
}

#[test]
fn a_reason_or_the_number_of_documents_may_be_too_much() {
    let almost = after(49, &"x".repeat(1_020));
    assert_eq!(of_reason(&almost, 1, "short"), None);
    assert_eq!(of_reason(&almost, 1, &"x".repeat(21)), Some(Refusal::LongReason));
    assert_eq!(of_reason(&almost, 20, "x"), None);
    assert_eq!(of_reason(&almost, 21, "x"), Some(Refusal::ManyDocuments));
    assert_eq!(of_reason(&after(98, "x"), 2, "x"), None);
    assert_eq!(of_reason(&after(98, "x"), 3, "x"), Some(Refusal::ManyDocuments));
    assert_eq!(of_reason(&after(100, "x"), 3, "x"), Some(Refusal::Full));
}

#[test]
fn a_file_is_written_again_up_to_a_size() {
    assert_eq!(of_file(&file(Purpose::Output, MAX_REWRITTEN)), None);
    assert_eq!(of_file(&file(Purpose::Output, MAX_REWRITTEN + 1)), Some(Refusal::LargeFile));
    assert_eq!(of_file(&file(Purpose::Error, 1)), Some(Refusal::Notices));
}

#[test]
fn an_error_tells_which_refusal_it_is_whatever_its_text_is() {
    for refusal in Refusal::ALL {
        let error = error(refusal);
        assert_eq!((error.refusal(), error.to_string()), (Some(refusal), text(refusal, &Words::default())));
        let changed = Error::NotLeftOut { refusal, text: "another sentence".to_owned() };
        assert_eq!((changed.refusal(), status_of(&changed)), (Some(refusal), status_of(&error)));
        // The same text in an error of another type is no refusal.
        assert_eq!(Error::invalid(text(refusal, &Words::default())).refusal(), None);
    }
}

#[test]
fn each_refusal_has_its_sentence_in_each_language_and_its_status() {
    for language in Language::all() {
        let words = Words { language, ..Words::default() };
        let texts: BTreeSet<_> = Refusal::ALL.into_iter().map(|refusal| text(refusal, &words)).collect();
        assert_eq!(texts.len(), Refusal::ALL.len(), "two refusals have one sentence: {texts:?}");
        assert!(texts.iter().all(|text| !text.contains('{') && !text.is_empty()), "{texts:?}");
    }
    let status = |refusal| (status_of(&error(refusal)).as_u16(), error(refusal).issue_code());
    for refusal in [Refusal::LargeFile, Refusal::LargeFileOfDocument, Refusal::ManyFiles] {
        assert_eq!(status(refusal), (413, "too-long"), "{refusal:?}");
    }
    for refusal in [Refusal::Notices, Refusal::ManyDocuments, Refusal::Full, Refusal::LongReason] {
        assert_eq!(status(refusal), (400, "invalid"), "{refusal:?}");
    }
}
