//! Check 19 (`infra/docs/checks.md`): the script of the pages warns two minutes before the session ends, and what was typed survives its
//! end.

use tests::browser::{Audience, Key, Look, Page, Script};
use tests::{PASSWORD, in_browser};

use super::{opened, passes};

/// Replaces the clock of the page's long timers: they run when the story calls `passSeconds`. Shorter timers stay those of the browser.
const CLOCK: &str = "(() => {
    const own = window.setTimeout;
    const waiting = [];
    let now = 0;
    window.setTimeout = (call, delay = 0, ...rest) =>
        delay < 30000 ? own(call, delay, ...rest) : waiting.push({ at: now + delay, call });
    window.passSeconds = (seconds) => {
        const until = now + seconds * 1000;
        const due = () => waiting.filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0];
        for (let timer = due(); timer; timer = due()) {
            waiting.splice(waiting.indexOf(timer), 1);
            now = timer.at;
            timer.call();
        }
        now = until;
    };
})()";

const PATIENT_WARNING: &str =
    "We sign you out in 2 minutes. We keep your choices for when you sign in again.";

/// Lets time pass for the page.
async fn pass(page: &Page, seconds: u32) {
    page.evaluate::<Option<bool>>(&format!("(passSeconds({seconds}), null)")).await;
}

/// Returns the role and the text of the warning, if it is visible.
async fn warning(page: &Page) -> Option<String> {
    let visible = "(() => { const warning = document.querySelector('[data-warning]');
        return warning.checkVisibility() ? `${warning.computedRole}: ${warning.innerText}` : null; })()";
    page.evaluate(visible).await
}

/// Checks that the warning appears after 480 seconds, and not earlier.
async fn assert_warns(page: &Page, words: &str) {
    assert_eq!(warning(page).await, None);
    pass(page, 479).await;
    assert_eq!(warning(page).await, None, "after 479 s");
    pass(page, 1).await;
    assert_eq!(warning(page).await.as_deref(), Some(&*format!("alert: {words}")), "after 480 s");
    assert!(page.has("button", "Stay signed in").await);
}

/// Returns the typed value of a field.
async fn value(page: &Page, selector: &str) -> String {
    page.evaluate(&format!("document.querySelector({selector:?}).value")).await
}

async fn is_ticked(page: &Page, selector: &str) -> bool {
    page.evaluate(&format!("document.querySelector({selector:?}).checked")).await
}

/// Check 19.
#[in_browser]
async fn the_form_warns_two_minutes_before_the_end_and_keeps_what_was_typed() {
    let (site, _browser, page) = opened(Look::PHONE, Script::On).await;
    page.run_before_scripts(CLOCK).await;
    page.open(&site.form().await).await;
    page.leads(page.click("button", "Continue")).await;
    page.tab_to("checkbox", "Genetic tests").await;
    page.press(Key::Space).await;
    page.tab_until("the box", |stop| stop.role == "textbox" && stop.name.starts_with("Genetic tests:")).await;
    page.enter("BRCA1").await;
    assert_warns(&page, PATIENT_WARNING).await;
    site.world.advance(480);
    page.leads(page.click("button", "Stay signed in")).await;
    assert_eq!(page.heading().await, "Private topics");
    let boxes = ("#topic-genetic", "#topic-genetic-text");
    assert!(is_ticked(&page, boxes.0).await && value(&page, boxes.1).await == "BRCA1");
    page.tab_to("checkbox", "HIV").await;
    page.press(Key::Space).await;
    assert_warns(&page, PATIENT_WARNING).await;
    passes(&page, "form-session-ends", Audience::Patients).await;
    site.world.advance(605);
    page.leads(pass(&page, 125)).await;
    assert!(
        page.text().await.contains("We signed you out to keep you safe. Your choices are saved."),
        "{}",
        page.text().await
    );
    passes(&page, "patient-sign-in-again", Audience::Patients).await;
    page.look(Look::PHONE).await;
    page.tab_until("Anna", |stop| stop.role == "button" && stop.name.starts_with("Anna Lindqvist")).await;
    page.leads(page.press(Key::Enter)).await;
    assert_eq!(page.heading().await, "Private topics");
    assert!(is_ticked(&page, boxes.0).await && value(&page, boxes.1).await == "BRCA1");
    assert!(is_ticked(&page, "#topic-hiv").await && !is_ticked(&page, "#topic-mentalHealth").await);
}

/// Check 19, for a form of staff: it stays open, and the server asks for the password when it is sent.
#[in_browser]
async fn a_form_of_staff_warns_two_minutes_before_the_end_and_keeps_what_was_typed() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    page.run_before_scripts(CLOCK).await;
    let review = site.in_review().await;
    site.sign_staff_in(&page).await;
    page.open(&site.at(&format!("/staff/jobs/{}/reject", review.id))).await;
    page.tab_until("a reason", |stop| stop.role == "radio").await;
    page.press(Key::Space).await;
    page.fill("In your words (needed for another reason)", "Please call us first.").await;
    assert_warns(&page, "We sign you out in 2 minutes. To go on, press the button: what you typed stays.")
        .await;
    site.world.advance(480);
    page.leads(page.click("button", "Stay signed in")).await;
    assert_eq!(value(&page, "#reason").await, "Please call us first.");
    assert_warns(&page, "We sign you out in 2 minutes. To go on, press the button: what you typed stays.")
        .await;
    passes(&page, "staff-session-ends", Audience::Staff).await;
    page.look(Look::DESK).await;
    site.world.advance(605);
    pass(&page, 125).await;
    page.leads(page.click("button", "Reject")).await;
    assert_eq!(page.status().await, 401);
    assert!(page.text().await.contains("the page is shown again, with what you typed."));
    passes(&page, "staff-sign-in-kept", Audience::Staff).await;
    page.look(Look::DESK).await;
    page.fill("User name", "admin").await;
    page.fill("Password", PASSWORD).await;
    page.leads(page.press(Key::Enter)).await;
    assert_eq!(page.heading().await, "Reject this export?");
    assert_eq!(value(&page, "#reason").await, "Please call us first.");
    assert!(is_ticked(&page, "#because-identity").await);
    passes(&page, "staff-reject-kept", Audience::Staff).await;
    page.look(Look::DESK).await;
    page.leads(page.click("button", "Reject")).await;
    assert!(page.text().await.contains("Please call us first."), "{}", page.text().await);
}

/// Check 18: a form that arrives after the session, from a browser without scripts.
#[in_browser]
async fn a_form_that_arrives_late_is_kept_without_scripts() {
    let (site, _browser, page) = opened(Look::PHONE, Script::Off).await;
    page.open(&site.form().await).await;
    for part in ["Lab tests", "Photos"] {
        page.tab_to("checkbox", part).await;
        page.press(Key::Space).await;
    }
    page.tab_until("dates and a note", |stop| stop.role == "summary" && stop.name.contains("Bills")).await;
    page.press(Key::Enter).await;
    let typed = [
        ("from-month", "2"),
        ("from-day", "3"),
        ("from-year", "2019"),
        ("to-month", "11"),
        ("to-day", "30"),
        ("to-year", "2020"),
        ("note", "only <b>bold</b> & more"),
    ];
    let names = ["Month", "Day", "Year", "Month", "Day", "Year", "Note"];
    for ((_, text), name) in typed.iter().zip(names) {
        page.tab_until(name, |stop| stop.role == "textbox" && stop.name.starts_with(name)).await;
        page.enter(text).await;
    }
    site.world.advance(605);
    page.tab_to("button", "Continue").await;
    page.leads(page.press(Key::Enter)).await;
    let shown = page.text().await;
    assert!(shown.contains("Your choices are saved.") && shown.contains("open the form again"), "{shown}");
    page.tab_until("Anna", |stop| stop.role == "button" && stop.name.starts_with("Anna Lindqvist")).await;
    page.leads(page.press(Key::Enter)).await;
    assert_eq!(page.heading().await, "What do you want in your copy?");
    for (field, text) in typed {
        assert_eq!(value(&page, &format!("#part-billing-{field}")).await, text, "{field}");
    }
    for (part, ticked) in [("labs", false), ("photographs", false), ("visits", true), ("billing", true)] {
        assert_eq!(is_ticked(&page, &format!("#part-{part}")).await, ticked, "{part}");
    }
}
