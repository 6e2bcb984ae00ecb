//! Check 26 (`infra/docs/checks.md`): the page in the ZIP of a copy is readable offline, from a directory.

use std::io::Cursor;
use std::path::Path;

use tests::browser::{Audience, Check, Look, Page, Script, inspect};
use tests::{ANNA, in_browser};
use zip::ZipArchive;

use super::{ask_for_copy, assert_none, opened};
use crate::my::{approved, signed_in};

/// Returns the targets of all links of the page: as they are written, and as the browser resolves them.
async fn links(page: &Page) -> Vec<(String, String)> {
    page.evaluate(
        "[...document.querySelectorAll('a[href]')].map((link) => [link.getAttribute('href'), link.href])",
    )
    .await
}

/// Checks that every link leads to a part of the page or to a file of the ZIP.
async fn assert_links_lead_somewhere(page: &Page, directory: &Path) {
    let links = links(page).await;
    let (parts, files): (Vec<_>, Vec<_>) = links.iter().partition(|(written, _)| written.starts_with('#'));
    assert!(parts.len() > 3 && files.len() > 5, "{links:?}");
    for (written, _) in parts {
        let exists = format!("document.getElementById({:?}) !== null", &written[1..]);
        assert!(page.evaluate::<bool>(&exists).await, "{written} leads nowhere");
    }
    for (written, resolved) in files {
        let path = url::Url::parse(resolved).expect("a URL").to_file_path().expect("a file");
        assert!(path.starts_with(directory) && path.is_file(), "{written} leads to {resolved}");
    }
}

/// Check 26.
#[in_browser]
async fn the_page_of_the_zip_is_readable_offline() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    let copy = ask_for_copy(&site, &page, &["HIV", "Alcohol and drugs"]).await;
    site.world.work().await;
    let job = copy.rsplit('/').next().expect("an id");
    let staff = site.world.staff().await;
    let letter: [(&str, &str, &[u8]); 1] = [("letter.txt", "text/plain", b"With regards")];
    site.world.post(&format!("/admin/jobs/{job}/add-files")).cookie(&staff).files(&letter).send().await;
    approved(&site.world, &copy).await;
    let session = signed_in(&site.world, ANNA).await;
    let zip = site.world.get(&format!("{copy}/zip")).cookie(&session).send().await;
    let directory = tempfile::tempdir().expect("a directory");
    ZipArchive::new(Cursor::new(&zip.body)).expect("a ZIP").extract(directory.path()).expect("extracted");
    let index = url::Url::from_file_path(directory.path().join("index.html")).expect("a path");
    let requested = page.requested(page.open(index.as_str())).await;
    assert!(page.text().await.contains("Anna Lindqvist"), "{}", page.text().await);
    assert_links_lead_somewhere(&page, directory.path()).await;
    // A document without navigation needs no link to skip it.
    // On a telephone a table is longer than the window, so the keys are checked at a desk.
    let mut found = inspect(&page, "zip-index", Audience::Staff).await;
    found.retain(|finding| finding.check != Check::SkipLink);
    assert_none(&found);
    page.open(index.as_str()).await;
    page.look(Look::PHONE).await;
    assert_none(&page.small_targets(44).await);
    page.look(Look::DESK).await;
    page.open(index.as_str()).await;
    let part =
        links(&page).await.into_iter().find(|(written, _)| written.starts_with('#')).expect("a part").0;
    page.tab_until("a part", |stop| stop.href == part).await;
    page.press(tests::browser::Key::Enter).await;
    assert!(page.url().await.ends_with(&part), "{}", page.url().await);
    let letter = requested_letter(&page).await;
    let all: Vec<_> = requested.into_iter().chain(letter).collect();
    assert!(!all.is_empty() && all.iter().all(|url| url.starts_with("file:///")), "{all:?}");
}

/// Opens the attached letter from the page; returns what the browser requested.
async fn requested_letter(page: &Page) -> Vec<String> {
    let requested = page.requested(page.leads(page.click("link", "letter.txt"))).await;
    assert_eq!(page.text().await.trim(), "With regards");
    requested
}
