//! The contract suite over the adapters of one machine, on disk and in memory.

use std::sync::Arc;

use contract::{FixedClock, SeededRandom};
use jiff::SignedDuration;
use local::Local;
use platform::Platform;
use settings::Settings;

/// Returns platforms, each with its clock and the directory that it needs.
fn platforms() -> Vec<(Local, FixedClock, tempfile::TempDir)> {
    let settings = || Settings::parse("base_url = \"http://localhost\"", |_| None, None).expect("valid");
    [true, false]
        .into_iter()
        .map(|on_disk| {
            let directory = tempfile::tempdir().expect("a directory");
            let clock = FixedClock::at("2026-03-01T12:00:00Z".parse().expect("a time"));
            let (now, random) = (Arc::new(clock.clone()), Arc::new(SeededRandom::new(3)));
            let records = directory.path().join("records");
            std::fs::create_dir(&records).expect("a directory");
            let platform = match on_disk {
                true => Local::open(&directory.path().join("state"), &records, settings(), now, random),
                false => Local::in_memory(&records, settings(), now, random),
            };
            (platform.expect("a platform"), clock, directory)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_keep_the_contract() {
    for (platform, _, _directory) in platforms() {
        contract::jobs(platform.jobs()).await;
    }
}

#[tokio::test]
async fn the_queue_keeps_the_contract() {
    for (platform, clock, _directory) in platforms() {
        let unit = SignedDuration::from_secs(10);
        contract::queue(&*platform.queue(), &*platform.inbox(), unit, async |by| clock.advance(by)).await;
    }
}

#[tokio::test]
async fn files_keep_the_contract() {
    for (platform, _, _directory) in platforms() {
        contract::files(&*platform.files()).await;
        contract::joined(&*platform.files(), &*platform.joiner()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expiring_entries_keep_the_contract() {
    for (platform, clock, _directory) in platforms() {
        contract::expiring(platform.expiring(), &*platform.clock(), |by| clock.advance(by)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_trail_keeps_the_contract() {
    for (platform, clock, _directory) in platforms() {
        contract::audit(platform.audit(), "run", &clock, |by| clock.advance(by)).await;
    }
}

#[tokio::test]
async fn records_keep_the_contract() {
    for (platform, _, directory) in platforms() {
        contract::records(&*platform.records(), async |path, bytes| {
            let path = directory.path().join("records").join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(path, bytes).expect("written");
        })
        .await;
    }
}
