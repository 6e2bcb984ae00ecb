//! Exports with signed URLs: their attachments need no token either (Bulk Data, attachments).

use http::StatusCode;
use serde_json::Value;
use tests::{ANNA, BRUNO, World, both_hosts, settings, text};

use crate::bulk::{exported, resources};
use crate::download::attachment_urls;
use crate::logs::Captured;
use crate::review::{decide, hidden, link, page};

const EVERYTHING: &str = "system/*.rs";

/// Exports a patient in the dialect of Helix; returns the path of the job's status, and the URLs of the attachments.
async fn attachments_of(world: &World, token: &str, patient: &str) -> (String, Vec<String>) {
    let path = format!("/4_0_0/$export?patient={patient}");
    let manifest = exported(world, token, &path).await;
    assert_eq!(manifest["requiresAccessToken"], false);
    let urls = attachment_urls(&resources(world, token, &manifest, "output").await);
    assert!(!urls.is_empty(), "{manifest}");
    let (job, _) = urls[0].split_once("/download/").expect("the URL of an attachment");
    let id = job.rsplit('/').next().expect("an id");
    (format!("/4_0_0/$export/{id}"), urls)
}

/// Returns the query of a URL.
fn key(url: &str) -> &str {
    url.split_once('?').unwrap_or_else(|| panic!("no key: {url}")).1
}

#[both_hosts]
async fn attachments_of_a_signed_export_need_no_token(world: World) {
    let token = world.service("service", EVERYTHING).await;
    let (status, urls) = attachments_of(&world, &token, ANNA).await;
    let (_, others) = attachments_of(&world, &token, BRUNO).await;
    for url in &urls {
        let open = world.get(url).send().await;
        assert_eq!(open.status, StatusCode::OK, "{url}: {}", open.text());
        let part = world.get(url).header("range", "bytes=0-3").send().await;
        assert_eq!((part.status, &part.body[..]), (StatusCode::PARTIAL_CONTENT, &open.body[..4]), "{url}");
        let with_token = world.get(url).bearer(&token).send().await;
        assert!(with_token.body == open.body, "{url}");
        let (path, _) = url.split_once('?').expect("a key");
        assert!(world.get(path).bearer(&token).send().await.body == open.body, "{path}");
        assert_eq!(world.get(path).send().await.status, StatusCode::UNAUTHORIZED, "{path}");
        for wrong in [key(&others[0]), "key=", "key=0", &format!("{}0", key(url))] {
            let refused = world.get(&format!("{path}?{wrong}")).send().await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}?{wrong}");
            assert!(refused.outcome().contains("the link is invalid"), "{}", refused.outcome());
        }
    }
    // The key opens attachments and nothing else.
    let (job, _) = urls[0].split_once("/download/").expect("the URL of an attachment");
    for path in ["download/Patient", "download/Patient.ndjson", "metadata", "status"] {
        let refused = world.get(&format!("{job}/{path}?{}", key(&urls[0]))).send().await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let described = world.get(&format!("{job}/metadata")).bearer(&token).send().await.text();
    assert!(!described.contains(key(&urls[0]).trim_start_matches("key=")), "{described}");
    let deleted = world.request(http::Method::DELETE, &status).bearer(&token).send().await;
    assert_eq!(deleted.status, StatusCode::ACCEPTED);
    assert_eq!(world.get(&urls[0]).send().await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_key_is_not_in_the_log_and_ends_with_its_export() {
    let log = Captured::start();
    let world = World::new();
    let token = world.service("service", EVERYTHING).await;
    let (_, urls) = attachments_of(&world, &token, ANNA).await;
    assert_eq!(world.get(&urls[0]).send().await.status, StatusCode::OK);
    world.advance(24 * 3600 + 1);
    assert_eq!(world.get(&urls[0]).send().await.status, StatusCode::NOT_FOUND);
    let key = key(&urls[0]).trim_start_matches("key=");
    assert!(!log.with("/jobs/{job}/download/attachments/{file}").is_empty(), "the requests are in the log");
    assert_eq!(log.with(key), Vec::<String>::new());
}

/// Returns a World with an app that is registered with `signed_urls`.
fn with_signed_urls() -> World {
    let registered = "id = \"other-app\"";
    let settings =
        settings("sandbox = true").replacen(registered, &format!("{registered}\nsigned_urls = true"), 1);
    World::of(&settings, &ehi::defaults::sample_records())
}

/// The patient starts the export with the form of the patients' pages; the app finds it among its exports.
#[tokio::test]
async fn attachments_of_an_export_that_the_patient_starts_for_an_app_need_no_token() {
    let world = with_signed_urls();
    let patient = world.sign_patient_in(ANNA, "/my").await;
    let form = format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id=other-app");
    let fields =
        ["medicalRecord", "visits", "labs", "other"].map(|part| (format!("parameters.{part}.enabled"), "on"));
    let fields = fields.each_ref().map(|(name, value)| (name.as_str(), *value));
    let sent = world.post(&form).cookie(&patient).form(&fields).send().await;
    assert_eq!(sent.status, StatusCode::OK, "{}", sent.text());
    world.work().await;
    let token = text(&world.tokens("other-app", ANNA).await["access_token"]);
    let found = world.get("/jobs").bearer(&token).send().await.json();
    let job = format!("/jobs/{}", text(&found[0]["id"]));
    let staff = world.staff().await;
    world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
    let manifest = world.status(&token, &job).await.json();
    assert_eq!(manifest["requiresAccessToken"], false);
    let exported = resources(&world, &token, &manifest, "output").await;
    let files = manifest["output"].as_array().expect("files").iter().map(|file| text(&file["url"]));
    let urls = files.chain(attachment_urls(&exported)).collect::<Vec<_>>();
    assert!(urls.iter().any(|url| url.contains("/attachments/")), "{urls:?}");
    for url in &urls {
        assert_eq!(world.get(url).send().await.status, StatusCode::OK, "{url}");
    }
}

/// Staff leave out a document and attach a file.
#[tokio::test]
async fn attachments_after_the_review_of_staff_need_no_token() {
    let world = with_signed_urls();
    let token = text(&world.tokens("other-app", ANNA).await["access_token"]);
    let job = world.kick_off(&token, "/no-form", ANNA).await;
    world.work().await;
    let staff = world.staff().await;
    let attached = world.post(&format!("/admin{job}/add-files")).cookie(&staff);
    let attached = attached.files(&[("letter of staff.txt", "text/plain", b"hello".as_slice())]).send().await;
    assert!(!text(&attached.json()["attachments"][0]["url"]).contains("key="), "{}", attached.text());
    let shown = page(&world, &staff, &format!("/staff{job}")).await;
    let question = page(&world, &staff, &link(&shown, "leave-out?document=")).await;
    let name = hidden(&question, "document");
    let fields = [("document", name.as_str()), ("reason", "It is about another person.")];
    let path = format!("/staff{job}/leave-out");
    let done = decide(&world, &staff, &path, &hidden(&question, "version"), &fields).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
    let manifest = world.status(&token, &job).await.json();
    assert_eq!(manifest["requiresAccessToken"], false);
    let exported = resources(&world, &token, &manifest, "output").await;
    assert!(!Value::from(exported.clone()).to_string().contains(&name), "the URL of the document is left");
    let urls = attachment_urls(&exported);
    assert!(urls.iter().any(|url| url.contains("/letter_of_staff.txt?key=")), "{urls:?}");
    for url in &urls {
        assert_eq!(world.get(url).send().await.status, StatusCode::OK, "{url}");
    }
    let left_out = format!("{job}/download/attachments/{name}?{}", key(&urls[0]));
    assert_eq!(world.get(&left_out).send().await.status, StatusCode::NOT_FOUND);
}
