//! The stages of a ZIP, and workers that die, or that work at the same time.

use aws_lc_rs::digest;
use domain::clock::hex;
use domain::ports::queue::{Deadline, Inbox, NoDeadline, Settled};
use export_generator::{Limits, worker_with};
use jiff::SignedDuration;
use tests::ANNA;
use tests::faults::{Faults, Faulty, Strike};

use super::{Copy, Over, STAGES};
use crate::crash::worker_until_struck;
use crate::documents::SOMEBODY;
use crate::my::signed_in;
use crate::my::zip::{unzipped, with_documents};

/// Returns the digest and the number of stages of a ZIP that is made in stages of this size.
async fn made_in_stages(copy: &Copy, limits: Limits, deadline: &dyn Deadline) -> (String, u32) {
    copy.files().remove_prefix(&format!("{}zip/", copy.prefix())).await.expect("removed");
    copy.ask().await;
    let tasks = copy.work_with(&*copy.worker(limits), deadline).await;
    assert_eq!(copy.left().await, ["copy-en.zip", "en.json"], "{limits:?}");
    (digest_of(&copy.linked().await), tasks)
}

fn digest_of(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

#[tokio::test]
async fn a_zip_in_stages_of_any_size_is_the_zip_that_is_made_in_one_go() {
    let copy = Copy::of_anna().await;
    let expected = digest_of(&copy.in_one_go().await);
    for bytes in [0, 1, 5_000, 60_000, 1 << 30] {
        for entries in [1, 3, 1_000] {
            for least in [0, 700, 20_000, 1 << 30] {
                let limits = Limits { bytes, entries, least };
                let (digest, _) = made_in_stages(&copy, limits, &NoDeadline).await;
                assert_eq!(digest, expected, "{limits:?}");
            }
        }
    }
    // A worker whose time is over makes one part, and leaves the rest to the next task.
    let (digest, tasks) = made_in_stages(&copy, Limits::default(), &Over).await;
    assert_eq!(digest, expected);
    assert!(tasks > 10, "{tasks} tasks");
}

/// Stops a worker at each of its calls in turn. The next one continues, and exactly one whole ZIP appears.
async fn assert_survives(strike: Strike) {
    let directory = with_documents(2);
    let copy = Copy::of(SOMEBODY, directory.path()).await;
    let expected = digest_of(&copy.in_one_go().await);
    let mut crashes = 0;
    for call in 0.. {
        copy.files().remove_prefix(&format!("{}zip/", copy.prefix())).await.expect("removed");
        copy.ask().await;
        let (platform, faults) = (copy.world.platform(), Faults::at(call, strike));
        let worker = worker_with(&Faulty::new(platform.clone(), faults.clone()), STAGES).expect("its ports");
        worker_until_struck(&*worker, platform, &faults).await;
        if !faults.has_struck() {
            break;
        }
        crashes += 1;
        let linked = copy.world.get(&copy.zip()).cookie(&copy.session).send().await.location();
        if !linked.ends_with("/zip/progress") {
            assert_eq!(digest_of(&copy.linked().await), expected, "call {call}: half a ZIP is linked");
        }
        copy.world.advance(61);
        copy.work_with(&*copy.worker(STAGES), &NoDeadline).await;
        assert_eq!(digest_of(&copy.linked().await), expected, "call {call}");
        assert_eq!(copy.left().await, ["copy-en.zip", "en.json"], "call {call}");
    }
    assert!(crashes > 40, "{crashes}");
}

#[tokio::test]
async fn a_zip_survives_a_crash_before_every_call() {
    assert_survives(Strike::Before).await;
}

#[tokio::test]
async fn a_zip_survives_a_crash_after_every_call() {
    assert_survives(Strike::After).await;
}

/// The queue may deliver a task twice at once.
#[tokio::test]
async fn two_workers_at_once_make_one_zip() {
    let copy = Copy::of_anna().await;
    let expected = digest_of(&copy.in_one_go().await);
    copy.ask().await;
    let inbox = copy.world.platform().inbox();
    let delivery = inbox.receive(SignedDuration::from_secs(60)).await.expect("a result").expect("a task");
    // Each file is a stage, and one task runs all stages.
    let limits = Limits { bytes: 1 << 30, ..STAGES };
    let (one, other) = (copy.worker(limits), copy.worker(limits));
    let (done, also_done) = futures_util::join!(
        one.handle(&delivery.task, &NoDeadline),
        other.handle(&delivery.task, &NoDeadline)
    );
    // The one that is later may find that the segments are removed already.
    assert_eq!(one.settle(&delivery, done).await, Settled::Done);
    assert_eq!(other.settle(&delivery, also_done).await, Settled::Done);
    inbox.acknowledge(&delivery).await.expect("acknowledged");
    assert_eq!(digest_of(&copy.linked().await), expected);
    let segments = copy.files().list(&format!("{}zip/en/", copy.prefix())).await.expect("a list");
    assert_eq!(segments, Vec::<String>::new());
}

#[tokio::test]
async fn the_names_in_the_zip_are_those_of_the_copy() {
    let directory = with_documents(3);
    let copy = Copy::of(SOMEBODY, directory.path()).await;
    copy.ask().await;
    copy.work_with(&*copy.worker(STAGES), &NoDeadline).await;
    let files = unzipped(&copy.linked().await);
    let attachments = files.keys().filter(|name| name.starts_with("attachments/")).count();
    assert_eq!(attachments, 3, "{:?}", files.keys());
    assert!(files.contains_key("data/Patient.ndjson"), "{:?}", files.keys());
}

/// A lost task may become a dead letter after the patient has asked again.
#[tokio::test]
async fn a_dead_letter_ends_no_zip_that_another_task_makes() {
    let copy = Copy::of_anna().await;
    let (worker, inbox) = (copy.worker(STAGES), copy.world.platform().inbox());
    copy.ask().await;
    let lost = inbox.receive(SignedDuration::from_secs(60)).await.expect("a result").expect("a task");
    inbox.acknowledge(&lost).await.expect("acknowledged");
    copy.world.advance(20 * 60);
    let session = signed_in(&copy.world, ANNA).await;
    let copy = Copy { session, ..copy };
    copy.ask().await;
    assert!(ehi::worker::step(&*inbox, &*worker, &Over).await.expect("a stage"));
    let bury = async || worker.bury(&lost.task, &lost.diagnostics()).await.expect("recorded");
    bury().await;
    assert!(copy.shown().await.contains("Being prepared"), "{}", copy.shown().await);
    assert_eq!(worker.settle(&lost, Err(domain::error::Error::internal("late"))).await, Settled::Done);
    worker.handle(&lost.task, &NoDeadline).await.expect("nothing is left to do");
    assert!(copy.shown().await.contains("Being prepared"), "{}", copy.shown().await);
    copy.work_with(&*worker, &NoDeadline).await;
    assert!(copy.linked().await == copy.in_one_go().await);
}

/// A worker may end a run after the patient has asked for the next one: they share no files.
#[tokio::test]
async fn each_run_has_segments_of_its_own() {
    let copy = Copy::of_anna().await;
    let (worker, inbox) = (copy.worker(STAGES), copy.world.platform().inbox());
    let mut runs = Vec::new();
    for _ in 0..2 {
        copy.ask().await;
        assert!(ehi::worker::step(&*inbox, &*worker, &Over).await.expect("a stage"));
        runs.extend(copy.files().list(&format!("{}zip/en/", copy.prefix())).await.expect("a list"));
        let next = inbox.receive(SignedDuration::from_secs(60)).await.expect("a result").expect("a task");
        inbox.acknowledge(&next).await.expect("acknowledged");
        worker.bury(&next.task, &next.diagnostics()).await.expect("recorded");
    }
    // The directory of a run comes before those of its segments, whose names begin with their numbers.
    let directories: Vec<_> = runs.iter().filter_map(|name| name.split('/').next()).collect();
    assert!(directories.len() == 2 && directories[0] != directories[1], "{runs:?}");
    assert!(directories.iter().all(|name| !name.starts_with("000000-")), "{runs:?}");
}
