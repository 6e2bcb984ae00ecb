//! Check 21 (`infra/docs/checks.md`): the button "Back" of the browser after the form was sent.

use tests::browser::{Audience, Look, Script};
use tests::in_browser;

use super::{opened, passes};

async fn back_and_send_again(script: Script) {
    let (site, _browser, page) = opened(Look::PHONE, script).await;
    let token = site.token().await;
    let (job, form) = site.kick_off(&token).await;
    page.open(&form).await;
    for button in ["Continue", "Continue", "Send my request"] {
        page.leads(page.click("button", button)).await;
    }
    assert_eq!(page.heading().await, "We have your request");
    page.back().await;
    if page.has("button", "Send my request").await {
        page.leads(page.click("button", "Send my request")).await;
    }
    assert!(page.text().await.contains("You sent this already."), "{}", page.text().await);
    assert_eq!(page.heading().await, "Your copy");
    if script == Script::On {
        passes(&page, "form-sent-already", Audience::Patients).await;
    }
    let staff = site.world.staff().await;
    let jobs = site.world.get("/admin/jobs").cookie(&staff).send().await.json();
    assert_eq!(jobs.as_array().map(Vec::len), Some(1), "{jobs}");
    assert!(job.ends_with(jobs[0]["id"].as_str().expect("an id")), "{jobs}");
}

/// Check 21.
#[in_browser]
async fn sending_again_after_going_back_says_that_it_was_sent() {
    back_and_send_again(Script::On).await;
}

/// Check 21.
#[in_browser]
async fn sending_again_after_going_back_says_that_it_was_sent_without_scripts() {
    back_and_send_again(Script::Off).await;
}
