use proptest::prelude::*;

use super::*;
use crate::load::homes::row::{key_hash, row};

/// Writes rows to a file, and looks up hashes. Returns what was found, and the cost.
fn looked_up(rows: &[(u64, String)], wanted: &[u64], block: u64) -> (Vec<(u64, String)>, Cost) {
    let directory = tempfile::tempdir().expect("a directory");
    let lines = rows.iter().map(|(hash, patient)| [row(*hash, patient).0, b"\n".to_vec()].concat());
    let text = lines.collect::<Vec<_>>().concat();
    let bytes = text.len() as u64;
    std::fs::write(directory.path().join("rows"), [&text, &b"~\n"[..]].concat()).expect("written");
    let files = local::files_at(directory.path()).expect("a store");
    let file = RowsFile { key: "rows".to_owned(), bytes };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let (mut found, mut rows) = (Vec::new(), Rows::new(&*files, &file, block));
        for hash in wanted {
            rows.seek(*hash).await.expect("read");
            while let Some(patient) = rows.next_of(*hash).await.expect("read") {
                found.push((*hash, patient.to_string()));
            }
        }
        (found, rows.cost)
    })
}

/// Hashes that are spread evenly, and hashes that are close together or the same.
fn hash() -> impl Strategy<Value = u64> {
    prop_oneof![4 => any::<u64>(), 2 => 0..20_u64, 1 => (0..5_u64).prop_map(|below| u64::MAX - below), 2 => Just(1_u64 << 40)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn the_rows_of_each_hash_are_found(
        rows in prop::collection::btree_set((hash(), "[A-Za-z0-9.-]{1,64}"), 0..400),
        others in prop::collection::btree_set(hash(), 0..40),
        known in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        block in 164..2_000_u64,
    ) {
        let mut rows: Vec<_> = rows.into_iter().filter(|(_, id)| PatientId::parse(id).is_ok()).collect();
        rows.sort_by_key(|(hash, patient)| row(*hash, patient));
        let mut wanted = others;
        wanted.extend(known.iter().filter(|_| !rows.is_empty()).map(|index| index.get(&rows).0));
        let wanted: Vec<_> = wanted.into_iter().collect();
        let (found, _) = looked_up(&rows, &wanted, block);
        let expected: Vec<_> = rows.into_iter().filter(|(hash, _)| wanted.contains(hash)).collect();
        prop_assert_eq!(found, expected);
    }
}

/// Returns this many rows with the hashes of resources.
fn many(count: u64) -> Vec<(u64, String)> {
    let key = |number| format!("Observation/{number:08}").into_bytes();
    let mut rows: Vec<_> =
        (0..count).map(|number| (key_hash(&key(number)), format!("patient-{number:08}"))).collect();
    rows.sort();
    rows
}

#[test]
fn few_hashes_need_few_reads() {
    let rows = many(200_000);
    let wanted: Vec<_> = rows.iter().step_by(4_000).map(|(hash, _)| *hash).collect();
    let (found, cost) = looked_up(&rows, &wanted, 8 * 1024);
    assert_eq!(found.len(), 50);
    assert!(cost.reads <= 2 * 50, "{cost:?}");
    // The file has 7 MB. Hashes that no row has cost as much.
    let wanted: Vec<_> = wanted.iter().map(|hash| hash + 1).collect();
    let (found, cost) = looked_up(&rows, &wanted, 8 * 1024);
    assert_eq!(found.len(), 0);
    assert!(cost.reads <= 2 * 50 && cost.bytes < 1_000_000, "{cost:?}");
}

#[test]
fn many_hashes_are_read_in_order_once() {
    let rows = many(20_000);
    let wanted: Vec<_> = rows.iter().step_by(3).map(|(hash, _)| *hash).collect();
    let (found, cost) = looked_up(&rows, &wanted, 4 * 1024);
    assert_eq!(found.len(), wanted.len());
    assert!(cost.bytes <= 42 * 20_000 && cost.reads < 20, "{cost:?}");
}

/// The places of these hashes cannot be estimated.
#[test]
fn hashes_that_are_close_together_need_a_bounded_number_of_reads() {
    let mut rows: Vec<_> = (0..50_000).map(|number| (number, "p".to_owned())).collect();
    rows.extend((0..50_000).map(|number| (u64::MAX - 50_000 + number, "p".to_owned())));
    let (found, cost) = looked_up(&rows, &[25_000, 49_999, u64::MAX - 25_000], 1_024);
    assert_eq!(found.len(), 3);
    assert!(cost.reads <= 3 * 40, "{cost:?}");
}

#[test]
fn a_damaged_file_is_noticed() {
    let directory = tempfile::tempdir().expect("a directory");
    let files = local::files_at(directory.path()).expect("a store");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for (text, bytes) in [("no rows at all\n", 15), ("0000000000000001 a\n", 30), ("0000000000000001 a", 18)]
    {
        std::fs::write(directory.path().join("rows"), text).expect("written");
        let file = RowsFile { key: "rows".to_owned(), bytes };
        let read = runtime.block_on(async { Rows::new(&*files, &file, 1_024).seek(2).await });
        assert!(read.is_err(), "{text}");
    }
}
