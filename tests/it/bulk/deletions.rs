//! Deletions in lakes that have many of them: they are sorted by patient once, before the export is planned.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};
use tests::{World, text};

use super::{EVERYTHING, Lake, begin, exported, resources};
use crate::crash::at_every_call;
use crate::supporting::{lake, of_patient, shared};

/// Returns the requests in the Bundles of an export, each of which must occur once.
async fn deleted(world: &World, token: &str, manifest: &Value) -> BTreeSet<String> {
    let bundles = resources(world, token, manifest, "deleted").await;
    let entries = bundles.iter().flat_map(|bundle| bundle["entry"].as_array().expect("entries"));
    let urls: Vec<_> = entries.map(|entry| text(&entry["request"]["url"])).collect();
    let set: BTreeSet<_> = urls.iter().cloned().collect();
    assert_eq!(set.len(), urls.len(), "each once");
    set
}

#[tokio::test]
async fn no_chunk_reads_the_deletions_of_all_patients() {
    let lake = Lake::new();
    let world = lake.world("chunk_bytes = 1");
    let token = world.service("service", EVERYTHING).await;
    let status = begin(&world, &token, "/fhir/$export?_since=2020-01-01T00:00:00Z").await;
    assert!(world.step().await, "the plan");
    // A chunk that reads the deletions from the record store would now find none.
    std::fs::remove_dir_all(lake.path().join("deleted")).expect("removed");
    world.work().await;
    let manifest = world.get(&status).bearer(&token).send().await.json();
    let expected = ["Observation/gone", "Observation/p1-o1", "Patient/left", "Practitioner/retired"];
    let expected = expected.map(str::to_owned).into();
    assert_eq!(deleted(&world, &token, &manifest).await, expected);
    let job = status.split('/').nth(2).expect("a job");
    let left = world.platform().files().list(&format!("exports/{job}/")).await.expect("a list");
    assert!(left.iter().all(|name| !name.starts_with("deleted-")), "{left:?}");
}

/// The Observation left the record of one patient and is in that of another one.
#[tokio::test]
async fn a_resource_in_the_record_of_another_patient_is_exported_and_not_deleted() {
    for (before, after) in [("ann", "bob"), ("bob", "ann")] {
        for (updated, is_new) in [("2025-01-01", true), ("2021-01-01", false)] {
            let of = |patient: &str, id: &str, updated: &str| {
                let resource =
                    json!({ "resourceType": "Observation", "id": id, "meta": { "lastUpdated": updated } });
                of_patient(patient, resource)
            };
            let mut resources = vec![of(after, "moved", updated), of(before, "deleted", updated)];
            for patient in ["ann", "bob"] {
                let resource = json!({ "resourceType": "Patient", "id": patient, "meta": { "lastUpdated": "2020-01-01" } });
                resources.push(of_patient(patient, resource));
            }
            for id in ["moved", "deleted", "gone"] {
                let line = json!({ "resourceType": "Observation", "id": id, "patient": before, "deleted": "2025-06-01" });
                resources.push(("deleted/all.ndjson".to_owned(), line));
            }
            // The deletion of the same resource from both records is listed once.
            let line = json!({ "resourceType": "Observation", "id": "gone", "patient": after, "deleted": "2025-06-01" });
            resources.push(("deleted/all.ndjson".to_owned(), line));
            let directory = lake(&resources);
            let world = World::with("sandbox = true", directory.path());
            let token = world.service("service", EVERYTHING).await;
            let manifest =
                exported(&world, &token, "/fhir/Patient/$export?_since=2024-01-01T00:00:00Z").await;
            let listed = deleted(&world, &token, &manifest).await;
            assert_eq!(listed, ["Observation/deleted", "Observation/gone"].map(str::to_owned).into());
            let found = resources_of(&world, &token, &manifest).await;
            let expected: &[&str] = if is_new { &["Observation/moved"] } else { &[] };
            assert_eq!(found, expected, "{before} {updated}");
        }
    }
}

/// Returns a lake in which an Observation moved from one patient to another, and a Device to `shared/`, which that other patient has.
fn with_moved(before: &str, after: &str) -> tempfile::TempDir {
    let of = |resource_type: &str, id: &str, updated: &str| json!({ "resourceType": resource_type, "id": id, "meta": { "lastUpdated": updated } });
    let mut refers = of("Observation", "refers", "2025-01-01");
    refers["device"] = json!({ "reference": "Device/moved" });
    let mut resources = vec![
        of_patient(after, of("Observation", "moved", "2025-01-01")),
        of_patient(after, refers),
        shared(of("Device", "moved", "2025-01-01")),
    ];
    resources.extend(["ann", "bob"].map(|patient| of_patient(patient, of("Patient", patient, "2020-01-01"))));
    for key in ["Observation/moved", "Device/moved", "Observation/gone"] {
        let (resource_type, id) = key.split_once('/').expect("a key");
        let line =
            json!({ "resourceType": resource_type, "id": id, "patient": before, "deleted": "2025-06-01" });
        resources.push(("deleted/all.ndjson".to_owned(), line));
    }
    lake(&resources)
}

/// No chunk knows what the others export, so the deletions are listed again at the end.
#[tokio::test]
async fn a_resource_that_moved_to_another_chunk_is_exported_and_not_deleted() {
    let moves = [("ann", "bob"), ("bob", "ann")];
    // Every patient has a chunk. With the first settings, the deletions are sorted before.
    let settings = [("chunk_bytes = 1", ""), ("", "&patientReferenceBatchSize=1")];
    for ((before, after), (settings, batch)) in
        moves.into_iter().flat_map(|moved| settings.map(|with| (moved, with)))
    {
        let directory = with_moved(before, after);
        let world = World::with(&format!("sandbox = true\n{settings}"), directory.path());
        let token = world.service("service", EVERYTHING).await;
        for query in ["", "&_minimumFileSize=1000000", "&_elements=device", "&allowPartialManifests=true"] {
            for level in ["Patient/$export", "$export"] {
                let path = format!("/fhir/{level}?_since=2024-01-01T00:00:00Z{batch}{query}");
                let manifest = exported(&world, &token, &path).await;
                let listed = deleted(&world, &token, &manifest).await;
                assert_eq!(listed, BTreeSet::from(["Observation/gone".to_owned()]), "{before} {path}");
                let mut found = resources_of(&world, &token, &manifest).await;
                found.sort();
                assert_eq!(found, ["Device/moved", "Observation/moved", "Observation/refers"], "{path}");
            }
        }
    }
}

/// A Group was deleted and created again. Its chunk and that of the deletions are two.
#[tokio::test]
async fn a_group_that_exists_again_is_not_deleted() {
    let member = [json!({ "entity": { "reference": "Patient/ann" } })];
    let group = json!({ "resourceType": "Group", "id": "again", "type": "person", "actual": true, "member": member,
        "meta": { "lastUpdated": "2025-06-02" } });
    let mut resources = vec![
        of_patient(
            "ann",
            json!({ "resourceType": "Patient", "id": "ann", "meta": { "lastUpdated": "2020-01-01" } }),
        ),
        ("Group/again.json".to_owned(), group),
    ];
    for id in ["again", "gone"] {
        let line = json!({ "resourceType": "Group", "id": id, "deleted": "2025-06-01" });
        resources.push(("deleted/all.ndjson".to_owned(), line));
    }
    let directory = lake(&resources);
    let world = World::with("sandbox = true", directory.path());
    let token = world.service("service", EVERYTHING).await;
    let manifest = exported(&world, &token, "/fhir/$export?_since=2024-01-01T00:00:00Z").await;
    assert_eq!(deleted(&world, &token, &manifest).await, BTreeSet::from(["Group/gone".to_owned()]));
    assert_eq!(resources_of(&world, &token, &manifest).await, ["Group/again"]);
}

/// A page that a client has read does not change, so the deletions are on a page of the end.
#[tokio::test]
async fn the_manifest_of_a_running_export_lists_no_deletions() {
    let directory = with_moved("ann", "bob");
    let world = World::with("sandbox = true\nchunk_bytes = 1", directory.path());
    let token = world.service("service", EVERYTHING).await;
    let path = "/fhir/$export?_since=2024-01-01T00:00:00Z&allowPartialManifests=true";
    let status = begin(&world, &token, path).await;
    loop {
        let shown = world.get(&status).bearer(&token).send().await;
        if shown.status == http::StatusCode::OK {
            let expected = BTreeSet::from(["Observation/gone".to_owned()]);
            assert_eq!(deleted(&world, &token, &shown.json()).await, expected);
            return;
        }
        if shown.header("content-type").contains("json") {
            assert_eq!(shown.json()["deleted"], json!([]), "{}", shown.text());
        }
        assert!(world.step().await, "the export ends");
    }
}

/// The stage is interrupted at every call.
#[tokio::test]
async fn listing_the_deletions_again_survives_a_crash_at_every_call() {
    let directory = with_moved("ann", "bob");
    let begun = async || {
        let world = World::with("sandbox = true\nchunk_bytes = 1", directory.path());
        let token = world.service("service", EVERYTHING).await;
        let status = begin(&world, &token, "/fhir/$export?_since=2024-01-01T00:00:00Z").await;
        (world, (token, status))
    };
    let check = async |world: &World, (token, status): (String, String), call: i64| {
        let manifest = world.get(&status).bearer(&token).send().await.json();
        let listed = deleted(world, &token, &manifest).await;
        assert_eq!(listed, BTreeSet::from(["Observation/gone".to_owned()]), "call {call}");
        let mut found = resources_of(world, &token, &manifest).await;
        found.sort();
        assert_eq!(found, ["Device/moved", "Observation/moved", "Observation/refers"], "call {call}");
    };
    let crashes = at_every_call(begun, check).await;
    assert!(crashes > 30, "{crashes}");
}

async fn resources_of(world: &World, token: &str, manifest: &Value) -> Vec<String> {
    resources(world, token, manifest, "output").await.iter().map(tests::reference).collect()
}

#[tokio::test]
async fn many_deletions_of_patients_without_records_are_listed() {
    let lake = Lake::new();
    let mut lines = String::new();
    let mut expected = BTreeSet::new();
    for number in 0..10_500 {
        let (patient, id) = (format!("gone-{}", number % 700), format!("o{number}"));
        expected.insert(format!("Observation/{id}"));
        let line = json!({ "resourceType": "Observation", "id": id, "patient": patient, "deleted": "2025-08-01T00:00:00Z" });
        // Every third deletion occurs twice, the second time with a reference to the patient.
        let again = json!({ "resourceType": "Observation", "id": id, "patient": format!("Patient/{patient}"), "deleted": "2025-07-01" });
        let _ = writeln!(lines, "{line}");
        if number % 3 == 0 {
            let _ = writeln!(lines, "{again}");
        }
    }
    std::fs::write(lake.path().join("deleted/all.ndjson"), lines).expect("written");
    for chunk_bytes in [3_000, 1_000_000_000] {
        let world = lake.world(&format!("chunk_bytes = {chunk_bytes}"));
        let token = world.service("service", EVERYTHING).await;
        let manifest = exported(&world, &token, "/fhir/$export?_since=2024-01-01T00:00:00Z").await;
        assert_eq!(manifest["error"], json!([]));
        assert_eq!(deleted(&world, &token, &manifest).await, expected, "{chunk_bytes}");
    }
}
