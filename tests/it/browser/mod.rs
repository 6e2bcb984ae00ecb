//! The pages in a real browser. `cargo xtask browser` starts it; plain `cargo test` ignores these stories.

mod again;
mod auditor;
mod bucket;
mod colours;
mod complete;
mod confirmations;
mod errors;
mod helpers;
mod my;
mod offline;
mod patient;
mod print;
mod review;
mod session;
mod skip;
mod spanish;
mod staff;
mod started;
mod states;

use tests::browser::{Audience, Browser, Key, Look, Page, Script, Site, inspect};

/// Opens a site, a browser, and a page in it, with which nearly every story begins.
async fn opened(look: Look, script: Script) -> (Site, Browser, Page) {
    let (site, browser) = (Site::new().await, Browser::open().await);
    let page = browser.page(look, script).await;
    (site, browser, page)
}

/// Requests a copy with these private topics on Anna's own pages; returns the path of its page.
async fn ask_for_copy(site: &Site, page: &Page, topics: &[&str]) -> String {
    page.look(Look::DESK).await;
    page.open(&site.at("/my")).await;
    if page.heading().await == "Who are you?" {
        page.leads(page.click("button", &format!("Anna Lindqvist {}", tests::ANNA))).await;
    }
    page.leads(page.click("link", "Ask for a copy")).await;
    page.leads(page.click("button", "Continue")).await;
    for topic in topics {
        page.click("checkbox", topic).await;
    }
    page.leads(page.click("button", "Continue")).await;
    if !topics.is_empty() {
        page.tab_until("agreement", |stop| stop.role == "checkbox").await;
        page.press(Key::Space).await;
    }
    page.leads(page.click("button", "Send my request")).await;
    let url = page.url().await;
    let path = url.strip_prefix(&site.base).and_then(|path| path.strip_suffix("?said=sent"));
    path.unwrap_or_else(|| panic!("{url}")).to_owned()
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

/// Follows a link by the keyboard.
async fn follow(page: &Page, name: &str) {
    page.tab_to("link", name).await;
    page.leads(page.press(Key::Enter)).await;
}

/// Presses a button by the keyboard.
async fn press(page: &Page, name: &str) {
    page.tab_to("button", name).await;
    page.leads(page.press(Key::Enter)).await;
}

/// Checks a page of staff in every appearance, if it may run the scripts of the check, and loads it again: the check leaves the text
/// twice as large.
async fn checked(page: &Page, script: Script, name: &str) {
    if script == Script::On {
        passes(page, name, Audience::Staff).await;
        page.look(Look::DESK).await;
        page.open(&page.url().await).await;
    }
}
