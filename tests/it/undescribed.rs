//! Documents that no resource of the record refers to, in bulk exports: each is exported or counted with a reason.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tests::{World, text};

const PATIENT: &str = "somebody";

/// Returns a lake with one patient, a group of that patient, these lines and two files.
fn lake(lines: &[Value]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    for name in [&format!("Patient/{PATIENT}/files"), "Group"] {
        std::fs::create_dir_all(root.join(name)).expect("a directory");
    }
    let patient = json!({ "resourceType": "Patient", "id": PATIENT, "meta": { "lastUpdated": "2020-01-01T00:00:00Z" } });
    let lines: String = std::iter::once(&patient).chain(lines).map(|line| line.to_string() + "\n").collect();
    std::fs::write(root.join(format!("Patient/{PATIENT}/records.ndjson")), lines).expect("written");
    for name in ["scan.txt", "photo.txt"] {
        std::fs::write(root.join(format!("Patient/{PATIENT}/files/{name}")), name).expect("written");
    }
    let member = json!([{ "entity": { "reference": format!("Patient/{PATIENT}") }, "period": { "start": "2095-01-01" } }]);
    let group =
        json!({ "resourceType": "Group", "id": "g", "type": "person", "actual": true, "member": member });
    std::fs::write(root.join("Group/g.json"), group.to_string()).expect("written");
    directory
}

fn binary(id: &str, meta: &Value) -> Value {
    let data = STANDARD.encode(format!("binary {id}"));
    json!({ "resourceType": "Binary", "id": id, "meta": meta, "contentType": "text/plain", "data": data })
}

/// Returns the contents of all attachments of an export, sorted, and its ledger.
async fn exported(world: &World, scopes: &str, path: &str) -> (Vec<String>, Value) {
    let token = world.service("service", scopes).await;
    let kicked_off = world.get(path).bearer(&token).send().await;
    assert_eq!(kicked_off.status, StatusCode::ACCEPTED, "{}", kicked_off.text());
    world.work().await;
    let manifest = world.get(kicked_off.header("content-location")).bearer(&token).send().await.json();
    let mut found = Vec::new();
    for file in manifest["output"].as_array().expect("output") {
        for line in world.get(&text(&file["url"])).bearer(&token).send().await.lines() {
            for content in line["content"].as_array().into_iter().flatten() {
                // An attachment that the client must not get has no URL.
                let Some(url) = content["attachment"]["url"].as_str() else { continue };
                found.push(world.get(url).bearer(&token).send().await.text());
            }
        }
    }
    found.sort();
    (found, manifest["extension"]["ledger"].clone())
}

#[tokio::test]
async fn since_exports_all_documents_if_one_changed() {
    let old = json!({ "lastUpdated": "2020-01-01T00:00:00Z" });
    let all = ["binary old", "photo.txt", "scan.txt"];
    let lake = lake(&[binary("old", &old)]);
    let world = World::with("sandbox = true", lake.path());
    // The files were written just now, so they are newer than `_since`.
    for path in ["/fhir/Patient/$export", "/fhir/Patient/$export?_since=2021-01-01T00:00:00Z"] {
        let (found, ledger) = exported(&world, "system/*.rs", path).await;
        assert_eq!(found, all, "{path}");
        assert_eq!((&ledger["documents"]["found"], &ledger["documents"]["written"]), (&json!(2), &json!(2)));
    }
    let later = "/fhir/Patient/$export?_since=2090-01-01T00:00:00Z";
    let (found, ledger) = exported(&world, "system/*.rs", later).await;
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(ledger["documents"]["leftOut"], json!({ "since": 2 }));
    assert_eq!(ledger["resources"]["leftOut"], json!({ "since": 2 }), "the Binary and the Patient");
    // If a Binary changed since then, or has no time, the other documents are exported too.
    for meta in [json!({ "lastUpdated": "2091-01-01T00:00:00Z" }), json!({})] {
        let lake = self::lake(&[binary("new", &meta)]);
        let world = World::with("sandbox = true", lake.path());
        let (found, _) = exported(&world, "system/*.rs", later).await;
        assert_eq!(found, ["binary new", "photo.txt", "scan.txt"], "{meta}");
    }
}

#[tokio::test]
async fn new_members_of_a_group_have_their_documents() {
    let lake = lake(&[]);
    let world = World::with("sandbox = true", lake.path());
    // The clock moves to the year 2096.
    world.clock().advance(SignedDuration::from_hours(24 * 366 * 70));
    for (since, count) in [("2094-01-01T00:00:00Z", 2), ("2095-06-01T00:00:00Z", 0)] {
        let path = format!("/fhir/Group/g/$export?_since={since}");
        let (found, _) = exported(&world, "system/*.rs", &path).await;
        assert_eq!(found.len(), count, "{since}");
    }
}

#[tokio::test]
async fn left_out_documents_are_counted_by_reason() {
    let lake = lake(&[]);
    let world = World::with("sandbox = true", lake.path());
    let export = "/fhir/Patient/$export";
    for (scopes, query, reason) in [
        ("system/*.rs", "?_type=Patient", "type"),
        ("system/*.rs", "?_typeFilter=DocumentReference%3Fstatus%3Dcurrent", "filter"),
        ("system/*.rs", "?_until=2021-01-01T00:00:00Z", "until"),
        ("system/*.rs access/open.read", "", "tag"),
        ("system/Patient.rs system/DocumentReference.rs?status=current", "", "scope"),
    ] {
        let (found, ledger) = exported(&world, scopes, &format!("{export}{query}")).await;
        assert!(found.is_empty(), "{query}: {found:?}");
        assert_eq!(ledger["documents"]["leftOut"], json!({ reason: 2 }), "{scopes} {query}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_a_problem() -> tests::Result {
    let lake = lake(&[]);
    std::fs::create_dir(lake.path().join(format!("Patient/{PATIENT}/files/more")))?;
    let world = World::with("sandbox = true", lake.path());
    let (found, ledger) = exported(&world, "system/*.rs", "/fhir/Patient/$export").await;
    assert_eq!(found, ["photo.txt", "scan.txt"]);
    let documents = json!({ "found": 3, "written": 2, "leftOut": {}, "withheld": {}, "problems": 1 });
    assert_eq!(ledger["documents"], documents);
    assert_eq!(ledger["patients"]["failed"], 1, "not all of the record could be read");
    Ok(())
}

#[tokio::test]
async fn a_binary_is_exported_only_if_its_security_context_is() -> tests::Result {
    let open = json!({ "security": [{ "code": "open" }] });
    let under = |id: &str, context: &str| {
        let mut binary = binary(id, &open);
        binary["securityContext"] = json!({ "reference": context });
        binary
    };
    let document = |id: &str| {
        let attachment = json!({ "url": format!("Binary/{id}") });
        json!({ "resourceType": "DocumentReference", "id": format!("of-{id}"), "meta": open, "content": [{ "attachment": attachment }] })
    };
    let lines = [
        document("free"),
        document("bound"),
        under("free", "Observation/shown"),
        under("bound", "Observation/closed"),
        json!({ "resourceType": "Observation", "id": "closed" }),
        json!({ "resourceType": "Observation", "id": "shown", "meta": open }),
    ];
    let lake = lake(&lines);
    std::fs::create_dir(lake.path().join("shared"))?;
    let shared = under("elsewhere", &format!("Patient/{PATIENT}"));
    std::fs::write(lake.path().join("shared/all.ndjson"), shared.to_string())?;
    let world = World::with("sandbox = true", lake.path());
    let (found, ledger) = exported(&world, "system/*.rs access/open.read", "/fhir/$export").await;
    assert_eq!(found, ["binary free"]);
    // These four are left out by their tags: the Patient, the Observation, the Group, and the Binary of `shared/`, whose access follows the
    // Patient.
    assert_eq!(ledger["resources"]["leftOut"], json!({ "tag": 4, "document": 1 }));
    Ok(())
}

/// Returns the exported documents of a record with a Binary whose security context is an Observation from 2022 that the token does not
/// cover.
async fn under_refused(context: &str, scopes: &str, query: &str) -> Vec<String> {
    let open = json!({ "security": [{ "code": "open" }] });
    let mut bound = binary("bound", &open);
    bound["securityContext"] = json!({ "reference": context });
    let content =
        json!([{ "attachment": { "url": "Binary/bound" } }, { "attachment": { "url": "scan.txt" } }]);
    let lines = [
        json!({ "resourceType": "DocumentReference", "id": "d", "meta": open, "content": content }),
        bound,
        json!({ "resourceType": "Observation", "id": "closed", "status": "amended", "meta": { "lastUpdated": "2022-01-01T00:00:00Z" } }),
    ];
    let lake = lake(&lines);
    std::fs::remove_file(lake.path().join(format!("Patient/{PATIENT}/files/photo.txt"))).expect("removed");
    let world = World::with("sandbox = true", lake.path());
    exported(&world, scopes, &format!("/fhir/Patient/$export{query}")).await.0
}

#[tokio::test]
async fn no_spelling_and_no_parameter_bypasses_the_security_context_of_a_binary() {
    let tagged = "system/*.rs access/open.read";
    for context in [
        "Observation/closed",
        "Observation/closed/_history/3",
        "./Observation/closed",
        "http://localhost:8888/fhir/Observation/closed",
        "https://other.example/fhir/Observation/closed/_history/3",
    ] {
        assert_eq!(under_refused(context, tagged, "").await, ["scan.txt"], "{context}");
    }
    let constrained = "system/DocumentReference.rs system/Binary.rs system/Observation.rs?status=final";
    for scopes in [tagged, constrained] {
        for query in
            ["?_type=DocumentReference", "?_until=2021-01-01T00:00:00Z", "?_since=2023-01-01T00:00:00Z"]
        {
            let found = under_refused("Observation/closed", scopes, query).await;
            assert_eq!(found, ["scan.txt"], "{scopes} {query}");
        }
    }
}

#[tokio::test]
async fn documents_of_a_deleted_resource_are_not_exported_as_undescribed_documents() -> tests::Result {
    let content =
        json!([{ "attachment": { "url": "Binary/gone" } }, { "attachment": { "url": "scan.txt" } }]);
    let document = json!({ "resourceType": "DocumentReference", "id": "d", "meta": { "lastUpdated": "2020-06-01T00:00:00Z" }, "content": content });
    let lake = lake(&[document, binary("gone", &json!({}))]);
    std::fs::create_dir(lake.path().join("deleted"))?;
    let deleted = json!({ "resourceType": "DocumentReference", "id": "d", "patient": PATIENT, "deleted": "2022-01-01T00:00:00Z" });
    std::fs::write(lake.path().join("deleted/all.ndjson"), deleted.to_string())?;
    let world = World::with("sandbox = true", lake.path());
    let (found, ledger) =
        exported(&world, "system/*.rs", "/fhir/Patient/$export?_since=2021-01-01T00:00:00Z").await;
    assert_eq!(found, ["photo.txt"]);
    assert_eq!(ledger["resources"]["leftOut"], json!({ "since": 1, "deleted": 1, "document": 1 }));
    assert_eq!(ledger["documents"]["leftOut"], json!({ "document": 1 }));
    Ok(())
}

#[tokio::test]
async fn a_binary_whose_security_context_has_a_type_that_the_token_does_not_cover_is_withheld() {
    let mut bound = binary("bound", &json!({}));
    bound["securityContext"] = json!({ "reference": "Observation/closed" });
    let content = json!([{ "attachment": { "url": "Binary/bound" } }]);
    let document = json!({ "resourceType": "DocumentReference", "id": "d", "content": content });
    let closed = json!({ "resourceType": "Observation", "id": "closed" });
    // The result is the same if the Observation is not in the record: the token is not known to cover it.
    for lines in [vec![bound.clone(), document.clone(), closed], vec![document, bound]] {
        let lake = lake(&lines);
        let world = World::with("sandbox = true", lake.path());
        let some = "system/Patient.rs system/DocumentReference.rs system/Binary.rs";
        let (found, ledger) = exported(&world, some, "/fhir/Patient/$export").await;
        assert_eq!(found, ["photo.txt", "scan.txt"]);
        assert_eq!(ledger["resources"]["leftOut"]["document"], 1);
        let (found, _) =
            exported(&world, "system/*.rs", "/fhir/Patient/$export?_type=DocumentReference").await;
        assert_eq!(found, ["binary bound", "photo.txt", "scan.txt"], "an unrequested type is not refused");
    }
}

#[tokio::test]
async fn a_changed_file_is_exported_with_its_document_reference() {
    let content = json!([{ "attachment": { "url": "files/scan.txt" } }]);
    let meta = json!({ "lastUpdated": "2020-01-01T00:00:00Z" });
    let document =
        json!({ "resourceType": "DocumentReference", "id": "d", "meta": meta, "content": content });
    let lake = lake(&[document]);
    let world = World::with("sandbox = true", lake.path());
    // The file is newer than `_since`, and its DocumentReference is older.
    for (since, count) in [("2021-01-01T00:00:00Z", 2), ("2090-01-01T00:00:00Z", 0)] {
        let path = format!("/fhir/Patient/$export?_since={since}&_type=DocumentReference");
        let (found, ledger) = exported(&world, "system/*.rs", &path).await;
        assert_eq!(found.len(), count, "{since}: {found:?}");
        assert_eq!(ledger["documents"]["written"], count);
    }
}

#[tokio::test]
async fn a_document_whose_url_elements_removes_is_left_out() {
    let form = json!([{ "url": "files/photo.txt" }]);
    let report =
        json!({ "resourceType": "DiagnosticReport", "id": "r", "status": "final", "presentedForm": form });
    let lake = lake(&[report]);
    let world = World::with("sandbox = true", lake.path());
    let path = "/fhir/Patient/$export?_elements=DiagnosticReport.status";
    let (found, ledger) = exported(&world, "system/*.rs", path).await;
    assert_eq!(found, ["scan.txt"]);
    let documents =
        json!({ "found": 2, "written": 1, "leftOut": { "document": 1 }, "withheld": {}, "problems": 0 });
    assert_eq!(ledger["documents"], documents);
}
