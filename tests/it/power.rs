//! A power cut on one machine: the database loses the commits after the last one whose result was sent to a client. Files
//! that were written in the meantime still exist. The export continues and has each resource once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use contract::{FixedClock, SeededRandom};
use domain::error::{Result, Store};
use domain::ports::queue::NoDeadline;
use http::StatusCode;
use local::Local;
use settings::Settings;
use tests::hooked::{Hook, Hooked, Made, inbox};
use tests::lake::two_patients;
use tests::{ANNA, World, parts};

use crate::crash::{SMALL_CHUNKS, begin_everyone, counted};

const DATABASE: [&str; 2] = ["state.sqlite", "state.sqlite-wal"];

fn copy(names: &[&str], from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for name in names {
        std::fs::copy(from.join(name), to.join(name)).expect("copied");
    }
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => copy_directory(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).expect("copied")),
        }
    }
}

/// Returns a server over records and a state directory, this number of seconds after the first server started.
fn server(settings: &str, records: &Path, state: &Path, seed: u64, seconds: i64) -> World {
    let settings = Settings::parse(&tests::settings(settings), |_| None, None).expect("valid settings");
    let clock = FixedClock::at("2026-03-01T12:00:00Z".parse().expect("a time"));
    clock.advance(jiff::SignedDuration::from_secs(seconds));
    let random = Arc::new(SeededRandom::new(seed));
    let platform = Local::open(state, records, settings, Arc::new(clock.clone()), random);
    let platform = platform.expect("a platform");
    World::over(platform, clock)
}

/// Copies the database before each call of a worker that changes data.
struct Copies {
    state: PathBuf,
    directory: PathBuf,
    count: AtomicUsize,
}

impl Copies {
    fn copy(&self, number: usize) -> PathBuf {
        self.directory.join(number.to_string())
    }
}

impl Hook for Copies {
    fn follows(&self, store: Store) -> bool {
        store != Store::Records
    }

    async fn call<T: Send>(&self, _: Made, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        // Only one worker makes calls, so nothing else is written in the meantime.
        copy(&DATABASE, &self.state, &self.copy(self.count.fetch_add(1, Ordering::SeqCst)));
        call.await
    }
}

/// Exports with the database cut back to each copy. `begin` starts the export and returns its job. The workers do their work at once, or in
/// many small parts.
async fn assert_survives(settings: &str, in_parts: bool, begin: impl AsyncFn(&World) -> String) {
    let (lake, directory) = (two_patients(), tempfile::tempdir().expect("a directory"));
    let state = directory.path().join("state");
    let world = server(settings, lake.path(), &state, 1, 0);
    let job = begin(&world).await;
    let hook = Arc::new(Copies {
        state: state.clone(),
        directory: directory.path().join("copies"),
        count: AtomicUsize::new(0),
    });
    let hooked = Hooked { inner: Arc::new(world.platform().clone()), hook: hook.clone() };
    let worker = match in_parts {
        true => parts::worker(&hooked),
        false => export_generator::worker(&hooked).expect("its ports"),
    };
    let receiving = inbox(world.platform().inbox(), hook.clone());
    while ehi::worker::step(&*receiving, &*worker, &NoDeadline).await.expect("a queue") {}
    let token = world.token(ANNA).await;
    let expected = counted(&world.resources(&token, &job).await);
    assert!(expected.len() > 10, "{expected:?}");
    drop((world, hooked, worker, receiving));
    let cuts = hook.count.load(Ordering::SeqCst);
    assert!(cuts > 12, "{cuts} calls");
    // In parts there are many more commits, so only some of the copies are tried.
    for number in (0..cuts).step_by(if in_parts { 23 } else { 1 }) {
        let after = directory.path().join(format!("after-{number}"));
        copy(&DATABASE, &hook.copy(number), &after);
        copy(&["keys.json"], &state, &after);
        copy_directory(&state.join("files"), &after.join("files"));
        let world = server(settings, lake.path(), &after, 2, 180);
        let world = if in_parts { world.in_parts() } else { world };
        ehi::server::resume(world.platform()).await.expect("a queue");
        world.work().await;
        let token = world.token(ANNA).await;
        let status = world.status(&token, &job).await;
        assert_eq!(status.status, StatusCode::OK, "cut {number}: {}", status.text());
        assert_eq!(counted(&world.resources(&token, &job).await), expected, "cut {number}");
        drop(world);
        std::fs::remove_dir_all(&after).expect("removed");
    }
}

#[tokio::test]
async fn the_export_of_one_patient_continues_after_every_commit() {
    assert_survives("sandbox = true", false, async |world: &World| {
        let token = world.token(ANNA).await;
        world.kick_off(&token, "/auto-approve/no-form", ANNA).await
    })
    .await;
}

#[tokio::test]
async fn an_export_of_many_chunks_continues_after_every_commit() {
    assert_survives(SMALL_CHUNKS, false, async |world: &World| begin_everyone(world).await).await;
}

#[tokio::test]
async fn an_export_in_small_parts_continues_after_a_commit() {
    assert_survives(SMALL_CHUNKS, true, async |world: &World| begin_everyone(world).await).await;
}
