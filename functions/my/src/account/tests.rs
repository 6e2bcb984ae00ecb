use super::*;

#[test]
fn every_reason_of_the_ledger_has_a_text() {
    let words = Words::default();
    for reason in Reason::ALL {
        assert!(words.has(&format!("my-why-{}", reason.key())), "{reason:?}");
    }
}
