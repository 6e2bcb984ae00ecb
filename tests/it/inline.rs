//! Attachments inside the resources, for clients that are registered for it (at most 100 bytes in the World).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use settings::Settings;
use tests::packs::attachments_in_packs;
use tests::{World, reference, text};

const SOMEBODY: &str = "somebody";

/// Returns a lake with one patient, these lines, and files of these sizes.
fn lake(lines: &[Value], files: &[(&str, usize)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let patient = directory.path().join("Patient").join(SOMEBODY);
    std::fs::create_dir_all(patient.join("files")).expect("a directory");
    let lines: String = lines.iter().map(|line| line.to_string() + "\n").collect();
    std::fs::write(patient.join("records.ndjson"), lines).expect("written");
    for (name, size) in files {
        std::fs::write(patient.join("files").join(name), vec![b'f'; *size]).expect("written");
    }
    directory
}

fn binary(id: &str, size: usize) -> Value {
    json!({ "resourceType": "Binary", "id": id, "contentType": "text/plain", "data": STANDARD.encode(vec![b'b'; size]) })
}

fn record() -> (Vec<Value>, Vec<(&'static str, usize)>) {
    let attachment = |attachment: Value| json!({ "attachment": attachment });
    let content = [
        attachment(
            json!({ "contentType": "a/b", "url": "Binary/small", "title": "own", "size": 100, "hash": "own" }),
        ),
        attachment(json!({ "url": "Binary/large" })),
        attachment(json!({ "url": "https://other.example/x.pdf" })),
        attachment(json!({ "url": "Binary/beside", "data": "aGk=" })),
    ];
    let lines = vec![
        json!({ "resourceType": "Patient", "id": SOMEBODY, "photo": [{ "url": "files/photo.png" }] }),
        json!({ "resourceType": "DocumentReference", "id": "d", "status": "current",
            "subject": { "reference": "Patient/somebody" }, "content": content }),
        binary("small", 100),
        binary("large", 101),
        binary("beside", 5),
    ];
    (lines, vec![("photo.png", 7), ("alone.txt", 99), ("large.txt", 5000)])
}

fn named<'r>(resources: &'r [Value], name: &str) -> &'r Value {
    resources.iter().find(|resource| reference(resource) == name).unwrap_or_else(|| panic!("no {name}"))
}

fn decoded(attachment: &Value) -> Vec<u8> {
    assert!(attachment["url"].is_null(), "{attachment}");
    STANDARD.decode(text(&attachment["data"])).expect("base64")
}

/// Returns the number of a job's attachments in the store: in packs, and as objects of their own.
async fn stored(world: &World, job: &str) -> usize {
    let prefix = format!("exports/{}/", job.rsplit('/').next().expect("an id"));
    let mut found = attachments_in_packs(world.platform(), job).await.len();
    let files = world.platform().files();
    for attempt in files.list(&prefix).await.expect("a list") {
        if attempt.ends_with('/') {
            let attachments = format!("{prefix}{attempt}attachments/");
            found += files.list(&attachments).await.expect("a list").len();
        }
    }
    found
}

/// Returns the path of a job from the URL of its status.
fn job_of(status: &str) -> String {
    let path = status.strip_suffix("/status").expect("a status");
    path[path.find("/jobs/").expect("a job")..].to_owned()
}

/// Checks which attachments of an export of [`record`] are inside, and that the others have URLs that work until the job is deleted.
async fn small_ones_are_inside(world: &World, token: &str, job: &str) {
    let resources = world.resources(token, job).await;
    let content = &named(&resources, "DocumentReference/d")["content"];
    let small = &content[0]["attachment"];
    assert_eq!(decoded(small), [b'b'; 100]);
    let of_record =
        json!({ "contentType": "a/b", "title": "own", "size": 100, "hash": "own", "data": small["data"] });
    assert_eq!(*small, of_record);
    let large = &content[1]["attachment"];
    assert!(large["data"].is_null(), "{large}");
    let mut urls = vec![(text(&large["url"]), 101)];
    assert_eq!(content[2]["attachment"]["url"], "https://other.example/x.pdf");
    assert_eq!(content[3]["attachment"]["data"], "aGk=", "the record's own bytes stay");
    urls.push((text(&content[3]["attachment"]["url"]), 5));
    let photo = &named(&resources, "Patient/somebody")["photo"][0];
    assert_eq!(decoded(photo), [b'f'; 7]);
    assert_eq!((&photo["contentType"], &photo["title"]), (&json!("image/png"), &json!("photo.png")));
    let described = resources.iter().find(|resource| text(&resource["id"]).starts_with("documents-"));
    for content in described.expect("ours")["content"].as_array().expect("content") {
        let attachment = &content["attachment"];
        match text(&attachment["title"]).as_str() {
            "alone.txt" => {
                assert_eq!(decoded(attachment), [b'f'; 99]);
                assert_eq!(attachment["size"], 99);
                assert!(attachment["hash"].is_string(), "{attachment}");
            }
            _ => urls.push((text(&attachment["url"]), 5000)),
        }
    }
    assert_eq!(urls.len(), 3, "{urls:?}");
    for (url, size) in &urls {
        let file = world.get(url).bearer(token).send().await;
        assert_eq!((file.status, file.body.len()), (StatusCode::OK, *size), "{url}");
    }
    assert_eq!(stored(world, job).await, 3, "an attachment without a URL is not stored");
    let deleted = world.request(Method::DELETE, &format!("{job}/status")).bearer(token).send().await;
    assert_eq!(deleted.status, StatusCode::ACCEPTED);
    for (url, _) in &urls {
        let file = world.get(url).bearer(token).send().await;
        assert_eq!(file.status, StatusCode::NOT_FOUND, "{url}: a deleted export is gone");
    }
}

#[tokio::test]
async fn small_attachments_of_an_ehi_export_are_inline_and_survive_its_deletion() {
    let (lines, files) = record();
    let directory = lake(&lines, &files);
    let world = World::with("sandbox = true", directory.path());
    let token = text(&world.tokens("inlining-app", SOMEBODY).await["access_token"]);
    let job = world.exported(&token, SOMEBODY).await;
    small_ones_are_inside(&world, &token, &job).await;
    // Other clients get URLs only.
    let token = world.token(SOMEBODY).await;
    let job = world.exported(&token, SOMEBODY).await;
    let resources = world.resources(&token, &job).await;
    assert!(named(&resources, "Patient/somebody")["photo"][0]["url"].is_string());
    assert_eq!(stored(&world, &job).await, 6);
}

#[tokio::test]
async fn small_attachments_of_a_bulk_export_are_inline() {
    let (lines, files) = record();
    let directory = lake(&lines, &files);
    let world = World::with("sandbox = true", directory.path());
    let token = world.service("inlining-service", "system/*.rs").await;
    let started = world.get("/fhir/Patient/$export").bearer(&token).send().await;
    assert_eq!(started.status, StatusCode::ACCEPTED, "{}", started.text());
    world.work().await;
    small_ones_are_inside(&world, &token, &job_of(started.header("content-location"))).await;
}

#[tokio::test]
async fn a_withheld_document_is_never_inline() {
    let lines = [
        json!({ "resourceType": "DocumentReference", "id": "open", "content": [{ "attachment": { "url": "Binary/b" } }] }),
        json!({ "resourceType": "DocumentReference", "id": "closed", "meta": { "security": [{ "code": "PSY" }] },
            "content": [{ "attachment": { "url": "Binary/b" } }] }),
        binary("b", 10),
    ];
    let directory = lake(&lines, &[]);
    let world = World::with("sandbox = true", directory.path());
    let token = text(&world.tokens("inlining-app", SOMEBODY).await["access_token"]);
    let job = world.kick_off(&token, "/auto-approve", SOMEBODY).await;
    let choices =
        json!({ "parameters": { "other": { "enabled": true }, "medicalRecord": { "enabled": true } } });
    world.post(&job).bearer(&token).json(&choices).send().await;
    world.work().await;
    let resources = world.resources(&token, &job).await;
    assert_eq!(resources.len(), 1, "{resources:#?}");
    let attachment = &resources[0]["content"][0]["attachment"];
    assert!(attachment["url"].is_null() && attachment["data"].is_null(), "{attachment}");
    assert_eq!(attachment["_url"]["extension"][0]["valueCode"], "masked");
    assert_eq!(stored(&world, &job).await, 0);
}

#[tokio::test]
async fn a_line_stays_short_enough_to_be_read() {
    let limit = 5 * 1024 * 1024;
    let content: Vec<_> =
        (0..4).map(|n| json!({ "attachment": { "url": format!("files/{n}.bin") } })).collect();
    let lines = [json!({ "resourceType": "DocumentReference", "id": "d", "content": content })];
    let names = ["0.bin", "1.bin", "2.bin", "3.bin"];
    let directory = lake(&lines, &names.map(|name| (name, limit)));
    let text_of = tests::settings("sandbox = true")
        .replace("inline_attachments_bytes = 100", &format!("inline_attachments_bytes = {limit}"));
    let world = World::of(&text_of, directory.path());
    let token = text(&world.tokens("inlining-app", SOMEBODY).await["access_token"]);
    let job = world.exported(&token, SOMEBODY).await;
    let resources = world.resources(&token, &job).await;
    assert!(resources[0].to_string().len() <= fhir::MAX_LINE);
    let content = resources[0]["content"].as_array().expect("content");
    let is_inside: Vec<_> = content.iter().map(|content| content["attachment"]["data"].is_string()).collect();
    assert_eq!(is_inside, [true, true, false, false]);
    assert_eq!(stored(&world, &job).await, 2);
}

#[test]
fn the_limit_is_checked_at_start() {
    let with = |bytes: u64| {
        let size = format!("inline_attachments_bytes = {bytes}");
        let text = tests::settings("sandbox = true").replace("inline_attachments_bytes = 100", &size);
        Settings::parse(&text, |_| None, None)
    };
    assert!(with(5 * 1024 * 1024).is_ok());
    let Err(problem) = with(5 * 1024 * 1024 + 1) else { panic!("the limit is too large") };
    assert!(problem.to_string().contains("inline_attachments_bytes"), "{problem}");
}
