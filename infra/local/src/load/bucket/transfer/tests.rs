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
