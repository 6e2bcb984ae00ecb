//! Check 39 (`infra/docs/checks.md`): every error is a page with a title, the request number and a next step for browsers, and JSON by
//! `Accept`.

use std::sync::Arc;

use axum::Router;
use domain::clock::Clock;
use domain::error::Store;
use http::StatusCode;
use jiff::SignedDuration;
use platform::Platform;
use tests::faults::{Faults, Faulty, Strike};
use tests::{ANNA, Call, Launch, TestResponse, World, parameter, text};

use crate::admin::in_review;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// Checks the page of an error. The next step leads to this path.
fn assert_page(page: &TestResponse, status: StatusCode, title: &str, step: &str) {
    let shown = format!("{status}: {}", page.text());
    assert_eq!((page.status, page.header("content-type")), (status, "text/html; charset=utf-8"), "{shown}");
    assert!(page.text().contains(&format!("<h1>{title}</h1>")), "{title}: {shown}");
    let number = page.header("x-request-id");
    assert!(number.len() >= 8 && page.text().contains(&format!("Request number: {number}")), "{shown}");
    assert!(page.text().contains(&format!("<a class=\"button\" href=\"{step}\">")), "{step}: {shown}");
    assert!(
        page.text().contains("<html lang=\"en\"") && page.text().contains(&format!("<title>{title}")),
        "{shown}"
    );
}

/// Checks that a program reads the same error as an OperationOutcome.
fn assert_outcome(json: &TestResponse, status: StatusCode) {
    assert_eq!(json.status, status, "{}", json.text());
    assert!(!json.outcome().is_empty() && !json.text().contains("<html"), "{}", json.text());
}

/// Sends the same request as a browser and as a program, to this host or to one with a fault.
async fn both<'w>(call: impl Fn() -> Call<'w>, app: Option<&Router>) -> (TestResponse, TestResponse) {
    let send = async |accept: &str| {
        let call = call().header("accept", accept);
        match app {
            Some(app) => call.send_over(app.clone()).await,
            None => call.send().await,
        }
    };
    (send(BROWSER).await, send("application/fhir+json").await)
}

fn app(world: &World, faults: Arc<Faults>) -> Router {
    let faulty = Faulty::new(world.platform().clone(), faults);
    web::host::host(ehi::server::routers(&faulty).expect("its ports"), faulty.context())
}

/// Check 39, for the statuses 403, 409 and 413.
#[tokio::test]
async fn refusals_are_pages_for_browsers() {
    let world = World::new();
    let (job, _, staff) = in_review(&world).await;
    let reject = format!("/staff{job}/reject");
    let foreign = || {
        let call = world.post(&reject).cookie(&staff).form(&[("because", "harm"), ("reason", "")]);
        call.header("origin", "https://evil.example.org")
    };
    let (page, json) = both(foreign, None).await;
    assert_page(&page, StatusCode::FORBIDDEN, "Nothing was changed", "/staff");
    assert_outcome(&json, StatusCode::FORBIDDEN);
    let shown = world.get(&format!("/admin{job}")).cookie(&staff).send().await.json();
    assert_eq!(text(&shown["status"]), "retrieved", "nothing was rejected");

    let large = "x".repeat(200_000);
    let too_large = || world.post("/patient-login").form(&[("patient", &large)]);
    let (page, json) = both(too_large, None).await;
    assert_page(&page, StatusCode::PAYLOAD_TOO_LARGE, "What you sent is too large", "/patient-login");
    assert_outcome(&json, StatusCode::PAYLOAD_TOO_LARGE);

    // An export in review cannot be sent to review again: a state that does not allow the move.
    let approve = || world.post(&format!("/admin{job}/approve")).cookie(&staff);
    assert_eq!(approve().send().await.status, StatusCode::OK);
    let (page, json) = both(approve, None).await;
    assert_page(&page, StatusCode::CONFLICT, "This was changed by somebody else", "/");
    assert_outcome(&json, StatusCode::CONFLICT);
}

/// Check 39: the patient decided about an app in another window.
#[tokio::test]
async fn a_request_of_an_app_that_is_over_leads_back_to_the_app() {
    let world = World::new();
    let login = world.get(&Launch::new("app").authorize()).send().await.location();
    let request = parameter(&login, "request").expect("a request");
    let picked =
        world.post("/patient-login").form(&[("request", request.as_str()), ("patient", ANNA)]).send().await;
    let decide = || {
        let call = world.post("/authorize-app").cookie(&picked);
        call.form(&[("request", request.as_str()), ("decision", "allow")])
    };
    assert!(decide().send().await.location().contains("code="));
    // A second click shortly after the first leads to where the first one did.
    world.advance(61);
    let page = decide().header("accept", BROWSER).send().await;
    assert!(page.status.is_client_error(), "{}", page.text());
    assert_page(&page, page.status, "Please start again in your app", "/");
}

/// Check 39, for the statuses 429, 500 and 503.
#[tokio::test]
async fn limits_and_faults_are_pages_for_browsers() {
    let world = World::new();
    let token = world.service("direct-service", "system/*.read").await;
    for _ in 0..3 {
        assert_eq!(world.get("/fhir/$export").bearer(&token).send().await.status, StatusCode::ACCEPTED);
    }
    let (page, json) = both(|| world.get("/fhir/$export").bearer(&token), None).await;
    assert_page(&page, StatusCode::TOO_MANY_REQUESTS, "Too many copies are not ready yet", "/");
    assert_outcome(&json, StatusCode::TOO_MANY_REQUESTS);

    let (job, _, staff) = in_review(&world).await;
    let contents = format!("/staff{job}/files/Observation.ndjson");
    let until = world.clock().now() + SignedDuration::from_hours(1);
    let defect = app(&world, Faults::at(0, Strike::Defect));
    let outage = app(&world, Faults::outage(Store::Database, 0, world.clock().clone(), until));
    let closed = web::host::closed("no settings", world.platform().clock(), world.platform().random());
    for (app, status, title) in [
        (&defect, StatusCode::INTERNAL_SERVER_ERROR, "Something broke here. Try again later."),
        (&outage, StatusCode::SERVICE_UNAVAILABLE, "This is not available now. Try again later."),
        (&closed, StatusCode::SERVICE_UNAVAILABLE, "This is not available now. Try again later."),
    ] {
        let (page, json) = both(|| world.get(&contents).cookie(&staff), Some(app)).await;
        assert_page(&page, status, title, "/");
        assert_outcome(&json, status);
        for cause in ["a defect", "no route", "no settings"] {
            assert!(!page.text().contains(cause) && !json.text().contains(cause), "{cause}: {}", page.text());
        }
    }
    assert_eq!(world.get(&contents).cookie(&staff).send().await.status, StatusCode::OK);
}
