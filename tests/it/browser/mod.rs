//! The pages in a real browser. `cargo xtask browser` starts it; plain `cargo test` leaves these stories out.

mod helpers;
mod my;
mod patient;
mod review;
mod staff;

use tests::browser::{Audience, Browser, Look, Page, Script, Site, inspect};

/// A site, a browser, and a page in it: what nearly every story begins with.
async fn opened(look: Look, script: Script) -> (Site, Browser, Page) {
    let (site, browser) = (Site::new().await, Browser::open().await);
    let page = browser.page(look, script).await;
    (site, browser, page)
}

/// Nothing is wrong; or everything that is wrong is said at once.
#[track_caller]
fn assert_none<T: ToString>(wrong: &[T]) {
    let problems: Vec<_> = wrong.iter().map(T::to_string).collect();
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// The page keeps to everything that pages keep to.
async fn passes(page: &Page, name: &str, audience: Audience) {
    assert_none(&inspect(page, name, audience).await);
}
