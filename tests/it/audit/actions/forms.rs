//! The form of an export: who may fill it in, and who has made the choices.

use http::StatusCode;
use serde_json::json;
use tests::{ANNA, parameter};

use super::{Trail, waiting};
use crate::browsing::Browser;
use crate::my;
use crate::tokens::claims;

const OK: StatusCode = StatusCode::OK;
const OPENED: &str = "sign-in by Patient/anna-lindqvist of anna-lindqvist about by-the-link: success";
const BY_LINK: &str = "choices-sent by Patient/anna-lindqvist of anna-lindqvist about by-the-link: success";

pub(super) async fn check(trail: &mut Trail<'_>) {
    check_choosers(trail).await;
    check_pages(trail).await;
}

/// The choices as JSON.
async fn check_choosers(trail: &mut Trail<'_>) {
    let world = trail.world;
    let choices = json!({ "parameters": { "labs": { "enabled": true } } });
    let token = world.token(ANNA).await;
    let mut of_clinician = claims();
    (of_clinician["roles"], of_clinician["fhirUser"]) =
        (json!([]), json!("https://login.example.org/Practitioner/who"));
    let of_clinician = trail.issuer.token(&of_clinician);
    for (number, event) in (0..).zip([
        BY_LINK,
        "choices-sent by Patient/anna-lindqvist of anna-lindqvist: success",
        "choices-sent by app of anna-lindqvist: success",
        "choices-sent by portal of anna-lindqvist: success",
        "choices-sent by admin of anna-lindqvist: success",
    ]) {
        let owner = if number == 3 { &of_clinician } else { &token };
        let (job, link) = waiting(world, owner).await;
        let (anna, staff) = (my::signed_in(world, ANNA).await, world.staff().await);
        trail.skip().await;
        let code = parameter(&link, "code").expect("a code");
        let call = match number {
            0 => world.post(&format!("{job}?code={code}")),
            1 => world.post(&job).cookie(&anna),
            2 | 3 => world.post(&job).bearer(owner),
            _ => world.post(&job).cookie(&staff),
        };
        trail.each([(call.json(&choices), OK, event)]).await;
        world.work().await;
        let late = world.post(&format!("{job}?code={code}")).json(&choices);
        trail.prepare(late, StatusCode::BAD_REQUEST).await;
    }
}

/// The pages of the form, by the link and by a patient who is signed in.
async fn check_pages(trail: &mut Trail<'_>) {
    let world = trail.world;
    let token = world.token(ANNA).await;
    let (job, link) = waiting(world, &token).await;
    trail.skip().await;
    let entered = world.get(&link).send().await;
    trail.left(OPENED).await;
    let page = world.get(&entered.location()).cookie(&entered).send().await;
    let mut browser = Browser { world, cookie: entered.cookie(), page };
    browser.press("next", &[]).await;
    browser.press("next", &[]).await;
    trail.left_nothing("the steps of the form").await;
    let sent = browser.submit("send", &[]).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text());
    trail.left(BY_LINK).await;
    browser.get(&sent.location()).await;
    trail.left_nothing(&job).await;
    world.work().await;
    // The whole form at once has a mistake, and its page begins a session.
    let (job, link) = waiting(world, &token).await;
    trail.skip().await;
    let code = parameter(&link, "code").expect("a code");
    let fields = [("code", code.as_str()), ("parameters.labs.enabled", "on"), ("parameters.labs.from", "x")];
    trail.each([(world.post(&job).form(&fields), StatusCode::BAD_REQUEST, OPENED)]).await;
    let fields = [("parameters.labs.enabled", "on"), ("parameters.labs.from", "x")];
    let of_app = world.post(&job).bearer(&token).form(&fields).send().await;
    assert_eq!((of_app.status, of_app.header("set-cookie")), (StatusCode::BAD_REQUEST, ""));
    trail.left_nothing("an app gets no session").await;
    let form = format!("{job}/customize");
    let browser = Browser::signed_in(world, ANNA, &form).await;
    trail.skip().await;
    let left = browser.submit("leave", &[]).await;
    assert_eq!(left.status, StatusCode::SEE_OTHER, "{}", left.text());
    trail.left("sign-out by Patient/anna-lindqvist: success").await;
    let mut browser = Browser::signed_in(world, ANNA, &form).await;
    browser.press("next", &[("parameters.labs.from.year", "")]).await;
    trail.skip().await;
    browser.press("next", &[]).await;
    browser.submit("send", &[]).await;
    trail.left("choices-sent by Patient/anna-lindqvist of anna-lindqvist: success").await;
    world.work().await;
    trail.skip().await;
}
