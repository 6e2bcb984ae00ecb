//! Parameter values as in the documentation of Helix, and the responses of the other dialects to them.

use http::StatusCode;
use serde_json::json;
use tests::{World, both_hosts, text};

use super::{EVERYTHING, Lake, exported, resources, sorted};

/// Returns the texts of the manifest's `error` files, one for each outcome.
async fn problems(world: &World, token: &str, manifest: &serde_json::Value) -> Vec<String> {
    let outcomes = resources(world, token, manifest, "error").await;
    outcomes.iter().map(|outcome| text(&outcome["issue"][0]["diagnostics"])).collect()
}

/// Some clients pass on a date that their user typed.
#[both_hosts]
async fn a_registered_client_may_send_a_date_as_since(world: World) {
    let token = world.service("other-service", "system/Patient.rs").await;
    for (query, status) in [
        ("_since=2023-10-10", StatusCode::ACCEPTED),
        ("_since=2023-10", StatusCode::ACCEPTED),
        ("_since=2023-10-10T00:00:00Z", StatusCode::ACCEPTED),
        ("_since=yesterday", StatusCode::BAD_REQUEST),
        ("_until=2023-10-10", StatusCode::BAD_REQUEST),
    ] {
        let started = world.get(&format!("/fhir/$export?{query}")).bearer(&token).send().await;
        assert_eq!(started.status, status, "{query}: {}", started.text());
    }
    let token = world.service("service", EVERYTHING).await;
    let refused = world.get("/fhir/$export?_since=2023-10-10").bearer(&token).send().await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text());
}

#[tokio::test]
async fn values_of_helix_are_accepted_and_unknown_values_are_reported() {
    let lake = Lake::new();
    let world = lake.world("");
    let token = world.service("service", EVERYTHING).await;
    for (query, reports) in [
        ("_since=2023-10-10", &[][..]),
        ("_since=2023-10", &[]),
        ("_type=Patient", &[]),
        ("type=Patient", &["'type' is not a parameter of this operation; it was read as '_type'"]),
        ("type=Patient&_type=Condition", &["'type' is not a parameter of this operation; it was ignored"]),
        ("colour=red", &["'colour' is not a parameter"]),
        (
            "uploadPartSize=104857600",
            &[
                "'uploadPartSize' is 104857600, and must be a number from 5242880 to 16777216; 16777216 was used",
            ],
        ),
        ("uploadPartSize=1", &["5242880 was used"]),
        ("fetchResourceBatchSize=99999999999999999999999", &["10000 was used"]),
        ("patientReferenceBatchSize=100", &[]),
        ("patientReferenceBatchSize=0", &["; 1 was used"]),
        ("ttlSecondsAfterFinished=30", &["60 was used"]),
        ("loglevel=DEBUG&requestsMemory=2G&limitsMemory=8G&ram=1", &[]),
        ("ram=8", &[]),
        ("limitsMemory=16G", &["'limitsMemory' is 16G, and can be at most 10Gi; 10Gi was used"]),
        ("ram=lots", &["'ram' must be an amount of memory"]),
    ] {
        let manifest = exported(&world, &token, &format!("/4_0_0/$export?{query}")).await;
        let problems = problems(&world, &token, &manifest).await;
        assert_eq!(problems.len(), reports.len(), "{query}: {problems:?}");
        for (problem, report) in problems.iter().zip(reports) {
            assert!(problem.contains(report), "{query}: {problem}");
        }
        assert_eq!(manifest["errors"], manifest["error"]);
        // The other dialects, and this one with `handling=strict`, refuse the value.
        if !matches!(query, "_type=Patient" | "patientReferenceBatchSize=100" | "ram=8")
            && !query.contains("ram=1")
        {
            let other = world.get(&format!("/fhir/$export?{query}")).bearer(&token).send().await;
            assert_eq!(other.status, StatusCode::BAD_REQUEST, "{query}");
        }
    }
    let strict = world.get("/4_0_0/$export?colour=red").bearer(&token).header("prefer", "handling=strict");
    assert_eq!(strict.send().await.status, StatusCode::BAD_REQUEST);
    for wrong in ["_since=yesterday", "uploadPartSize=big", "ttlSecondsAfterFinished=-1", "patient=Group/all"]
    {
        let response = world.get(&format!("/4_0_0/$export?{wrong}")).bearer(&token).send().await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

/// Returns the lines of an export, sorted by text.
async fn found(world: &World, token: &str, path: &str) -> Vec<String> {
    let manifest = exported(world, token, path).await;
    sorted(&resources(world, token, &manifest, "output").await)
}

#[tokio::test]
async fn a_date_means_its_first_moment_and_type_without_underscore_is_read() {
    let lake = Lake::new();
    let world = lake.world("");
    let token = world.service("service", EVERYTHING).await;
    let found = async |path: &str| found(&world, &token, path).await;
    let by_instant = found("/4_0_0/$export?_type=Patient&_since=2023-03-01T00:00:00Z").await;
    let by_date = found("/4_0_0/$export?type=Patient&_since=2023-03-01").await;
    assert!(!by_date.is_empty() && by_date == by_instant, "{by_date:?}");
}

#[tokio::test]
async fn patients_can_be_named_at_every_level_and_in_lower_case() {
    let lake = Lake::new();
    let world = lake.world("");
    let token = world.service("service", EVERYTHING).await;
    let found = async |path: &str| found(&world, &token, path).await;
    let expected = found("/fhir/Patient/$export?patient=Patient/p1,Patient/p2").await;
    for path in
        ["/4_0_0/$export?patient=patient/p1,p2", "/4_0_0/Patient/$export?patient=Patient/p1,patient/p2"]
    {
        assert_eq!(found(path).await, expected, "{path}");
    }
    for wrong in ["/fhir/$export?patient=Patient/p1", "/fhir/Patient/$export?patient=patient/p1"] {
        let response = world.get(wrong).bearer(&token).send().await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let nobody = world.get("/4_0_0/$export?patient=patient/nobody").bearer(&token).send().await;
    assert_eq!(nobody.status, StatusCode::BAD_REQUEST);
    assert!(nobody.outcome().contains("Patient/nobody"));
}

#[both_hosts]
async fn memory_can_be_a_number_in_a_body(world: World) {
    let token = world.service("service", EVERYTHING).await;
    let body = json!({ "resourceType": "Parameters", "parameter": [
        { "name": "ram", "valueInteger": 8 }, { "name": "_since", "valueDate": "2023-10-10" },
    ]});
    let response = world.post("/4_0_0/Patient/$export").bearer(&token).json(&body).send().await;
    assert_eq!(response.status, StatusCode::ACCEPTED, "{}", response.text());
    let response = world.post("/fhir/Patient/$export").bearer(&token).json(&body).send().await;
    assert_eq!(response.status, StatusCode::BAD_REQUEST);
    assert!(response.outcome().contains("_since"), "{}", response.outcome());
}

#[both_hosts]
async fn groups_are_found_by_name(world: World) {
    let token = world.service("service", EVERYTHING).await;
    for (query, found) in [
        ("", true),
        ("?name=All", true),
        ("?name=all%20sample", true),
        ("?name=all+sample+patients", true),
        ("?name=nobody,all", true),
        ("?name:exact=All%20sample%20patients", true),
        ("?name:contains=sample", true),
        ("?name=sample", false),
        ("?name:exact=all", false),
        ("?name=all&name=nobody", false),
        ("?_id=everyone", true),
        ("?_id=nobody", false),
        ("?colour=red", true),
    ] {
        let bundle = world.get(&format!("/fhir/Group{query}")).bearer(&token).send().await.json();
        let entries = bundle["entry"].as_array().expect("entries");
        assert_eq!(
            entries.iter().any(|entry| entry["resource"]["id"] == "everyone"),
            found,
            "{query}: {bundle}"
        );
        assert_eq!(bundle["total"], entries.len(), "{query}");
        let own = text(&bundle["link"][0]["url"]);
        assert_eq!(own.contains("name"), query.contains("name"), "{own}");
    }
    let wrong = world.get("/fhir/Group?name:sounds=all").bearer(&token).send().await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}
