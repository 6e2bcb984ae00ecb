//! A client has a limited number of unfinished EHI exports of a patient, and can repeat a kick-off with an `Idempotency-Key`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::error::{Error, Result, Store};
use futures_util::future::join_all;
use http::{Method, StatusCode};
use platform::Platform;
use serde_json::{Value, json};
use tests::hooked::{Hook, Hooked, Made};
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
        // A form is abandoned after an hour. Another kick-off may not have created its export yet.
        let wait = refused.header("retry-after");
        assert!(["60", "3600"].contains(&wait), "{wait}");
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
    for _ in 0..2 {
        world.kick_off(&world.token(ANNA).await, "/no-form", ANNA).await;
    }
    world.work().await;
    world.advance(29 * 24 * 3_600);
    world.clean().await;
    let refused = kick_off(&world, &world.token(ANNA).await, ANNA).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "both still wait for the review");
    assert_eq!(refused.header("retry-after"), "3600", "the longest time");
    world.advance(2 * 24 * 3_600);
    world.clean().await;
    assert_eq!(status_of(&world, &world.token(ANNA).await, ANNA).await, 202, "both have expired");
}

/// Returns the status of the request for the state of an export.
async fn state_of(world: &World, job: &str) -> u16 {
    world.status(&world.token(ANNA).await, job).await.status.as_u16()
}

/// An app that was closed leaves a form behind. It must not keep the patient from another copy for weeks.
#[tokio::test]
async fn an_abandoned_form_gives_way_to_another_export() {
    let world = limited();
    let kick_off = async || kick_off(&world, &world.token(ANNA).await, ANNA).await;
    let first = kick_off().await.job();
    world.advance(60);
    let second = kick_off().await.job();
    world.advance(3_500);
    let refused = kick_off().await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "40"));
    for job in [&first, &second] {
        let id = job.rsplit('/').next().expect("an id");
        assert!(refused.outcome().contains(&format!("{id} (awaiting-input)")), "{}", refused.outcome());
    }
    world.advance(40);
    let third = kick_off().await;
    assert_eq!(third.status, StatusCode::ACCEPTED, "{}", third.text());
    assert_eq!((state_of(&world, &first).await, state_of(&world, &second).await), (404, 202));
    let refused = kick_off().await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "60"));
    let auditor = world.staff().await;
    let entries = world.get("/admin/audit?action=deleted").cookie(&auditor).send().await;
    assert_eq!(entries.lines().len(), 1, "{}", entries.text());
    assert!(entries.text().contains("abandoned"), "{}", entries.text());
}

/// What the patient has entered is not lost. A form that was only opened has nothing to lose.
#[tokio::test]
async fn a_form_in_which_something_was_entered_does_not_give_way() {
    for (is_entered, expected) in [(true, 429), (false, 202)] {
        let world = World::with("sandbox = true\nmax_running_exports = 1", &ehi::defaults::sample_records());
        let (job, link) = crate::form::link_of(&world, &world.token(ANNA).await).await;
        let mut browser = Browser::open(&world, &link).await;
        if is_entered {
            browser.press("next", &[]).await;
        }
        world.advance(2 * 24 * 3_600);
        assert_eq!(status_of(&world, &world.token(ANNA).await, ANNA).await, expected, "{is_entered}");
        assert_eq!(state_of(&world, &job).await, if is_entered { 202 } else { 404 }, "{is_entered}");
    }
}

/// The patient may be reading the form.
#[tokio::test]
async fn a_form_that_was_just_opened_does_not_give_way() {
    let world = World::with("sandbox = true\nmax_running_exports = 1", &ehi::defaults::sample_records());
    let (job, link) = crate::form::link_of(&world, &world.token(ANNA).await).await;
    world.advance(2 * 3_600);
    Browser::open(&world, &link).await;
    for (seconds, expected, state) in [(3_599, 429, 202), (1, 202, 404)] {
        world.advance(seconds);
        assert_eq!(status_of(&world, &world.token(ANNA).await, ANNA).await, expected);
        assert_eq!(state_of(&world, &job).await, state);
    }
}

/// Of many kick-offs at the same time, only as many succeed as there are abandoned forms.
#[tokio::test]
async fn each_abandoned_form_gives_way_once() {
    let world = limited();
    for _ in 0..2 {
        assert_eq!(status_of(&world, &world.token(ANNA).await, ANNA).await, 202);
    }
    world.advance(3_600);
    let token = world.token(ANNA).await;
    let responses = join_all((0..20).map(|_| status_of(&world, &token, ANNA))).await;
    let count = |expected: u16| responses.iter().filter(|status| **status == expected).count();
    assert_eq!((count(202), count(429)), (2, 18), "{responses:?}");
}

/// Lets another request win whenever an export is changed: every second call for jobs, because the only slot is read before.
#[derive(Default)]
struct LostRaces(AtomicUsize);

impl Hook for LostRaces {
    fn follows(&self, store: Store) -> bool {
        store == Store::Database
    }

    async fn call<T: Send>(&self, _: Made, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        match self.0.fetch_add(1, Ordering::SeqCst) % 2 {
            0 => call.await,
            _ => Err(Error::conflict("another request has changed the export")),
        }
    }
}

/// A kick-off that loses all its races can be repeated at once: there may be no unfinished export any more.
#[tokio::test]
async fn a_kick_off_that_loses_every_abandoned_form_to_others_can_be_repeated() -> tests::Result {
    let world = World::with("sandbox = true\nmax_running_exports = 1", &ehi::defaults::sample_records());
    let abandoned = kick_off(&world, &world.token(ANNA).await, ANNA).await.job();
    world.advance(3_600);
    let token = world.token(ANNA).await;
    let hook = Arc::new(LostRaces::default());
    let hooked = Hooked { inner: Arc::new(world.platform().clone()), hook: hook.clone() };
    let app = web::host::host(ehi::server::routers(&hooked)?, hooked.context());
    let request = world.post(&format!("/fhir/Patient/{ANNA}/$ehi-export")).bearer(&token);
    let refused = request.send_over(app).await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "1"));
    assert!(refused.outcome().contains("too many attempts; try again in 1 second"), "{}", refused.outcome());
    assert_eq!(hook.0.load(Ordering::SeqCst), 20, "ten attempts");
    assert_eq!(state_of(&world, &abandoned).await, 202, "the form is still there");
    Ok(())
}

/// The page after lost races does not ask the patient to cancel a copy, because there may be none.
#[tokio::test]
async fn a_form_that_loses_every_abandoned_form_to_others_can_be_sent_again_after_a_second() -> tests::Result
{
    let world = World::with("sandbox = true\nmax_running_exports = 1", &ehi::defaults::sample_records());
    kick_off(&world, &world.token(ANNA).await, ANNA).await.job();
    world.advance(3_600);
    let path = format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id=app");
    let mut browser = Browser::signed_in(&world, ANNA, &path).await;
    browser.press("next", &[]).await;
    browser.press("next", &[]).await;
    let hook = Arc::new(LostRaces::default());
    let hooked = Hooked { inner: Arc::new(world.platform().clone()), hook };
    let app = web::host::host(ehi::server::routers(&hooked)?, hooked.context());
    let refused = browser.request("send", &[]).header("accept", "text/html").send_over(app).await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "1"));
    let page = refused.text();
    assert!(
        page.contains("<h1>Wait 1 second, then try again</h1>") && page.contains("Nothing is lost."),
        "{page}"
    );
    assert!(page.contains("step=check\">Back to the form</a>"), "{page}");
    assert!(!page.contains("cancel") && !page.contains("<a class=\"button plain\""), "{page}");
    let sent = browser.submit("send", &[]).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text());
    Ok(())
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
    assert_eq!(refused.header("retry-after"), "30");
    assert!(page.contains("try again in 30 seconds"), "{page}");
    assert!(page.contains("href=\"http://localhost:8888/my\"") || page.contains("href=\"/my\""), "{page}");
    let (first, _) = copies[0].split_once('?').expect("a copy");
    let cancel = world.post(&format!("{first}/cancel")).header("cookie", &browser.cookie);
    let cancelled = cancel.form(&[("seen", "open")]).send().await;
    assert_eq!(cancelled.status, StatusCode::SEE_OTHER, "{}", cancelled.location());
    let sent = browser.submit("send", &[]).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text());
}
