//! Deletions in lakes that have many of them: they are sorted by patient once, before the export is planned.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};
use tests::{World, text};

use super::{EVERYTHING, Lake, begin, exported, resources};
use crate::supporting::{lake, of_patient};

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
