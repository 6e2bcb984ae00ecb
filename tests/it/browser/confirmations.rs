//! Checks 1 and 2 (`infra/docs/checks.md`): pages that ask before something ends, forms of staff with mistakes, and rare error pages.

use std::sync::Arc;

use platform::Platform;
use tests::browser::{Audience, Browser, Look, Page, Script, Site};
use tests::hooked::Hooked;
use tests::in_browser;
use tests::links::Links;

use super::{ask_for_copy, follow, opened, passes, press};
use crate::my::approved;

/// Opens a page of a patient, and checks it in every appearance.
async fn opens(site: &Site, page: &Page, (path, heading, name): (&str, &str, &str)) {
    page.look(Look::DESK).await;
    page.open(&site.at(path)).await;
    assert_eq!(page.heading().await, heading, "{path}: {}", page.text().await);
    passes(page, name, Audience::Patients).await;
}

#[in_browser]
async fn the_questions_of_patients_pages_pass_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    let copy = ask_for_copy(&site, &page, &["HIV"]).await;
    site.world.work().await;
    let take_back = format!("{copy}/take-back");
    opens(&site, &page, (&take_back, "Take back your permission?", "my-take-back")).await;
    approved(&site.world, &copy).await;
    let cancel = format!("{copy}/cancel");
    opens(&site, &page, (&cancel, "Delete this copy?", "my-delete")).await;
    site.token().await;
    page.look(Look::DESK).await;
    page.open(&site.at("/my/apps")).await;
    page.leads(page.click("link", "Stop access Pocket Health")).await;
    assert_eq!(page.heading().await, "Stop the access of Pocket Health?");
    passes(&page, "my-stop", Audience::Patients).await;
    opens(&site, &page, ("/my/sign-out-everywhere", "Sign out everywhere?", "my-sign-out-everywhere")).await;
}

#[in_browser]
async fn the_forms_of_staff_with_mistakes_pass_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    let review = site.in_review().await;
    site.sign_staff_in(&page).await;
    page.open(&site.at(&format!("/staff/jobs/{}/reject", review.id))).await;
    press(&page, "Reject").await;
    assert!(page.title().await.starts_with("Error: "), "{}", page.title().await);
    passes(&page, "staff-reject-wrong", Audience::Staff).await;
    page.look(Look::DESK).await;
    page.open(&site.at(&format!("/staff/jobs/{}/files/Observation.ndjson", review.id))).await;
    page.tab_until("a resource", |stop| stop.href.contains("one=1")).await;
    page.leads(page.press(tests::browser::Key::Enter)).await;
    follow(&page, "Leave out").await;
    // The browser itself does not send the form without a reason.
    let send = "(document.querySelector('#form').noValidate = true, null)";
    page.evaluate::<Option<bool>>(send).await;
    press(&page, "Leave out").await;
    assert!(page.title().await.starts_with("Error: "), "{}", page.title().await);
    passes(&page, "staff-leave-out-wrong", Audience::Staff).await;
}

/// A page that only takes forms, opened by its address: 405.
#[in_browser]
async fn an_address_that_only_takes_forms_gets_a_page() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    page.open(&site.at("/staff/logout")).await;
    assert_eq!((page.status().await, &*page.heading().await), (405, "This does not work here"));
    passes(&page, "error-405", Audience::Staff).await;
}

/// The ZIP of a large copy, where the store of files has links: before, while and after workers make it.
#[in_browser]
async fn the_page_of_a_zip_passes_in_every_appearance() {
    let settings = "review = false\nmax_direct_bytes = 1\nmax_immediate_zip_bytes = 1";
    let site = Site::with_router(settings, |world| {
        let hooked = Hooked { inner: Arc::new(world.platform().clone()), hook: Arc::new(Links) };
        web::host::host(ehi::server::routers(&hooked).expect("its ports"), hooked.context())
    })
    .await;
    let browser = Browser::open().await;
    let page = browser.page(Look::DESK, Script::On).await;
    let copy = ask_for_copy(&site, &page, &[]).await;
    site.world.work().await;
    page.open(&site.at(&copy)).await;
    assert!(page.text().await.contains("is prepared first"), "{}", page.text().await);
    passes(&page, "my-copy-large", Audience::Patients).await;
    let progress = format!("{copy}/zip/progress");
    for (name, state, button) in [
        ("my-zip-none", "Not prepared yet", Some("Prepare the ZIP")),
        ("my-zip-preparing", "Being prepared", None),
        ("my-zip-ready", "Ready", None),
    ] {
        page.look(Look::DESK).await;
        page.open(&site.at(&progress)).await;
        assert!(page.text().await.contains(state), "{name}: {}", page.text().await);
        passes(&page, name, Audience::Patients).await;
        page.look(Look::DESK).await;
        match button {
            Some(button) => press(&page, button).await,
            None => site.world.work().await,
        }
    }
    assert!(page.has("link", "Download the ZIP").await && !page.has("link", "Update").await);
}
