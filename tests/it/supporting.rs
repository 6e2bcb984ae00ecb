//! The resources of `shared/` in exports of patients: examples, and random lakes compared with a slow model of the rule.

mod compartments;
mod model;
mod parts;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use tests::{World, reference, text};

/// Writes a lake; each resource has the path of its file.
fn write(root: &Path, resources: &[(String, Value)]) {
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    for (path, resource) in resources {
        let lines = files.entry(path).or_default();
        lines.push_str(&resource.to_string());
        lines.push('\n');
    }
    for (path, lines) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(path, lines).expect("written");
    }
}

pub(crate) fn lake(resources: &[(String, Value)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    write(directory.path(), resources);
    directory
}

pub(crate) fn of_patient(patient: &str, resource: Value) -> (String, Value) {
    (format!("Patient/{patient}/records.ndjson"), resource)
}

pub(crate) fn shared(resource: Value) -> (String, Value) {
    ("shared/all.ndjson".to_owned(), resource)
}

/// Runs a bulk export; returns the `Type/id` of every resource in its output, each of which must occur once, without errors.
pub(crate) async fn bulk(world: &World, scopes: &str, path: &str) -> BTreeSet<String> {
    let (found, warnings) = bulk_with_warnings(world, scopes, path).await;
    assert_eq!(warnings, [""; 0], "{path}");
    found
}

/// Does the same, and also returns the texts of what is reported.
async fn bulk_with_warnings(world: &World, scopes: &str, path: &str) -> (BTreeSet<String>, Vec<String>) {
    let token = world.service("service", scopes).await;
    let started = world.get(path).bearer(&token).send().await;
    assert_eq!(started.status, http::StatusCode::ACCEPTED, "{path}: {}", started.text());
    world.work().await;
    let manifest = world.get(started.header("content-location")).bearer(&token).send().await.json();
    let (mut found, mut warnings) = (BTreeSet::new(), Vec::new());
    for file in manifest["output"].as_array().expect("output") {
        for line in world.get(&text(&file["url"])).bearer(&token).send().await.lines() {
            assert!(found.insert(reference(&line)), "twice: {line}");
        }
    }
    for file in manifest["error"].as_array().expect("errors") {
        for line in world.get(&text(&file["url"])).bearer(&token).send().await.lines() {
            warnings.push(text(&line["issue"][0]["diagnostics"]));
        }
    }
    (found, warnings)
}

/// Runs a bulk export; returns its manifest.
pub(crate) async fn exported(world: &World, path: &str) -> Value {
    let token = world.service("service", "system/*.rs").await;
    let started = world.get(path).bearer(&token).send().await;
    assert_eq!(started.status, http::StatusCode::ACCEPTED, "{path}: {}", started.text());
    world.work().await;
    world.get(started.header("content-location")).bearer(&token).send().await.json()
}

/// Returns the lines of a type in the output and error files of an export.
pub(crate) async fn lines(world: &World, manifest: &Value, resource_type: &str) -> Vec<Value> {
    let token = world.service("service", "system/*.rs").await;
    let mut found = Vec::new();
    for list in ["output", "error"] {
        for file in manifest[list].as_array().expect("a list") {
            if file["type"] == resource_type {
                found.extend(world.get(&text(&file["url"])).bearer(&token).send().await.lines());
            }
        }
    }
    found
}

/// Runs an EHI export with these choices; returns the `Type/id` of every resource, each of which must occur once.
pub(crate) async fn ehi(world: &World, patient: &str, choices: &Value) -> BTreeSet<String> {
    let token = world.token(patient).await;
    let job = world.kick_off(&token, "/auto-approve", patient).await;
    let taken = world.post(&job).bearer(&token).json(choices).send().await;
    assert_eq!(taken.status, http::StatusCode::OK, "{}", taken.text());
    world.work().await;
    let resources = world.resources(&token, &job).await;
    let found: BTreeSet<_> = resources.iter().map(reference).collect();
    assert_eq!(found.len(), resources.len(), "each once");
    found
}

pub(crate) fn named(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Returns a patient's old encounter at a location of an organization, with practitioners.
fn clinic() -> Vec<(String, Value)> {
    let at = |year: u32| json!({ "lastUpdated": format!("{year}-01-01T00:00:00Z") });
    vec![
        of_patient("ann", json!({ "resourceType": "Patient", "id": "ann", "meta": at(2020) })),
        of_patient(
            "ann",
            json!({ "resourceType": "Encounter", "id": "old", "meta": at(2020), "subject": { "reference": "Patient/ann" },
            "participant": [{ "individual": { "reference": "Practitioner/moved" } }, { "individual": { "reference": "Practitioner/same" } }],
            "location": [{ "location": { "reference": "Location/ward" } }] }),
        ),
        of_patient(
            "ann",
            json!({ "resourceType": "Observation", "id": "new", "meta": at(2025), "status": "final", "code": {}, "subject": { "reference": "Patient/ann" },
            "performer": [{ "reference": "Practitioner/lab" }] }),
        ),
        shared(json!({ "resourceType": "Practitioner", "id": "moved", "meta": at(2025) })),
        shared(json!({ "resourceType": "Practitioner", "id": "same", "meta": at(2020) })),
        shared(json!({ "resourceType": "Practitioner", "id": "lab", "meta": at(2020), "active": true,
            "qualification": [{ "issuer": { "reference": "Organization/school" } }] })),
        shared(json!({ "resourceType": "Practitioner", "id": "unused", "meta": at(2025) })),
        shared(json!({ "resourceType": "Location", "id": "ward", "meta": at(2020),
            "managingOrganization": { "reference": "Organization/renamed" } })),
        shared(json!({ "resourceType": "Organization", "id": "renamed", "meta": at(2025) })),
        shared(json!({ "resourceType": "Organization", "id": "school", "meta": at(2020) })),
    ]
}

#[tokio::test]
async fn a_nightly_sync_has_changed_resources_even_if_their_referrers_did_not_change() {
    let directory = lake(&clinic());
    let world = World::with("sandbox = true", directory.path());
    let since = "_since=2024-01-01T00:00:00Z";
    let found = bulk(&world, "system/*.rs", &format!("/fhir/Patient/$export?{since}")).await;
    let expected = [
        "Observation/new",
        // Exported resources refer to these; their age does not matter.
        "Practitioner/lab",
        "Organization/school",
        // These changed, and resources that only `_since` left out refer to them; to the second one through another resource.
        "Practitioner/moved",
        "Organization/renamed",
    ];
    assert_eq!(found, named(&expected));
    // The references of a resource that is left out for another reason are not followed.
    let only = format!("/fhir/Patient/$export?{since}&_type=Observation,Practitioner,Organization");
    let expected = ["Observation/new", "Practitioner/lab", "Organization/school"];
    assert_eq!(bulk(&world, "system/*.rs", &only).await, named(&expected));
}

#[tokio::test]
async fn references_are_followed_through_exported_resources_and_before_elements_are_removed() {
    let directory = lake(&clinic());
    let world = World::with("sandbox = true", directory.path());
    for (query, expected) in [
        ("_type=Observation,Organization", &["Observation/new"][..]),
        ("_type=Observation,Practitioner", &["Observation/new", "Practitioner/lab"]),
        (
            "_type=Observation,Practitioner,Organization&_typeFilter=Practitioner%3F_tag%3Dretired",
            &["Observation/new"],
        ),
        (
            "_type=Observation,Practitioner,Organization&_elements=status,active",
            &["Observation/new", "Practitioner/lab", "Organization/school"],
        ),
    ] {
        let found = bulk(&world, "system/*.rs", &format!("/fhir/Patient/$export?{query}")).await;
        assert_eq!(found, named(expected), "{query}");
    }
}

#[tokio::test]
async fn practitioners_and_organizations_are_always_exported_but_not_those_of_withheld_resources() {
    let mut resources = clinic();
    resources.extend([
        of_patient(
            "ann",
            json!({ "resourceType": "Encounter", "id": "psychiatry", "subject": { "reference": "Patient/ann" },
            "meta": { "security": [{ "code": "PSY" }] }, "participant": [{ "individual": { "reference": "Practitioner/psychiatrist" } }] }),
        ),
        shared(json!({ "resourceType": "Practitioner", "id": "psychiatrist" })),
    ]);
    let directory = lake(&resources);
    let world = World::with("sandbox = true", directory.path());
    let people = [
        "Patient/ann",
        "Observation/new",
        "Practitioner/lab",
        "Practitioner/moved",
        "Practitioner/same",
        "Organization/school",
        "Organization/renamed",
    ];
    let nothing = ehi(&world, "ann", &json!({ "parameters": { "billing": { "enabled": true } } })).await;
    assert_eq!(nothing, named(&people));
    let visits = ehi(&world, "ann", &json!({ "parameters": { "visits": { "enabled": true } } })).await;
    assert_eq!(visits, &named(&people) | &named(&["Encounter/old"]));
}

#[tokio::test]
async fn of_duplicates_in_shared_the_last_one_is_exported_and_the_others_are_counted() {
    let mut resources = clinic();
    let again = |path: &str, city: &str| {
        let organization = json!({ "resourceType": "Organization", "id": "renamed", "meta": { "lastUpdated": "2025-01-01T00:00:00Z" },
            "name": city, "extension": [{ "valueReference": { "reference": "Practitioner/same" } }] });
        (path.to_owned(), organization)
    };
    resources.extend([again("shared/all.ndjson", "Bern"), again("shared/other.ndjson", "Basel")]);
    resources.push(shared(
        json!({ "resourceType": "Practitioner", "id": "same", "meta": { "lastUpdated": "2020-01-01T00:00:00Z" } }),
    ));
    let directory = lake(&resources);
    let world = World::with("sandbox = true", directory.path());
    let queries = [
        ("", 12),
        // Practitioner/same is looked up twice: first only left-out resources refer to it, later the organization does.
        ("?_since=2024-01-01T00:00:00Z", 12),
        ("?_type=Patient,Encounter,Location,Organization", 10),
    ];
    for (query, read) in queries {
        let manifest = exported(&world, &format!("/fhir/Patient/$export{query}")).await;
        let resources = &manifest["extension"]["ledger"]["resources"];
        assert_eq!(
            (&resources["duplicates"], &resources["read"]),
            (&json!(3), &json!(read)),
            "{query}: {resources}"
        );
        let organizations = lines(&world, &manifest, "Organization").await;
        let named = organizations.iter().find(|found| found["id"] == "renamed").expect("an organization");
        assert_eq!(named["name"], "Basel", "{query}");
    }
}
