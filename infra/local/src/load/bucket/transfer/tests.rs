use std::future::ready;
use std::sync::atomic::{AtomicUsize, Ordering};

use storage::layout::Directory;

use super::*;
use crate::load::write::records_in;

/// A load into a directory, a load into a bucket and an export agree on the files of a record.
#[tokio::test]
async fn a_load_reads_the_names_that_an_export_reads() {
    let names =
        ["a.ndjson", "b.ndjson.gz", "c.ndjson.gz.gz", "D.NDJSON", "e.ndjson.GZ", "f.json", "g.gz", "ndjson"];
    let lake = tempfile::tempdir().expect("a directory");
    let record = lake.path().join("Patient/ann");
    std::fs::create_dir_all(&record).expect("created");
    for name in names {
        std::fs::write(record.join(name), "x").expect("written");
    }
    let read: Vec<_> = names.into_iter().filter(|name| Directory::Record.has(name)).collect();
    assert_eq!(read, ["a.ndjson", "b.ndjson.gz"]);

    let in_directory = records_in(&record).expect("files");
    assert_eq!(in_directory, read.iter().map(|name| record.join(name)).collect::<Vec<_>>());

    let bucket = local::files_at(lake.path()).expect("files");
    let mut in_bucket = keys_below(&*bucket, vec!["Patient/ann/".to_owned()]).await.expect("keys");
    in_bucket.sort();
    assert_eq!(in_bucket, read.iter().map(|name| format!("Patient/ann/{name}")).collect::<Vec<_>>());
}

/// The lock of the bucket is renewed by the task that uploads.
#[tokio::test]
async fn the_files_of_a_lake_are_found_without_stopping_the_task() {
    let lake = tempfile::tempdir().expect("a directory");
    let record = lake.path().join("Patient/ann");
    std::fs::create_dir_all(&record).expect("created");
    for number in 0..2_000 {
        std::fs::write(record.join(format!("{number}.ndjson")), "").expect("written");
    }
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = turns.clone();
    let other = tokio::spawn(async move {
        loop {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let into = tempfile::tempdir().expect("a directory");
    let bucket = local::files_at(into.path()).expect("files");
    // No file is uploaded, so only the search could let the other task run.
    send(&bucket, lake.path(), key_stream(lake.path()).filter(|_| ready(false)), "").await.expect("sent");
    assert!(turns.load(Ordering::Relaxed) > 0);
    other.abort();
    let found: Vec<_> = key_stream(lake.path()).collect().await;
    assert_eq!((found.len(), found.iter().filter(|key| key.is_ok()).count()), (2_000, 2_000));
}

#[tokio::test]
async fn a_file_that_cannot_be_uploaded_stops_the_upload() {
    let lake = tempfile::tempdir().expect("a directory");
    std::fs::create_dir_all(lake.path().join("Patient/ann")).expect("created");
    std::os::unix::fs::symlink("/dev/null", lake.path().join("Patient/ann/a.ndjson")).expect("created");
    let bucket = local::files_at(lake.path()).expect("files");
    let refused =
        send(&bucket, lake.path(), key_stream(lake.path()), "").await.expect_err("refused").to_string();
    assert!(refused.contains("a.ndjson is a link or not a regular file"), "{refused}");
}
