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
fn nothing<T: ToString>(wrong: &[T]) {
    let said: Vec<_> = wrong.iter().map(T::to_string).collect();
    assert!(said.is_empty(), "{} problems:\n{}", said.len(), said.join("\n"));
}

/// The page keeps to everything that pages keep to.
async fn passes(page: &Page, name: &str, audience: Audience) {
    nothing(&inspect(page, name, audience).await);
}
