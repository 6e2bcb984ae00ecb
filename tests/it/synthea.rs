//! Real records: ten Synthea Bundles next to the repository are loaded, exported in full, and compared resource by resource.

use std::collections::BTreeMap;
use std::path::PathBuf;

use indicatif::ProgressBar;
use serde_json::Value;
use tests::{World, reference, text};

use crate::house::root;

/// This variable is set on purpose if the Bundles are not available: the test is then skipped.
const WITHOUT: &str = "TESTS_WITHOUT_SYNTHEA";

/// Returns the directory of the Bundles. Without its data the test fails, because it would prove nothing.
fn bundles() -> Option<PathBuf> {
    let directory = root().parent()?.join("shared/data/synthea-bundles");
    if directory.is_dir() {
        return Some(directory);
    }
    let message = format!("there are no Synthea Bundles at {}", directory.display());
    assert!(
        std::env::var_os(WITHOUT).is_some(),
        "{message}: put them there, or set {WITHOUT}=1 to go without"
    );
    eprintln!("skipped: {message}, and {WITHOUT} is set");
    None
}

/// Returns a value whose `urn:uuid:` references are replaced by the references that the loader writes.
fn resolved(value: &Value, types: &BTreeMap<String, String>) -> Value {
    match value {
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| {
                match value.as_str().filter(|_| key == "reference").and_then(|urn| types.get(urn)) {
                    Some(reference) => (key.clone(), Value::from(reference.clone())),
                    None => (key.clone(), resolved(value, types)),
                }
            })
            .collect(),
        Value::Array(list) => list.iter().map(|value| resolved(value, types)).collect(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn every_resource_of_the_bundles_is_exported_as_it_was() {
    let Some(bundles) = bundles() else { return };
    let lake = tempfile::tempdir().expect("a directory");
    let loaded =
        ehi::load::load(std::slice::from_ref(&bundles), lake.path(), &ProgressBar::hidden()).expect("loaded");
    assert_eq!(loaded.problems, Vec::<String>::new());
    let world = World::with("sandbox = true", lake.path());
    let (mut patients, mut compared) = (0, 0);
    let mut types = BTreeMap::new();
    let mut inputs = Vec::new();
    let mut paths: Vec<_> =
        std::fs::read_dir(&bundles).expect("bundles").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    for path in paths {
        let text_of = std::fs::read_to_string(path).expect("a file");
        let bundle: Value = serde_json::from_str(&text_of).expect("JSON");
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        for entry in &entries {
            types.insert(text(&entry["fullUrl"]), reference(&entry["resource"]));
        }
        inputs.push(entries.into_iter().map(|entry| entry["resource"].clone()).collect::<Vec<_>>());
    }
    // The Bundles repeat organizations and practitioners without a time: the one that is read last is kept.
    let last: BTreeMap<_, _> =
        inputs.iter().flatten().map(|resource| (reference(resource), resource)).collect();
    for resources in &inputs {
        let Some(patient) = resources.iter().find(|resource| resource["resourceType"] == "Patient") else {
            continue;
        };
        let id = text(&patient["id"]);
        let token = world.token(&id).await;
        let job = world.exported(&token, &id).await;
        let exported: BTreeMap<_, _> = world
            .resources(&token, &job)
            .await
            .into_iter()
            .map(|resource| (reference(&resource), resource))
            .collect();
        for resource in resources {
            let wanted = reference(resource);
            let found = exported.get(&wanted).unwrap_or_else(|| panic!("{wanted} of {id} is missing"));
            assert_eq!(*found, resolved(last[&wanted], &types), "{wanted}");
            compared += 1;
        }
        let strangers = exported
            .values()
            .filter(|resource| resource["resourceType"] == "Patient" && resource["id"] != patient["id"]);
        assert_eq!(strangers.count(), 0);
        patients += 1;
    }
    assert_eq!((patients, compared), (10, 3_783));
}
