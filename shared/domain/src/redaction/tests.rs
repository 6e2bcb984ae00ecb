use crate::ledger::LeftOut;

use super::*;

#[test]
fn redactions_keep_the_ledger_balanced() {
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

#[test]
fn the_redactions_of_an_export_have_a_number_and_a_length() {
    let full_at = |reason: &str| {
        let mut totals = ExportTotals {
            transaction_time: Timestamp::UNIX_EPOCH,
            manifest: String::new(),
            pages: 1,
            files: 1,
            resources: 1,
            bytes: 1,
            withheld: std::collections::BTreeMap::new(),
            ledger: None,
            redactions: Vec::new(),
        };
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
