//! Single files of packs, read without an export. A pack that is not as recorded is an error.

use std::sync::Arc;

use aws_lc_rs::digest;
use domain::chunk::{ChunkResult, RecordAttachment};
use domain::clock::hex;
use domain::dated::DaysByType;
use domain::error::{Error, Result};
use domain::ids::{Attempt, ChunkId, FileName, JobId};
use domain::pack::{IndexPlace, Location, MAX_INDEX, PackRange, pack_key};
use domain::ports::files::{Files, write_all};
use local::Local;
use storage::packs::{Attachments, open, read};

fn files() -> Arc<dyn Files> {
    let settings = settings::Settings::parse("base_url = \"http://localhost\"", |_| None, None);
    let (clock, random) = (Arc::new(domain::clock::SystemClock), Arc::new(crypto::OsRandom));
    let local = Local::in_memory(&std::env::temp_dir(), settings.expect("valid"), clock, random);
    local.expect("a platform").files()
}

fn attachment(name: &str) -> RecordAttachment {
    let name = FileName::parse(name).expect("a name");
    RecordAttachment { chunk: ChunkId::first(0), attempt: Attempt::from_bytes([1; 8]), name }
}

/// Returns the recorded result of an attachment's chunk.
fn result(attachment: &RecordAttachment, index: IndexPlace) -> ChunkResult {
    ChunkResult {
        attempt: attachment.attempt.clone(),
        files: Vec::new(),
        ledger: None,
        references: None,
        existing: None,
        attachments: Some(index),
        days: DaysByType::default(),
        bytes_read: 0,
    }
}

/// Searches for `a.pdf` in a pack with `text` as its index. The recorded hash is that of `hashed`.
async fn found(files: &Arc<dyn Files>, text: &str, hashed: &str) -> Result<Option<(Location, u64)>> {
    let (job, wanted) = (JobId::of_no_job(), attachment("a.pdf"));
    let key = pack_key(&job, wanted.chunk, &wanted.attempt);
    write_all(&**files, &key, format!("0123456789{text}").into_bytes()).await.expect("written");
    let sha256 = hex(digest::digest(&digest::SHA256, hashed.as_bytes()).as_ref());
    let recorded = result(&wanted, IndexPlace { offset: 10, length: text.len() as u64, sha256 });
    Attachments::new(files.clone()).find(&job, &wanted, &recorded).await
}

fn cause(result: Result<impl std::fmt::Debug>) -> String {
    let error = result.expect_err("an error");
    assert!(matches!(error, Error::Internal(_)), "{error:?}");
    error.causes()
}

#[tokio::test]
async fn an_index_that_is_not_the_recorded_one_is_an_error() {
    let files = files();
    let good = "[[\"a.pdf\",2,3]]";
    let (location, size) = found(&files, good, good).await.expect("a result").expect("an attachment");
    assert_eq!((read(&*files, &location, 10).await.expect("read"), size), (b"234".to_vec(), 3));
    for (text, hashed, expected) in [
        (good, "[[\"a.pdf\",3,3]]", "its hash is not the recorded one"),
        ("[[\"a.pdf\",8,3]]", "", "one of its entries is outside the pack"),
        ("[[\"../a.pdf\",2,3]]", "", "it is not a list of names and places"),
        ("[[\"a.pdf\",2,3],[\"a.pdf\",3,3]]", "", "its names are not sorted, or a name occurs twice"),
    ] {
        let hashed = if hashed.is_empty() { text } else { hashed };
        let problem = cause(found(&files, text, hashed).await);
        assert!(problem.ends_with(&format!("pack is damaged: {expected}")), "{problem}");
    }
    let absent = "[[\"b.pdf\",2,3]]";
    assert_eq!(found(&files, absent, absent).await.expect("a result"), None);
}

#[tokio::test]
async fn a_pack_that_ends_early_or_is_missing_is_an_error() {
    let files = files();
    write_all(&*files, "exports/a/pack", b"0123456789".to_vec()).await.expect("written");
    let at = |offset, length, gzip| Location {
        key: "exports/a/pack".to_owned(),
        place: Some(PackRange { offset, length, gzip }),
    };
    assert_eq!(read(&*files, &at(7, 3, false), 3).await.expect("read"), b"789");
    assert!(cause(read(&*files, &at(7, 3, false), 2).await).contains("more than 2 bytes"));
    assert!(cause(read(&*files, &at(7, 5, false), 10).await).contains("ends 2 bytes too early"));
    assert!(cause(read(&*files, &at(70, 5, false), 10).await).contains("ends 5 bytes too early"));
    assert!(cause(read(&*files, &at(u64::MAX, 5, false), 10).await).contains("outside a file"));
    let outside = open(&*files, &at(0, 5, false), Some(3..6)).await.map(|_| ());
    assert!(cause(outside).contains("outside a file"), "the bytes are those of the next file");
    assert!(
        matches!(read(&*files, &at(0, 5, true), 10).await, Err(Error::Damaged(_))),
        "the bytes are not gzip"
    );
    assert_eq!(
        read(&*files, &at(u64::MAX, 0, false), 0).await.expect("read"),
        b"",
        "an empty file is never outside"
    );
    let gone = Location { key: "exports/b/pack".to_owned(), ..at(0, 5, false) };
    assert!(matches!(read(&*files, &gone, 10).await, Err(Error::NotFound(_))));
    let (job, wanted) = (JobId::of_no_job(), attachment("a.pdf"));
    for (length, expected) in [(5, "the pack is missing"), (MAX_INDEX + 1, "longer than the maximum")] {
        let recorded = result(&wanted, IndexPlace { offset: 0, length, sha256: String::new() });
        let found = Attachments::new(files.clone()).find(&job, &wanted, &recorded).await;
        assert!(cause(found).ends_with(expected), "{expected}");
    }
}
