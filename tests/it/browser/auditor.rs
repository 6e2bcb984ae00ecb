//! The whole way of an auditor, by keyboard alone: sign in, filter, page, and what other members of staff may see.

use std::sync::Arc;

use contract::{FixedClock, SeededRandom};
use local::Local;
use settings::Settings;
use tests::browser::{Audience, Browser, Key, Look, Page, Script, Site};
use tests::{ANNA, World, in_browser};

use super::{checked, follow, passes, press};
use crate::audit::program::tampered;
use crate::audit::roles::{signed_in, with_members};

/// Starts a site with a member of staff for each role, and more entries than a page has.
async fn audited() -> Site {
    let records = ehi::defaults::sample_records();
    let site = Site::of(&with_members(""), |text| World::of(text, &records)).await;
    let review = site.in_review().await;
    let reviewer = signed_in(&site.world, "reviewer").await;
    for path in ["/staff".to_owned(), format!("/staff{}", review.job)] {
        for _ in 0..14 {
            site.world.get(&path).cookie(&reviewer).send().await;
        }
    }
    site
}

/// Types into a field of the filter, and shows what it finds.
async fn filter_by(site: &Site, page: &Page, field: &str, text: &str) {
    page.open(&site.at("/staff/audit")).await;
    page.fill(field, text).await;
    page.leads(page.press(Key::Enter)).await;
}

/// Chooses the first option of a list of the filter, and shows what it finds.
async fn choose_first(site: &Site, page: &Page, list: &str) {
    page.open(&site.at("/staff/audit")).await;
    page.tab_to("combobox", list).await;
    page.press(Key::Down).await;
    press(page, "Show").await;
}

/// Returns the texts of a column of the table.
async fn column(page: &Page, label: &str) -> Vec<String> {
    let cells =
        format!("[...document.querySelectorAll('td[data-label=\"{label}\"]')].map((cell) => cell.innerText)");
    page.evaluate(&cells).await
}

async fn filter(site: &Site, page: &Page, script: Script) {
    filter_by(site, page, "Who", "reviewer").await;
    let who = column(page, "Who").await;
    assert!(who.len() == 25 && who.iter().all(|who| who.starts_with("reviewer")), "{who:?}");
    filter_by(site, page, "Patient’s id", ANNA).await;
    let patients = column(page, "Patient’s id").await;
    assert!(!patients.is_empty() && patients.iter().all(|patient| patient == ANNA), "{patients:?}");
    choose_first(site, page, "Action").await;
    let actions = column(page, "What").await;
    assert!(!actions.is_empty() && actions.iter().all(|action| action == "Signed in"), "{actions:?}");
    choose_first(site, page, "Result").await;
    let results = column(page, "Result").await;
    assert!(!results.is_empty() && results.iter().all(|result| result == "Done"), "{results:?}");
    for (field, is_empty) in [("From date", false), ("To date", true)] {
        filter_by(site, page, field, if is_empty { "2026-02-01" } else { "2026-03-01" }).await;
        assert_eq!(page.text().await.contains("There are no entries here."), is_empty, "{field}");
    }
    checked(page, script, "staff-audit-empty").await;
    filter_by(site, page, "From date", "yesterday").await;
    assert_eq!(page.status().await, 422);
    assert!(page.title().await.starts_with("Error: "), "{}", page.title().await);
    checked(page, script, "staff-audit-wrong").await;
    page.tab_to("link", "From date: this is not a real date.").await;
    page.press(Key::Enter).await;
    page.press(Key::Tab).await;
    let next = page.focused().await.expect("a field");
    assert!(["From date", "To date"].contains(&&*next.name), "the link leads to the field: {next:?}");
}

async fn look_through_the_trail(script: Script) {
    let (site, browser) = (audited().await, Browser::open().await);
    let page = browser.page(Look::DESK, script).await;
    site.sign_in_as(&page, "auditor").await;
    assert_eq!((page.url().await, page.heading().await), (site.at("/staff/audit"), "Audit trail".to_owned()));
    assert!(!page.has("link", "Exports").await && !page.has("link", "Settings").await);
    checked(&page, script, "staff-audit-auditor").await;
    filter(&site, &page, script).await;
    page.open(&site.at("/staff/audit")).await;
    let first = page.text().await;
    follow(&page, "Older entries").await;
    assert!(page.url().await.contains("page=") && page.text().await != first, "{}", page.url().await);
    assert!(!column(&page, "Who").await.is_empty());
    page.tab_to("link", "The same as NDJSON").await;
    let lines = page.downloads(page.press(Key::Enter)).await;
    assert!(lines.starts_with(&site.at("/admin/audit")), "{lines}");
    for (path, status) in [("/staff", 403), ("/staff/settings", 403), ("/staff/nothing", 404)] {
        page.open(&site.at(path)).await;
        assert_eq!(page.status().await, status, "{path}");
        checked(&page, script, &format!("staff-error-{status}-auditor")).await;
        page.tab_until("the audit trail", |stop| stop.role == "link" && stop.name == "Audit trail").await;
        page.leads(page.press(Key::Enter)).await;
        assert_eq!(page.url().await, site.at("/staff/audit"), "{path}");
    }
    press(&page, "Sign out").await;
    assert!(page.url().await.ends_with("/staff/login"), "{}", page.url().await);
}

#[in_browser]
async fn an_auditor_looks_through_the_trail_by_keyboard() {
    look_through_the_trail(Script::On).await;
}

#[in_browser]
async fn an_auditor_looks_through_the_trail_without_scripts() {
    look_through_the_trail(Script::Off).await;
}

/// An entry that somebody changed in the store is named in a red banner.
#[in_browser]
async fn a_broken_chain_has_a_banner_in_every_appearance() {
    let state = tempfile::tempdir().expect("a directory");
    let site = Site::of(&with_members(""), |text| {
        let settings = Settings::parse(text, |_| None, None).expect("settings");
        let clock = FixedClock::at("2026-03-01T12:00:00Z".parse().expect("a time"));
        let (now, random) = (Arc::new(clock.clone()), Arc::new(SeededRandom::new(5)));
        let records = ehi::defaults::sample_records();
        let platform = Local::open(state.path(), &records, settings, now, random).expect("a platform");
        World::over(platform, clock)
    })
    .await;
    site.in_review().await;
    tampered(state.path(), "UPDATE entries SET outcome = 'failed' WHERE sequence = 2");
    let browser = Browser::open().await;
    let page = browser.page(Look::DESK, Script::On).await;
    site.sign_in_as(&page, "auditor").await;
    let banner = "document.querySelector('[role=alert]')?.innerText ?? ''";
    let banner = page.evaluate::<String>(banner).await;
    for part in ["The audit trail is broken.", "Chain 0, entry 2", "ehi audit verify"] {
        assert!(banner.contains(part), "{part}: {banner}");
    }
    passes(&page, "staff-audit-broken", Audience::Staff).await;
}
