//! The pages that staff see, and the complete path by keyboard alone: sign in, open an export, approve it.

use tests::browser::{Audience, Key, Look, Script};
use tests::in_browser;

use super::{opened, passes};

async fn sign_in_and_approve(script: Script) {
    let (site, _browser, page) = opened(Look::DESK, script).await;
    let review = site.in_review().await;
    site.sign_staff_in(&page).await;
    page.tab_until("the export", |stop| stop.href.contains(&review.id)).await;
    page.leads(page.press(Key::Enter)).await;
    assert!(page.url().await.contains(&review.id), "{}", page.url().await);
    assert!(page.heading().await.contains("Anna Lindqvist"), "{}", page.heading().await);
    page.tab_to("link", "Approve").await;
    page.leads(page.press(Key::Enter)).await;
    page.tab_to("button", "Approve").await;
    page.leads(page.press(Key::Enter)).await;
    assert!(!page.has("link", "Approve").await);
    let shown =
        site.world.get(&format!("/admin{}", review.job)).cookie(&site.world.staff().await).send().await;
    assert_eq!(shown.json()["status"], "approved", "{}", shown.text());
}

#[in_browser]
async fn staff_review_an_export_by_keyboard() {
    sign_in_and_approve(Script::On).await;
}

#[in_browser]
async fn staff_review_an_export_without_scripts() {
    sign_in_and_approve(Script::Off).await;
}

#[in_browser]
async fn the_sign_in_page_passes_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    page.open(&site.at("/staff/login")).await;
    passes(&page, "staff-sign-in", Audience::Staff).await;
}

/// Ticks two exports in the list, checks whose records they are, and approves them.
async fn approve_several(script: Script) {
    let (site, _browser, page) = opened(Look::PHONE, script).await;
    let reviews = [site.in_review().await, site.in_review().await];
    site.sign_staff_in(&page).await;
    page.tab_to("searchbox", "Search").await;
    page.enter("lindq").await;
    page.leads(page.press(Key::Enter)).await;
    assert!(page.url().await.contains("q=lindq"), "{}", page.url().await);
    page.tab_to("checkbox", "Tick Anna Lindqvist").await;
    page.press(Key::Space).await;
    page.press(Key::Tab).await;
    page.press(Key::Tab).await;
    page.press(Key::Space).await;
    let button = if script == Script::On { "Approve 2" } else { "Approve what is ticked" };
    page.tab_to("button", button).await;
    page.leads(page.press(Key::Enter)).await;
    assert_eq!(page.heading().await, "Approve 2 exports?");
    page.tab_to("button", "Approve 2").await;
    page.leads(page.press(Key::Enter)).await;
    assert_eq!(page.heading().await, "2 exports are approved");
    page.tab_to("link", "Back to the exports").await;
    page.leads(page.press(Key::Enter)).await;
    assert!(page.text().await.contains("Nothing needs review."));
    let staff = site.world.staff().await;
    for review in reviews {
        let shown = site.world.get(&format!("/admin{}", review.job)).cookie(&staff).send().await;
        assert_eq!(shown.json()["status"], "approved", "{}", shown.text());
    }
}

#[in_browser]
async fn several_exports_are_approved_by_keyboard() {
    approve_several(Script::On).await;
}

#[in_browser]
async fn several_exports_are_approved_without_scripts() {
    approve_several(Script::Off).await;
}

#[in_browser]
async fn the_queue_passes_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    site.sign_staff_in(&page).await;
    passes(&page, "staff-queue-empty", Audience::Staff).await;
    site.in_review().await;
    // The export is due soon.
    site.world.advance(26 * 24 * 3600);
    site.in_review().await;
    site.form().await;
    site.kick_off(&site.token().await).await;
    site.sign_staff_in(&page).await;
    passes(&page, "staff-queue", Audience::Staff).await;
    page.open(&site.at("/staff?tab=all&app=phone-app")).await;
    passes(&page, "staff-queue-all", Audience::Staff).await;
    page.open(&site.at("/staff?tab=all&q=nobody&from=2026-02-30")).await;
    assert!(page.title().await.starts_with("Error: "), "{}", page.title().await);
    passes(&page, "staff-queue-wrong", Audience::Staff).await;
    page.open(&site.at("/staff?lang=es")).await;
    passes(&page, "staff-queue-spanish", Audience::Staff).await;
}

#[in_browser]
async fn the_pages_of_several_approvals_pass_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    site.in_review().await;
    let review = site.in_review().await;
    site.sign_staff_in(&page).await;
    for _ in 0..2 {
        page.tab_to("checkbox", "Tick Anna Lindqvist").await;
        page.press(Key::Space).await;
        page.press(Key::Tab).await;
    }
    page.leads(page.click("button", "Approve 2")).await;
    passes(&page, "staff-approve-several", Audience::Staff).await;
    let staff = site.world.staff().await;
    site.world.post(&format!("/admin{}/approve", review.job)).cookie(&staff).send().await;
    page.leads(page.click("button", "Approve 2")).await;
    passes(&page, "staff-approved-several", Audience::Staff).await;
}

#[in_browser]
async fn the_page_of_an_export_passes_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    let review = site.in_review().await;
    site.sign_staff_in(&page).await;
    page.open(&site.at(&format!("/staff/jobs/{}", review.id))).await;
    passes(&page, "staff-job", Audience::Staff).await;
}

#[in_browser]
async fn the_audit_trail_passes_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    site.in_review().await;
    site.sign_staff_in(&page).await;
    page.open(&site.at("/staff/audit")).await;
    passes(&page, "staff-audit", Audience::Staff).await;
}

#[in_browser]
async fn the_settings_pass_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    site.sign_staff_in(&page).await;
    page.open(&site.at("/staff/settings")).await;
    passes(&page, "staff-settings", Audience::Staff).await;
}

#[in_browser]
async fn the_pages_of_a_new_export_pass_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    site.in_review().await;
    site.sign_staff_in(&page).await;
    page.open(&site.at("/staff/patients?q=li")).await;
    passes(&page, "staff-patients", Audience::Staff).await;
    page.open(&site.at("/staff/groups")).await;
    passes(&page, "staff-groups", Audience::Staff).await;
    page.leads(page.click("link", "Start export for All sample patients")).await;
    passes(&page, "staff-start-group", Audience::Staff).await;
    page.open(&site.at("/staff/patients?q=lind+anna")).await;
    page.leads(page.click("link", "Start export for Anna Lindqvist")).await;
    passes(&page, "staff-start", Audience::Staff).await;
    page.fill("Who gets the copy?", "the patient").await;
    page.fill("Why is it made?", "asked by phone").await;
    page.leads(page.press(Key::Enter)).await;
    assert!(page.url().await.contains("/staff/jobs/"), "{}", page.url().await);
}
