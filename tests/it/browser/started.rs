//! The whole way of a member of staff with an export that they start, by keyboard alone: find the patient, start the export with a
//! reason, attach a file, look at it, approve, delete and undo.

use tests::browser::{Audience, Key, Look, Page, Script};
use tests::in_browser;

use super::{checked, follow, opened, passes, press};

/// Finds Anna and starts an export of her record.
async fn start(page: &Page, script: Script) {
    follow(page, "Patients").await;
    page.tab_to("searchbox", "Name, birth date, identifier or id").await;
    page.enter("lind anna").await;
    page.leads(page.press(Key::Enter)).await;
    checked(page, script, "staff-patients-found").await;
    follow(page, "Start export for Anna Lindqvist").await;
    // The browser itself does not send the form without the two texts.
    page.evaluate::<Option<bool>>("(document.querySelector('main form').noValidate = true, null)").await;
    press(page, "Start export").await;
    assert_eq!(page.status().await, 422, "{}", page.text().await);
    assert!(page.title().await.starts_with("Error: "), "{}", page.title().await);
    if script == Script::On {
        passes(page, "staff-start-wrong", Audience::Staff).await;
        page.look(Look::DESK).await;
    }
    page.fill("Who gets the copy?", "the patient").await;
    page.fill("Why is it made?", "She asked by phone.").await;
    press(page, "Start export").await;
    assert!(page.heading().await.contains("Anna Lindqvist"), "{}", page.heading().await);
}

/// Attaches a letter, and opens it by its link.
async fn attach(page: &Page, script: Script) {
    let directory = tempfile::tempdir().expect("a directory");
    let letter = directory.path().join("letter.txt");
    std::fs::write(&letter, "With kind regards").expect("written");
    page.choose_file(&letter).await;
    press(page, "Attach").await;
    assert!(page.has("button", "Remove letter.txt").await, "{}", page.text().await);
    checked(page, script, "staff-job-attached").await;
    let mut address = String::new();
    page.tab_until("the letter", |stop| stop.href.ends_with("/documents/letter.txt")).await;
    if let Some(stop) = page.focused().await {
        address.clone_from(&stop.href);
        assert!(stop.name.contains("opens in a new tab"), "{stop:?}");
    }
    let export = page.url().await;
    let base = export.split("/staff/").next().unwrap_or_default().to_owned();
    page.open(&format!("{base}{address}")).await;
    assert_eq!(page.text().await, "With kind regards");
    page.open(&export).await;
    assert!(page.text().await.contains("✓ Opened"), "{}", page.text().await);
}

/// Deletes the export, finds it among the deleted ones, and brings it back.
async fn delete_and_undo(page: &Page, script: Script) {
    follow(page, "Delete this export").await;
    press(page, "Delete").await;
    assert_eq!(page.heading().await, "This export was deleted");
    follow(page, "Exports").await;
    page.tab_until("the deleted exports", |stop| stop.href.contains("tab=deleted")).await;
    page.leads(page.press(Key::Enter)).await;
    checked(page, script, "staff-queue-deleted").await;
    follow(page, "Anna Lindqvist").await;
    press(page, "Undo the deletion").await;
    assert!(page.heading().await.contains("Ready"), "{}", page.heading().await);
    checked(page, script, "staff-job-restored").await;
}

async fn start_and_decide(script: Script) {
    let (site, _browser, page) = opened(Look::DESK, script).await;
    site.sign_staff_in(&page).await;
    start(&page, script).await;
    site.world.work().await;
    page.open(&page.url().await).await;
    attach(&page, script).await;
    follow(&page, "Approve").await;
    press(&page, "Approve").await;
    assert!(page.heading().await.contains("Ready"), "{}", page.heading().await);
    delete_and_undo(&page, script).await;
}

#[in_browser]
async fn staff_start_an_export_by_keyboard() {
    start_and_decide(Script::On).await;
}

#[in_browser]
async fn staff_start_an_export_without_scripts() {
    start_and_decide(Script::Off).await;
}
