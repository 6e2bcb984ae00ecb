//! Check 40 (`infra/docs/checks.md`): a Spanish page has no English text. The settings of these stories replace each Spanish message by its
//! key and its variables. What a page shows besides the keys does not come from a message of the catalogue: it may only be digits,
//! punctuation and data, such as names.

mod accounts;
mod copies;
mod errors;
mod every;
mod form;
mod visible;
mod zip;

use std::fmt::Write as _;

use domain::ids::JobId;
use tests::{ANNA, TestResponse, World};
use words::Language;

use self::visible::texts;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
/// Names and other data in the stories and the settings.
const DATA: [&str; 13] = [
    "UTC",
    "Some Body",
    "FHIR R4",
    "Bulk Data",
    "NDJSON",
    "HL7",
    "Anna Lindqvist",
    ANNA,
    "The test app",
    "app.example.org",
    "other-app",
    "portal",
    "https://login.example.org",
];

/// Returns the settings for a World whose Spanish messages are their keys. `more` is added before the first table.
pub(crate) fn settings(more: &str) -> String {
    // These are not texts: the order of a date's fields, the separator of thousands, the direction and the name of the language.
    let is_text = |key: &&str| !["date-order", "thousands", "direction", "language"].contains(key);
    let mut settings = tests::settings(more) + "[pages.words.es]\n";
    for key in Language::ENGLISH.keys().filter(is_text) {
        let variables = Language::ENGLISH.variables(key).unwrap_or_default();
        let shown: Vec<_> = variables.iter().map(|name| format!(" {{ ${name} }}")).collect();
        let shown = shown.concat();
        writeln!(settings, "{key} = \"⟦{key}⟧{shown}\"").expect("a String");
    }
    settings
}

fn world(more: &str) -> World {
    World::of(&settings(more), &ehi::defaults::sample_records())
}

/// Returns a text without the keys of messages and without data.
fn unknown(text: &str) -> String {
    let mut left = String::new();
    for (index, part) in text.split('⟦').enumerate() {
        left += if index == 0 { part } else { part.split_once('⟧').expect("the end of a key").1 };
    }
    for data in DATA {
        left = left.replace(data, "");
    }
    let is_id = |word: &&str| JobId::parse(word).is_ok();
    left.split_whitespace().filter(|word| !is_id(word)).collect::<Vec<_>>().join(" ")
}

/// Fails if a text has letters that do not come from a message.
pub(crate) fn assert_translated(text: &str, at: &str) {
    let left = unknown(text);
    assert!(!left.contains(char::is_alphabetic), "{at} says '{left}' in '{text}'");
}

/// Fails if a page has letters that do not come from a message.
fn check(page: &TestResponse, at: &str) -> String {
    let html = page.text();
    assert!(page.header("content-type").starts_with("text/html"), "{at}: {html}");
    assert!(html.contains("<html lang=\"es\"") && html.contains('⟦'), "{at}: {html}");
    for text in texts(&html) {
        assert_translated(&text, at);
    }
    html
}

/// Opens a page in Spanish, and checks it.
async fn visit(world: &World, cookie: &str, path: &str) -> String {
    let cookie = format!("{cookie}; lang=es");
    let page = world.get(path).header("cookie", &cookie).header("accept", BROWSER).send().await;
    check(&page, &format!("{} {path}", page.status))
}
