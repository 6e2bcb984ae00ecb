//! The engine dies at every call to its ports, before and after the call has its effect. A new process
//! takes over, and every resource is exported exactly once.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::ports::queue::{Inbox, NoDeadline, Worker};
use http::StatusCode;
use jiff::SignedDuration;
use local::Local;
use serde_json::Value;
use tests::faults::{Faults, Faulty, Strike};
use tests::lake::two_patients;
use tests::{ANNA, BRUNO, World, ledger, parts, reference};

/// Chunks are so small that each patient has a chunk of their own.
pub(crate) const SMALL_CHUNKS: &str = "sandbox = true\nchunk_bytes = 1";

/// Starts an export of all patients, directly in the engine.
pub(crate) async fn begin_everyone(world: &World) -> String {
    use domain::ids::PatientId;
    use domain::request::Cohort;
    use tests::exports::{begin, new_export};

    let mut new = new_export(Cohort::Everyone);
    new.owner.patient = PatientId::parse(ANNA).ok();
    let job = begin(world.platform(), new).await;
    format!("/jobs/{}", job.id())
}

/// Works until the fault strikes or no work is left. A process that dies acknowledges nothing.
pub(crate) async fn work_until_struck(platform: &Local, faults: &Arc<Faults>) {
    let worker = export_generator::worker(&Faulty::new(platform.clone(), faults.clone())).expect("its ports");
    worker_until_struck(&*worker, platform, faults).await;
}

/// Like [`work_until_struck`], with a worker that does its work in many small parts.
async fn work_in_parts_until_struck(platform: &Local, faults: &Arc<Faults>) {
    let worker = parts::worker(&Faulty::new(platform.clone(), faults.clone()));
    worker_until_struck(&*worker, platform, faults).await;
}

/// Like [`work_until_struck`], with a worker that has these faults.
pub(crate) async fn worker_until_struck(worker: &dyn Worker, platform: &Local, faults: &Faults) {
    let inbox = platform.inbox();
    while let Some(delivery) = inbox.receive(SignedDuration::from_secs(60)).await.expect("the queue responds")
    {
        let done = worker.handle(&delivery.task, &NoDeadline).await;
        if faults.has_struck() {
            return;
        }
        done.expect("nothing fails before the fault");
        inbox.acknowledge(&delivery).await.expect("acknowledged");
    }
}

/// Counts how often each resource was exported.
pub(crate) fn counted(resources: &[Value]) -> BTreeMap<String, u32> {
    resources.iter().filter(|resource| !reference(resource).starts_with("DocumentReference/documents-")).fold(
        BTreeMap::new(),
        |mut counts, resource| {
            *counts.entry(reference(resource)).or_default() += 1;
            counts
        },
    )
}

/// Returns a crash at this call: before it if the number is even, otherwise after it.
pub(crate) fn before_or_after(call: i64) -> Arc<Faults> {
    Faults::at(call, if call % 2 == 0 { Strike::Before } else { Strike::After })
}

/// Begins an export again and again, and stops its work each time at a later call of a port. Then the other workers finish it, and
/// `check` gets the world, what `begin` returned, and the number of the call. Returns how often the work was stopped.
pub(crate) async fn at_every_call<T>(
    begin: impl AsyncFn() -> (World, T),
    check: impl AsyncFn(&World, T, i64),
) -> i64 {
    let mut call = 0;
    loop {
        let (world, begun) = begin().await;
        let faults = before_or_after(call);
        work_until_struck(world.platform(), &faults).await;
        if !faults.has_struck() {
            return call;
        }
        world.advance(61);
        world.work().await;
        check(&world, begun, call).await;
        call += 1;
    }
}

/// Crashes at each call in turn; the export must be complete every time.
async fn assert_survives(strike: Strike) {
    let lake = two_patients();
    let expected = {
        let world = World::with(SMALL_CHUNKS, lake.path());
        let job = begin_everyone(&world).await;
        world.work().await;
        counted(&world.resources(&world.token(ANNA).await, &job).await)
    };
    assert!(expected.len() > 120 && expected.values().all(|count| *count == 1), "{}", expected.len());
    let mut crashes = 0;
    for call in 0.. {
        let world = World::with(SMALL_CHUNKS, lake.path());
        let job = begin_everyone(&world).await;
        let faults = Faults::at(call, strike);
        work_until_struck(world.platform(), &faults).await;
        if !faults.has_struck() {
            break;
        }
        crashes += 1;
        // A new process takes over: either it resumes the job, or the message becomes visible again after a while.
        if call % 2 == 0 {
            ehi::server::resume(world.platform()).await.expect("resumed");
        } else {
            world.advance(61);
        }
        world.work().await;
        let token = world.token(ANNA).await;
        let manifest = world.status(&token, &job).await;
        assert_eq!(manifest.status, StatusCode::OK, "call {call}");
        let resources = world.resources(&token, &job).await;
        assert_eq!(counted(&resources), expected, "call {call}");
        world.clean().await;
        // Cleanup keeps the manifest, and each of its files with the same number of lines.
        let after = world.status(&token, &job).await;
        assert_eq!(
            (after.status, after.json()),
            (StatusCode::OK, manifest.json()),
            "after cleanup, call {call}"
        );
        ledger::check_all(world.platform(), &ledger::Checked::default()).await;
    }
    // Two patients with their packs, the supporting resources and the manifest need at least this many calls.
    assert!(crashes > 30, "{crashes}");
}

#[tokio::test]
async fn the_size_of_chunks_does_not_change_the_export() {
    let mut exports = Vec::new();
    // One chunk per patient, two patients per chunk, and all patients in one chunk.
    for (chunk_bytes, chunks) in [(1, 4), (220_000, 2), (1_000_000_000, 1)] {
        let settings = format!("sandbox = true\nchunk_bytes = {chunk_bytes}");
        let world = World::with(&settings, &ehi::defaults::sample_records());
        let job = begin_everyone(&world).await;
        world.work().await;
        let token = world.token(ANNA).await;
        let manifest = world.status(&token, &job).await.json();
        let of_patients =
            manifest["output"].as_array().expect("output").iter().filter(|file| file["type"] == "Patient");
        assert_eq!(of_patients.count(), chunks, "{chunk_bytes} bytes a chunk");
        exports.push(counted(&world.resources(&token, &job).await));
    }
    assert!(exports[0].values().all(|count| *count == 1));
    assert!(exports.iter().all(|export| *export == exports[0]));
}

#[tokio::test]
async fn an_export_survives_a_crash_before_every_call() {
    assert_survives(Strike::Before).await;
}

#[tokio::test]
async fn an_export_survives_a_crash_after_every_call() {
    assert_survives(Strike::After).await;
}

#[tokio::test]
async fn a_full_disk_fails_the_job_and_lists_nothing() -> tests::Result {
    // The calls that write and finish the pack of the patient, the pack of the supporting resources, and the manifest.
    for call in 0..6 {
        let world = World::new();
        let token = world.token(ANNA).await;
        let job = world.kick_off(&token, "/auto-approve/no-form", ANNA).await;
        let faults = Faults::at(call, Strike::DiskFull);
        let worker = export_generator::worker(&Faulty::new(world.platform().clone(), faults.clone()))
            .expect("its ports");
        let inbox = world.platform().inbox();
        while ehi::worker::step(&*inbox, &*worker, &NoDeadline).await? {}
        assert!(faults.has_struck(), "call {call}");
        let status = world.status(&token, &job).await;
        assert_eq!(status.status, StatusCode::INTERNAL_SERVER_ERROR, "call {call}");
        assert!(status.outcome().contains("no room"), "{}", status.outcome());
        assert_eq!(
            world.get(&format!("{job}/download/Patient")).bearer(&token).send().await.status,
            StatusCode::NOT_FOUND
        );
        assert!(world.platform().files().list("exports/").await?.is_empty(), "nothing is left behind");
    }
    Ok(())
}

#[tokio::test]
async fn deleting_during_an_export_stops_it() -> tests::Result {
    for call in [3, 6, 10, 20, 40] {
        let world = World::with(SMALL_CHUNKS, &ehi::defaults::sample_records());
        let token = world.token(ANNA).await;
        let job = begin_everyone(&world).await;
        // The worker stops in the middle of the export.
        work_until_struck(world.platform(), &Faults::at(call, Strike::Before)).await;
        let deleted =
            world.request(http::Method::DELETE, &format!("{job}/status")).bearer(&token).send().await;
        assert_eq!(deleted.status, StatusCode::ACCEPTED);
        world.advance(61);
        world.work().await;
        world.clean().await;
        assert_eq!(world.status(&token, &job).await.status, StatusCode::NOT_FOUND);
        assert!(world.platform().files().list("exports/").await?.is_empty());
    }
    Ok(())
}

#[tokio::test]
async fn a_worker_that_must_stop_leaves_the_rest_to_the_next_worker() -> tests::Result {
    struct Always;
    impl domain::ports::queue::Deadline for Always {
        fn is_near(&self, _: jiff::Timestamp) -> bool {
            true
        }
    }
    // One chunk has all patients; each delivery stops after its first patient.
    let world = World::new();
    let job = begin_everyone(&world).await;
    let worker = export_generator::worker(world.platform()).expect("its ports");
    let inbox = world.platform().inbox();
    while ehi::worker::step(&*inbox, &*worker, &Always).await? {}
    let token = world.token(ANNA).await;
    let counts = counted(&world.resources(&token, &job).await);
    assert!(counts.values().all(|count| *count == 1));
    assert!(
        counts.contains_key(&format!("Patient/{BRUNO}")) && counts.contains_key("Patient/dmitri-sokolov")
    );
    let manifest = world.status(&token, &job).await.json();
    let patients = manifest["output"]
        .as_array()
        .expect("output")
        .iter()
        .filter(|file| file["type"] == "Patient")
        .count();
    assert_eq!(patients, 4, "four parts of one chunk");
    Ok(())
}

#[tokio::test]
async fn an_export_continues_from_disk_after_a_restart() -> tests::Result {
    use std::sync::Arc;

    let state = tempfile::tempdir()?;
    let settings = || {
        let text = tests::settings("sandbox = true\nchunk_bytes = 1");
        settings::Settings::parse(&text, |_| None, None).expect("valid settings")
    };
    let start = || {
        let clock = contract::FixedClock::at("2026-03-01T12:00:00Z".parse().expect("a time"));
        let (now, random) = (Arc::new(clock.clone()), Arc::new(crypto::OsRandom));
        let platform = Local::open(state.path(), &ehi::defaults::sample_records(), settings(), now, random);
        World::over(platform.expect("a platform"), clock)
    };
    let (token, job) = {
        let world = start();
        let job = begin_everyone(&world).await;
        work_until_struck(world.platform(), &Faults::at(30, Strike::After)).await;
        (world.token(ANNA).await, job)
    };
    let world = start();
    assert_eq!(
        world.status(&token, &job).await.status,
        StatusCode::ACCEPTED,
        "keys and grants survive as well"
    );
    ehi::server::resume(world.platform()).await?;
    world.work().await;
    let counts = counted(&world.resources(&token, &job).await);
    assert!(counts.len() > 300 && counts.values().all(|count| *count == 1));
    Ok(())
}

/// A bulk export with everything beside the chunks of patients: shared resources, groups,
/// deletions, and files that are joined.
#[tokio::test]
async fn a_bulk_export_survives_a_crash_at_every_call() -> tests::Result {
    let path = "/fhir/$export?_since=2019-01-01T00:00:00Z&_minimumFileSize=1000000";
    let crashes = assert_bulk_survives(path, 3, None).await?;
    assert!(crashes > 70, "{crashes}");
    Ok(())
}

/// An export of two patients gathers their references, and follows them in many small parts.
#[tokio::test]
async fn referenced_resources_in_parts_survive_a_crash_at_every_call() -> tests::Result {
    let crashes = assert_bulk_survives("/fhir/Patient/$export", 2, Some(1)).await?;
    assert!(crashes > 100, "{crashes}");
    Ok(())
}

/// The stages of a system export in many small parts. There are many calls, so the export crashes at some of them.
#[tokio::test]
async fn a_bulk_export_in_parts_survives_crashes() -> tests::Result {
    // With partial manifests, the deletions are always listed again.
    let path =
        "/fhir/$export?_since=2019-01-01T00:00:00Z&_minimumFileSize=1000000&allowPartialManifests=true";
    let crashes = assert_bulk_survives(path, 3, Some(13)).await?;
    assert!(crashes > 15, "{crashes}");
    Ok(())
}

/// Crashes an export of a lake of `patients` patients, who have a chunk each. Without `stride`, it crashes at each call in turn; with it, its
/// workers work in many small parts, and it crashes at every `stride`-th call. Each export must have the lines of one at once. Returns the
/// number of crashes.
async fn assert_bulk_survives(path: &str, patients: usize, stride: Option<usize>) -> tests::Result<u32> {
    let in_parts = stride.is_some();
    let lake = tempfile::tempdir()?;
    tests::lake::write_many(lake.path(), patients);
    let begun = async |world: &World| {
        let token = world.service("service", "system/*.rs").await;
        let response = world.get(path).bearer(&token).send().await;
        assert_eq!(response.status, StatusCode::ACCEPTED);
        response.header("content-location").to_owned()
    };
    // Each line of each file, after the name of the list that its file is in.
    let lines = async |world: &World, status: &str| {
        let token = world.service("service", "system/*.rs").await;
        let manifest = world.get(status).bearer(&token).send().await;
        assert_eq!(manifest.status, StatusCode::OK, "{}", manifest.text());
        let manifest = manifest.json();
        let mut lines = Vec::new();
        for list in ["output", "deleted", "error"] {
            for file in manifest[list].as_array().expect("a list") {
                let url = tests::text(&file["url"]);
                let text = world.get(&url).bearer(&token).send().await.text();
                lines.extend(text.lines().map(|line| format!("{list} {line}")));
            }
        }
        lines.sort();
        lines
    };
    let settings = "sandbox = true\nchunk_bytes = 3000";
    let expected = {
        let world = World::with(settings, lake.path());
        let status = begun(&world).await;
        world.work().await;
        lines(&world, &status).await
    };
    assert!(
        expected.len() > 15 && expected.windows(2).all(|two| two[0] != two[1]),
        "each once: {expected:?}"
    );
    let mut crashes = 0;
    for call in (0..).step_by(stride.unwrap_or(1)) {
        let world = World::with(settings, lake.path());
        let world = if in_parts { world.in_parts() } else { world };
        let status = begun(&world).await;
        let faults = before_or_after(call);
        match in_parts {
            true => work_in_parts_until_struck(world.platform(), &faults).await,
            false => work_until_struck(world.platform(), &faults).await,
        }
        if !faults.has_struck() {
            break;
        }
        crashes += 1;
        ehi::server::resume(world.platform()).await?;
        world.advance(61);
        world.work().await;
        assert_eq!(lines(&world, &status).await, expected, "call {call}");
    }
    Ok(crashes)
}
