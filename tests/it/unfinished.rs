//! A client has a limited number of unfinished EHI exports of a patient, and can repeat a kick-off with an `Idempotency-Key`.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{ANNA, BRUNO, Call, TestResponse, World, settings, text};

use crate::browsing::Browser;

fn limited() -> World {
    World::with("sandbox = true\nmax_running_exports = 2", &ehi::defaults::sample_records())
}

async fn kick_off(world: &World, token: &str, patient: &str) -> TestResponse {
    world.post(&format!("/fhir/Patient/{patient}/$ehi-export")).bearer(token).send().await
}

async fn status_of(world: &World, token: &str, patient: &str) -> u16 {
    kick_off(world, token, patient).await.status.as_u16()
}

#[tokio::test]
async fn an_app_has_a_limited_number_of_unfinished_exports_of_a_patient() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let kick_offs = (0..100).map(|_| kick_off(&world, &token, ANNA));
    let responses = join_all(kick_offs).await;
    let accepted = responses.iter().filter(|response| response.status == StatusCode::ACCEPTED).count();
    assert_eq!(accepted, 10);
    for refused in responses.iter().filter(|response| response.status != StatusCode::ACCEPTED) {
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(refused.header("retry-after").parse::<u32>().is_ok());
        assert!(refused.outcome().contains("10 unfinished EHI exports"), "{}", refused.outcome());
    }
    // Other patients and other apps have their own exports.
    let bruno = world.token(BRUNO).await;
    assert_eq!(status_of(&world, &bruno, BRUNO).await, 202);
    let other = text(&world.tokens("other-app", ANNA).await["access_token"]);
    assert_eq!(status_of(&world, &other, ANNA).await, 202);
}

/// The form and the review are parts of an export that is not finished.
#[tokio::test]
async fn an_export_counts_until_it_is_complete_rejected_or_cancelled() {
    let world = limited();
    let (token, staff) = (world.token(ANNA).await, world.staff().await);
    let waiting = kick_off(&world, &token, ANNA).await.job();
    let reviewed = world.kick_off(&token, "/no-form", ANNA).await;
    world.work().await;
    assert_eq!(status_of(&world, &token, ANNA).await, 429, "one waits for the form, and one for the review");
    let approved = world.post(&format!("/admin{reviewed}/approve")).cookie(&staff).send().await;
    assert_eq!(approved.status, StatusCode::OK, "{}", approved.text());
    let rejected = world.kick_off(&token, "/no-form", ANNA).await;
    world.work().await;
    assert_eq!(status_of(&world, &token, ANNA).await, 429);
    let reason = json!({ "reason": "none" });
    world.post(&format!("/admin{rejected}/reject")).cookie(&staff).json(&reason).send().await;
    assert_eq!(status_of(&world, &token, ANNA).await, 202);
    assert_eq!(status_of(&world, &token, ANNA).await, 429);
    let cancelled = world.request(Method::DELETE, &format!("{waiting}/status")).bearer(&token).send().await;
    assert_eq!(cancelled.status, StatusCode::ACCEPTED);
    world.exported(&token, ANNA).await;
    assert_eq!(status_of(&world, &token, ANNA).await, 202, "the complete one does not count");
}

/// An export that waits for weeks still counts.
#[tokio::test]
async fn an_export_counts_as_long_as_it_waits() {
    let world = limited();
    for expected in [202, 202, 429] {
        assert_eq!(status_of(&world, &world.token(ANNA).await, ANNA).await, expected);
    }
    world.advance(29 * 24 * 3_600);
    world.clean().await;
    assert_eq!(status_of(&world, &world.token(ANNA).await, ANNA).await, 429, "both still wait for the form");
    world.advance(2 * 24 * 3_600);
    world.clean().await;
    assert_eq!(status_of(&world, &world.token(ANNA).await, ANNA).await, 202, "both have expired");
}

/// A backend service exports many patients at once.
#[tokio::test]
async fn the_exports_of_a_service_are_counted_for_each_patient() {
    let settings = settings("sandbox = true\nmax_running_exports = 2");
    let settings =
        settings.replacen("system/*.rs system/$ehi-export access/open.read", "system/$ehi-export", 1);
    let world = World::of(&settings, &ehi::defaults::sample_records());
    let token = world.service("team-service", "system/$ehi-export").await;
    for patient in [ANNA, BRUNO] {
        for expected in [202, 202, 429] {
            assert_eq!(status_of(&world, &token, patient).await, expected, "{patient}");
        }
    }
}

#[tokio::test]
async fn the_same_key_is_the_same_export() {
    let world = limited();
    let token = world.token(ANNA).await;
    let path = format!("/fhir/Patient/{ANNA}/$ehi-export");
    let ask = |key: &str, body: Option<Value>| {
        let request = world.post(&path).bearer(&token).header("idempotency-key", key);
        body.iter().fold(request, Call::json).send()
    };
    let choices = |group: &str| {
        let enabled = json!({ "name": "enabled", "valueBoolean": true });
        let group = json!({ "name": group, "part": [enabled] });
        json!({ "resourceType": "Parameters", "parameter": [{ "name": "parameters", "part": [group] }] })
    };
    let responses = join_all((0..20).map(|_| ask("k1", None))).await;
    let jobs: BTreeSet<_> = responses.iter().map(TestResponse::job).collect();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    let link = responses[0].header("link");
    assert!(link.contains("patient-interaction"), "{link}");
    assert!(responses.iter().all(|response| response.header("link") == link));
    let other = ask("k1", Some(choices("labs"))).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", other.text());
    other.outcome();
    let chosen = ask("k2", Some(choices("labs"))).await;
    assert_eq!(ask("k2", Some(choices("labs"))).await.job(), chosen.job());
    assert_eq!(ask("k2", Some(choices("visits"))).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(ask("k3", None).await.status, StatusCode::TOO_MANY_REQUESTS, "two exports are the limit");
    assert_eq!(ask(&"k".repeat(256), None).await.status, StatusCode::BAD_REQUEST);
    // The key of a deleted export starts another one.
    let job = jobs.first().expect("a job");
    world.request(Method::DELETE, &format!("{job}/status")).bearer(&token).send().await;
    assert_ne!(ask("k1", None).await.job(), *job);
}

/// The patients' pages have the same limit, and say so in a plain sentence. The form is kept and can be sent later.
#[tokio::test]
async fn the_form_without_an_app_has_the_same_limit() {
    let world = limited();
    let path = format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id=my");
    let mut browser = Browser::signed_in(&world, ANNA, &path).await;
    let mut copies = Vec::new();
    for _ in 0..2 {
        browser.get(&path).await;
        browser.press("next", &[]).await;
        browser.press("next", &[]).await;
        let sent = browser.submit("send", &[]).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text());
        copies.push(sent.location());
    }
    browser.get(&path).await;
    browser.press("next", &[]).await;
    browser.press("next", &[]).await;
    let refused = browser.submit("send", &[]).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.text());
    let page = refused.text();
    assert!(page.contains("Too many copies are not ready yet") && page.contains("cancel one"), "{page}");
    assert!(page.contains("href=\"http://localhost:8888/my\"") || page.contains("href=\"/my\""), "{page}");
    let (first, _) = copies[0].split_once('?').expect("a copy");
    let cancel = world.post(&format!("{first}/cancel")).header("cookie", &browser.cookie);
    let cancelled = cancel.form(&[("seen", "open")]).send().await;
    assert_eq!(cancelled.status, StatusCode::SEE_OTHER, "{}", cancelled.location());
    let sent = browser.submit("send", &[]).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text());
}
