use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use super::super::files::{merge, write};
use super::super::row::row;
use super::*;
use crate::load::sizes::Sizes;
use crate::load::spill::{Writer, put_text};

/// Writes a file of the index with these resources.
async fn add(load: &Load<'_>, files: &dyn Files, resources: &[(&str, &str)]) {
    let mut sorter = Sorter::new(files, "runs/", LIMITS);
    for (key, patient) in resources {
        sorter.push(row(key_hash(key.as_bytes()), patient)).await.expect("pushed");
    }
    let mut rows = sorter.finish().await.expect("sorted");
    write(load, files, &mut rows).await.expect("written");
    rows.remove().await.expect("removed");
}

async fn found(load: &Load<'_>, files: &dyn Files) -> Vec<String> {
    let mut found = Vec::new();
    let mut show = |patient: &PatientId| {
        found.push(patient.to_string());
        Ok(())
    };
    search(load, files, files, &mut show).await.expect("searched");
    found
}

fn run(story: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(story);
}

#[test]
fn all_complete_files_are_searched_before_and_after_they_are_merged() {
    let (directory, lake) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let stop = AtomicBool::new(false);
    let sizes = Sizes { files: 2, small_file: 0, block: 164, ..Sizes::default() };
    let load = Load::new(directory.path(), 3, None, &stop, sizes);
    for (stream, keys) in
        [(&load.versions, &["Claim/1", "Claim/2", "Claim/none"][..]), (&load.follows, &["Claim/4"])]
    {
        let mut writer = Writer::new(stream);
        for key in keys {
            writer
                .push(crate::load::streams::hash(key.as_bytes()), |buffer| put_text(buffer, key.as_bytes()))
                .expect("written");
        }
        writer.finish().expect("written");
    }
    let files = local::files_at(lake.path()).expect("a store");
    let path = |name: &str| lake.path().join("index/homes").join(name);
    run(async {
        assert_eq!(found(&load, &*files).await, Vec::<String>::new(), "there is no index");
        add(&load, &*files, &[("Claim/1", "ann"), ("Claim/3", "other")]).await;
        add(&load, &*files, &[("Claim/1", "bob"), ("Claim/1", "ann"), ("Claim/4", "eve")]).await;
        // An earlier version of the program wrote this file, and two loads were stopped while they wrote these.
        let earlier =
            String::from_utf8([row(key_hash(b"Claim/2"), "cid").0, b"\n".to_vec()].concat()).expect("text");
        std::fs::write(path("rows-1"), &earlier).expect("written");
        let stopped = earlier.replace("cid", "lost");
        std::fs::write(path("sorted-9999999999999-a"), &stopped).expect("written");
        std::fs::write(path("sorted-0000000000001-a"), stopped.trim_end()).expect("written");
        std::fs::write(path("rows-2"), &stopped[..10]).expect("written");
        let expected = ["ann", "bob", "cid", "eve"];
        assert_eq!(found(&load, &*files).await, expected);
        merge(&load, &*files, true).await.expect("merged");
        assert_eq!(found(&load, &*files).await, expected);
        let mut left = files.list("index/homes/").await.expect("listed");
        left.sort();
        // One of these files is so new that another load may still write it.
        assert_eq!((left.len(), left[1].as_str()), (2, "sorted-9999999999999-a"), "{left:?}");
        let text = std::fs::read_to_string(path(&left[0])).expect("a file");
        assert_eq!((text.lines().count(), text.lines().last()), (6, Some("~")));
    });
}

#[test]
fn a_damaged_row_is_not_merged() {
    let (directory, lake) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let stop = AtomicBool::new(false);
    let load = Load::new(directory.path(), 1, None, &stop, Sizes::default());
    let files = local::files_at(lake.path()).expect("a store");
    run(async {
        add(&load, &*files, &[("Claim/1", "ann")]).await;
        std::fs::write(lake.path().join("index/homes/rows-1"), "00000000000000ff ../ann\n").expect("written");
        let failure = merge(&load, &*files, true).await.expect_err("damaged");
        assert!(failure.to_string().contains("remove the directory index/homes"), "{failure}");
        let left = files.list("index/homes/").await.expect("listed");
        assert_eq!(left.len(), 2, "{left:?}");
    });
}

/// A search costs what it looks up, and not what the lake has.
#[test]
fn a_small_load_reads_a_small_part_of_a_large_index() {
    let (directory, lake) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let stop = AtomicBool::new(false);
    let load = Load::new(directory.path(), 1, None, &stop, Sizes { block: 4_096, ..Sizes::default() });
    let files = local::files_at(lake.path()).expect("a store");
    let resources: BTreeMap<_, _> =
        (0..100_000).map(|number| (format!("Observation/{number}"), format!("p{}", number / 100))).collect();
    let of = |number: u64| format!("Observation/{}", number * 997);
    run(async {
        let all: Vec<_> = resources.iter().map(|(key, patient)| (key.as_str(), patient.as_str())).collect();
        add(&load, &*files, &all).await;
        let listed = list(&*files).await.expect("listed");
        let mut hashes: Vec<_> = (0..100).map(|number| key_hash(of(number).as_bytes())).collect();
        hashes.sort_unstable();
        let (found, cost) = look_up(&load, &*files, &listed.files, &hashes).await.expect("found");
        let expected: BTreeSet<_> = (0..100).map(|number| &resources[&of(number)]).collect();
        assert_eq!(
            found.iter().map(PatientId::as_str).collect::<Vec<_>>(),
            expected.into_iter().collect::<Vec<_>>()
        );
        assert!(cost.bytes * 3 < listed.files[0].bytes, "{cost:?} of {}", listed.files[0].bytes);
    });
}
