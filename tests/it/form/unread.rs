//! Where staff check no copy, no page promises it.

use tests::{ANNA, World};

use super::{CHECK, PARTS, TOPICS, link_of};
use crate::browsing::Browser;

const PROMISES: [&str; 3] = ["We check", "Our staff read this", "Our staff make sure"];

#[tokio::test]
async fn without_a_review_no_page_promises_that_staff_read_or_check_anything() {
    let world = World::with("sandbox = true\nreview = false", &ehi::defaults::sample_records());
    let path = format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id=app");
    let mut browser = Browser::signed_in(&world, ANNA, &path).await;
    let landing = world.get("/").send().await.text();
    let mut pages = vec![landing];
    for shown in [PARTS, TOPICS, CHECK] {
        assert!(browser.shows(shown), "{}", browser.page.text());
        pages.push(browser.page.text());
        browser.press("next", &[]).await;
    }
    assert!(pages[1].contains("No staff read this note") && pages[2].contains("No staff read this before"));
    for page in pages {
        for promise in PROMISES {
            assert!(!page.contains(promise), "{promise}: {page}");
        }
    }
}

#[tokio::test]
async fn with_a_review_the_pages_say_that_staff_read_and_check() {
    let world = World::new();
    let landing = world.get("/").send().await.text();
    assert!(landing.contains("We check"), "{landing}");
    let mut browser = Browser::signed_in(
        &world,
        ANNA,
        &format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id=app"),
    )
    .await;
    assert!(browser.shows("Our staff read this note."), "{}", browser.page.text());
    browser.press("next", &[]).await;
    assert!(browser.shows("Our staff read this. Empty means all."), "{}", browser.page.text());
    // A shortcut of the sandbox skips the review of one export.
    let token = world.token(ANNA).await;
    let (_, link) = link_of(&world, &token).await;
    let browser = Browser::open(&world, &link).await;
    assert!(browser.shows("No staff read this note"), "{}", browser.page.text());
}
