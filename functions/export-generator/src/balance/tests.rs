use domain::chunk::{OutputFile, Purpose};
use domain::dated::DaysByType;
use domain::ids::Attempt;
use domain::ledger::{Patients, Reason};

use super::*;

fn work(patients: &[&str]) -> Covered {
    Covered::Patients(patients.len() as u64)
}

/// Returns the result of a chunk with this many patients: 7 resources read, 5 written, 2 left out.
fn result(patients: u64) -> ChunkResult {
    let patients = Patients { planned: patients, exported: patients, absent: 0, failed: 0 };
    let mut ledger = Ledger { patients, ..Ledger::default() };
    (ledger.resources.read, ledger.resources.written) = (7, 5);
    ledger.resources.left_out.add(Reason::Type, 2);
    let file = OutputFile {
        purpose: Purpose::Output,
        resource_type: "Patient".to_owned(),
        key: String::new(),
        place: None,
        count: 5,
        size: 50,
        sha256: String::new(),
    };
    let attempt = Attempt::from_bytes([0; 8]);
    let files = vec![file];
    ChunkResult {
        attempt,
        files,
        ledger: Some(ledger),
        references: None,
        existing: None,
        attachments: None,
        days: DaysByType::default(),
        bytes_read: 0,
    }
}

#[test]
fn a_chunk_and_its_rest_share_their_patients() {
    let (first, next) = (ChunkId::first(0), ChunkId::first(1));
    let mut balance = Balance::new();
    balance.add(first, &work(&["a", "b", "c"]), &result(2)).expect("in balance");
    balance.add(first.rest(), &work(&["c"]), &result(1)).expect("in balance");
    balance.add(next, &work(&["d"]), &result(1)).expect("in balance");
    let ledger = balance.finish(15).expect("in balance").expect("counted");
    assert_eq!((ledger.patients.planned, ledger.resources.read), (4, 21));
}

#[test]
fn a_chunk_that_lost_a_resource_a_file_or_a_patient_is_named() {
    let id = ChunkId::first(3);
    let refused = |covered: &Covered, result: &ChunkResult| {
        let mut balance = Balance::new();
        let added = balance.add(id, covered, result).and_then(|()| balance.finish(5).map(|_| ()));
        added.expect_err("out of balance").to_string()
    };
    let mut lost = result(1);
    lost.ledger.as_mut().expect("a ledger").resources.read = 8;
    let said = refused(&work(&["a"]), &lost);
    assert!(said.contains("chunk 000003.0: 8 resources read, 7 accounted for"), "{said}");
    let mut lost = result(1);
    lost.files.clear();
    assert!(refused(&work(&["a"]), &lost).contains("chunk 000003.0: 0 resources in files"));
    // The chunk for the remaining patients was never recorded.
    assert!(refused(&work(&["a", "b"]), &result(1)).contains("chunk 000003.0: 1 patients left"));
    assert!(refused(&work(&["a"]), &result(2)).contains("chunk 000003.0"));
}

#[test]
fn a_manifest_that_does_not_list_a_file_is_refused() {
    let mut balance = Balance::new();
    balance.add(ChunkId::first(0), &work(&["a"]), &result(1)).expect("in balance");
    assert!(balance.finish(4).expect_err("out of balance").to_string().contains("the manifest: 5 resources"));
}

#[test]
fn results_of_versions_without_ledgers_are_not_checked() {
    let mut balance = Balance::new();
    let old = ChunkResult { ledger: None, ..result(0) };
    balance.add(ChunkId::first(0), &work(&["a"]), &old).expect("nothing to check");
    balance.add(ChunkId::first(1), &work(&["b"]), &result(1)).expect("nothing to check");
    assert_eq!(balance.finish(9).expect("nothing to check"), None);
}
