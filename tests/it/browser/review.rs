//! The pages of one export, as a reviewer uses them: look at the contents, leave a resource out, decide, and undo.

use tests::browser::{Audience, Key, Look, Page, Review, Script, Site};
use tests::in_browser;

use super::{follow, opened, passes, press};

/// Opens the page of an export in review.
async fn reviewed(site: &Site, page: &Page) -> Review {
    let review = site.in_review().await;
    site.sign_staff_in(page).await;
    page.open(&site.at(&format!("/staff/jobs/{}", review.id))).await;
    review
}

/// Opens the first resource of a file, from the page of the export.
async fn open_resource(page: &Page, file: &str) {
    follow(page, file).await;
    page.tab_until("a resource", |stop| stop.href.contains("one=1")).await;
    page.leads(page.press(Key::Enter)).await;
}

async fn review_and_decide(script: Script) {
    let (site, _browser, page) = opened(Look::DESK, script).await;
    let review = reviewed(&site, &page).await;
    assert!(page.text().await.contains("Above all the blood tests of last spring"), "the patient's words");
    open_resource(&page, "Condition.ndjson").await;
    assert!(page.heading().await.starts_with("Condition/"), "{}", page.heading().await);
    follow(&page, "Leave out").await;
    page.fill("Reason, which the patient reads", "It is about another person.").await;
    press(&page, "Leave out").await;
    assert!(page.text().await.contains("It is about another person."), "{}", page.text().await);
    follow(&page, "Delete this export").await;
    press(&page, "Delete").await;
    assert_eq!(page.heading().await, "This export was deleted");
    press(&page, "Undo the deletion").await;
    follow(&page, "Reject").await;
    press(&page, "Reject").await;
    assert!(page.text().await.contains("Choose a reason."), "{}", page.text().await);
    follow(&page, "Back").await;
    follow(&page, "Approve").await;
    assert!(page.text().await.contains("Nobody has opened"), "{}", page.text().await);
    press(&page, "Approve").await;
    assert!(page.heading().await.contains("Ready"), "{}", page.heading().await);
    let staff = site.world.staff().await;
    let shown = site.world.get(&format!("/admin{}", review.job)).cookie(&staff).send().await;
    assert_eq!(shown.json()["status"], "approved", "{}", shown.text());
}

#[in_browser]
async fn a_reviewer_decides_by_keyboard() {
    review_and_decide(Script::On).await;
}

#[in_browser]
async fn a_reviewer_decides_without_scripts() {
    review_and_decide(Script::Off).await;
}

#[in_browser]
async fn the_contents_pass_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    let review = reviewed(&site, &page).await;
    page.open(&site.at(&format!("/staff/jobs/{}/inside", review.id))).await;
    passes(&page, "staff-inside", Audience::Staff).await;
    page.look(Look::DESK).await;
    page.open(&site.at(&format!("/staff/jobs/{}", review.id))).await;
    page.leads(page.click("link", "Observation.ndjson")).await;
    passes(&page, "staff-rows", Audience::Staff).await;
    page.look(Look::DESK).await;
    page.tab_until("a resource", |stop| stop.href.contains("one=1")).await;
    page.leads(page.press(Key::Enter)).await;
    passes(&page, "staff-resource", Audience::Staff).await;
    page.look(Look::DESK).await;
    page.leads(page.click("link", "Leave out")).await;
    passes(&page, "staff-leave-out", Audience::Staff).await;
}

#[in_browser]
async fn the_decisions_pass_in_every_appearance() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    let review = reviewed(&site, &page).await;
    for (decision, name) in
        [("approve", "staff-approve"), ("reject", "staff-reject"), ("delete", "staff-delete")]
    {
        page.open(&site.at(&format!("/staff/jobs/{}/{decision}", review.id))).await;
        passes(&page, name, Audience::Staff).await;
    }
    page.look(Look::DESK).await;
    press(&page, "Delete").await;
    passes(&page, "staff-deleted", Audience::Staff).await;
}

/// Check 35: a page and a drawing that are labelled as documents are downloaded. The page of the export stays, and no
/// script runs. A picture is visible, without scripts.
#[in_browser]
async fn a_script_that_is_labelled_as_a_document_does_not_run() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    let review = reviewed(&site, &page).await;
    let script = b"<html><script>document.title = 'Ran'; fetch('/ran')</script></html>";
    let drawing = b"<svg xmlns='http://www.w3.org/2000/svg'><script>document.title = 'Ran'; fetch('/ran')</script></svg>";
    let files: [(&str, &str, &[u8]); 3] = [
        ("letter.pdf", "application/pdf", script),
        ("scan.png", "image/png", drawing),
        ("photo.html", "text/html", PICTURE),
    ];
    let staff = site.world.staff().await;
    let attached =
        site.world.post(&format!("/admin{}/add-files", review.job)).cookie(&staff).files(&files).send().await;
    assert_eq!(attached.status, http::StatusCode::OK, "{}", attached.text());
    page.open(&site.at(&format!("/staff/jobs/{}", review.id))).await;
    let before = (page.title().await, page.url().await);
    let at = |name: &str| site.at(&format!("/staff/jobs/{}/documents/{name}", review.id));
    for name in ["letter.pdf", "scan.png"] {
        let address = at(name);
        let go = format!("(location.assign('{address}'), null)");
        let mut downloaded = String::new();
        let requested = page
            .requested(async { downloaded = page.downloads(page.evaluate::<Option<bool>>(&go)).await })
            .await;
        assert_eq!((downloaded.as_str(), requested), (address.as_str(), vec![address.clone()]));
        assert_eq!((page.title().await, page.url().await), before, "{name}");
    }
    page.open(&at("photo.html")).await;
    assert_eq!(page.evaluate::<String>("document.contentType").await, "image/png");
    assert_eq!(page.evaluate::<u32>("document.images[0].naturalWidth").await, 1);
}

/// A picture with one pixel, in PNG.
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\xe0NJ\xfb\x0f\0\x03\"\x01\xd3#\x9e\x86\xcf\0\0\0\0IEND\xaeB`\x82";

/// If scripts run, the page does not send files that are too large.
#[in_browser]
async fn a_file_that_is_too_large_is_not_sent() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    reviewed(&site, &page).await;
    let choose = |count: usize, bytes: usize| {
        format!(
            "(() => {{ const data = new DataTransfer();
            for (let n = 0; n < {count}; n++) data.items.add(new File([new Uint8Array({bytes})], 'f' + n));
            document.querySelector('input[type=file]').files = data.files;
            document.querySelector('form[data-max-bytes] button').click(); return null; }})()"
        )
    };
    for (count, bytes, expected) in
        [(1, 11 * 1024 * 1024, "A file is larger than 10 MB"), (6, 1, "Choose at most 5 files")]
    {
        page.evaluate::<Option<bool>>(&choose(count, bytes)).await;
        assert!(page.text().await.contains(expected), "{expected}");
    }
    page.leads(page.evaluate::<Option<bool>>(&choose(2, 10))).await;
    assert!(page.has("button", "Remove f0").await && page.has("button", "Remove f1").await);
}
