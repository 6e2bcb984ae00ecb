//! What staff see, and their whole way by the keyboard alone: sign in, open an export, approve it.

use tests::browser::{Audience, Key, Look, Script};

use super::{nothing, opened, passes};

async fn whole_way(script: Script) {
    let (site, _browser, page) = opened(Look::DESK, script).await;
    let review = site.in_review().await;
    site.sign_staff_in(&page).await;
    page.tab_until("the export", |stop| stop.href.contains(&review.id)).await;
    page.leads(page.press(Key::Enter)).await;
    assert!(page.url().await.contains(&review.id), "{}", page.url().await);
    assert!(page.heading().await.contains("Anna Lindqvist"), "{}", page.heading().await);
    page.tab_to("link", "Approve").await;
    page.leads(page.press(Key::Enter)).await;
    page.tab_to("button", "Approve").await;
    page.leads(page.press(Key::Enter)).await;
    assert!(!page.has("link", "Approve").await);
    let shown =
        site.world.get(&format!("/admin{}", review.job)).cookie(&site.world.staff().await).send().await;
    assert_eq!(shown.json()["status"], "approved", "{}", shown.text());
    nothing(&page.console_errors());
}

#[tokio::test]
#[ignore = "cargo xtask browser starts what it needs"]
async fn the_whole_way_by_the_keyboard() {
    whole_way(Script::On).await;
}

#[tokio::test]
#[ignore = "cargo xtask browser starts what it needs"]
async fn the_whole_way_without_script() {
    whole_way(Script::Off).await;
}

#[tokio::test]
#[ignore = "cargo xtask browser starts what it needs"]
async fn the_sign_in_page_in_every_look() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    page.open(&site.at("/staff/login")).await;
    passes(&page, "staff-sign-in", Audience::Staff).await;
}

#[tokio::test]
#[ignore = "cargo xtask browser starts what it needs"]
async fn the_queue_in_every_look() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    site.in_review().await;
    site.form().await;
    site.sign_staff_in(&page).await;
    passes(&page, "staff-queue", Audience::Staff).await;
}

#[tokio::test]
#[ignore = "cargo xtask browser starts what it needs"]
async fn the_page_of_an_export_in_every_look() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    let review = site.in_review().await;
    site.sign_staff_in(&page).await;
    page.open(&site.at(&format!("/staff/jobs/{}", review.id))).await;
    passes(&page, "staff-job", Audience::Staff).await;
}

#[tokio::test]
#[ignore = "cargo xtask browser starts what it needs"]
async fn the_audit_trail_in_every_look() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    site.in_review().await;
    site.sign_staff_in(&page).await;
    page.open(&site.at("/staff/audit")).await;
    passes(&page, "staff-audit", Audience::Staff).await;
}
