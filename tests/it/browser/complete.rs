//! Checks 1, 2, 3, 5, 7 and 8 (`infra/docs/checks.md`) concern each page: no page is without its check in the browser, and the checks look
//! at the page whose name they have.

use std::collections::BTreeSet;

use tests::browser::{CHECKED, assert_is};

use crate::house::{root, sources};
use crate::openapi::pages;

/// Plain `cargo test` runs this test. A new page needs a story that checks it.
#[test]
fn every_page_is_checked_in_every_appearance() {
    let named: BTreeSet<_> = CHECKED.iter().map(|(route, _)| (*route).to_owned()).collect();
    assert_eq!(named, pages(), "`CHECKED` in tests/src/browser/covered.rs has the routes of all pages");
    assert_eq!(named.len(), CHECKED.len());
    let mut stories = sources(&root().join("tests/it/browser"));
    // This file has names of pages too, but checks none.
    stories.retain(|(path, _)| !path.ends_with("complete.rs"));
    for (route, name) in CHECKED {
        let quoted = format!("\"{name}\"");
        assert!(
            stories.iter().any(|(_, text)| text.contains(&quoted)),
            "no story checks {route} as '{name}' in every appearance"
        );
    }
}

#[test]
fn a_check_with_the_name_of_a_page_looks_at_this_page() {
    for (name, url, status, is_right) in [
        ("landing", "http://127.0.0.1:1/?lang=en", 200, true),
        ("staff-approve", "http://127.0.0.1:1/staff/jobs/1/approve#main", 200, true),
        ("a name of no page", "http://127.0.0.1:1/staff", 500, true),
        ("landing", "http://127.0.0.1:1/my", 200, false),
        ("landing", "http://127.0.0.1:1/", 404, false),
        ("staff-approve", "http://127.0.0.1:1/staff/jobs/1", 200, false),
        ("staff-job", "http://127.0.0.1:1/staff/jobs/1/approve", 200, false),
    ] {
        let checked = std::panic::catch_unwind(|| assert_is(name, url, status));
        assert_eq!(checked.is_ok(), is_right, "{name} {url} {status}");
    }
}
