//! Records that have several versions of a resource, as a program that only appends to files writes them: the most recent version is
//! exported, and none of them if access to one of them is refused.

mod shared;

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tests::{ANNA, World, reference, text};

use crate::crash::{at_every_call, begin_everyone};
use crate::supporting::{lake, of_patient};

/// Returns a lake with the patient ann and these resources in her record.
fn record(resources: &[Value]) -> tempfile::TempDir {
    let patient = json!({ "resourceType": "Patient", "id": "ann" });
    let all: Vec<_> =
        resources.iter().chain([&patient]).map(|resource| of_patient("ann", resource.clone())).collect();
    lake(&all)
}

/// Returns the resources of a form without private topics, and the counters.
async fn by_form(lake: &Path) -> (Vec<Value>, Value) {
    let world = World::with("sandbox = true", lake);
    let token = world.token("ann").await;
    let job = world.kick_off(&token, "/auto-approve", "ann").await;
    let chosen = json!({ "enabled": true });
    let choices =
        json!({ "parameters": { "medicalRecord": chosen.clone(), "other": chosen.clone(), "labs": chosen } });
    world.post(&job).bearer(&token).json(&choices).send().await;
    world.work().await;
    let manifest = world.status(&token, &job).await.json();
    (world.resources(&token, &job).await, manifest["extension"]["ledger"]["resources"].clone())
}

/// Returns the resources of a bulk export with these scopes, its counters and what it lists as deleted.
async fn by_token(lake: &Path, scopes: &str, path: &str) -> (Vec<Value>, Value, Vec<String>) {
    let world = World::with("sandbox = true", lake);
    let token = world.service("service", scopes).await;
    let started = world.get(path).bearer(&token).send().await;
    assert_eq!(started.status, http::StatusCode::ACCEPTED, "{path}: {}", started.text());
    world.work().await;
    let manifest = world.get(started.header("content-location")).bearer(&token).send().await.json();
    assert_eq!(manifest["error"], json!([]), "{path}");
    let (mut found, mut deleted) = (Vec::new(), Vec::new());
    for (list, of_list) in [("output", &mut found), ("deleted", &mut deleted)] {
        for file in manifest[list].as_array().into_iter().flatten() {
            of_list.extend(world.get(&text(&file["url"])).bearer(&token).send().await.lines());
        }
    }
    let entries = deleted.iter().flat_map(|bundle: &Value| bundle["entry"].as_array().expect("entries"));
    let deleted = entries.map(|entry| text(&entry["request"]["url"])).collect();
    (found, manifest["extension"]["ledger"]["resources"].clone(), deleted)
}

/// Returns a version of a Condition with this label, which mentions the version.
fn version(number: u32, updated: &str, label: Option<&str>) -> Value {
    let mut meta = json!({ "versionId": number.to_string() });
    if !updated.is_empty() {
        meta["lastUpdated"] = json!(updated);
    }
    if let Some(label) = label {
        meta["security"] = json!([{ "code": label }]);
    }
    json!({ "resourceType": "Condition", "id": "c", "meta": meta, "code": { "text": format!("version {number}") } })
}

/// Returns the versions of the Condition in the output.
fn versions(resources: &[Value]) -> Vec<String> {
    let conditions = resources.iter().filter(|resource| resource["resourceType"] == "Condition");
    conditions.map(|condition| text(&condition["meta"]["versionId"])).collect()
}

#[tokio::test]
async fn the_label_of_one_version_withholds_all_of_them() {
    let about =
        json!({ "resourceType": "Provenance", "id": "p", "target": [{ "reference": "Condition/c" }] });
    for labels in [[None, Some("PSY")], [Some("PSY"), None]] {
        for updated in
            [["", ""], ["2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"], ["2025-01-01", "2024-01-01"]]
        {
            let [one, two] = [1, 2]
                .map(|number| version(number, updated[number as usize - 1], labels[number as usize - 1]));
            let lake = record(&[one, about.clone(), two]);
            let (found, ledger) = by_form(lake.path()).await;
            let found: Vec<_> = found.iter().map(reference).collect();
            assert_eq!(found, ["Patient/ann"], "{labels:?} {updated:?}");
            assert_eq!(ledger["withheld"], json!({ "mentalHealth": 2 }), "the Condition and its Provenance");
            assert_eq!((&ledger["read"], &ledger["duplicates"]), (&json!(4), &json!(1)));
        }
    }
}

/// Other systems have ids that are not FHIR ids.
#[tokio::test]
async fn any_id_is_compared() {
    for id in [json!("a_b"), json!(5), json!("")] {
        for (label, expected) in [(Some("PSY"), 0), (None, 1)] {
            let mut both = [version(1, "", None), version(2, "", label)];
            for version in &mut both {
                version["id"] = id.clone();
            }
            let lake = record(&both);
            let (found, ledger) = by_form(lake.path()).await;
            assert_eq!(versions(&found), vec!["2"; expected], "{id}");
            assert_eq!(ledger["duplicates"], 1, "{id}");
        }
    }
}

#[tokio::test]
async fn a_token_gets_no_version_if_one_has_none_of_its_tags() {
    for labels in [["open", "restricted"], ["restricted", "open"]] {
        let [one, two] = [1, 2].map(|number| version(number, "", Some(labels[number as usize - 1])));
        let lake = record(&[one, two]);
        let path = "/fhir/Patient/$export?_type=Condition";
        let (found, ledger, _) = by_token(lake.path(), "system/*.rs access/open.read", path).await;
        assert_eq!(versions(&found), [""; 0], "{labels:?}");
        assert_eq!(ledger["leftOut"], json!({ "tag": 1, "type": 1 }), "{labels:?}");
        assert_eq!(ledger["duplicates"], 1, "{labels:?}");
        let (found, ..) = by_token(lake.path(), "system/*.rs", path).await;
        assert_eq!(versions(&found), ["2"], "{labels:?}");
    }
}

#[tokio::test]
async fn the_most_recent_version_is_exported_whatever_its_place_and_its_spelling() {
    let at = |year: u32| format!("{year}-01-01T00:00:00Z");
    let spelled = |number: u32, updated: &str| {
        let line = version(number, updated, None).to_string();
        line.replace("\"Condition\"", "\"\\u0043ondition\"")
            .replace("\"id\":\"c\"", "\"\\u0069d\":\"\\u0063\"")
    };
    let plain = |number: u32, updated: &str| version(number, updated, None).to_string();
    for (first, last, expected) in [
        ([plain(1, &at(2024)), plain(2, &at(2025))], spelled(3, &at(2023)), "2"),
        ([plain(1, &at(2024)), spelled(2, &at(2024))], plain(3, &at(2024)), "3"),
        ([plain(1, &at(2024)), plain(2, "")], spelled(3, ""), "1"),
        ([plain(1, ""), plain(2, "")], spelled(3, ""), "3"),
        ([spelled(1, "2025-01-01T00:00:00+01:00"), plain(2, &at(2025))], plain(3, "2024"), "2"),
    ] {
        let lake = record(&[]);
        let directory = lake.path().join("Patient/ann");
        std::fs::write(directory.join("a.ndjson"), first.join("\n")).expect("written");
        let mut compressed = GzEncoder::new(Vec::new(), Compression::fast());
        compressed.write_all(last.as_bytes()).expect("compressed");
        std::fs::write(directory.join("b.ndjson.gz"), compressed.finish().expect("compressed"))
            .expect("written");
        // Another patient of the same chunk has a resource with the same key.
        std::fs::create_dir(lake.path().join("Patient/bob")).expect("a directory");
        std::fs::write(lake.path().join("Patient/bob/a.ndjson"), plain(9, &at(2025))).expect("written");
        for query in ["", "&organizeOutputBy=Patient", "&_elements=code"] {
            let path = format!("/fhir/Patient/$export?_type=Condition,Patient{query}");
            let (found, ledger, _) = by_token(lake.path(), "system/*.rs", &path).await;
            assert_eq!(versions(&found), [expected, "9"], "{path}");
            assert_eq!((&ledger["read"], &ledger["duplicates"]), (&json!(5), &json!(2)), "{path}");
        }
        let (found, ledger) = by_form(lake.path()).await;
        assert_eq!(versions(&found), [expected]);
        assert_eq!(ledger["duplicates"], 2);
    }
}

#[tokio::test]
async fn a_version_after_the_deletion_is_the_resource_again() {
    for (years, deleted, exported) in
        [([2021, 2024], 2022, Some("2")), ([2021, 2023], 2024, None), ([2024, 2021], 2022, Some("1"))]
    {
        let [one, two] =
            [1, 2].map(|number| version(number, &format!("{}-01-01", years[number as usize - 1]), None));
        let lake = record(&[one, two]);
        let line = json!({ "resourceType": "Condition", "id": "c", "patient": "ann", "deleted": format!("{deleted}-06-01") });
        std::fs::create_dir(lake.path().join("deleted")).expect("a directory");
        std::fs::write(lake.path().join("deleted/all.ndjson"), line.to_string()).expect("written");
        let path = "/fhir/Patient/$export?_type=Condition&_since=2020-01-01T00:00:00Z";
        let (found, ledger, listed) = by_token(lake.path(), "system/*.rs", path).await;
        assert_eq!(versions(&found), exported.into_iter().collect::<Vec<_>>(), "{years:?}");
        assert_eq!(listed.is_empty(), exported.is_some(), "{years:?}");
        assert_eq!(ledger["duplicates"], 1, "{years:?}");
    }
}

/// Each version of a DocumentReference has its own document.
#[tokio::test]
async fn documents_of_earlier_versions_are_not_exported() {
    let document = |number: u32, label: &str| {
        json!({ "resourceType": "DocumentReference", "id": "d", "status": "current",
            "meta": { "security": [{ "code": label }] }, "content": [{ "attachment": { "url": format!("Binary/b{number}") } }] })
    };
    let binary = |number: u32, data: &str| json!({ "resourceType": "Binary", "id": format!("b{number}"), "contentType": "text/plain", "data": data });
    for (labels, written) in [(["N", "N"], 1), (["N", "PSY"], 0), (["PSY", "N"], 0)] {
        let [one, two] = [1, 2].map(|number| document(number, labels[number as usize - 1]));
        // The first Binary has two versions.
        let lake = record(&[one, binary(1, "YQ=="), two, binary(2, "Yg=="), binary(1, "Yw==")]);
        let (found, ledger) = by_form(lake.path()).await;
        let references = found.iter().filter(|resource| resource["resourceType"] == "DocumentReference");
        assert_eq!(references.count(), written, "{labels:?}");
        assert_eq!(
            (&ledger["attachments"], &ledger["duplicates"], &ledger["read"]),
            (&json!(written), &json!(2), &json!(6)),
            "{labels:?}"
        );
    }
}

/// The files of the first attempt are removed, and those of the second one are listed once.
#[tokio::test]
async fn a_chunk_that_is_collected_again_survives_a_crash_at_every_call() {
    let resources =
        [json!({ "resourceType": "Patient", "id": ANNA }), version(1, "", None), version(2, "", None)];
    let lake = lake(&resources.map(|resource| of_patient(ANNA, resource)));
    let begun = async || {
        let world = World::with("sandbox = true", lake.path());
        let job = begin_everyone(&world).await;
        (world, job)
    };
    let check = async |world: &World, job: String, call: i64| {
        let found = world.resources(&world.token(ANNA).await, &job).await;
        assert_eq!((versions(&found), found.len()), (vec!["2".to_owned()], 2), "call {call}");
    };
    let crashes = at_every_call(begun, check).await;
    assert!(crashes > 15, "{crashes}");
}
