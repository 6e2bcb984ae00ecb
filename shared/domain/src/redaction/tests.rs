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
