//! Documents of the record and the URLs of attachments: each URL can be fetched, or it is removed and reported.

use std::collections::BTreeSet;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Value, json};
use tests::{ANNA, BASE_URL, World, reference, text};

pub(crate) const SOMEBODY: &str = "somebody";

/// Returns a lake with one patient, these lines and these files.
pub(crate) fn lake(lines: &[Value], files: &[&str]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let patient = directory.path().join("Patient").join(SOMEBODY);
    std::fs::create_dir_all(patient.join("files")).expect("a directory");
    put(&patient.join("records.ndjson"), lines);
    for name in files {
        std::fs::write(patient.join("files").join(name), format!("file {name}")).expect("written");
    }
    directory
}

fn put(path: &Path, lines: &[Value]) {
    let lines: String = lines.iter().map(|line| line.to_string() + "\n").collect();
    std::fs::write(path, lines).expect("written");
}

fn binary(id: &str) -> Value {
    json!({ "resourceType": "Binary", "id": id, "contentType": "text/plain", "data": STANDARD.encode(format!("binary {id}")) })
}

/// Runs a complete EHI export of the patient; returns its resources, and the texts of its `error` files.
async fn exported(world: &World, token: &str) -> (Vec<Value>, Vec<String>) {
    let job = world.exported(token, SOMEBODY).await;
    let resources = world.resources(token, &job).await;
    let manifest = world.status(token, &job).await.json();
    let mut errors = Vec::new();
    for file in manifest["error"].as_array().expect("error") {
        for line in world.get(&text(&file["url"])).bearer(token).send().await.lines() {
            errors.push(text(&line["issue"][0]["diagnostics"]));
        }
    }
    (resources, errors)
}

fn named<'r>(resources: &'r [Value], name: &str) -> &'r Value {
    resources.iter().find(|resource| reference(resource) == name).unwrap_or_else(|| panic!("no {name}"))
}

#[tokio::test]
async fn every_url_of_an_attachment_can_be_fetched_or_is_removed_and_reported() {
    let urls = [
        ("Binary/b1", Some("binary b1")),
        ("./Binary/b1", Some("binary b1")),
        ("/fhir/Binary/b1", Some("binary b1")),
        ("Binary/b1/_history/1", Some("binary b1")),
        ("Binary/b%31?_format=text/plain#top", Some("binary b1")),
        ("http://localhost:8888/4_0_0/Binary/b1", Some("binary b1")),
        ("files/scan.txt", Some("file scan.txt")),
        ("scan.txt", Some("file scan.txt")),
        ("files/a%20b.txt", Some("file a b.txt")),
        ("files/50%25.txt", Some("file 50%25.txt")),
        ("Binary/none", None),
        ("files/none.txt", None),
        ("/fhir/Patient/somebody", None),
        ("notes/2024/x.pdf", None),
        ("urn:uuid:4d2c7e60-0000-4000-8000-000000000000", None),
        ("http://localhost:8888/jobs/abc/download/attachments/x.pdf", None),
        ("//other.example/Binary/b1", None),
    ];
    let attachment = |url: &str| json!({ "attachment": { "url": url, "title": url } });
    let elsewhere = "https://other.example/fhir/Binary/b1";
    let content: Vec<_> =
        urls.iter().map(|(url, _)| attachment(url)).chain([attachment(elsewhere)]).collect();
    let lines = [
        json!({ "resourceType": "DocumentReference", "id": "d", "status": "current", "content": content }),
        binary("b1"),
    ];
    let directory = lake(&lines, &["scan.txt", "a b.txt", "50%25.txt"]);
    let world = World::with("sandbox = true", directory.path());
    let token = world.token(SOMEBODY).await;
    let (resources, errors) = exported(&world, &token).await;
    assert_eq!(resources.len(), 1, "no file is described twice: {resources:#?}");
    let found = resources[0]["content"].as_array().expect("content");
    for (content, (url, expected)) in found.iter().zip(urls) {
        let attachment = &content["attachment"];
        let named = errors.iter().filter(|error| error.contains(&format!("'{url}'"))).count();
        let Some(expected) = expected else {
            assert_eq!(attachment["url"], Value::Null, "{url}");
            assert_eq!(attachment["_url"]["extension"][0]["valueCode"], "unknown", "{url}");
            assert_eq!(named, 1, "{url}: {errors:?}");
            continue;
        };
        assert_eq!(named, 0, "{url}");
        let served = text(&attachment["url"]);
        assert!(served.starts_with(&format!("{BASE_URL}/jobs/")), "{url}: {served}");
        let file = world.get(&served).bearer(&token).send().await;
        assert_eq!((file.status, file.text().as_str()), (StatusCode::OK, expected), "{url}");
    }
    assert_eq!(found[urls.len()]["attachment"]["url"], elsewhere, "URLs of other servers are unchanged");
    assert_eq!(errors.len(), 7, "{errors:?}");
}

/// On Windows and macOS two files whose names differ only in their case would be one after the ZIP is unpacked.
#[tokio::test]
async fn names_of_documents_differ_in_more_than_their_case() {
    let content: Vec<_> =
        ["Scan", "scan", "SCAN"].map(|id| json!({ "attachment": { "url": format!("Binary/{id}") } })).into();
    let lines = [
        json!({ "resourceType": "DocumentReference", "id": "d", "status": "current", "content": content }),
        binary("Scan"),
        binary("scan"),
        binary("SCAN"),
    ];
    let directory = lake(&lines, &[]);
    let world = World::with("sandbox = true", directory.path());
    let token = world.token(SOMEBODY).await;
    let (resources, errors) = exported(&world, &token).await;
    assert_eq!(errors, Vec::<String>::new());
    let mut names = BTreeSet::new();
    let served = named(&resources, "DocumentReference/d")["content"].as_array().expect("content").clone();
    for (content, id) in served.iter().zip(["Scan", "scan", "SCAN"]) {
        let url = text(&content["attachment"]["url"]);
        assert_eq!(world.get(&url).bearer(&token).send().await.text(), format!("binary {id}"), "{url}");
        names.insert(url.to_lowercase());
    }
    assert_eq!(names.len(), 3, "{names:?}");
}

#[tokio::test]
async fn attachments_of_all_types_are_served() {
    let url = || json!({ "url": "files/scan.txt" });
    let subject = json!({ "reference": "Patient/somebody" });
    let lines = [
        json!({ "resourceType": "Patient", "id": SOMEBODY, "photo": [url(), { "url": "photos/none.png" }] }),
        json!({ "resourceType": "Media", "id": "m", "subject": subject, "content": url() }),
        json!({ "resourceType": "DiagnosticReport", "id": "r", "subject": subject, "presentedForm": [url()] }),
        json!({ "resourceType": "Consent", "id": "c", "patient": subject, "sourceAttachment": url() }),
        json!({ "resourceType": "Communication", "id": "k", "subject": subject, "payload": [{ "contentAttachment": url() }] }),
        json!({ "resourceType": "Claim", "id": "l", "patient": subject, "supportingInfo": [{ "valueAttachment": url() }] }),
        json!({ "resourceType": "QuestionnaireResponse", "id": "q", "subject": subject,
            "item": [{ "answer": [{ "valueAttachment": url() }] }] }),
        json!({ "resourceType": "ExplanationOfBenefit", "id": "e", "patient": subject, "form": url() }),
        json!({ "resourceType": "ClaimResponse", "id": "s", "patient": subject, "form": url() }),
        json!({ "resourceType": "Task", "id": "t", "for": subject, "output": [{ "valueAttachment": url() }] }),
        json!({ "resourceType": "Observation", "id": "o", "subject": subject,
            "contained": [{ "resourceType": "DocumentReference", "id": "i", "content": [{ "attachment": url() }] }] }),
    ];
    let directory = lake(&lines, &["scan.txt"]);
    let world = World::with("sandbox = true", directory.path());
    let token = world.token(SOMEBODY).await;
    let (resources, errors) = exported(&world, &token).await;
    let at = |name: &str, path: &str| named(&resources, name).pointer(path).cloned().unwrap_or_default();
    for (name, path) in [
        ("Patient/somebody", "/photo/0/url"),
        ("Media/m", "/content/url"),
        ("DiagnosticReport/r", "/presentedForm/0/url"),
        ("Consent/c", "/sourceAttachment/url"),
        ("Communication/k", "/payload/0/contentAttachment/url"),
        ("Claim/l", "/supportingInfo/0/valueAttachment/url"),
        ("QuestionnaireResponse/q", "/item/0/answer/0/valueAttachment/url"),
        ("ExplanationOfBenefit/e", "/form/url"),
        ("ClaimResponse/s", "/form/url"),
        ("Task/t", "/output/0/valueAttachment/url"),
        ("Observation/o", "/contained/0/content/0/attachment/url"),
    ] {
        let served = text(&at(name, path));
        assert_eq!(world.get(&served).bearer(&token).send().await.text(), "file scan.txt", "{name}");
    }
    assert_eq!(at("Patient/somebody", "/photo/1/url"), Value::Null);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("photos/none.png"), "{errors:?}");
    assert_eq!(resources.len(), lines.len(), "the file is described");
}

#[tokio::test]
async fn resources_of_shared_have_no_url_that_the_server_cannot_serve() -> tests::Result {
    let photo = |id: &str| json!({ "resourceType": "Practitioner", "id": id, "photo": [{ "url": "Binary/none" }, { "url": "https://example.org/p.png" }] });
    let lines = [
        json!({ "resourceType": "Patient", "id": SOMEBODY, "generalPractitioner": [{ "reference": "Practitioner/p" }] }),
    ];
    let directory = lake(&lines, &[]);
    std::fs::create_dir(directory.path().join("shared"))?;
    put(&directory.path().join("shared/all.ndjson"), &[photo("p")]);
    let world = World::with("sandbox = true", directory.path());
    let token = world.service("service", "system/*.rs").await;
    for path in ["/fhir/$export", "/fhir/Patient/$export"] {
        let started = world.get(path).bearer(&token).send().await;
        world.work().await;
        let manifest = world.get(started.header("content-location")).bearer(&token).send().await.json();
        let lines = async |list: &str, resource_type: &str| {
            let files = manifest[list].as_array().expect("a list");
            let file = files.iter().find(|file| file["type"] == resource_type).expect("one");
            world.get(&text(&file["url"])).bearer(&token).send().await.lines()
        };
        let practitioner = &lines("output", "Practitioner").await[0];
        assert_eq!(practitioner["photo"][0]["url"], Value::Null, "{path}");
        assert_eq!(practitioner["photo"][1]["url"], "https://example.org/p.png", "{path}");
        let problem = text(&lines("error", "OperationOutcome").await[0]["issue"][0]["diagnostics"]);
        assert!(problem.contains("Practitioner/p") && problem.contains("Binary/none"), "{problem}");
    }
    Ok(())
}

/// Returns the resources of an export of these lines, with medical records and other documents chosen and no sensitive topic authorized.
async fn chosen(lines: &[Value]) -> Vec<Value> {
    let directory = lake(lines, &[]);
    let world = World::with("sandbox = true", directory.path());
    let token = world.token(SOMEBODY).await;
    let job = world.kick_off(&token, "/auto-approve", SOMEBODY).await;
    let choices =
        json!({ "parameters": { "other": { "enabled": true }, "medicalRecord": { "enabled": true } } });
    world.post(&job).bearer(&token).json(&choices).send().await;
    world.work().await;
    world.resources(&token, &job).await
}

/// The patient has chosen the medical record, and not the bills: their printed forms stay too, as does what is attached to a withheld
/// resource.
#[tokio::test]
async fn a_document_of_a_resource_that_is_left_out_is_not_exported_as_one_that_nothing_describes() {
    let attachment = |id: &str| json!({ "url": format!("Binary/{id}") });
    let security = json!({ "security": [{ "code": "PSY" }] });
    let lines = [
        json!({ "resourceType": "ExplanationOfBenefit", "id": "e", "form": attachment("bill") }),
        json!({ "resourceType": "ClaimResponse", "id": "c", "meta": security, "form": attachment("answer") }),
        json!({ "resourceType": "Task", "id": "t", "meta": security, "input": [{ "valueAttachment": attachment("task") }] }),
        json!({ "resourceType": "Observation", "id": "o", "meta": security,
            "extension": [{ "url": "http://example.org/scan", "valueAttachment": attachment("scan") }] }),
        json!({ "resourceType": "Observation", "id": "p", "meta": security,
            "contained": [{ "resourceType": "DocumentReference", "content": [{ "attachment": attachment("inside") }] }] }),
        binary("bill"),
        binary("answer"),
        binary("task"),
        binary("scan"),
        binary("inside"),
    ];
    assert_eq!(chosen(&lines).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_withheld_document_leaves_no_url_and_is_marked_as_masked() {
    let lines = [
        json!({ "resourceType": "DocumentReference", "id": "open", "content": [{ "attachment": { "url": "Binary/b" } }] }),
        json!({ "resourceType": "DocumentReference", "id": "closed", "meta": { "security": [{ "code": "PSY" }] },
            "content": [{ "attachment": { "url": "https://ehr.example/fhir/Binary/b" } }] }),
        binary("b"),
    ];
    let resources = chosen(&lines).await;
    let names: Vec<_> = resources.iter().map(reference).collect();
    assert_eq!(names, ["DocumentReference/open"], "the Binary is not described either");
    let attachment = &resources[0]["content"][0]["attachment"];
    assert_eq!(attachment["url"], Value::Null);
    assert_eq!(attachment["_url"]["extension"][0]["valueCode"], "masked");
}

#[tokio::test]
async fn a_binary_with_a_security_context_is_exported_only_with_a_resource_that_refers_to_it() -> tests::Result
{
    let under = |id: &str, context: &str| {
        let mut binary = binary(id);
        binary["securityContext"] = json!({ "reference": context });
        binary
    };
    let lines = [
        json!({ "resourceType": "Observation", "id": "closed", "meta": { "security": [{ "code": "HIV" }] } }),
        json!({ "resourceType": "DocumentReference", "id": "open", "content": [{ "attachment": { "url": "Binary/told" } }] }),
        under("alone", "Observation/closed"),
        under("told", "DocumentReference/open"),
        under("own", &format!("Patient/{SOMEBODY}")),
    ];
    let resources = chosen(&lines).await;
    let shown = serde_json::to_string(&resources)?;
    assert!(shown.contains("told.") && shown.contains("own."), "{shown}");
    assert!(!shown.contains("alone."), "{shown}");
    Ok(())
}

#[tokio::test]
async fn a_sensitive_resource_withholds_its_documents_even_if_it_was_not_chosen() {
    let sensitive = |resource_type: &str, id: &str| {
        json!({ "resourceType": resource_type, "id": id, "meta": { "security": [{ "code": "HIV" }] },
            "category": [{ "coding": [{ "code": "laboratory" }] }], "presentedForm": [{ "url": "Binary/form" }] })
    };
    let mut under = binary("under");
    under["securityContext"] = json!({ "reference": "Observation/o/_history/2" });
    let content =
        json!([{ "attachment": { "url": "Binary/under" } }, { "attachment": { "url": "Binary/form" } }]);
    let lines = [
        json!({ "resourceType": "DocumentReference", "id": "open", "content": content }),
        sensitive("Observation", "o"),
        sensitive("DiagnosticReport", "r"),
        under,
        binary("form"),
    ];
    let resources = chosen(&lines).await;
    let names: Vec<_> = resources.iter().map(reference).collect();
    assert_eq!(names, ["DocumentReference/open"]);
    for content in resources[0]["content"].as_array().expect("content") {
        assert_eq!(content["attachment"]["url"], Value::Null);
        assert_eq!(content["attachment"]["_url"]["extension"][0]["valueCode"], "masked");
    }
}

#[tokio::test]
async fn a_client_that_follows_tagged_documents_only_finds_all_of_them() {
    let world = World::new();
    let token = text(&world.tokens("other-app", ANNA).await["access_token"]);
    let job = world.exported(&token, ANNA).await;
    let resources = world.resources(&token, &job).await;
    // The URLs in all resources.
    let linked = |resource: &Value| -> BTreeSet<String> {
        let attachments = match &resource["content"] {
            Value::Array(contents) => contents.iter().map(|content| content["attachment"].clone()).collect(),
            content => vec![content.clone()],
        };
        attachments.iter().filter_map(|attachment| attachment["url"].as_str().map(str::to_owned)).collect()
    };
    let all: BTreeSet<_> = resources.iter().flat_map(linked).collect();
    assert_eq!(all.len(), 8, "{all:#?}");
    // This client follows tagged DocumentReferences, and takes each attachment by its title.
    let is_followed = |resource: &&Value| {
        let tags = resource["meta"]["tag"].as_array();
        resource["resourceType"] == "DocumentReference"
            && tags.is_some_and(|tags| tags.iter().any(|tag| tag["code"] == "ehi-export"))
    };
    let followed: Vec<_> = resources.iter().filter(is_followed).collect();
    let found: BTreeSet<_> = followed.iter().flat_map(|resource| linked(resource)).collect();
    assert_eq!(found, all);
    for resource in followed {
        for content in resource["content"].as_array().expect("content") {
            assert!(!text(&content["attachment"]["title"]).is_empty(), "{content}");
        }
    }
    // Other clients get the DocumentReferences unchanged.
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    let resources = world.resources(&token, &job).await;
    assert_eq!(resources.iter().filter(is_followed).count(), 1, "the server's own");
}

#[tokio::test]
async fn document_references_of_the_server_have_the_elements_that_us_core_requires() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    let resources = world.resources(&token, &job).await;
    let ours =
        resources.iter().find(|resource| text(&resource["id"]).starts_with("documents-")).expect("ours");
    assert_eq!(ours["type"]["coding"][0]["code"], "UNK");
    assert_eq!(ours["type"]["coding"][0]["system"], "http://terminology.hl7.org/CodeSystem/v3-NullFlavor");
    assert_eq!(ours["category"][0]["coding"][0]["code"], "clinical-note");
    assert_eq!(ours["subject"]["reference"], format!("Patient/{ANNA}"));
    assert!(ours["date"].is_string() && ours["status"] == "current");
}

#[tokio::test]
async fn a_wrong_size_or_hash_of_a_document_is_corrected_and_reported() {
    let right = STANDARD
        .encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, b"file a.txt"));
    let document = |id: &str, attachment: Value| json!({ "resourceType": "DocumentReference", "id": id, "content": [{ "attachment": attachment }] });
    let lines = [
        document("wrong", json!({ "hash": "AAAA", "url": "files/a.txt", "size": 99 })),
        document("right", json!({ "size": 10, "hash": right, "url": "files/a.txt", "title": "t" })),
        document("half", json!({ "size": "10", "url": "files/a.txt" })),
    ];
    let lake = lake(&lines, &["a.txt"]);
    let world = World::with("sandbox = true", lake.path());
    let token = world.token(SOMEBODY).await;
    let (resources, errors) = exported(&world, &token).await;
    for id in ["wrong", "right", "half"] {
        let attachment = &named(&resources, &format!("DocumentReference/{id}"))["content"][0]["attachment"];
        assert_eq!((&attachment["size"], &attachment["hash"]), (&json!(10), &json!(right)), "{id}");
        assert_eq!(world.get(&text(&attachment["url"])).bearer(&token).send().await.text(), "file a.txt");
    }
    let of = |id: &str| {
        errors.iter().filter(|error| error.contains(&format!("DocumentReference/{id} states"))).count()
    };
    assert_eq!((of("wrong"), of("right"), of("half"), errors.len()), (1, 0, 1, 2), "{errors:?}");
}
