//! The pages in a real browser. `cargo xtask browser` starts it; plain `cargo test` ignores these stories.

mod helpers;
mod my;
mod patient;
mod review;
mod staff;

use tests::browser::{Audience, Browser, Look, Page, Script, Site, inspect};

/// Opens a site, a browser, and a page in it, with which nearly every story begins.
async fn opened(look: Look, script: Script) -> (Site, Browser, Page) {
    let (site, browser) = (Site::new().await, Browser::open().await);
    let page = browser.page(look, script).await;
    (site, browser, page)
}

/// Fails with all problems if there are any.
#[track_caller]
fn assert_none<T: ToString>(wrong: &[T]) {
    let problems: Vec<_> = wrong.iter().map(T::to_string).collect();
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// Checks that a page has none of the problems that every page must avoid.
async fn passes(page: &Page, name: &str, audience: Audience) {
    assert_none(&inspect(page, name, audience).await);
}
