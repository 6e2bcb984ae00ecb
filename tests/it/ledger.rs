//! Every export accounts for what it read (domain, ledger). The World checks the rules after each export of every test;
//! these tests break the rules, and check which counter counts what.

use domain::chunk::ChunkResult;
use domain::dated::DaysByType;
use domain::ids::{Attempt, ChunkId};
use domain::job::Job;
use domain::ledger::{Ledger, Patients};
use domain::ports::jobs::DoneChunk;
use domain::request::Cohort;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use tests::exports::{begin, new_export};
use tests::{World, text};

/// Plans an export of the sample patients in one chunk, records this ledger for it, and finishes the export.
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
        existing: None,
        attachments: None,
        days: DaysByType::default(),
        bytes_read: 0,
    };
    let jobs = world.platform().jobs();
    let chunk = jobs.chunk(job.id(), ChunkId::first(0)).await.expect("a response").expect("a chunk").chunk;
    let done = DoneChunk { chunk: &chunk, result: &result, rest: None, at: Timestamp::UNIX_EPOCH };
    jobs.finish_chunk(job.id(), done).await.expect("recorded");
    while world.step().await {}
    jobs.get(job.id()).await.expect("a response").expect("a job").job
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

/// Exports by GET as a service; returns the manifest.
async fn exported(world: &World, scopes: &str, path: &str) -> Value {
    let token = world.service("service", scopes).await;
    let kicked_off = world.get(path).bearer(&token).send().await;
    assert_eq!(kicked_off.status, StatusCode::ACCEPTED, "{}", kicked_off.text());
    world.work().await;
    let response = world.get(kicked_off.header("content-location")).bearer(&token).send().await;
    assert_eq!(response.status, StatusCode::OK, "{}", response.text());
    response.json()
}

#[tokio::test]
async fn a_manifest_counts_the_reasons_for_missing_resources() -> tests::Result {
    let directory = tempfile::tempdir()?;
    tests::lake::write(directory.path());
    let world = World::with("sandbox = true", directory.path());
    // There are six patients with eight resources each; one more resource in `shared/` is referred to.
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
    Ok(())
}

/// Writes the lines of a file of the lake.
fn put(root: &std::path::Path, name: &str, lines: &[Value]) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    let text = lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    std::fs::write(path, text).expect("written");
}

/// Returns the texts of the error files.
async fn problems(world: &World, manifest: &Value) -> Vec<String> {
    let token = world.service("service", "system/*.rs").await;
    let mut found = Vec::new();
    for file in manifest["error"].as_array().expect("a list") {
        let lines = world.get(&text(&file["url"])).bearer(&token).send().await.lines();
        found.extend(lines.iter().map(|outcome| text(&outcome["issue"][0]["diagnostics"])));
    }
    found
}

/// Returns a lake with the patients `p0` and `p1` and a group with these members.
fn lake_with_group(members: &[Value]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for id in ["p0", "p1"] {
        let patient = json!({ "resourceType": "Patient", "id": id });
        put(directory.path(), &format!("Patient/{id}/records.ndjson"), &[patient]);
    }
    put(
        directory.path(),
        "Group/g.json",
        &[json!({ "resourceType": "Group", "id": "g", "member": members })],
    );
    directory
}

fn member(reference: &str) -> Value {
    json!({ "entity": { "reference": reference } })
}

#[tokio::test]
async fn members_of_a_group_without_records_are_reported_in_every_form() {
    let absent = [
        "urn:uuid:7a1ff2a4-8c3c-4a7e-9d55-1f3a6e1a0001",
        "https://other.example/fhir/Patient/p1",
        "Patient/nobody",
        "Patient?identifier=x",
        "Practitioner/doc",
    ];
    let mut members: Vec<_> = absent.iter().map(|reference| member(reference)).collect();
    members.push(json!({ "entity": { "display": "Somebody" } }));
    members.push(member("Patient/p0"));
    members.push(member(&format!("{}/auto-approve/fhir/Patient/p1", tests::BASE_URL)));
    members.push(member("Group/nowhere"));
    members.push(json!({}));
    let directory = lake_with_group(&members);
    let world = World::with("sandbox = true", directory.path());
    let manifest = exported(&world, "system/*.rs", "/fhir/Group/g/$export").await;
    let found = problems(&world, &manifest).await;
    for name in absent.iter().chain(&["Group/g member[5]", "Group/g member[9]", "Group/nowhere"]) {
        assert_eq!(found.iter().filter(|problem| problem.contains(name)).count(), 1, "{name}: {found:#?}");
    }
    assert_eq!(found.len(), absent.len() + 3, "{found:#?}");
    let patients = json!({ "planned": 9, "exported": 2, "absent": 7, "failed": 0 });
    assert_eq!(manifest["extension"]["ledger"]["patients"], patients);
}

#[tokio::test]
async fn of_many_members_without_records_the_first_thousand_are_reported_and_the_rest_counted() {
    let mut members: Vec<_> = (0..1_500).map(|number| member(&format!("urn:uuid:{number}"))).collect();
    members.push(member("Patient/p0"));
    let directory = lake_with_group(&members);
    let world = World::with("sandbox = true", directory.path());
    let manifest = exported(&world, "system/*.rs", "/fhir/Group/g/$export").await;
    let found = problems(&world, &manifest).await;
    assert_eq!(found.len(), 1_001);
    assert!(found[1_000].contains("500 more"), "{}", found[1_000]);
    let ledger = &manifest["extension"]["ledger"];
    let patients = json!({ "planned": 1_501, "exported": 1, "absent": 1_500, "failed": 0 });
    assert_eq!(ledger["patients"], patients);
    assert_eq!(ledger["problems"], json!({ "reported": 1_000, "unlisted": 500 }));
}

#[tokio::test]
async fn a_patient_of_another_server_cannot_be_requested() {
    let directory = lake_with_group(&[]);
    let world = World::with("sandbox = true", directory.path());
    let token = world.service("service", "system/*.rs").await;
    for (reference, status) in [
        ("https://other.example/fhir/Patient/p0".to_owned(), StatusCode::BAD_REQUEST),
        (format!("{}/elsewhere/Patient/p0", tests::BASE_URL), StatusCode::BAD_REQUEST),
        (format!("{}/fhir/r4/Patient/p0", tests::BASE_URL), StatusCode::ACCEPTED),
        ("Patient/p0".to_owned(), StatusCode::ACCEPTED),
    ] {
        let body = json!({ "resourceType": "Parameters", "parameter": [
            { "name": "patient", "valueReference": { "reference": reference } },
        ] });
        let response = world.post("/fhir/Patient/$export").bearer(&token).json(&body).send().await;
        assert_eq!(response.status, status, "{reference}: {}", response.text());
    }
}

#[tokio::test]
async fn unresolved_references_are_reported_if_the_export_would_contain_their_targets() -> tests::Result {
    let directory = tempfile::tempdir()?;
    let doctors: Vec<_> =
        (0..1_200).map(|number| json!({ "reference": format!("Practitioner/{number}") })).collect();
    let patient = json!({
        "resourceType": "Patient", "id": "p0", "generalPractitioner": doctors,
        "managingOrganization": { "reference": "Organization/org" },
    });
    put(directory.path(), "Patient/p0/records.ndjson", &[patient]);
    let nested = json!({ "resourceType": "Organization", "id": "org", "partOf": { "reference": "Organization/gone" } });
    put(directory.path(), "shared/all.ndjson", &[nested]);
    let world = World::with("sandbox = true", directory.path());
    let manifest = exported(&world, "system/*.rs", "/fhir/Patient/$export").await;
    let found = problems(&world, &manifest).await;
    assert_eq!(found.len(), 1_001);
    assert!(found[1_000].contains("201 more"), "{}", found[1_000]);
    let manifest = exported(&world, "system/*.rs", "/fhir/Patient/$export?_type=Patient,Organization").await;
    let found = problems(&world, &manifest).await;
    assert!(found.len() == 1 && found[0].contains("Organization/gone"), "{found:?}");
    Ok(())
}
