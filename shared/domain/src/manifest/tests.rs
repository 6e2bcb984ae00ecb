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
