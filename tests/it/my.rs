//! The patient's own pages: copies without an app, and the apps that have access.

mod apps;
mod chosen_by_staff;
mod contents;
mod copies;
mod ended;
pub(crate) mod interrupted;
mod issuers;
mod left_out;
mod names;
mod prepared;
mod rejected;
mod type_names;
pub(crate) mod zip;

use http::StatusCode;
use tests::{TestResponse, World};
use tokio::sync::Mutex;

use crate::browsing::Browser;

/// A patient has one form without an app, and the stories of a deployment share their patients: one story fills it in at a time.
static ASKING: Mutex<()> = Mutex::const_new(());

/// Signs a patient in on the way to a page. The response has the cookie.
pub(crate) async fn signed_in(world: &World, patient: &str) -> TestResponse {
    let response = world.sign_patient_in(patient, "/my").await;
    assert_eq!(response.status, StatusCode::SEE_OTHER, "{}", response.text());
    assert!(response.location().ends_with("/my"), "{}", response.location());
    response
}

/// Returns a page as this patient sees it.
pub(crate) async fn page(world: &World, session: &TestResponse, path: &str) -> String {
    let response = world.get(path).cookie(session).send().await;
    assert_eq!(response.status, StatusCode::OK, "{path}: {}", response.text());
    response.text()
}

/// Requests a copy on the patient's own pages, with these private topics, and returns the path of its page.
pub(crate) async fn requested_copy(world: &World, session: &TestResponse, topics: &[&str]) -> String {
    let list = page(world, session, "/my").await;
    let ask = list.split("class=\"button\" href=\"").nth(1).expect("a button");
    let ask = ask.split('"').next().unwrap_or_default();
    let location = {
        let _alone = ASKING.lock().await;
        filled_in(world, session, ask, topics).await
    };
    let copy = location.strip_prefix(tests::BASE_URL).expect("a URL of this server").to_owned();
    copy.strip_suffix("?said=sent").unwrap_or_else(|| panic!("{copy}")).to_owned()
}

/// Requests a copy without private topics, which workers make and staff approve, and returns the path of its page.
pub(crate) async fn ready_copy(world: &World, session: &TestResponse) -> String {
    let copy = requested_copy(world, session, &[]).await;
    world.work().await;
    approved(world, &copy).await;
    copy
}

/// Fills in a form with these private topics, and returns the address to which the patient is sent afterwards.
pub(crate) async fn filled_in(world: &World, session: &TestResponse, form: &str, topics: &[&str]) -> String {
    let page = world.get(form).cookie(session).send().await;
    let mut browser = Browser { world, cookie: session.cookie(), page };
    browser.press("next", &[]).await;
    let ticks: Vec<_> = topics.iter().map(|topic| (format!("authorizations.{topic}"), "on")).collect();
    let ticks: Vec<_> = ticks.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    browser.press("next", &ticks).await;
    let agree = [("agree", "on")];
    let sent = browser.submit("send", if topics.is_empty() { &[] } else { &agree }).await;
    sent.location()
}

/// Approves all exports in review, as staff.
pub(crate) async fn approved(world: &World, copy: &str) {
    let job = copy.rsplit('/').next().expect("an id");
    let staff = world.staff().await;
    let response = world.post(&format!("/admin/jobs/{job}/approve")).cookie(&staff).send().await;
    assert_eq!(response.status, StatusCode::OK, "{}", response.text());
}
