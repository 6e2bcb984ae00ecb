//! The form without a job, if its export cannot be started: the form can be sent again later, and then leads to the app.

use std::path::Path;

use http::{Method, StatusCode};
use platform::Platform;
use tests::faults::{Faults, Faulty, Strike};
use tests::{ANNA, TestResponse, World};

use super::{CHECK, PARTS};
use crate::audit::program::open;
use crate::browsing::Browser;
use crate::logs::Captured;
use crate::my::interrupted::{fail_at, repair};

const APP: &str = "https://app.example.org/jobs";
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

fn form() -> String {
    format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id=app")
}

/// Opens the form with the address of the app, and goes to its last step. Also returns the page of the first step.
async fn at_the_last_step(world: &World) -> (Browser<'_>, Vec<u8>) {
    let mut browser = Browser::signed_in(world, ANNA, &form()).await;
    browser.get(&format!("{}&redirect={APP}", form())).await;
    browser.get(&form()).await;
    let first = browser.page.body.clone();
    browser.press("next", &[]).await;
    browser.press("next", &[]).await;
    assert!(browser.shows(CHECK), "{}", browser.page.text());
    (browser, first)
}

/// Returns a World in which an app may have one unfinished export of a patient, and the path of such an export.
async fn with_an_unfinished_export() -> (World, String) {
    let world = World::with("sandbox = true\nmax_running_exports = 1", &ehi::defaults::sample_records());
    let unfinished = world.kick_off(&world.token(ANNA).await, "/no-form", ANNA).await;
    (world, unfinished)
}

async fn cancel(world: &World, job: &str) {
    let token = world.token(ANNA).await;
    let cancelled = world.request(Method::DELETE, &format!("{job}/status")).bearer(&token).send().await;
    assert_eq!(cancelled.status, StatusCode::ACCEPTED, "{}", cancelled.text());
}

async fn refused(browser: &Browser<'_>) -> TestResponse {
    let refused = browser.request("send", &[]).header("accept", BROWSER).send().await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.text());
    refused
}

/// This story moves the clock.
#[tokio::test]
async fn a_form_that_was_refused_leads_to_the_app_when_it_is_sent_again() {
    let (world, unfinished) = with_an_unfinished_export().await;
    let (mut browser, _) = at_the_last_step(&world).await;
    refused(&browser).await;
    // The page permits the redirect, at once and later.
    for seconds in [0, 300] {
        world.advance(seconds);
        browser.get(&format!("{}&step=check", form())).await;
        let policy = browser.page.header("content-security-policy");
        assert!(browser.shows(CHECK) && policy.contains("form-action 'self' https:;"), "{policy}");
    }
    cancel(&world, &unfinished).await;
    let sent = browser.submit("send", &[]).await;
    assert_eq!((sent.status, sent.location()), (StatusCode::SEE_OTHER, APP.to_owned()));
    // A second click leads there as well, for a minute.
    assert_eq!(browser.submit("send", &[]).await.location(), APP);
    world.advance(61);
    browser.press("send", &[]).await;
    assert!(browser.shows("You sent this already."), "{}", browser.page.text());
    // The next copy has no address.
    cancel(&world, &only_job(&world).await).await;
    browser.get(&form()).await;
    browser.press("next", &[]).await;
    browser.press("next", &[]).await;
    assert!(!browser.page.header("content-security-policy").contains("https:;"));
    browser.press("send", &[]).await;
    assert!(browser.shows("We have your request"), "{}", browser.page.text());
}

/// Returns the path of the job that is not cancelled.
async fn only_job(world: &World) -> String {
    let jobs = world.get("/jobs").bearer(&world.token(ANNA).await).send().await.json();
    let jobs = jobs.as_array().expect("jobs");
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    format!("/jobs/{}", tests::text(&jobs[0]["id"]))
}

/// The page of the refusal leads back to the form of the app, which still has everything, and to the copies, of which one can be cancelled.
#[tokio::test]
async fn the_page_of_a_refusal_leads_back_to_the_last_step_of_the_same_form() {
    let (world, _) = with_an_unfinished_export().await;
    let (mut browser, _) = at_the_last_step(&world).await;
    let page = refused(&browser).await.text();
    let step = format!("{}&#38;step=check", form());
    assert!(page.contains(&format!("<a class=\"button\" href=\"{step}\">Back to the form</a>")), "{page}");
    assert!(page.contains("<a class=\"button plain\" href=\"/my\">"), "{page}");
    // The form cannot be shown again in another language, so the switch leads to the same step.
    assert!(page.contains(&format!("href=\"{step}&#38;lang=es\"")), "{page}");
    browser.get(&step.replace("&#38;", "&")).await;
    assert!(browser.shows(CHECK), "{}", browser.page.text());
}

/// A patient who goes back to the first page of the form, as the browser kept it, fills in another copy for the same app.
#[tokio::test]
async fn a_form_that_was_refused_leads_to_the_app_after_going_back_to_its_first_step() {
    let (world, unfinished) = with_an_unfinished_export().await;
    let (mut browser, first) = at_the_last_step(&world).await;
    refused(&browser).await;
    cancel(&world, &unfinished).await;
    browser.page.body = first;
    assert!(browser.shows(PARTS));
    browser.press("next", &[]).await;
    browser.press("next", &[]).await;
    assert_eq!(browser.submit("send", &[]).await.location(), APP);
}

/// An address that is opened after the refusal replaces the one before.
#[tokio::test]
async fn a_form_that_was_refused_leads_to_the_newest_address_of_the_app() {
    let (world, unfinished) = with_an_unfinished_export().await;
    let (mut browser, _) = at_the_last_step(&world).await;
    refused(&browser).await;
    cancel(&world, &unfinished).await;
    let newest = "https://app.example.org/back";
    browser.get(&format!("{}&redirect={newest}", form())).await;
    browser.get(&format!("{}&step=check", form())).await;
    for _ in 0..2 {
        assert_eq!(browser.submit("send", &[]).await.location(), newest);
    }
}

/// Makes the entry of a slot and the claim of the form fail. This story needs a store on the disk.
#[tokio::test]
async fn whichever_entry_is_not_written_the_form_leads_to_the_app_when_it_is_sent_again() -> tests::Result {
    let is_returned = "json_extract(NEW.value, '$.returned.until')";
    for (change_of, row, kind) in [
        ("INSERT", "NEW", "place".to_owned()),
        ("UPDATE", "NEW", format!("draft' AND {is_returned} LIKE '9999%")),
    ] {
        let state = tempfile::tempdir()?;
        let world = open(state.path(), "");
        let (browser, _) = at_the_last_step(&world).await;
        fail_at(state.path(), change_of, row, &kind);
        let first = browser.submit("send", &[]).await;
        assert!(first.status.is_server_error(), "{kind}: {}", first.text());
        repair(state.path());
        world.advance(300);
        for _ in 0..2 {
            let again = browser.submit("send", &[]).await;
            assert_eq!(again.location(), APP, "{kind}: {}", again.text());
        }
        only_job(&world).await;
        world.advance(61);
        let late = browser.submit("send", &[]).await.location();
        assert!(late.ends_with("/customize?step=check"), "{kind}: {late}");
    }
    Ok(())
}

/// Lets each write fail that marks the export of a form as started. The other writes of the form succeed.
fn fail_at_mark(state: &Path) {
    fail_at(state, "UPDATE", "NEW", "draft' AND json_extract(NEW.value, '$.is_started') LIKE '1");
}

/// The last change of the form is after the start of the export, so it decides nothing. This story needs a store on the disk.
#[tokio::test]
async fn an_export_that_was_started_leads_to_the_app_even_if_the_form_cannot_record_it() -> tests::Result {
    let state = tempfile::tempdir()?;
    let world = open(state.path(), "");
    let (browser, _) = at_the_last_step(&world).await;
    fail_at_mark(state.path());
    let log = Captured::start();
    for times in 1..3 {
        let sent = browser.submit("send", &[]).await;
        assert_eq!(
            (sent.status, sent.location()),
            (StatusCode::SEE_OTHER, APP.to_owned()),
            "{}",
            sent.text()
        );
        assert_eq!(log.with("could not be marked as sent").len(), times);
        only_job(&world).await;
    }
    repair(state.path());
    world.advance(300);
    assert_eq!(browser.submit("send", &[]).await.location(), APP);
    only_job(&world).await;
    world.advance(61);
    let late = browser.submit("send", &[]).await.location();
    assert!(late.ends_with("/customize?step=check"), "{late}");
    Ok(())
}

/// The form is opened again while the export still exists.
#[tokio::test]
async fn a_form_that_could_not_record_the_start_records_it_when_it_is_opened() -> tests::Result {
    let state = tempfile::tempdir()?;
    let world = open(state.path(), "review = false");
    let (mut browser, _) = at_the_last_step(&world).await;
    fail_at_mark(state.path());
    assert_eq!(browser.submit("send", &[]).await.location(), APP);
    repair(state.path());
    browser.get(&form()).await;
    world.work().await;
    for _ in 0..2 {
        world.advance(24 * 3600);
        world.clean().await;
    }
    let mut browser = Browser::signed_in(&world, ANNA, &form()).await;
    browser.get(&format!("{}&step=check", form())).await;
    assert!(browser.page.location().ends_with(&form()), "the choices of the removed export are not shown");
    Ok(())
}

/// A form that is sent at once has no steps, and the server keeps none of its fields. The stored steps have other choices.
#[tokio::test]
async fn the_page_of_a_refusal_of_a_form_without_steps_leads_to_the_copies() {
    let (world, unfinished) = with_an_unfinished_export().await;
    let (mut browser, _) = at_the_last_step(&world).await;
    let send = async || {
        let request = world.post(&form()).header("cookie", &browser.cookie).header("accept", BROWSER);
        request.form(&[("parameters.labs.enabled", "on"), ("parameters.labs.notes", "iron")]).send().await
    };
    let refused = send().await;
    let page = refused.text();
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{page}");
    assert!(page.contains("<h1>Too many copies are not ready yet</h1>"), "{page}");
    assert!(page.contains("<a class=\"button\" href=\"/my\">"), "{page}");
    assert!(!page.contains("Back to the form") && !page.contains("step="), "{page}");
    assert!(page.contains("Your form was not saved.") && !page.contains("Nothing is lost"), "{page}");
    cancel(&world, &unfinished).await;
    assert_eq!(send().await.status, StatusCode::OK);
    // The stored steps are as they were.
    browser.get(&format!("{}&step=check", form())).await;
    assert!(browser.shows(CHECK) && !browser.shows("iron"), "{}", browser.page.text());
}

/// Strikes each call for jobs and for the queue of the request that sends the form. Whichever call fails, sending the form again starts one
/// export and leads to the app.
#[tokio::test]
async fn whatever_call_fails_the_form_leads_to_the_app_when_it_is_sent_again() {
    for strike in [Strike::Before, Strike::After] {
        for call in 0.. {
            let world = World::new();
            let (browser, _) = at_the_last_step(&world).await;
            let faults = Faults::at(call, strike);
            let faulty = Faulty::new(world.platform().clone(), faults.clone());
            let app = web::host::host(ehi::server::routers(&faulty).expect("its ports"), faulty.context());
            let first = browser.request("send", &[]).send_over(app).await;
            if !faults.has_struck() {
                assert_eq!(first.location(), APP, "{strike:?} {call}");
                assert!(call >= 2, "{call} calls");
                break;
            }
            if first.status.is_server_error() {
                let link = format!("<a class=\"button\" href=\"{}\">Back to the form</a>", form());
                assert!(first.text().contains(&link), "{strike:?} {call}: {}", first.text());
            }
            world.advance(300);
            let again = browser.submit("send", &[]).await;
            assert_eq!(again.location(), APP, "{strike:?} {call}: {}", again.text());
            only_job(&world).await;
        }
    }
}
