//! The patient's own pages, from the first to the last: sign in, request a copy, see it become ready, download it, stop an app.

use tests::ANNA;
use tests::browser::{Audience, Key, Look, Page, Script, Site};
use tests::in_browser;

use super::{opened, passes};

/// Signs Anna in from the landing page.
async fn sign_in(site: &Site, page: &Page) {
    page.open(&site.at("/")).await;
    page.tab_until("Sign in", |stop| stop.role == "link" && stop.href.ends_with("/my")).await;
    page.leads(page.press(Key::Enter)).await;
    page.tab_until("Anna", |stop| stop.role == "button" && stop.name.starts_with("Anna Lindqvist")).await;
    page.leads(page.press(Key::Enter)).await;
    assert_eq!(page.heading().await, "My copies");
}

/// Requests a copy that includes HIV.
async fn ask(page: &Page) {
    page.tab_to("link", "Ask for a copy").await;
    page.leads(page.press(Key::Enter)).await;
    page.tab_to("button", "Continue").await;
    page.leads(page.press(Key::Enter)).await;
    page.tab_to("checkbox", "HIV").await;
    page.press(Key::Space).await;
    page.tab_to("button", "Continue").await;
    page.leads(page.press(Key::Enter)).await;
    assert!(page.text().await.contains("give you the topics you ticked"), "{}", page.text().await);
    page.tab_until("agreement", |stop| stop.role == "checkbox").await;
    page.press(Key::Space).await;
    page.tab_to("button", "Send my request").await;
    page.leads(page.press(Key::Enter)).await;
    assert!(page.heading().await.starts_with("Copy of "), "{}", page.heading().await);
    assert!(page.text().await.contains("We have your request."));
}

async fn approve(site: &Site, page: &Page) -> String {
    let url = page.url().await;
    let job = url.rsplit('/').next().expect("an id").split('?').next().expect("an id").to_owned();
    site.world.work().await;
    let staff = site.world.staff().await;
    let approved = site.world.post(&format!("/admin/jobs/{job}/approve")).cookie(&staff).send().await;
    assert_eq!(approved.status, http::StatusCode::OK, "{}", approved.text());
    job
}

async fn use_all_pages(script: Script) {
    let (site, _browser, page) = opened(Look::PHONE, script).await;
    sign_in(&site, &page).await;
    assert!(page.text().await.contains("You have no copies yet."));
    ask(&page).await;
    assert!(page.text().await.contains("Collecting"));
    let job = approve(&site, &page).await;
    page.tab_to("link", "Update").await;
    page.leads(page.press(Key::Enter)).await;
    assert!(page.text().await.contains("Ready"), "{}", page.text().await);
    page.tab_until("the ZIP", |stop| stop.role == "link" && stop.href.ends_with("/zip")).await;
    let session = crate::my::signed_in(&site.world, ANNA).await;
    let zip = site.world.get(&format!("/my/exports/{job}/zip")).cookie(&session).send().await;
    assert!(zip.body.starts_with(b"PK"), "{}", zip.text());

    site.token().await;
    page.tab_to("link", "Apps with access").await;
    page.leads(page.press(Key::Enter)).await;
    assert!(page.text().await.contains("Pocket Health"), "{}", page.text().await);
    page.tab_until("Stop access", |stop| stop.href.contains("/my/apps/stop")).await;
    page.leads(page.press(Key::Enter)).await;
    page.tab_to("button", "Stop access").await;
    page.leads(page.press(Key::Enter)).await;
    assert!(page.text().await.contains("The app has no access any more."));

    page.tab_to("link", "My copies").await;
    page.leads(page.press(Key::Enter)).await;
    page.tab_until("the copy", |stop| stop.href.contains(&job)).await;
    page.leads(page.press(Key::Enter)).await;
    page.tab_to("link", "Delete this copy").await;
    page.leads(page.press(Key::Enter)).await;
    page.tab_to("button", "Yes, delete it").await;
    page.leads(page.press(Key::Enter)).await;
    assert!(page.text().await.contains("The copy is deleted."));
    page.tab_to("button", "Sign out").await;
    page.leads(page.press(Key::Enter)).await;
    page.open(&site.at("/my")).await;
    assert_eq!(page.heading().await, "Who are you?");
}

#[in_browser]
async fn a_patient_uses_all_pages_by_keyboard() {
    use_all_pages(Script::On).await;
}

#[in_browser]
async fn a_patient_uses_all_pages_without_scripts() {
    use_all_pages(Script::Off).await;
}

#[in_browser]
async fn the_page_of_a_copy_updates_itself_if_scripts_run() {
    let (site, _browser, page) = opened(Look::PHONE, Script::On).await;
    sign_in(&site, &page).await;
    ask(&page).await;
    approve(&site, &page).await;
    let seen = "new Promise((done) => { const look = () => document.querySelector('.state').textContent === 'Ready' \
        ? done(document.querySelector('[data-spoken]').textContent) : setTimeout(look, 100); look(); })";
    assert_eq!(page.evaluate::<String>(seen).await, "Ready");
    assert!(page.has("link", "Delete this copy").await && page.title().await.contains("Ready"));
}

#[in_browser]
async fn the_patients_pages_pass_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    sign_in(&site, &page).await;
    passes(&page, "my-none", Audience::Patients).await;
    page.look(Look::DESK).await;
    page.leads(page.click("link", "Ask for a copy")).await;
    passes(&page, "form-without-job", Audience::Patients).await;
    page.look(Look::DESK).await;
    page.open(&site.at("/my")).await;
    ask(&page).await;
    passes(&page, "my-copy-collecting", Audience::Patients).await;
    page.leads(page.click("link", "Cancel this copy")).await;
    passes(&page, "my-cancel", Audience::Patients).await;
    page.leads(page.click("link", "No, go back")).await;
    let job = approve(&site, &page).await;
    page.open(&site.at(&format!("/my/exports/{job}"))).await;
    passes(&page, "my-copy-ready", Audience::Patients).await;
    page.open(&site.at("/my")).await;
    passes(&page, "my-copies", Audience::Patients).await;
    site.token().await;
    page.open(&site.at("/my/apps")).await;
    passes(&page, "my-apps", Audience::Patients).await;
    page.open(&site.at("/jobs/01a1fb95-ab0a-7a46-aeea-001492bd7651/customize")).await;
    assert_eq!(page.heading().await, "No longer here");
    passes(&page, "my-gone", Audience::Patients).await;
}
