//! Check 5 (`infra/docs/checks.md`): the skip link is the first stop of every page ([`passes`](super::passes) checks that), and it leads
//! past the navigation into the main part.

use tests::browser::{Key, Look, Page, Script};
use tests::in_browser;

use super::opened;

/// Follows the skip link by the keyboard; the next stop of the Tab key must be in the main part.
async fn skips(page: &Page, url: &str) {
    page.open(url).await;
    page.press(Key::Tab).await;
    let first = page.focused().await.expect("a stop");
    assert_eq!((first.role.as_str(), first.name.as_str()), ("link", "Skip to the main part"), "{url}");
    page.press(Key::Enter).await;
    page.press(Key::Tab).await;
    let next = page.focused().await.expect("a stop in the main part");
    let is_in_main = "document.activeElement.closest('main') !== null";
    assert!(page.evaluate::<bool>(is_in_main).await, "{url}: the link leads to {next:?}");
}

async fn skip_on_each_kind_of_page(script: Script) {
    let (site, _browser, page) = opened(Look::DESK, script).await;
    skips(&page, &site.at("/")).await;
    skips(&page, &site.form().await).await;
    skips(&page, &site.at("/staff/nothing")).await;
    let review = site.in_review().await;
    site.sign_staff_in(&page).await;
    for path in ["/staff".to_owned(), format!("/staff/jobs/{}", review.id), "/staff/audit".to_owned()] {
        skips(&page, &site.at(&path)).await;
    }
}

#[in_browser]
async fn the_skip_link_leads_into_the_main_part() {
    skip_on_each_kind_of_page(Script::On).await;
}

#[in_browser]
async fn the_skip_link_leads_into_the_main_part_without_scripts() {
    skip_on_each_kind_of_page(Script::Off).await;
}
