//! Checks 1, 2 and 40 (`infra/docs/checks.md`): the pages of patients in Spanish, whose words are longer.

use tests::browser::{Audience, Key, Look, Script};
use tests::{ANNA, in_browser};

use super::{opened, passes};

#[in_browser]
async fn the_pages_of_patients_pass_in_spanish() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    page.open(&site.at("/?lang=es")).await;
    passes(&page, "es-landing", Audience::Patients).await;
    page.look(Look::DESK).await;
    page.open(&site.authorize()).await;
    passes(&page, "es-sign-in", Audience::Patients).await;
    page.look(Look::DESK).await;
    page.tab_until("Anna", |stop| stop.role == "button" && stop.name.ends_with(ANNA)).await;
    page.leads(page.press(Key::Enter)).await;
    assert!(page.has("button", "No permitir").await, "{}", page.text().await);
    passes(&page, "es-consent", Audience::Patients).await;
    page.look(Look::DESK).await;
    page.open(&site.at("/my")).await;
    passes(&page, "es-my-none", Audience::Patients).await;
    page.look(Look::DESK).await;
    page.leads(page.click("link", "Pedir una copia")).await;
    passes(&page, "es-form", Audience::Patients).await;
    page.look(Look::DESK).await;
    page.leads(page.click("button", "Continuar")).await;
    page.tab_to("checkbox", "VIH").await;
    page.press(Key::Space).await;
    passes(&page, "es-form-topics", Audience::Patients).await;
    page.look(Look::DESK).await;
    page.leads(page.click("button", "Continuar")).await;
    page.leads(page.click("button", "Enviar mi solicitud")).await;
    assert!(page.text().await.contains("Marque la casilla para aceptar."), "{}", page.text().await);
    passes(&page, "es-form-check-wrong", Audience::Patients).await;
    page.look(Look::DESK).await;
    page.tab_until("agreement", |stop| stop.role == "checkbox").await;
    page.press(Key::Space).await;
    page.leads(page.click("button", "Enviar mi solicitud")).await;
    let copy = page.url().await.split('?').next().unwrap_or_default().to_owned();
    passes(&page, "es-my-copy", Audience::Patients).await;
    for (path, name) in [("/take-back", "es-my-take-back"), ("/cancel", "es-my-cancel")] {
        page.look(Look::DESK).await;
        page.open(&format!("{copy}{path}")).await;
        assert_eq!(page.evaluate::<String>("document.documentElement.lang").await, "es");
        passes(&page, name, Audience::Patients).await;
    }
    for (path, name) in
        [("/my/apps", "es-my-apps"), ("/my/exports/x", "es-error-404"), ("/format", "es-format")]
    {
        page.look(Look::DESK).await;
        page.open(&site.at(path)).await;
        passes(&page, name, Audience::Patients).await;
    }
}
