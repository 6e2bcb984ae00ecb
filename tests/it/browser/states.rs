//! Checks 1 and 2 (`infra/docs/checks.md`): the pages of copies and exports in each of their states.

use serde_json::json;
use tests::browser::{Audience, Key, Look, Page, Script, Site};
use tests::faults::{Faults, Faulty, Strike};
use tests::{ANNA, in_browser};

use super::{ask_for_copy, opened, passes};
use crate::my::{approved, signed_in};

/// Signs Anna in on the way to a page.
async fn open_as_anna(site: &Site, page: &Page, path: &str) {
    page.open(&site.at(path)).await;
    if page.heading().await == "Who are you?" {
        page.leads(page.click("button", &format!("Anna Lindqvist {ANNA}"))).await;
    }
    assert!(page.url().await.ends_with(path), "{}", page.url().await);
}

/// Lets all exports fail that are not collected yet.
async fn let_fail(site: &Site) {
    let faulty = Faulty::new(site.world.platform().clone(), Faults::at(0, Strike::Defect));
    let worker = export_generator::worker(&faulty).expect("its ports");
    let inbox = faulty.inbox();
    for _ in 0..60 {
        while matches!(
            ehi::worker::step(&*inbox, &*worker, &domain::ports::queue::NoDeadline).await,
            Ok(true)
        ) {}
        site.world.advance(30);
    }
}

async fn reject(site: &Site, id: &str, reason: &str) {
    let staff = site.world.staff().await;
    let body = json!({ "reason": reason });
    let rejected =
        site.world.post(&format!("/admin/jobs/{id}/reject")).cookie(&staff).json(&body).send().await;
    assert_eq!(rejected.status, http::StatusCode::OK, "{}", rejected.text());
}

/// A rejected, a failed, a cancelled and an expired copy: its page and the page of its form say so, and what to do.
#[in_browser]
async fn the_pages_of_copies_that_have_ended_pass_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    let world = &site.world;
    let expired = ask_for_copy(&site, &page, &[]).await;
    world.work().await;
    approved(world, &expired).await;
    // A finished export is kept for a day.
    world.advance(25 * 3600);
    world.clean().await;
    let failed = ask_for_copy(&site, &page, &[]).await;
    let_fail(&site).await;
    let rejected = ask_for_copy(&site, &page, &[]).await;
    world.work().await;
    reject(&site, &last_of(&rejected), "We cannot confirm who asked.").await;
    let cancelled = ask_for_copy(&site, &page, &[]).await;
    let session = signed_in(world, ANNA).await;
    world.post(&format!("{cancelled}/cancel")).cookie(&session).form(&[("seen", "open")]).send().await;
    for (name, copy, state, words) in [
        ("rejected", &rejected, "Not sent", "We cannot confirm who asked."),
        ("failed", &failed, "Something broke", "Please ask for the copy again."),
        ("cancelled", &cancelled, "Cancelled", "You can ask for a copy again."),
        ("expired", &expired, "No longer here", "Its files are removed."),
    ] {
        open_as_anna(&site, &page, copy).await;
        let shown = page.text().await;
        assert!(shown.contains(state) && shown.contains(words), "{name}: {shown}");
        passes(&page, &format!("my-copy-{name}"), Audience::Patients).await;
        page.look(Look::DESK).await;
        page.open(&site.at(&(copy.replace("/my/exports/", "/jobs/") + "/customize"))).await;
        let status = if matches!(name, "cancelled" | "expired") { 404 } else { 200 };
        assert_eq!((page.status().await, page.heading().await.as_str()), (status, "Your copy"), "{name}");
        assert!(page.text().await.contains(state), "{name}: {}", page.text().await);
        assert!(
            page.has("link", "Ask for a copy again").await && page.has("link", "My copies").await,
            "{name}"
        );
        assert!(!page.text().await.contains("your app") && !page.has("link", "Update").await, "{name}");
        passes(&page, &format!("form-state-{name}"), Audience::Patients).await;
        page.look(Look::DESK).await;
    }
    open_as_anna(&site, &page, "/my").await;
    passes(&page, "my-copies-ended", Audience::Patients).await;
}

/// The page behind the link of a form that was sent.
#[in_browser]
async fn the_state_behind_the_link_of_a_form_passes_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    let form = site.form().await;
    page.open(&form).await;
    for button in ["Continue", "Continue", "Send my request"] {
        page.leads(page.click("button", button)).await;
    }
    page.open(&form).await;
    assert!(page.heading().await == "Your copy" && page.text().await.contains("Collecting"));
    passes(&page, "form-state-collecting", Audience::Patients).await;
    site.world.work().await;
    page.look(Look::DESK).await;
    page.open(&form).await;
    assert!(page.text().await.contains("Being checked"), "{}", page.text().await);
    passes(&page, "form-state-checked", Audience::Patients).await;
    let job = url::Url::parse(&form).expect("a URL").path().replace("/customize", "");
    approved(&site.world, &job).await;
    page.look(Look::DESK).await;
    page.open(&form).await;
    assert!(page.text().await.contains("Open your app."), "{}", page.text().await);
    assert!(page.has("link", "Download the copy").await && page.has("link", "My copies").await);
    passes(&page, "form-state-ready", Audience::Patients).await;
}

/// Starts an export without a form; returns the id of its job.
async fn collecting_job(site: &Site) -> String {
    let path = format!("/no-form/fhir/Patient/{ANNA}/$ehi-export");
    let started = site.world.post(&path).bearer(&site.token().await).send().await;
    last_of(started.header("content-location").strip_suffix("/status").expect("a status URL"))
}

/// Returns the last segment of a path.
fn last_of(path: &str) -> String {
    path.rsplit('/').next().expect("a segment").to_owned()
}

#[in_browser]
async fn the_pages_of_exports_in_each_state_pass_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    let failed = collecting_job(&site).await;
    let_fail(&site).await;
    let rejected = site.in_review().await.id;
    reject(&site, &rejected, "We cannot confirm who asked.").await;
    let complete = site.in_review().await.id;
    approved(&site.world, &complete).await;
    let cancelled = collecting_job(&site).await;
    let staff = site.world.staff().await;
    let path = format!("/admin/jobs/{cancelled}");
    site.world.request(http::Method::DELETE, &path).cookie(&staff).send().await;
    let waiting = last_of(&site.kick_off(&site.token().await).await.0);
    let collecting = collecting_job(&site).await;
    site.sign_staff_in(&page).await;
    for (name, job, words) in [
        ("collecting", collecting, "Collecting"),
        ("waiting", waiting, "The patient has not chosen yet."),
        ("rejected", rejected, "We cannot confirm who asked."),
        ("failed", failed, "There are no files, because the export failed."),
        ("complete", complete, "Ready"),
        ("cancelled", cancelled, "admin cancelled or deleted it at "),
    ] {
        page.open(&site.at(&format!("/staff/jobs/{job}"))).await;
        assert!(page.text().await.contains(words), "{name}: {}", page.text().await);
        let reason = "document.querySelector('.broken [lang=en]')?.innerText ?? ''";
        assert_eq!(page.evaluate::<String>(reason).await.is_empty(), name != "failed", "{name}");
        passes(&page, &format!("staff-job-{name}"), Audience::Staff).await;
        page.look(Look::DESK).await;
    }
}

#[in_browser]
async fn a_search_that_finds_nobody_passes_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    site.sign_staff_in(&page).await;
    page.open(&site.at("/staff/patients")).await;
    page.tab_to("searchbox", "Name, birth date, identifier or id").await;
    page.enter("zzzz").await;
    page.leads(page.press(Key::Enter)).await;
    assert!(page.text().await.contains("Nobody found. Check the spelling."), "{}", page.text().await);
    passes(&page, "staff-patients-nobody", Audience::Staff).await;
    page.look(Look::DESK).await;
    page.open(&site.at("/staff/jobs/01a1fb95-ab0a-7a46-aeea-001492bd7651")).await;
    assert_eq!(page.status().await, 404);
    passes(&page, "staff-error-404", Audience::Staff).await;
}
