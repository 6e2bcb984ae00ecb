//! The content of bulk exports.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use serde_json::{Value, json};
use tests::{BASE_URL, World, reference, text};

use super::{EVERYTHING, Lake, exported, resources, sorted};
use crate::supporting;

#[tokio::test]
async fn a_system_export_has_the_whole_lake_with_every_size_of_chunks() {
    let lake = Lake::new();
    for chunk_bytes in [1, 3_000, 100_000_000] {
        let world = lake.world(&format!("chunk_bytes = {chunk_bytes}"));
        let token = world.service("service", EVERYTHING).await;
        let manifest = exported(&world, &token, "/fhir/$export").await;
        let found = resources(&world, &token, &manifest, "output").await;
        assert_eq!(sorted(&found), sorted(&lake.resources), "{chunk_bytes}");
        assert_eq!((&manifest["deleted"], &manifest["error"]), (&json!([]), &json!([])));
        assert_eq!(manifest["request"], format!("{BASE_URL}/fhir/$export"));
        assert_eq!(manifest["requiresAccessToken"], true);
    }
}

#[tokio::test]
async fn deletions_are_in_the_deleted_list_and_not_in_the_output() {
    let lake = Lake::new();
    let deleted = async |world: &World, path: &str| -> BTreeSet<String> {
        let token = world.service("service", EVERYTHING).await;
        let manifest = exported(world, &token, path).await;
        let bundles = resources(world, &token, &manifest, "deleted").await;
        assert!(bundles.iter().all(|bundle| bundle["type"] == "transaction"));
        let entries = bundles.iter().flat_map(|bundle| bundle["entry"].as_array().expect("entries"));
        let urls: Vec<_> = entries
            .map(|entry| {
                assert_eq!(entry["request"]["method"], "DELETE");
                text(&entry["request"]["url"])
            })
            .collect();
        let output = resources(world, &token, &manifest, "output").await;
        let output: BTreeSet<_> = output.iter().map(reference).collect();
        assert!(urls.iter().all(|url| !output.contains(url)), "{urls:?}");
        let set: BTreeSet<_> = urls.iter().cloned().collect();
        assert_eq!(set.len(), urls.len(), "each once");
        set
    };
    let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    for chunk_bytes in [1, 100_000_000] {
        let world = lake.world(&format!("chunk_bytes = {chunk_bytes}"));
        for (path, expected) in [
            ("/fhir/$export", named(&[])),
            (
                "/fhir/$export?_since=2020-01-01T00:00:00Z",
                named(&["Observation/gone", "Observation/p1-o1", "Patient/left", "Practitioner/retired"]),
            ),
            ("/fhir/$export?_since=2020-01-01T00:00:00Z&_type=Patient", named(&["Patient/left"])),
            (
                "/fhir/$export?_since=2025-08-01T12:00:00Z&_until=2025-08-02T12:00:00Z",
                named(&["Patient/left"]),
            ),
            (
                "/fhir/Patient/$export?_since=2020-01-01T00:00:00Z",
                named(&["Observation/gone", "Observation/p1-o1", "Patient/left"]),
            ),
            ("/fhir/Group/all/$export?_since=2020-01-01T00:00:00Z", named(&["Observation/gone"])),
        ] {
            assert_eq!(deleted(&world, path).await, expected, "{path}");
        }
    }
}

#[tokio::test]
async fn deletions_are_not_listed_if_the_token_limits_their_type() {
    let lake = Lake::new();
    let world = lake.world("");
    for (client, scopes, count) in [
        ("service", "system/*.rs access/open.read", 0),
        ("other-service", "system/Observation.rs?category=laboratory", 0),
        ("other-service", "system/Patient.rs", 1),
    ] {
        let token = world.service(client, scopes).await;
        let manifest = exported(&world, &token, "/fhir/$export?_since=2020-01-01T00:00:00Z").await;
        assert_eq!(resources(&world, &token, &manifest, "deleted").await.len(), count, "{scopes}");
        let output = resources(&world, &token, &manifest, "output").await;
        assert!(
            output.iter().all(|resource| resource["id"] != "p1-o1"),
            "the deleted resource is not in the output either"
        );
    }
}

#[tokio::test]
async fn groups_are_found_flattened_and_exported() {
    let lake = Lake::new();
    let world = lake.world("");
    let token = world.service("service", EVERYTHING).await;
    let bundle = world.get("/fhir/Group").bearer(&token).send().await.json();
    assert_eq!(bundle["total"], 3);
    assert_eq!(bundle["entry"][0]["resource"]["id"], "all");
    assert_eq!(bundle["entry"][0]["resource"]["quantity"], 5);
    assert_eq!(bundle["entry"][0]["resource"]["member"], Value::Null);
    let group = world.get("/fhir/Group/nested").bearer(&token).send().await.json();
    assert_eq!(group["member"].as_array().expect("members").len(), 3);
    for path in ["/fhir/Group/nobody", "/fhir/Group/nobody/$export", "/fhir/Group/..%2f..%2fx/$export"] {
        let response = world.get(path).bearer(&token).send().await;
        assert_eq!(response.status, StatusCode::NOT_FOUND, "{path}");
        response.outcome();
    }
    let manifest = exported(&world, &token, "/fhir/Group/empty/$export").await;
    assert_eq!((&manifest["output"], &manifest["error"]), (&json!([]), &json!([])));
    // With this setting, new members are treated like others.
    let strict = lake.world("whole_record_of_new_members = false");
    let token = strict.service("service", EVERYTHING).await;
    let manifest =
        exported(&strict, &token, "/fhir/Group/all/$export?_since=2025-01-01T00:00:00Z&_type=Patient").await;
    assert_eq!(manifest["output"], json!([]), "p2 joined later, and did not change");
}

#[tokio::test]
async fn patients_are_chosen_by_reference_and_an_empty_choice_is_refused() {
    let lake = Lake::new();
    let world = lake.world("");
    let token = world.service("service", EVERYTHING).await;
    let body = |patients: &[&str]| {
        let parameters: Vec<_> = patients
            .iter()
            .map(|patient| json!({ "name": "patient", "valueReference": { "reference": patient } }))
            .collect();
        json!({ "resourceType": "Parameters", "parameter": parameters })
    };
    let post = async |path: &str, body: &Value, lenient: bool| {
        let call = world.post(path).bearer(&token).json(body);
        let call = if lenient { call.header("prefer", "respond-async, handling=lenient") } else { call };
        call.send().await
    };
    let response =
        post("/fhir/Patient/$export", &body(&["Patient/p1", "Patient/p4", "Patient/p1"]), false).await;
    assert_eq!(response.status, StatusCode::ACCEPTED);
    world.work().await;
    let status = response.header("content-location");
    let manifest = world.get(status).bearer(&token).send().await.json();
    let found = resources(&world, &token, &manifest, "output").await;
    let patients: BTreeSet<_> = found
        .iter()
        .filter(|found| found["resourceType"] == "Patient")
        .map(|found| text(&found["id"]))
        .collect();
    assert_eq!(patients, BTreeSet::from(["p1".to_owned(), "p4".to_owned()]));
    for (path, patients, status, lenient) in [
        ("/fhir/Patient/$export", &["Patient/nobody"][..], StatusCode::BAD_REQUEST, StatusCode::BAD_REQUEST),
        (
            "/fhir/Patient/$export",
            &["Patient/p1", "Patient/nobody"],
            StatusCode::BAD_REQUEST,
            StatusCode::ACCEPTED,
        ),
        ("/fhir/Patient/$export", &["Practitioner/doc"], StatusCode::BAD_REQUEST, StatusCode::BAD_REQUEST),
        ("/fhir/Group/all/$export", &["Patient/p1"], StatusCode::BAD_REQUEST, StatusCode::BAD_REQUEST),
        ("/fhir/Group/all/$export", &["Patient/p3"], StatusCode::ACCEPTED, StatusCode::ACCEPTED),
        ("/fhir/$export", &["Patient/p1"], StatusCode::BAD_REQUEST, StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(post(path, &body(patients), false).await.status, status, "{path} {patients:?}");
        assert_eq!(post(path, &body(patients), true).await.status, lenient, "{path} {patients:?} lenient");
    }
}

#[tokio::test]
async fn provenance_is_exported_as_requested() {
    let lake = Lake::new();
    for chunk_bytes in [1, 100_000_000] {
        let world = lake.world(&format!("chunk_bytes = {chunk_bytes}"));
        let token = world.service("service", EVERYTHING).await;
        for (query, expected) in [
            ("_type=Observation&includeAssociatedData=LatestProvenanceResources", vec!["p0-v-new"]),
            (
                "_type=Observation&includeAssociatedData=RelevantProvenanceResources",
                vec!["p0-v-new", "p0-v-old"],
            ),
            (
                "_type=Observation&includeAssociatedData=LatestProvenanceResources,RelevantProvenanceResources",
                vec!["p0-v-new", "p0-v-old"],
            ),
            ("_type=Patient&includeAssociatedData=RelevantProvenanceResources", vec![]),
            ("_type=Observation", vec![]),
            ("_type=Observation,Provenance", vec!["p0-v-new", "p0-v-old"]),
        ] {
            let manifest =
                exported(&world, &token, &format!("/fhir/Patient/$export?patient=Patient/p0&{query}")).await;
            let found = resources(&world, &token, &manifest, "output").await;
            let provenance = found.iter().filter(|found| found["resourceType"] == "Provenance");
            let mut ids: Vec<_> = provenance.map(|found| text(&found["id"])).collect();
            ids.sort();
            assert_eq!(ids, expected, "{query}");
        }
    }
}

#[tokio::test]
async fn provenance_in_shared_is_always_in_a_system_export() -> tests::Result {
    let lake = Lake::new();
    let line = json!({
        "resourceType": "Provenance", "id": "of-many", "recorded": "2022-01-01T00:00:00Z",
        "target": [{ "reference": "Observation/p0-o1" }, { "reference": "Organization/org" }],
    });
    std::fs::write(lake.path().join("shared/provenance.ndjson"), format!("{line}\n"))?;
    for kind in ["LatestProvenanceResources", "RelevantProvenanceResources"] {
        let world = lake.world("");
        let token = world.service("service", EVERYTHING).await;
        let path = format!("/fhir/$export?includeAssociatedData={kind}");
        let manifest = exported(&world, &token, &path).await;
        let found = resources(&world, &token, &manifest, "output").await;
        assert_eq!(found.iter().filter(|found| found["id"] == "of-many").count(), 1, "{kind}");
    }
    Ok(())
}

#[tokio::test]
async fn output_organized_by_patient_has_one_block_per_patient() {
    let lake = Lake::new();
    for chunk_bytes in [1, 100_000_000] {
        let world = lake.world(&format!("chunk_bytes = {chunk_bytes}"));
        let token = world.service("service", EVERYTHING).await;
        let manifest = exported(&world, &token, "/fhir/Patient/$export?organizeOutputBy=Patient").await;
        assert_eq!(manifest["outputOrganizedBy"], "Patient");
        let mut blocks: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for file in manifest["output"].as_array().expect("output") {
            let lines = world.get(&text(&file["url"])).bearer(&token).send().await.lines();
            let headers = lines.iter().filter(|line| line["resourceType"] == "Parameters").count();
            assert_eq!(file["count"], lines.len() - headers, "a header is not a resource of the export");
            assert_eq!(file.get("type"), None, "an item has no type");
            if headers == 0 {
                // Resources of no patient are outside the blocks.
                assert!(lines.iter().all(|line| {
                    ["Organization", "Practitioner"].contains(&line["resourceType"].as_str().expect("a type"))
                }));
                continue;
            }
            let mut current = None;
            let mut lines = lines.into_iter();
            while let Some(line) = lines.next() {
                if line["resourceType"] == "Parameters" {
                    assert_eq!(line["parameter"][0]["name"], "header");
                    let of = text(&line["parameter"][0]["valueReference"]["reference"]);
                    let first = lines.next().expect("the Patient");
                    assert_eq!(reference(&first), of, "the Patient comes first");
                    assert!(blocks.insert(of.clone(), Vec::new()).is_none(), "one block each");
                    current = Some(of);
                    continue;
                }
                let of = current.clone().expect("a header first");
                assert!(text(&line["id"]).starts_with(&of["Patient/".len()..]));
                blocks.get_mut(&of).expect("a block").push(reference(&line));
            }
        }
        assert_eq!(blocks.len(), 6);
        assert!(blocks.values().all(|block| block.len() == 7), "{blocks:?}");
    }
}

#[tokio::test]
async fn system_output_organized_by_patient_has_resources_of_no_patient_as_well() {
    let lake = Lake::new();
    for chunk_bytes in [1, 100_000_000] {
        let world = lake.world(&format!("chunk_bytes = {chunk_bytes}"));
        let token = world.service("service", EVERYTHING).await;
        let manifest = exported(&world, &token, "/fhir/$export?organizeOutputBy=Patient").await;
        let mut resources = Vec::new();
        for file in manifest["output"].as_array().expect("output") {
            assert_eq!(file.get("type"), None, "an item has no type");
            let mut lines = world.get(&text(&file["url"])).bearer(&token).send().await.lines();
            lines.retain(|line| line["resourceType"] != "Parameters");
            assert_eq!(file["count"], lines.len());
            resources.extend(lines);
        }
        assert_eq!(sorted(&resources), sorted(&lake.resources));
    }
}

#[tokio::test]
async fn files_have_the_requested_sizes() -> tests::Result {
    let directory = tempfile::tempdir()?;
    ehi::sample::write(12, 1, directory.path(), &indicatif::ProgressBar::hidden()).expect("a sample");
    let world = World::with("sandbox = true\nchunk_bytes = 600000", directory.path());
    let token = world.service("service", EVERYTHING).await;
    let whole = exported(&world, &token, "/fhir/$export").await;
    let lines = sorted(&resources(&world, &token, &whole, "output").await);
    let sizes = |manifest: &Value| -> BTreeMap<String, Vec<u64>> {
        let mut sizes: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for file in manifest["output"].as_array().expect("output") {
            let size = file["extension"]["size"].as_u64().expect("a size");
            sizes.entry(text(&file["type"])).or_default().push(size);
        }
        sizes
    };
    assert!(sizes(&whole).values().any(|sizes| sizes.len() > 5), "many small files");
    for query in ["_minimumFileSize=400000", "_minimumFileSize=100000000"] {
        let merged = exported(&world, &token, &format!("/fhir/$export?{query}")).await;
        let least: u64 = query.rsplit('=').next().expect("a number").parse().expect("a number");
        for (resource_type, sizes) in sizes(&merged) {
            let total: u64 = sizes.iter().sum();
            assert!(sizes.iter().all(|size| *size >= least.min(total)), "{resource_type}: {sizes:?}");
        }
        assert!(resources(&world, &token, &merged, "output").await.len() == lines.len());
        assert_eq!(sorted(&resources(&world, &token, &merged, "output").await), lines);
    }
    let world = World::with("sandbox = true", directory.path());
    let token = world.service("service", EVERYTHING).await;
    let cut = exported(&world, &token, "/fhir/$export?_maximumFileSize=1000000").await;
    let sizes = sizes(&cut);
    assert!(sizes.values().any(|sizes| sizes.len() > 1), "{sizes:?}");
    assert!(sizes.values().flatten().all(|size| *size <= 1_000_000), "{sizes:?}");
    assert_eq!(sorted(&resources(&world, &token, &cut, "output").await), lines);
    Ok(())
}

/// References to this server's own resources are stored relative, and a client may search with absolute ones.
#[tokio::test]
async fn a_search_by_reference_accepts_the_urls_of_this_server() {
    let observation = |patient: &str| {
        let subject = json!({ "reference": format!("Patient/{patient}") });
        supporting::of_patient(
            patient,
            json!({ "resourceType": "Observation", "id": format!("of-{patient}"), "subject": subject }),
        )
    };
    let directory = supporting::lake(&[observation("ann"), observation("bob")]);
    let world = World::with("sandbox = true", directory.path());
    let exported = async |subject: &str| {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("_typeFilter", &format!("Observation?subject={subject}"))
            .append_pair("_type", "Observation")
            .finish();
        supporting::bulk(&world, "system/*.rs", &format!("/fhir/$export?{query}")).await
    };
    for base in [String::new(), format!("{BASE_URL}/fhir/"), format!("{BASE_URL}/fhir/r4/")] {
        assert_eq!(
            exported(&format!("{base}Patient/ann")).await,
            supporting::named(&["Observation/of-ann"]),
            "{base}"
        );
    }
    assert_eq!(exported("https://elsewhere.example/fhir/Patient/ann").await, supporting::named(&[]));
}
