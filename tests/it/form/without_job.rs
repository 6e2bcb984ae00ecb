//! The form without a job, which an app opens by its address: it has the same steps, and sending it starts an export.

use domain::ids::JobId;
use domain::ports::expiring::EntryKind;
use http::StatusCode;
use serde_json::Value;
use tests::{ANNA, BASE_URL, BRUNO, World};

use super::{CHECK, PARTS, TOPICS};
use crate::browsing::Browser;

/// Sends the form twice, as a patient who presses the button again; returns the jobs of the patient, of which there is one.
async fn jobs_after_sending_twice(browser: &mut Browser<'_>) -> Value {
    let (first, second) = (browser.submit("send", &[]).await, browser.submit("send", &[]).await);
    browser.get(&first.location()).await;
    assert!(browser.shows("We have your request"), "{}", browser.page.text());
    browser.get(&second.location()).await;
    assert!(browser.shows("You sent this already."), "{}", browser.page.text());
    let token = browser.world.token(ANNA).await;
    let jobs = browser.world.get("/jobs").bearer(&token).send().await.json();
    assert_eq!(jobs.as_array().map(Vec::len), Some(1), "{jobs}");
    jobs
}

/// This story counts the patient's jobs.
#[tokio::test]
async fn the_form_without_a_job_has_the_same_steps_and_starts_one_export() {
    let world = World::new();
    let path = format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id=app");
    let sent_away = world.get(&path).send().await.location();
    let next = tests::parameter(&sent_away, "next").expect("a way back");
    let mut browser = Browser::signed_in(&world, ANNA, &next).await;
    assert!(browser.shows(PARTS));
    browser.press("next", &[("parameters.labs.notes", "iron")]).await;
    browser.press("next", &[]).await;
    assert!(browser.shows(CHECK) && browser.shows("iron"));
    let jobs = jobs_after_sending_twice(&mut browser).await;
    assert_eq!(jobs[0]["parameters"]["labs"]["notes"], "iron");
    // Input in this form survives the end of the session as well.
    browser.get(&path).await;
    world.advance(601);
    let late = browser.submit("next", &[("parameters.visits.notes", "all of them")]).await.location();
    let next = tests::parameter(&late, "next").expect("a way back");
    let mut browser = Browser::signed_in(&world, ANNA, &next).await;
    assert!(browser.shows("all of them"));
    let refused = world.post(&path).form(&[("step", "parts"), ("token", "0.0")]).send().await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    browser.press("next", &[]).await;
    browser.press("next", &[]).await;
    browser.press("send", &[]).await;
    // Another copy starts with an empty form.
    browser.get(&path).await;
    assert!(browser.shows(PARTS) && !browser.shows("iron"));
    browser.press("next", &[]).await;
    browser.press("next", &[]).await;
    browser.press("send", &[]).await;
    let token = world.token(ANNA).await;
    let jobs = world.get("/jobs").bearer(&token).send().await.json();
    assert_eq!(jobs.as_array().map(Vec::len), Some(3), "{jobs}");
}

/// Check 15, for the form that starts its export itself.
#[tokio::test]
async fn a_form_without_a_job_is_not_sent_without_the_agreement() {
    let world = World::new();
    let path = format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id=app");
    let mut browser = Browser::signed_in(&world, ANNA, &path).await;
    browser.press("next", &[]).await;
    browser.press("next", &[("authorizations.hiv", "on")]).await;
    let token = world.token(ANNA).await;
    let started = async || {
        let jobs = world.get("/jobs").bearer(&token).send().await.json();
        jobs.as_array().map(Vec::len)
    };
    browser.press("send", &[]).await;
    assert!(browser.shows("Tick the box to agree."), "{}", browser.page.text());
    assert_eq!(started().await, Some(0));
    browser.press("send", &[("agree", "on")]).await;
    assert!(browser.shows("We have your request"), "{}", browser.page.text());
    assert_eq!(started().await, Some(1));
}

/// This story needs an app whose redirects are checked.
#[tokio::test]
async fn each_copy_of_the_form_without_a_job_returns_to_its_own_address() {
    let world = World::new();
    let path = format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id=app");
    let mut browser = Browser::signed_in(&world, ANNA, &path).await;
    for (address, to) in
        [("/jobs", "https://app.example.org/jobs"), ("/back", "https://app.example.org/back")]
    {
        browser.get(&format!("{path}&redirect=https://app.example.org{address}")).await;
        browser.get(&path).await;
        assert!(browser.shows(PARTS), "{}", browser.page.text());
        browser.press("next", &[]).await;
        browser.press("next", &[]).await;
        assert_eq!(browser.submit("send", &[]).await.location(), to);
    }
    // A copy without an address ends on this server.
    browser.get(&path).await;
    browser.press("next", &[]).await;
    browser.press("next", &[]).await;
    let sent = browser.submit("send", &[]).await.location();
    assert!(sent.starts_with("/jobs/") || sent.starts_with(BASE_URL), "{sent}");
}

#[tokio::test]
async fn the_form_of_another_patient_offers_to_sign_in_as_that_patient() {
    let world = World::new();
    let session = world.sign_patient_in(BRUNO, "/my").await;
    let path = format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id=app");
    let page = world.get(&path).cookie(&session).send().await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    let page = page.text();
    let escaped = "customize%3Fclient_id%3Dapp";
    assert!(
        page.contains("/patient-login?next=") && page.contains(escaped) && !page.contains("Anna"),
        "{page}"
    );
    let other = world.get(&path.replace(ANNA, "nobody")).cookie(&session).send().await;
    assert_eq!(other.status, StatusCode::NOT_FOUND, "a patient who does not exist is like one who does");
}

/// Two requests that send the same form at the same moment start one export, and neither of them shows an error.
#[tokio::test]
async fn two_clicks_at_the_same_moment_start_one_export() {
    for _ in 0..20 {
        let world = World::new();
        let path = format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id=app");
        let mut browser = Browser::signed_in(&world, ANNA, &path).await;
        browser.press("next", &[]).await;
        browser.press("next", &[]).await;
        let (one, other) = tokio::join!(browser.submit("send", &[]), browser.submit("send", &[]));
        for sent in [one, other] {
            assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text());
        }
        let token = world.token(ANNA).await;
        let jobs = world.get("/jobs").bearer(&token).send().await.json();
        assert_eq!(jobs.as_array().map(Vec::len), Some(1), "{jobs}");
    }
}

/// A request may be interrupted after it claims the form and before it creates the job.
#[tokio::test]
async fn a_form_whose_request_was_interrupted_can_be_sent_again() {
    let world = World::new();
    let path = format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id=app");
    let mut browser = Browser::signed_in(&world, ANNA, &path).await;
    browser.press("next", &[]).await;
    browser.press("next", &[]).await;
    assert!(browser.shows(CHECK));
    let (drafts, key) = (world.platform().expiring(), format!("{ANNA} for app"));
    let mut draft = drafts.get(EntryKind::Draft, &key).await.expect("read").expect("a draft");
    let claimed = "01a1fb95-ab0a-7a46-aeea-001492bd7651";
    draft.value["sent"] = claimed.into();
    assert!(drafts.replace(EntryKind::Draft, &key, &draft).await.expect("kept"));
    browser.get(&format!("{path}&step=check")).await;
    assert!(browser.shows(CHECK), "{}", browser.page.text());
    let jobs = jobs_after_sending_twice(&mut browser).await;
    assert_eq!(jobs[0]["id"], claimed);
}

/// Sends the form from its last step. Returns the id of the export that the page after it shows.
async fn sent_from(browser: &Browser<'_>) -> JobId {
    let sent = browser.submit("send", &[("agree", "on")]).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text());
    let location = sent.location();
    assert!(location.ends_with("sent"), "{location}");
    location.split(['/', '?']).find_map(|part| JobId::parse(part).ok()).expect("an id")
}

/// The choices of a copy that was removed do not come back, and no other export has its id. This story moves the clock.
#[tokio::test]
async fn another_copy_after_a_removed_one_has_an_empty_form_and_its_own_id() -> tests::Result {
    for (client, is_open) in [("app", false), ("app", true), ("my", false), ("my", true)] {
        let case = format!("{client}, still open: {is_open}");
        let world = World::with("sandbox = true\nreview = false", &ehi::defaults::sample_records());
        let path = format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id={client}");
        let mut browser = Browser::signed_in(&world, ANNA, &path).await;
        browser.press("next", &[("parameters.labs.notes", "iron")]).await;
        browser.press("next", &[("authorizations.hiv", "on")]).await;
        assert!(browser.shows(CHECK) && browser.shows("iron"), "{case}");
        let last_step = browser.page.body.clone();
        let first = sent_from(&browser).await;
        world.work().await;
        for _ in 0..2 {
            world.advance(24 * 3600);
            world.clean().await;
        }
        assert!(world.platform().jobs().get(&first).await?.is_none(), "{case}");
        let mut browser = Browser::signed_in(&world, ANNA, &format!("{path}&step=parts")).await;
        if is_open {
            // The patient sends the last step in a tab that is still open.
            browser.page.body = last_step;
        } else {
            assert!(browser.shows(PARTS) && !browser.shows("iron"), "{case}: {}", browser.page.text());
            let first_step = browser.page.body.clone();
            for step in ["topics", "check"] {
                browser.get(&format!("{path}&step={step}")).await;
                assert!(browser.page.location().ends_with(&path), "{case}: {}", browser.page.location());
            }
            browser.page.body = first_step;
            browser.press("next", &[]).await;
            assert!(browser.shows(TOPICS) && !browser.has_ticked("authorizations.hiv"), "{case}");
            browser.press("next", &[]).await;
            assert!(browser.shows(CHECK) && !browser.shows("iron"), "{case}");
        }
        assert_ne!(sent_from(&browser).await, first, "{case}");
    }
    Ok(())
}
