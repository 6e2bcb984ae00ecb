//! The tests that every adapter passes. Each test gets a port of an empty platform, and panics if the port does not do what
//! the documentation of its trait requires. This crate knows nothing of settings, HTTP or a particular adapter.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::clock::{Clock, Random};
use domain::error::{Error, Result};
use domain::header::JobHeader;
use domain::ids::{ClientId, PatientId};
use domain::job::Job;
use domain::owner::Owner;
use domain::patient_summary::PatientSummary;
use domain::ports::expiring::{EntryKind, ExpiringStore};
use domain::ports::files::{FilePart, Files, Joiner, read_all, write_all};
use domain::ports::jobs::Jobs;
use domain::ports::queue::{Inbox, MAX_DELIVERIES, Queue, TaskGroup};
use domain::request::{Base, Cohort, ExportRequest, OutputOptions};
use domain::states::Queued;
use domain::task::Task;
use futures_util::StreamExt;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

pub use audit::audit;
pub use fixed::{FixedClock, SeededRandom};
pub use records::records;

mod audit;
mod chunks;
mod fixed;
mod lists;
mod records;
mod shared_records;

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// Returns a job of a patient. `seconds` decides its id and its time of creation.
pub fn job(seconds: i64, patient: &str) -> Job {
    let at = Timestamp::from_second(1_700_000_000 + seconds).expect("a time");
    let patient = PatientId::parse(patient).expect("an id");
    Job::Queued(Queued {
        header: JobHeader {
            id: SeededRandom::new(u64::try_from(seconds).expect("positive")).job(at),
            owner: Owner::new(
                ClientId::parse("app").expect("an id"),
                None,
                Some(patient.clone()),
                &format!("Patient/{patient}"),
            ),
            patient: Some(PatientSummary::new(patient.clone(), "A Name")),
            request: ExportRequest {
                url: "http://localhost/x".to_owned(),
                base: Base::Fhir,
                cohort: Cohort::Patients(vec![patient]),
                confirmed_members: None,
                choices: None,
                receiver: None,
                selection: None,
                output: OutputOptions::default(),
            },
            review: false,
            created_at: at,
            changed_at: at,
            history: Vec::new(),
            by_patient: false,
            language: None,
            request_id: None,
            attachments: Vec::new(),
        },
    })
}

fn is_conflict<T>(result: Result<T>) -> bool {
    matches!(result, Err(Error::Conflict(_)))
}

/// Tests [`Jobs`]: compare-and-set, lists, and chunks that are counted once.
pub async fn jobs(jobs: Arc<dyn Jobs>) {
    let first = job(1, "a");
    jobs.create(&first).await.expect("created");
    assert!(is_conflict(jobs.create(&first).await), "a job with this id exists");
    let stored = jobs.get(first.id()).await.expect("a result").expect("a job");
    assert_eq!((&stored.job, stored.version), (&first, 1));
    assert_eq!(jobs.get(job(99, "a").id()).await.expect("a result"), None);
    let peek = async || jobs.peek(first.id()).await.expect("a result").map(|stored| stored.version);
    assert_eq!((peek().await, peek().await), (Some(1), Some(1)));
    assert_eq!(jobs.replace(&first, 1).await.expect("replaced"), 2);
    assert_eq!(peek().await, Some(2), "peek returns each change");
    assert!(is_conflict(jobs.replace(&first, 1).await), "an old version is refused");
    assert!(is_conflict(jobs.replace(&job(99, "a"), 1).await), "a job that does not exist cannot change");
    let racing = (0..20).map(|_| {
        let (jobs, first) = (jobs.clone(), first.clone());
        tokio::spawn(async move { jobs.replace(&first, 2).await.is_ok() })
    });
    let won = join_all(racing).await.into_iter().filter(|won| matches!(won, Ok(true))).count();
    assert_eq!(won, 1, "exactly one of the racing changes succeeds");
    lists::lists(&*jobs).await;
    lists::searches(&*jobs).await;
    chunks::chunks(jobs).await;
}

/// Tests [`Queue`] and [`Inbox`]: delivery at least once, visibility, the limit of deliveries, and dead letters.
/// `advance` moves the time. All waits are multiples of `unit`, which must be at least a second if the time cannot be
/// moved and must pass.
pub async fn queue(
    queue: &dyn Queue,
    inbox: &dyn Inbox,
    unit: SignedDuration,
    advance: impl AsyncFn(SignedDuration),
) {
    let task = |seconds| Task::Plan { job: job(seconds, "a").id().clone() };
    assert_eq!(inbox.receive(unit).await.expect("a result"), None);
    queue.send(&TaskGroup::of(job(1, "a").header()), &[task(1), task(2)]).await.expect("sent");
    let one = inbox.receive(unit * 6).await.expect("a result").expect("a task");
    let two = inbox.receive(unit * 6).await.expect("a result").expect("a task");
    let received: BTreeSet<_> =
        [&one, &two].into_iter().map(|delivery| delivery.task.job().clone()).collect();
    assert_eq!(received.len(), 2, "each task is delivered once");
    assert_eq!(inbox.receive(unit).await.expect("a result"), None, "a delivered task is hidden");
    inbox.acknowledge(&one).await.expect("acknowledged");
    advance(unit * 4).await;
    inbox.extend(&two, unit * 6).await.expect("extended");
    advance(unit * 4).await;
    assert_eq!(inbox.receive(unit).await.expect("a result"), None, "an extended task stays hidden");
    advance(unit * 3).await;
    let again = inbox.receive(unit * 6).await.expect("a result").expect("delivered again");
    assert_eq!((&again.task, again.deliveries), (&two.task, 2));
    inbox.release(&again, unit).await.expect("released");
    assert_eq!(inbox.receive(unit).await.expect("a result"), None);
    advance(unit * 2).await;
    let (mut deliveries, mut tries) = (2, 0);
    let dead = loop {
        if let Some(delivery) = inbox.receive(unit).await.expect("a result") {
            deliveries += 1;
            assert_eq!(delivery.deliveries, deliveries);
            assert_eq!(inbox.dead().await.expect("a result"), None);
        } else if let Some(dead) = inbox.dead().await.expect("a result") {
            break dead;
        }
        // A remote queue may need some time until the task is a dead letter, but it is not delivered more often.
        tries += 1;
        assert!(
            deliveries <= MAX_DELIVERIES && tries <= 2 * MAX_DELIVERIES,
            "the task becomes a dead letter after a limited number of deliveries"
        );
        advance(unit * 2).await;
    };
    assert!(deliveries >= 3, "{deliveries}");
    assert_eq!(dead.task, two.task);
    assert!(dead.deliveries >= deliveries, "a dead letter keeps its count");
    inbox.acknowledge(&dead).await.expect("acknowledged");
    advance(unit).await;
    assert_eq!(inbox.dead().await.expect("a result"), None);
}

/// Tests [`Files`]: complete files or none, ranges, and prefixes.
pub async fn files(files: &dyn Files) {
    let text = |range: Option<std::ops::Range<u64>>| async move {
        let mut stream = files.open("a/b/one", range).await.expect("open");
        let mut all = Vec::new();
        while let Some(piece) = stream.next().await {
            all.extend_from_slice(&piece.expect("a piece"));
        }
        String::from_utf8(all).expect("text")
    };
    assert!(matches!(files.open("a/b/one", None).await, Err(Error::NotFound(_))));
    assert_eq!(files.size("a/b/one").await.expect("a result"), None);
    let mut writer = files.create("a/b/one").await.expect("created");
    let buffer = writer.write(b"hello ".to_vec()).await.expect("written");
    assert!(buffer.is_empty());
    writer.write(b"world".to_vec()).await.expect("written");
    writer.finish().await.expect("finished");
    assert_eq!(files.size("a/b/one").await.expect("a result"), Some(11));
    assert_eq!(text(None).await, "hello world");
    assert_eq!(text(Some(6..9)).await, "wor");
    assert_eq!(text(Some(9..11)).await, "ld");
    assert!(read_all(files, "a/b/one", 5).await.is_err(), "the file is larger than the limit");
    files.create("a/b/empty").await.expect("created").finish().await.expect("finished");
    assert_eq!(files.size("a/b/empty").await.expect("a result"), Some(0));
    // This file is large enough to need several pieces.
    let large: Vec<u8> = (0..=u8::MAX).cycle().take(3_000_000).collect();
    write_all(files, "a/large", large.clone()).await.expect("written");
    assert_eq!(read_all(files, "a/large", large.len()).await.expect("read"), large);
    swapped(files).await;
    let mut dropped = files.create("a/c/dropped").await.expect("created");
    dropped.write(b"half".to_vec()).await.expect("written");
    drop(dropped);
    let mut names = files.list("a/").await.expect("a list");
    names.retain(|name| name != "c/");
    names.sort();
    assert_eq!(names, ["b/", "large"]);
    files.remove("a/b/empty").await.expect("removed");
    files.remove("a/b/empty").await.expect("removing a file twice is not an error");
    files.remove_prefix("a/b/").await.expect("removed");
    files.remove_prefix("a/c/").await.expect("removed");
    files.remove_prefix("nothing/").await.expect("removing no files is not an error");
    assert_eq!(files.size("a/b/one").await.expect("a result"), None);
    assert_eq!(files.list("a/").await.expect("a list"), ["large"]);
    for key in ["../x", "a/../../x", "/etc/passwd", "a//b", "", "a/\0"] {
        assert!(files.create(key).await.is_err() && files.open(key, None).await.is_err(), "{key:?}");
    }
}

/// Tests [`Joiner`]: all bytes in their order, also if the call is repeated, or nothing.
pub async fn joined(files: &dyn Files, joiner: &dyn Joiner) {
    let large: Vec<u8> = (0..=u8::MAX).cycle().take(5 * 1024 * 1024 + 1).collect();
    let all = [("j/1/data", large.clone()), ("j/2/data", large), ("j/3/data", b"end".to_vec())];
    for (key, bytes) in &all {
        write_all(files, key, bytes.clone()).await.expect("written");
    }
    let part =
        |(key, bytes): &(&str, Vec<u8>)| FilePart { key: (*key).to_owned(), bytes: bytes.len() as u64 };
    let parts: Vec<_> = all.iter().map(part).collect();
    let whole: Vec<u8> = all.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    for _ in 0..2 {
        joiner.join("j/whole.zip", &parts).await.expect("joined");
        assert!(read_all(files, "j/whole.zip", whole.len()).await.expect("read") == whole);
    }
    joiner.join("j/one.zip", &parts[2..]).await.expect("joined");
    assert_eq!(read_all(files, "j/one.zip", 100).await.expect("read"), b"end");
    let missing = [parts[0].clone(), FilePart { key: "j/none".to_owned(), bytes: 1 }];
    assert!(joiner.join("j/half.zip", &missing).await.is_err());
    assert_eq!(files.size("j/half.zip").await.expect("a result"), None, "half of a file is no file");
    files.remove_prefix("j/").await.expect("removed");
}

/// Tests [`Files::swap`]: a file is replaced only by a caller that knows its content, and by one of several.
async fn swapped(files: &dyn Files) {
    let swap = async |known: Option<&str>, new: &str| {
        let swapped = files.swap("a/b/now.json", known.map(str::as_bytes), new.as_bytes().to_vec()).await;
        swapped.expect("a result")
    };
    let now = async || read_all(files, "a/b/now.json", 100).await.expect("read");
    assert!(!swap(Some("1"), "2").await, "there is no such file");
    assert!(swap(None, "1").await && !swap(None, "2").await);
    assert!(!swap(Some("0"), "2").await && !swap(Some(""), "2").await && !swap(Some("11"), "2").await);
    assert_eq!(now().await, b"1");
    assert!(swap(Some("1"), "22").await && !swap(Some("2"), "3").await);
    assert_eq!(now().await, b"22");
    let all: Vec<String> = (0..8).map(|number| format!("by {number}")).collect();
    let swaps = join_all(all.iter().map(|new| swap(Some("22"), new))).await;
    let winners: Vec<_> = all.iter().zip(swaps).filter(|(_, swapped)| *swapped).map(|(new, _)| new).collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(now().await, winners[0].as_bytes());
}

/// Tests [`ExpiringStore`]: entries are created once, expire, and are taken by one caller. `advance` moves the time.
pub async fn expiring(expiring: Arc<dyn ExpiringStore>, clock: &dyn Clock, advance: impl Fn(SignedDuration)) {
    let soon = |seconds| clock.now() + SECOND * seconds;
    let kind = EntryKind::Code;
    assert!(expiring.put(kind, "k", json!({ "n": 1 }), soon(60)).await.expect("a result"));
    assert!(
        !expiring.put(kind, "k", json!({ "n": 2 }), soon(60)).await.expect("a result"),
        "an existing entry is not replaced"
    );
    assert!(
        expiring.put(EntryKind::Refresh, "k", json!(null), soon(60)).await.expect("a result"),
        "entries of different kinds are separate"
    );
    let entry = expiring.get(kind, "k").await.expect("a result").expect("an entry");
    assert_eq!(entry.value, json!({ "n": 1 }));
    let racing = (0..20).map(|number| {
        let (expiring, mut entry) = (expiring.clone(), entry.clone());
        entry.value = json!(number);
        tokio::spawn(async move { expiring.replace(kind, "k", &entry).await.expect("a result") })
    });
    assert_eq!(join_all(racing).await.into_iter().filter(|won| matches!(won, Ok(true))).count(), 1);
    let racing = (0..20).map(|_| {
        let expiring = expiring.clone();
        tokio::spawn(async move { expiring.take(kind, "k").await.expect("a result").is_some() })
    });
    assert_eq!(
        join_all(racing).await.into_iter().filter(|won| matches!(won, Ok(true))).count(),
        1,
        "exactly one caller takes the entry"
    );
    assert_eq!(expiring.get(kind, "k").await.expect("a result"), None);
    assert!(expiring.put(kind, "short", json!(1), soon(10)).await.expect("a result"));
    advance(SECOND * 10);
    assert_eq!(expiring.get(kind, "short").await.expect("a result"), None, "an expired entry is absent");
    assert_eq!(expiring.take(kind, "short").await.expect("a result"), None);
    assert!(
        expiring.put(kind, "short", json!(2), soon(10)).await.expect("a result"),
        "an expired entry can be replaced"
    );
    advance(SECOND * 100);
    expiring.sweep().await.expect("swept");
    assert_eq!(expiring.sweep().await.expect("swept"), 0, "one sweep removes all expired entries");
}
