use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::sorted::{Sorted, SortedLines};

const PREFIX: &str = "exports/job/deleted-1/";
const PATIENTS: [&str; 7] = ["a", "a-b", "a.b", "b", "\n\"\t", "", "\u{e9}"];

fn deletion() -> impl Strategy<Value = Deletion> {
    let of = prop::option::weighted(0.8, prop::sample::select(&PATIENTS[..]));
    (of, 0..12_u8, 0..5_i64).prop_map(|(of, id, at)| Deletion {
        of: of.map(str::to_owned),
        key: format!("Observation/{id}"),
        at,
    })
}

async fn drain(mut lines: SortedLines) -> Vec<Deletion> {
    let mut all = Vec::new();
    while let Some(deletion) = lines.next().await.expect("read") {
        all.push(deletion);
    }
    all
}

async fn is_sorted(deletions: Vec<Deletion>, limits: Limits, block: u64) {
    let platform = crate::spool::tests::platform();
    let files = platform.files();
    let mut sorter = Sorter::new(&*files, PREFIX, limits);
    let count = deletions.len();
    let mut latest: BTreeMap<(Option<String>, String), i64> = BTreeMap::new();
    for deletion in deletions {
        let known = latest.entry((deletion.of.clone(), deletion.key.clone())).or_insert(deletion.at);
        *known = (*known).max(deletion.at);
        sorter.push(deletion).await.expect("pushed");
    }
    let problems = vec!["a problem".to_owned()];
    write(&*files, PREFIX, (sorter, count), block, problems).await.expect("sorted");
    let expected: Vec<_> = latest.into_iter().map(|((of, key), at)| Deletion { of, key, at }).collect();
    let sorted = Sorted::open(&*files, PREFIX).await.expect("opened");
    let all = match sorted.all().await.expect("opened") {
        Some(lines) => drain(lines).await,
        None => Vec::new(),
    };
    assert_eq!(all, expected);
    for patients in [&[None][..], &[Some("a")], &[Some("a-b"), Some("b")], &[Some("nobody"), None]] {
        let patients: BTreeSet<_> = patients.iter().copied().collect();
        let is_of = |deletion: &&Deletion| patients.contains(&deletion.of.as_deref());
        let mut found = Vec::new();
        for lines in sorted.of(&patients).await.expect("opened") {
            found.extend(drain(lines).await);
        }
        let of_them: Vec<_> = expected.iter().filter(is_of).collect();
        assert_eq!(found.iter().filter(is_of).collect::<Vec<_>>(), of_them, "{patients:?}");
    }
    assert_eq!(sorted.problems(), ["a problem"]);
    let mut left = files.list(PREFIX).await.expect("listed");
    left.sort();
    assert_eq!(left, ["index", "keys", "sorted"], "no run is left");
    let keys = DeletedKeys::read(&*files, PREFIX).await.expect("read");
    assert!(expected.iter().all(|deletion| keys.may_have(&deletion.key)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_deletion_is_found_by_its_patient_however_many_runs_there_are(
        deletions in prop::collection::vec(deletion(), 0..60),
        run in 1_usize..800,
        fan_in in 2_usize..5,
        block in 1_u64..200,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(is_sorted(deletions, Limits { run, fan_in }, block));
    }
}

#[tokio::test]
async fn a_chunk_reads_the_blocks_of_its_patients_and_no_others() {
    let platform = crate::spool::tests::platform();
    let files = platform.files();
    let mut sorter = Sorter::new(&*files, PREFIX, Limits { run: 10_000, fan_in: 4 });
    for number in (0..5_000).rev() {
        let of = Some(format!("p{number:04}"));
        sorter.push(Deletion { of, key: format!("Observation/o{number}"), at: 1 }).await.expect("pushed");
    }
    write(&*files, PREFIX, (sorter, 5_000), 1_000, Vec::new()).await.expect("sorted");
    let sorted = Sorted::open(&*files, PREFIX).await.expect("opened");
    let mut read = 0;
    for lines in sorted.of(&BTreeSet::from([Some("p2000"), Some("p4000")])).await.expect("opened") {
        read += drain(lines).await.len();
    }
    assert!((2..200).contains(&read), "{read} of 5000");
}
