//! Nothing that the patient ticks is lost: by "Back" and "Change", by another language, and at the end of the session.

use tests::{ANNA, World, both_hosts};

use super::{CHECK, PARTS, TOPICS, link_of};
use crate::browsing::{Browser, fields_of};

#[both_hosts]
async fn back_keeps_what_was_ticked(world: World) {
    let token = world.token(ANNA).await;
    let (_, link) = link_of(&world, &token).await;
    let mut browser = Browser::open(&world, &link).await;
    assert!(!browser.page.text().contains("value=\"back\""), "the first step has no step before it");
    browser.press("next", &[]).await;
    browser.press("back", &[("authorizations.hiv", "on"), ("authorizations.genetic.text", "BRCA1")]).await;
    assert!(browser.shows(PARTS), "{}", browser.page.text());
    browser.press("next", &[]).await;
    assert!(browser.shows(TOPICS) && browser.has_ticked("authorizations.hiv") && browser.shows("BRCA1"));
    browser.press("next", &[("authorizations.genetic", "on")]).await;
    assert!(browser.shows(CHECK));
    for (go, shown) in [("back", TOPICS), ("parts", PARTS), ("topics", TOPICS)] {
        browser.press(go, &[]).await;
        assert!(browser.shows(&format!("<h1>{shown}")), "{go}: {}", browser.page.text());
        if shown == PARTS {
            browser.press("next", &[]).await;
        }
        browser.press("next", &[]).await;
        assert!(browser.shows(CHECK), "{go}");
    }
}

/// This story moves the clock.
#[tokio::test]
async fn the_agreement_stays_ticked_while_the_content_is_the_same() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let (_, link) = link_of(&world, &token).await;
    let mut browser = Browser::open(&world, &link).await;
    browser.press("next", &[]).await;
    browser.press("next", &[("authorizations.hiv", "on")]).await;
    assert!(browser.shows(CHECK) && !browser.has_ticked("agree"), "nothing is ticked at first");
    browser.press("stay", &[("agree", "on")]).await;
    assert!(browser.shows(CHECK) && browser.has_ticked("agree"), "{}", browser.page.text());
    let spanish = browser.submit("language:es", &[]).await;
    browser.get(&spanish.location()).await;
    assert!(browser.has_ticked("agree"), "{}", browser.page.text());
    browser.press("back", &[]).await;
    browser.press("next", &[]).await;
    assert!(browser.has_ticked("agree"), "the same content");
    // The end of the session loses it neither.
    browser.press("stay", &[("agree", "")]).await;
    assert!(!browser.has_ticked("agree"), "the box can be cleared");
    world.advance(601);
    let late = browser.submit("stay", &[("agree", "on")]).await.location();
    let next = tests::parameter(&late, "next").expect("a way back");
    let mut browser = Browser::signed_in(&world, ANNA, &next).await;
    let kept = fields_of(&browser.page.text());
    assert!(kept.iter().any(|(name, value)| name == "agree" && value == "on"), "{kept:?}");
    // The patient agrees to what is shown, and to nothing else.
    browser.press("topics", &[]).await;
    browser.press("next", &[("authorizations.mentalHealth", "on")]).await;
    assert!(browser.shows(CHECK) && !browser.has_ticked("agree"), "{}", browser.page.text());
    browser.press("stay", &[("agree", "on")]).await;
    assert!(browser.has_ticked("agree"));
    world.advance(24 * 3600);
    let mut browser = Browser::signed_in(&world, ANNA, &next).await;
    assert!(browser.shows(CHECK) && !browser.has_ticked("agree"), "the permission ends on another day");
    browser.press("send", &[]).await;
    assert!(browser.shows("Tick the box to agree."));
}

/// An export that waits for its form ends some time after its start, whenever the form was saved. This story moves the clock.
#[tokio::test]
async fn a_saved_form_names_the_day_on_which_its_export_ends() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let (_, link) = link_of(&world, &token).await;
    let saved = async |link: &str| {
        let mut browser = Browser::open(&world, link).await;
        browser.press("later", &[("parameters.labs.notes", &format!("at {}", world.now()))]).await;
        let page = browser.page.text();
        let (_, lead) = page.split_once("Come back by ").expect("a date");
        lead.split_once(". Use").expect("an end").0.to_owned()
    };
    let first = saved(&link).await;
    world.advance(5 * 24 * 3600);
    assert_eq!(saved(&link).await, first);
    // The form without a job has no export: its input ends, and saving a change begins the time again.
    let path = format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id=app");
    let mut browser = Browser::signed_in(&world, ANNA, &path).await;
    browser.press("later", &[("parameters.labs.notes", "iron")]).await;
    let of_draft = browser.page.text();
    assert!(!of_draft.contains(&first), "{of_draft}");
    world.advance(3 * 24 * 3600);
    let again = Browser::signed_in(&world, ANNA, &format!("{path}&step=saved")).await.page.text();
    let date = |page: &str| page.split_once("Come back by ").expect("a date").1[..12].to_owned();
    assert_eq!(date(&again), date(&of_draft), "opening the page again changes nothing");
}
