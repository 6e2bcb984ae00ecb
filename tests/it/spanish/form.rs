//! The form in its steps and states.

use serde_json::json;
use tests::ANNA;

use super::{check, visit, world};
use crate::browsing::Browser;
use crate::form::link_of;

/// Each page of the form, and each message on it.
#[tokio::test]
async fn the_form_has_only_texts_of_the_catalogue() {
    let world = world("sandbox = true");
    let token = world.token(ANNA).await;
    let (job, link) = link_of(&world, &token).await;
    let mut browser = Browser::open(&world, &link).await;
    browser.cookie += "; lang=es";
    let path = format!("{job}/customize");
    for step in ["parts", "topics", "check"] {
        for show in ["", "problems", "changed", "agree"] {
            visit(&world, &browser.cookie, &format!("{path}?step={step}&show={show}")).await;
        }
    }
    let long = "1".repeat(900);
    browser.get(&path).await;
    browser.press("none", &[]).await;
    browser.press("next", &[]).await;
    assert!(check(&browser.page, "nothing chosen").contains("⟦none-chosen⟧"));
    let wrong = [
        ("parameters.labs.enabled", "on"),
        ("parameters.labs.from.month", "2"),
        ("parameters.labs.from.day", "30"),
        ("parameters.labs.from.year", "2020"),
        ("parameters.billing.enabled", "on"),
        ("parameters.billing.from.year", "2021"),
        ("parameters.billing.to.year", "2020"),
        ("parameters.visits.enabled", "on"),
        ("parameters.visits.notes", long.as_str()),
    ];
    browser.press("next", &wrong).await;
    let shown = check(&browser.page, "mistakes of the parts");
    for key in ["not-a-date", "wrong-order", "note-too-long"] {
        assert!(shown.contains(&format!("⟦{key}⟧")), "{key}: {shown}");
    }
    let right = [
        ("parameters.labs.from.day", "20"),
        ("parameters.billing.to.year", "2022"),
        ("parameters.visits.to.month", "3"),
        ("parameters.visits.to.year", "2022"),
        ("parameters.visits.notes", "1"),
    ];
    browser.press("next", &right).await;
    let wrong = [
        ("authorizations.genetic.text", "1"),
        ("authorizations.other.text", long.as_str()),
        ("authorizations.other", "on"),
    ];
    browser.press("next", &wrong).await;
    let shown = check(&browser.page, "mistakes of the topics");
    assert!(shown.contains("⟦text-without-tick⟧") && shown.contains("⟦text-too-long⟧"), "{shown}");
    browser.press("next", &[("authorizations.genetic", "on"), ("authorizations.other.text", "1")]).await;
    check(&browser.page, "check");
    browser.press("send", &[]).await;
    assert!(check(&browser.page, "not agreed").contains("⟦agree-missing⟧"));
    browser.press("later", &[]).await;
    assert!(check(&browser.page, "saved").contains("⟦saved-lead⟧"));
    browser.get(&path).await;
    let other_tab = browser.page.text();
    browser.press("stay", &[("parameters.labs.notes", "2")]).await;
    browser.page.body = other_tab.into_bytes();
    browser.press("stay", &[("parameters.labs.notes", "3")]).await;
    assert!(check(&browser.page, "two tabs").contains("⟦two-tabs⟧"));
}

/// The pages after sending.
#[tokio::test]
async fn the_pages_after_the_form_have_only_texts_of_the_catalogue() {
    let world = world("sandbox = true");
    let token = world.token(ANNA).await;
    let (job, link) = link_of(&world, &token).await;
    let browser = Browser::open(&world, &link).await;
    let code = tests::parameter(&link, "code").expect("a code");
    let choices = json!({ "parameters": { "labs": { "enabled": true } } });
    world.post(&format!("{job}?code={code}")).json(&choices).send().await;
    let form = |step: &str| format!("{job}/customize?step={step}");
    for step in ["sent", "check", "state"] {
        visit(&world, &browser.cookie, &form(step)).await;
    }
    world.work().await;
    let shown = visit(&world, &browser.cookie, &form("state")).await;
    assert!(shown.contains("⟦next-complete⟧"), "{shown}");
    world.advance(25 * 3600);
    let shown = visit(&world, &browser.cookie, &link).await;
    assert!(shown.contains("⟦"), "{shown}");
}
