//! The page of one export: its contents, and the decisions of staff.

mod decisions;
mod documents;
mod ended;
mod forms;
mod inside;
pub(crate) mod left_out;
mod preview;
mod refused;
mod second_click;

use http::StatusCode;
use tests::{TestResponse, World};

/// Returns the page of a job as a member of staff sees it.
pub(crate) async fn page(world: &World, staff: &TestResponse, path: &str) -> String {
    let page = world.get(path).cookie(staff).send().await;
    assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text());
    page.text()
}

/// Returns the value of a hidden field of a page's form.
pub(crate) fn hidden(page: &str, name: &str) -> String {
    let field = format!("name=\"{name}\" value=\"");
    let value = page.split_once(&field).and_then(|(_, behind)| behind.split_once('"'));
    value.unwrap_or_else(|| panic!("no field {name}: {page}")).0.to_owned()
}

/// Returns the first URL in a page that contains a text.
pub(crate) fn link(page: &str, part: &str) -> String {
    let links = page.split("href=\"").skip(1).filter_map(|behind| behind.split_once('"'));
    let found = links.map(|(link, _)| link.replace("&amp;", "&").replace("&#38;", "&"));
    found.into_iter().find(|link| link.contains(part)).unwrap_or_else(|| panic!("no link {part}: {page}"))
}

/// Returns the URL of the link with this text, if the page has it.
pub(crate) fn link_named(page: &str, words: &str) -> Option<String> {
    let named = page
        .split("href=\"")
        .find(|part| part.split_once("</a>").is_some_and(|(link, _)| link.contains(words)))?;
    Some(named.split_once('"')?.0.replace("&amp;", "&").replace("&#38;", "&"))
}

/// Sends the form of a confirmation page as it was loaded, with more fields.
pub(crate) async fn decide(
    world: &World,
    staff: &TestResponse,
    path: &str,
    version: &str,
    more: &[(&str, &str)],
) -> TestResponse {
    let fields = [&[("version", version)], more].concat();
    world.post(path).cookie(staff).form(&fields).send().await
}
