//! A name may have letters and marks that change the order of the text around it. Each page keeps the name apart from that text.

use std::io::{Cursor, Read};

use http::StatusCode;
use serde_json::json;
use tests::{Launch, PASSWORD, TestResponse, World, parameter};

use super::{page, requested_copy, signed_in};
use crate::documents::{SOMEBODY, lake};
use crate::review::{decide, hidden};

/// It begins an override of the direction, and does not end it.
const NAME: &str = "\u{202e}דנה 🦊 Zoë";
const MEMBER: &str = "\u{202e}admin🦊";

/// Fails if a page shows the name outside of an isolate, or not at all.
fn assert_isolated(shown: &str, name: &str, at: &str) {
    let pieces: Vec<_> = shown.split(name).collect();
    assert!(pieces.len() > 1, "{at} has no name: {shown}");
    for pair in pieces.windows(2) {
        let is_element = pair[0].ends_with("<bdi>") && pair[1].starts_with("</bdi>");
        let is_isolate = pair[0].ends_with('\u{2068}') && pair[1].starts_with('\u{2069}');
        assert!(is_element || is_isolate, "{at}: {shown}");
    }
}

fn world() -> (World, tempfile::TempDir) {
    let patient = json!({
        "resourceType": "Patient", "id": SOMEBODY, "name": [{ "text": NAME }], "birthDate": "1980-01-02",
    });
    let observation = json!({
        "resourceType": "Observation", "id": "o", "status": "final", "code": { "text": "Glucose" },
        "subject": { "reference": format!("Patient/{SOMEBODY}") },
    });
    let records = lake(&[patient, observation], &[]);
    let settings = tests::settings("sandbox = true");
    let settings = settings.replacen("username = \"admin\"", "username = \"\\u202Eadmin🦊\"", 1);
    (World::of(&settings, records.path()), records)
}

async fn staff_of(world: &World) -> TestResponse {
    let fields = [("username", MEMBER), ("password", PASSWORD)];
    let staff = world.post("/staff/login").form(&fields).send().await;
    assert_eq!(staff.status, StatusCode::SEE_OTHER, "{}", staff.text());
    staff
}

async fn decided(world: &World, staff: &TestResponse, job: &str, decision: &str) {
    let path = format!("/staff{job}/{decision}");
    let question = page(world, staff, &path).await;
    assert_isolated(&question, NAME, &path);
    let done = decide(world, staff, &path, &hidden(&question, "version"), &[]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{path}: {}", done.text());
}

#[tokio::test]
async fn each_page_of_the_patient_keeps_the_name_apart() {
    let (world, _records) = world();
    let session = signed_in(&world, SOMEBODY).await;
    let form = format!("/fhir/Patient/{SOMEBODY}/$ehi-export/customize?client_id=my");
    let mut browser = crate::browsing::Browser::signed_in(&world, SOMEBODY, &form).await;
    for (go, ticked) in [("next", None), ("next", Some(("authorizations.hiv", "on")))] {
        assert_isolated(&browser.page.text(), NAME, &form);
        browser.press(go, ticked.as_slice()).await;
    }
    assert!(browser.page.text().contains("name=\"agree\""), "{}", browser.page.text());
    assert_isolated(&browser.page.text(), NAME, "the last step");
    let copy = requested_copy(&world, &session, &["hiv"]).await;
    let login = world.get(&Launch::new("app").authorize()).send().await.location();
    assert_isolated(&world.get(&login).send().await.text(), NAME, &login);
    let request = parameter(&login, "request").expect("a request");
    let fields = [("request", request.as_str()), ("patient", SOMEBODY)];
    let picked = world.post("/patient-login").form(&fields).send().await;
    let consent = page(&world, &picked, &picked.location()).await;
    assert_isolated(&consent, NAME, "the consent page");
    for path in ["/my", &copy, &format!("{copy}/cancel"), "/my/apps", "/my/sign-out-everywhere"] {
        assert_isolated(&page(&world, &session, path).await, NAME, path);
    }
    world.work().await;
    decided(&world, &staff_of(&world).await, &copy.replace("/my/exports", "/jobs"), "approve").await;
    let zip = world.get(&format!("{copy}/zip")).cookie(&session).send().await;
    let mut archive = zip::ZipArchive::new(Cursor::new(&zip.body)).expect("a ZIP");
    let mut index = String::new();
    archive.by_name("index.html").expect("a page").read_to_string(&mut index).expect("UTF-8");
    let head = index.split("<section").next().unwrap_or_default();
    assert_isolated(head, NAME, "index.html");
}

#[tokio::test]
async fn each_page_of_staff_keeps_the_names_apart() {
    let (world, _records) = world();
    let session = signed_in(&world, SOMEBODY).await;
    let staff = staff_of(&world).await;
    let copy = requested_copy(&world, &session, &[]).await;
    world.work().await;
    let job = copy.replace("/my/exports", "/jobs");
    for path in [
        "/staff".to_owned(),
        format!("/staff/patients?q={SOMEBODY}"),
        format!("/staff/patients/{SOMEBODY}/export"),
        format!("/staff{job}"),
        format!("/staff{job}/reject"),
    ] {
        assert_isolated(&page(&world, &staff, &path).await, NAME, &path);
    }
    let queue = page(&world, &staff, "/staff").await;
    let ticked = queue.split("name=\"job\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let several = format!("/staff/approve?job={}", ticked.expect("a box"));
    assert_isolated(&page(&world, &staff, &several).await, NAME, &several);
    decided(&world, &staff, &job, "approve").await;
    let shown = page(&world, &staff, &format!("/staff{job}")).await;
    assert_isolated(&shown, MEMBER, "the history");
    decided(&world, &staff, &job, "delete").await;
    let deleted = page(&world, &staff, &format!("/staff{job}")).await;
    assert_isolated(&deleted, NAME, "the deleted export");
    assert_isolated(&deleted, MEMBER, "the deleted export");
    assert_isolated(&page(&world, &staff, "/staff/audit").await, MEMBER, "/staff/audit");
}
