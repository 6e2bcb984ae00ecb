//! The output of the engine: lines are unchanged, only chosen resources are exported, and problems are reported.

use std::collections::{BTreeMap, BTreeSet};

use domain::choices::RecordGroup;
use domain::sensitive::Sensitive;
use proptest::prelude::*;
use serde_json::{Value, json};
use tests::{ANNA, World, reference, stored_lines, text};

const SOMEBODY: &str = "somebody";

/// Returns a lake with one patient and these lines.
fn lake(lines: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let patient = directory.path().join("Patient").join(SOMEBODY);
    std::fs::create_dir_all(&patient).expect("a directory");
    std::fs::write(patient.join("records.ndjson"), lines).expect("written");
    directory
}

#[tokio::test]
async fn lines_are_copied_byte_for_byte() {
    let line = r#"{ "resourceType":"Claim", "id":"c","total":{"value":16942.30,"x":1e5},"text":"\u00e9 \"q\"" , "patient":{"reference":"Patient/somebody"}}"#;
    let directory = lake(&format!("\n{line}\r\n  \n"));
    let world = World::with("sandbox = true", directory.path());
    let token = world.token(SOMEBODY).await;
    let job = world.exported(&token, SOMEBODY).await;
    let file = world.get(&format!("{job}/download/Claim")).bearer(&token).send().await;
    assert_eq!(file.text(), format!("{line}\n"));
}

#[tokio::test]
async fn the_complete_record_has_every_resource_and_all_that_they_refer_to() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    let exported: Vec<_> = world.resources(&token, &job).await.iter().map(reference).collect();
    let records = ehi::defaults::sample_records();
    let stored = stored_lines(&records, ANNA);
    for resource in stored.iter().filter(|resource| resource["resourceType"] != "Binary") {
        let wanted = reference(resource);
        assert_eq!(exported.iter().filter(|exported| **exported == wanted).count(), 1, "{wanted}");
    }
    // These are referred to directly, or through another resource: Location -> Organization -> Organization.
    for shared in [
        "Practitioner/practitioner-okafor",
        "Location/location-harbor",
        "Organization/organization-network",
        "Medication/medication-lisinopril",
    ] {
        assert_eq!(exported.iter().filter(|exported| *exported == shared).count(), 1, "{shared}");
    }
    for unused in ["Practitioner/practitioner-unused", "Organization/organization-unused"] {
        assert!(!exported.contains(&unused.to_owned()));
    }
    assert!(!exported.iter().any(|exported| exported.contains("bruno")), "no other patient's");
}

#[tokio::test]
async fn unusable_lines_are_in_the_error_file_and_the_rest_is_exported() {
    let long = format!("{{\"resourceType\":\"Patient\",\"x\":\"{}\"}}", "x".repeat(16 * 1024 * 1024));
    let good = r#"{"resourceType":"Patient","id":"somebody"}"#;
    let lines = format!(
        "{good}\nnot json\n{{\"id\":\"x\"}}\n{long}\n{{\"resourceType\":\"Binary\",\"id\":\"b\",\"data\":\"?\"}}\n{{\"resourceType\":\"Claim\",\"id\":\"c\"\n{{\"resourceType\":\"Claim\",\"id\":\"last\"}}"
    );
    let directory = lake(&lines);
    let world = World::with("sandbox = true", directory.path());
    let token = world.token(SOMEBODY).await;
    let job = world.exported(&token, SOMEBODY).await;
    let exported: Vec<_> = world.resources(&token, &job).await.iter().map(reference).collect();
    assert_eq!(exported, ["Claim/last", "Patient/somebody"]);
    let manifest = world.status(&token, &job).await.json();
    assert_eq!(manifest["error"][0]["type"], "OperationOutcome");
    let errors = world.get(&text(&manifest["error"][0]["url"])).bearer(&token).send().await.lines();
    let problems: Vec<_> = errors.iter().map(|outcome| text(&outcome["issue"][0]["diagnostics"])).collect();
    let expected =
        [(2, "not JSON"), (3, "no resourceType"), (4, "16 MiB"), (5, "not base64"), (6, "not JSON")];
    assert_eq!(problems.len(), expected.len(), "{problems:?}");
    for (problem, (line, reason)) in problems.iter().zip(expected) {
        assert!(
            problem.contains("Patient/somebody/records.ndjson")
                && problem.contains(&format!("line {line}:"))
                && problem.contains(reason),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn a_missing_document_is_reported() {
    let lines =
        r#"{"resourceType":"DocumentReference","id":"d","content":[{"attachment":{"url":"Binary/none"}}]}"#;
    let directory = lake(lines);
    let world = World::with("sandbox = true", directory.path());
    let token = world.token(SOMEBODY).await;
    let job = world.exported(&token, SOMEBODY).await;
    let manifest = world.status(&token, &job).await.json();
    let error = world.get(&text(&manifest["error"][0]["url"])).bearer(&token).send().await.lines();
    assert!(text(&error[0]["issue"][0]["diagnostics"]).contains("Binary/none"));
    assert_eq!(world.resources(&token, &job).await.len(), 1);
}

#[tokio::test]
async fn an_empty_record_is_an_empty_export() {
    let directory = lake("");
    let world = World::with("sandbox = true", directory.path());
    let token = world.token(SOMEBODY).await;
    let job = world.exported(&token, SOMEBODY).await;
    assert_eq!(world.status(&token, &job).await.json()["output"], json!([]));
}

/// Returns the references of an export with these choices, the number of its attachments from Binaries, and the number of withheld
/// resources.
async fn chosen(world: &World, choices: &Value) -> (BTreeSet<String>, u64, u64) {
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "/auto-approve", ANNA).await;
    let taken = world.post(&job).bearer(&token).json(choices).send().await;
    assert_eq!(taken.status, http::StatusCode::OK, "{}", taken.text());
    world.work().await;
    let metadata = world.get(&format!("{job}/metadata")).bearer(&token).send().await.json();
    let withheld = metadata["withheld"].as_object().expect("counts").values().filter_map(Value::as_u64).sum();
    let resources = world.resources(&token, &job).await;
    let own = |resource: &&Value| !text(&resource["id"]).starts_with("documents-");
    let attachments = metadata["ledger"]["resources"]["attachments"].as_u64().expect("a count");
    (resources.iter().filter(own).map(reference).collect(), attachments, withheld)
}

fn choices() -> impl Strategy<Value = Value> {
    let day = prop_oneof![
        Just(Value::Null),
        Just(json!("2015-01-01")),
        Just(json!("2018-06")),
        Just(json!("2020"))
    ];
    let group = (any::<bool>(), day).prop_map(|(enabled, from)| json!({ "enabled": enabled, "from": from }));
    let groups = prop::collection::vec(group, 10).prop_filter("a form selects at least one part", |groups| {
        groups.iter().any(|group| group["enabled"] == true)
    });
    let given = prop::collection::vec(any::<bool>(), 8);
    (groups, given).prop_map(|(groups, given)| {
        let parameters: BTreeMap<_, _> =
            RecordGroup::ALL.into_iter().map(RecordGroup::key).zip(groups).collect();
        let authorizations: BTreeMap<_, _> = Sensitive::ALL
            .into_iter()
            .map(|category| (category.key(), json!({})))
            .zip(given)
            .map(|((key, _), given)| (key, json!({ "value": given })))
            .collect();
        json!({ "parameters": parameters, "authorizations": authorizations })
    })
}

/// Returns the same choices with every category authorized.
fn authorized(choices: &Value) -> Value {
    let mut all = choices.clone();
    for (_, given) in all["authorizations"].as_object_mut().expect("an object") {
        *given = json!({ "value": true });
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn choices_never_add_resources_and_every_withheld_resource_is_counted(choices in choices()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let world = World::new();
            let everything = domain::choices::reading::to_parameters(&domain::choices::Choices::everything());
            let (all, _, none_withheld) = chosen(&world, &everything).await;
            assert_eq!(none_withheld, 0);
            let (kept, attachments, withheld) = chosen(&world, &choices).await;
            assert!(kept.is_subset(&all));
            assert!(kept.contains(&format!("Patient/{ANNA}")), "always");
            // Authorization adds back exactly the counted resources, except for those that only withheld resources refer to.
            let (with_all, all_attachments, none_withheld) = chosen(&world, &authorized(&choices)).await;
            assert_eq!(none_withheld, 0);
            assert!(kept.is_subset(&with_all));
            let of_the_record = |reference: &&String| fhir::compartments::has_compartment(reference.split('/').next().unwrap_or_default());
            let added = with_all.difference(&kept).filter(of_the_record).count() as u64;
            assert_eq!(added + all_attachments - attachments, withheld);
        });
    }
}
