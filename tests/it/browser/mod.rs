//! The pages in a real browser. `cargo xtask browser` starts it; plain `cargo test` leaves these stories out.

mod helpers;
mod my;
mod patient;
mod review;
mod staff;

use tests::browser::{Audience, Browser, Check, Finding, Look, Page, Script, Site, inspect};

/// A site, a browser, and a page in it: what nearly every story begins with.
async fn opened(look: Look, script: Script) -> (Site, Browser, Page) {
    let (site, browser) = (Site::new().await, Browser::open().await);
    let page = browser.page(look, script).await;
    (site, browser, page)
}

/// Nothing is wrong; or everything that is wrong is said at once.
#[track_caller]
fn nothing<T: ToString>(wrong: &[T]) {
    let said: Vec<_> = wrong.iter().map(T::to_string).collect();
    assert!(said.is_empty(), "{} problems:\n{}", said.len(), said.join("\n"));
}

/// The page keeps to everything that pages keep to.
async fn passes(page: &Page, name: &str, audience: Audience) {
    let found = inspect(page, name, audience).await;
    nothing(&found.into_iter().filter(|finding| !is_known(finding)).collect::<Vec<_>>());
}

/// What the pages of staff do not keep to yet.
fn is_known(finding: &Finding) -> bool {
    let Finding { page, check, .. } = finding;
    match check {
        Check::Sideways => false,
        Check::Target | Check::LargeText => page == "staff-sign-in",
        Check::Axe | Check::SkipLink | Check::Edges | Check::Focus | Check::Name | Check::Console => false,
    }
}
