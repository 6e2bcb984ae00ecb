//! Pages on paper: black on white, without navigation, buttons and filters, and with all details open.

use tests::browser::{Look, Page, Scheme, Script};
use tests::in_browser;

use super::{ask_for_copy, assert_none, opened};
use crate::my::approved;

/// Checks the page that is open, as it is printed from a light and from a dark screen.
async fn prints(page: &Page, name: &str) {
    for scheme in [Scheme::Light, Scheme::Dark] {
        page.look(Look { width: 1280, scheme }).await;
        assert!(!page.unprintable().await.is_empty(), "{name}: the screen has buttons");
        page.print(scheme).await;
        assert_none(&page.unprintable().await);
        page.screenshot(&format!("print-{name}"), Look { width: 1280, scheme }).await;
    }
    page.look(Look::DESK).await;
}

#[in_browser]
async fn patients_print_their_form_and_their_copies() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    let copy = ask_for_copy(&site, &page, &[]).await;
    site.world.work().await;
    approved(&site.world, &copy).await;
    page.open(&site.form().await).await;
    prints(&page, "form").await;
    page.open(&site.at("/my")).await;
    prints(&page, "my").await;
    page.open(&site.at(&copy)).await;
    prints(&page, "my-copy").await;
}

#[in_browser]
async fn staff_print_their_lists_and_an_export() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    let review = site.in_review().await;
    site.sign_staff_in(&page).await;
    let job = format!("/staff/jobs/{}", review.id);
    let rows = format!("{job}/files/Observation.ndjson");
    for (name, path) in [
        ("queue", "/staff"),
        ("patients", "/staff/patients?q=li"),
        ("job", &job),
        ("rows", &rows),
        ("inside", &format!("{job}/inside")),
        ("audit", "/staff/audit"),
        ("settings", "/staff/settings"),
    ] {
        page.open(&site.at(path)).await;
        prints(&page, name).await;
    }
}
