//! A second click on "Send my request" leads to where the first one did.

use http::StatusCode;
use tests::{ANNA, World, both_hosts};

use super::link_of;
use crate::browsing::Browser;

const APP: &str = "https://app.example.org/jobs";

#[both_hosts]
async fn a_second_click_leads_to_the_app_as_well(world: World) {
    let token = world.token(ANNA).await;
    let (job, link) = link_of(&world, &token).await;
    let mut browser = Browser::open(&world, &format!("{link}&redirect={APP}")).await;
    browser.press("next", &[("parameters.labs.notes", "iron")]).await;
    browser.press("next", &[]).await;
    let (one, other) = tokio::join!(browser.submit("send", &[]), browser.submit("send", &[]));
    let third = browser.submit("send", &[]).await;
    for sent in [one, other, third] {
        assert_eq!((sent.status, sent.location()), (StatusCode::SEE_OTHER, APP.to_owned()));
    }
    // Other buttons of a page that is still open lead to the state.
    let later = browser.submit("later", &[]).await.location();
    assert!(later.ends_with(&format!("{job}/customize?step=check")), "{later}");
}

/// This story moves the clock.
#[tokio::test]
async fn a_click_long_after_sending_shows_the_state() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let (_, link) = link_of(&world, &token).await;
    let mut browser = Browser::open(&world, &format!("{link}&redirect={APP}")).await;
    browser.press("next", &[]).await;
    browser.press("next", &[]).await;
    assert_eq!(browser.submit("send", &[]).await.location(), APP);
    world.advance(61);
    browser.press("send", &[]).await;
    assert!(browser.shows("You sent this already."), "{}", browser.page.text());
}

/// This story moves the clock.
#[tokio::test]
async fn the_form_without_a_job_returns_to_the_app_twice_and_later_says_that_it_was_sent() {
    let world = World::new();
    let path = format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id=app");
    let mut browser = Browser::signed_in(&world, ANNA, &path).await;
    browser.get(&format!("{path}&redirect={APP}")).await;
    browser.get(&path).await;
    browser.press("next", &[]).await;
    browser.press("next", &[]).await;
    let (one, other) = tokio::join!(browser.submit("send", &[]), browser.submit("send", &[]));
    for sent in [one, other, browser.submit("send", &[]).await] {
        assert_eq!(sent.location(), APP);
    }
    world.advance(61);
    browser.press("send", &[]).await;
    assert!(browser.shows("You sent this already."), "{}", browser.page.text());
    let jobs = world.get("/jobs").bearer(&world.token(ANNA).await).send().await.json();
    assert_eq!(jobs.as_array().map(Vec::len), Some(1), "{jobs}");
}
