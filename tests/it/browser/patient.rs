//! The pages that patients see, and the complete path from the app through sign-in, consent and form back to the app.

use tests::PASSWORD;
use tests::browser::{Audience, Browser, Key, Look, Page, Script, Site};
use tests::in_browser;

use super::{opened, passes};

/// Goes from the app to the consent page.
async fn sign_in(site: &Site, page: &Page) {
    page.open(&site.authorize()).await;
    page.tab_until("Anna", |stop| stop.role == "button" && stop.name.starts_with("Anna Lindqvist")).await;
    page.leads(page.press(Key::Enter)).await;
}

/// Sends the form with its initial values.
async fn send_form(page: &Page) {
    for button in ["Continue", "Continue", "Send my request"] {
        page.tab_to("button", button).await;
        page.leads(page.press(Key::Enter)).await;
    }
}

async fn authorize_and_send_form(script: Script) {
    let (site, _browser, page) = opened(Look::PHONE, script).await;
    sign_in(&site, &page).await;
    assert!(page.heading().await.contains("Pocket Health"), "{}", page.heading().await);
    assert!(page.text().await.contains("Anna Lindqvist"));
    page.tab_to("button", "Allow").await;
    page.leads(page.press(Key::Enter)).await;
    assert_eq!(page.heading().await, "Back in the app");
    let returned = page.url().await;
    let token = site.token_for(&returned).await;

    let (job, form) = site.kick_off(&token).await;
    assert_eq!(site.progress(&token, &job).await, "waiting for the patient's choices");
    let redirect: String = url::form_urlencoded::byte_serialize(site.app.as_bytes()).collect();
    page.open(&format!("{form}&redirect={redirect}")).await;
    send_form(&page).await;
    assert_eq!(page.heading().await, "Back in the app");
    assert_ne!(page.url().await, returned);
    site.world.work().await;
    assert!(site.progress(&token, &job).await.contains("review"), "{}", site.progress(&token, &job).await);
}

#[in_browser]
async fn a_patient_authorizes_an_app_and_sends_the_form_by_keyboard() {
    authorize_and_send_form(Script::On).await;
}

#[in_browser]
async fn a_patient_authorizes_an_app_and_sends_the_form_without_scripts() {
    authorize_and_send_form(Script::Off).await;
}

#[in_browser]
async fn a_refusal_returns_to_the_app() {
    let (site, _browser, page) = opened(Look::PHONE, Script::On).await;
    sign_in(&site, &page).await;
    page.leads(page.click("button", "Do not allow")).await;
    assert_eq!(page.heading().await, "Back in the app");
    assert_eq!(tests::parameter(&page.url().await, "error").as_deref(), Some("access_denied"));
}

#[in_browser]
async fn a_wrong_password_is_reported_and_the_right_one_is_accepted() {
    let (site, browser) = (Site::with("sandbox = false").await, Browser::open().await);
    let page = browser.page(Look::PHONE, Script::Off).await;
    page.open(&site.authorize()).await;
    for (password, leads_to) in [("not it", "Sign in"), (PASSWORD, "Pocket Health")] {
        page.fill("User name", "anna").await;
        page.fill("Password", password).await;
        page.leads(page.press(Key::Enter)).await;
        assert!(page.heading().await.contains(leads_to), "{}", page.heading().await);
    }
}

#[in_browser]
async fn the_landing_page_passes_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    page.open(&site.at("/")).await;
    passes(&page, "landing", Audience::Patients).await;
}

#[in_browser]
async fn the_format_page_passes_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    page.open(&site.at("/format")).await;
    passes(&page, "format", Audience::Patients).await;
}

#[in_browser]
async fn the_sign_in_page_passes_in_every_appearance() {
    let (site, browser) = (Site::with("sandbox = false").await, Browser::open().await);
    let page = browser.page(Look::DESK, Script::On).await;
    page.open(&site.authorize()).await;
    assert!(page.has("textbox", "Password").await);
    passes(&page, "patient-sign-in", Audience::Patients).await;
}

#[in_browser]
async fn the_sandbox_sign_in_page_passes_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    page.open(&site.authorize()).await;
    passes(&page, "patient-sign-in-sandbox", Audience::Patients).await;
}

#[in_browser]
async fn the_consent_page_passes_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    sign_in(&site, &page).await;
    assert!(page.has("button", "Do not allow").await);
    passes(&page, "consent", Audience::Patients).await;
}

#[in_browser]
async fn the_form_passes_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    page.open(&site.form().await).await;
    assert!(page.url().await.contains("/customize"), "{}", page.url().await);
    passes(&page, "form", Audience::Patients).await;
}

#[in_browser]
async fn the_steps_of_the_form_pass_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    page.open(&site.form().await).await;
    page.leads(page.click("button", "Continue")).await;
    assert_eq!(page.heading().await, "Private topics");
    passes(&page, "form-topics", Audience::Patients).await;
    page.tab_to("checkbox", "HIV").await;
    page.press(Key::Space).await;
    page.leads(page.click("button", "Continue")).await;
    assert_eq!(page.heading().await, "Check before you send");
    passes(&page, "form-check", Audience::Patients).await;
    page.leads(page.click("button", "Send my request")).await;
    assert!(page.text().await.contains("Tick the box to agree."));
    passes(&page, "form-check-wrong", Audience::Patients).await;
}

#[in_browser]
async fn the_form_with_mistakes_passes_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    page.open(&site.form().await).await;
    page.leads(page.click("button", "Clear all")).await;
    page.leads(page.click("button", "Continue")).await;
    assert!(page.title().await.starts_with("Error: "), "{}", page.title().await);
    passes(&page, "form-wrong", Audience::Patients).await;
}

#[in_browser]
async fn a_step_has_few_tab_stops() {
    let (site, _browser, page) = opened(Look::PHONE, Script::On).await;
    page.open(&site.form().await).await;
    for (most, button) in [(40, "Continue"), (25, "Continue"), (25, "Send my request")] {
        let stops = page.tab_stops().await;
        assert!(stops.len() <= most, "{} stops", stops.len());
        assert_eq!(stops[0].name, "Skip to the main part");
        page.leads(page.click("button", button)).await;
    }
}

#[in_browser]
async fn the_page_after_the_form_passes_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    page.open(&site.form().await).await;
    send_form(&page).await;
    passes(&page, "form-done", Audience::Patients).await;
}

#[in_browser]
async fn the_error_page_passes_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    page.open(&site.at("/nowhere")).await;
    assert_eq!(page.status().await, 404);
    passes(&page, "error", Audience::Patients).await;
}
