use super::*;
use crate::redaction::MAX_REASON;

#[test]
fn the_redactions_of_an_export_have_a_number_and_a_length() {
    let full_at = |reason: &str| {
        let mut totals = ExportTotals::new(Timestamp::UNIX_EPOCH, String::new());
        let redaction = Redaction {
            what: Redacted::Document { name: "x".to_owned() },
            reason: reason.to_owned(),
            language: None,
            actor: "ann".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            replaced: Vec::new(),
        };
        while totals.has_room_for(1, reason) {
            totals.leave_out(redaction.clone());
        }
        totals.redactions.len()
    };
    assert_eq!(full_at("short"), MAX_REDACTIONS);
    assert_eq!(full_at(&"x".repeat(MAX_REASON)), MAX_REDACTIONS);
    assert_eq!(full_at(&"\u{1f600}".repeat(MAX_REASON)), MAX_REDACTIONS / 4);
}

fn listed(number: usize) -> Vec<NamedFile> {
    let file = OutputFile {
        purpose: Purpose::Output,
        resource_type: "Observation".to_owned(),
        key: "exports/a".to_owned(),
        place: None,
        count: 1,
        size: 1,
        sha256: "0".repeat(64),
    };
    vec![NamedFile { name: "Observation.1-100.ndjson".to_owned(), file }; number]
}

/// Clients have links to the parts of pages, so these numbers must never change.
#[test]
fn the_bounds_of_parts_are_those_of_every_version() {
    let files = listed(25_000);
    let ends = |url_bytes: usize| -> Vec<usize> {
        let mut ends = vec![part_end(&files, 0, url_bytes)];
        while let Some(end) = ends.last().copied().filter(|end| *end < files.len()) {
            ends.push(part_end(&files, end, url_bytes));
        }
        ends
    };
    assert_eq!(ends(54), [10_224, 20_448, 25_000]);
    assert_eq!(ends(300), [6_802, 13_604, 20_406, 25_000]);
    // A part has at least one file.
    assert_eq!(part_end(&files, 7, PART_BYTES), 8);
    assert_eq!(part_end(&files[..1], 0, PART_BYTES), 1);
    assert_eq!(part_end(&[], 0, 54), 0);
}
