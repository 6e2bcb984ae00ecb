//! Every export accounts for what it read (domain, ledger). The World checks the laws after each export of every test;
//! here is what happens where they are broken, and which counter counts what.

use http::StatusCode;
use serde_json::{Value, json};
use shared::domain::chunk::ChunkResult;
use shared::domain::ids::{Attempt, ChunkId};
use shared::domain::job::Job;
use shared::domain::ledger::{Ledger, Patients};
use shared::domain::request::Cohort;
use shared::platform::Platform;
use tests::World;
use tests::exports::{begin, new_export};

/// Plans an export of the sample patients in one chunk, records this ledger for it, and does the rest.
async fn finished_with(world: &World, change: impl FnOnce(&mut Ledger)) -> Job {
    let job = begin(world.platform(), new_export(Cohort::Everyone)).await;
    assert!(world.step().await, "the plan");
    let patients = Patients { planned: 4, exported: 4, absent: 0, failed: 0 };
    let mut ledger = Ledger { patients, ..Ledger::default() };
    change(&mut ledger);
    let result = ChunkResult {
        attempt: Attempt::from_bytes([0; 8]),
        files: Vec::new(),
        ledger: Some(ledger),
        references: None,
        bytes_read: 0,
    };
    let jobs = world.platform().jobs();
    jobs.finish_chunk(job.id(), ChunkId::first(0), &result, None).await.expect("recorded");
    while world.step().await {}
    jobs.get(job.id()).await.expect("an answer").expect("a job").job
}

#[tokio::test]
async fn an_export_that_lost_a_resource_fails_and_names_the_chunk() {
    let world = World::new();
    let job = finished_with(&world, |ledger| ledger.resources.read = 1).await;
    let Job::Failed(failed) = job else { panic!("{job:?}") };
    assert!(failed.reason.contains("chunk 000000.0: 1 resources read, 0 accounted for"), "{}", failed.reason);
}

#[tokio::test]
async fn an_export_that_lost_a_patient_fails_and_names_the_chunk() {
    let world = World::new();
    let job = finished_with(&world, |ledger| ledger.patients.exported = 3).await;
    let Job::Failed(failed) = job else { panic!("{job:?}") };
    assert!(
        failed.reason.contains("chunk 000000.0: 4 patients planned, 3 accounted for"),
        "{}",
        failed.reason
    );
    let lost = Patients { planned: 3, exported: 3, absent: 0, failed: 0 };
    let job = finished_with(&world, |ledger| ledger.patients = lost).await;
    let Job::Failed(failed) = job else { panic!("{job:?}") };
    assert!(failed.reason.contains("chunk 000000.0: 1 patients left"), "{}", failed.reason);
}

#[tokio::test]
async fn an_export_in_balance_completes() {
    let job = finished_with(&World::new(), |_| {}).await;
    assert!(matches!(job, Job::Complete(_)), "{job:?}");
}

/// Exports by GET as a service; the manifest.
async fn exported(world: &World, scopes: &str, path: &str) -> Value {
    let token = world.service("service", scopes).await;
    let kicked_off = world.get(path).bearer(&token).send().await;
    assert_eq!(kicked_off.status, StatusCode::ACCEPTED, "{}", kicked_off.text());
    world.work().await;
    let answer = world.get(kicked_off.header("content-location")).bearer(&token).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn a_manifest_says_why_a_resource_is_not_there() {
    let directory = tempfile::tempdir().expect("a directory");
    tests::lake::write(directory.path());
    let world = World::with("sandbox = true", directory.path());
    // Six patients with eight resources each; what they refer to in `shared/` is one more resource.
    for (scopes, query, left_out, written) in [
        ("system/*.rs", "_type=Patient,Condition", json!({ "type": 37 }), 12),
        ("system/*.rs", "_type=Patient&_since=2022-06-01T00:00:00Z", json!({ "type": 43, "since": 3 }), 3),
        ("system/*.rs", "_type=Patient&_until=2021-06-01T00:00:00Z", json!({ "type": 43, "until": 4 }), 2),
        (
            "system/*.rs",
            "_type=Patient&_typeFilter=Patient%3Fgender%3Dmale",
            json!({ "type": 43, "filter": 3 }),
            3,
        ),
        ("system/*.rs access/open.read", "_type=Observation", json!({ "type": 25, "tag": 6 }), 18),
        (
            "system/Observation.rs?category=laboratory",
            "_type=Observation",
            json!({ "type": 25, "scope": 12 }),
            12,
        ),
    ] {
        let manifest = exported(&world, scopes, &format!("/fhir/Patient/$export?{query}")).await;
        let ledger = &manifest["extension"]["ledger"];
        let patients = json!({ "planned": 6, "exported": 6, "absent": 0, "failed": 0 });
        assert_eq!(ledger["patients"], patients, "{query}");
        assert_eq!(
            (&ledger["resources"]["leftOut"], &ledger["resources"]["written"]),
            (&left_out, &json!(written)),
            "{query}"
        );
    }
}
