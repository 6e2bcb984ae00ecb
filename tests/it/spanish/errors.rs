//! The error pages of patients.

use std::sync::Arc;

use axum::Router;
use domain::clock::Clock;
use domain::error::Store;
use http::{Method, StatusCode};
use jiff::SignedDuration;
use platform::Platform;
use tests::faults::{Faults, Faulty, Strike};
use tests::{ANNA, Call, Launch, World, parameter};

use super::{BROWSER, check, world};
use crate::browsing::Browser;
use crate::my::{requested_copy, signed_in};

fn app(world: &World, faults: Arc<Faults>) -> Router {
    let faulty = Faulty::new(world.platform().clone(), faults);
    web::host::host(ehi::server::routers(&faulty).expect("its ports"), faulty.context())
}

/// Sends a request as a Spanish browser, and checks the page of the error.
async fn assert_error(call: Call<'_>, cookie: &str, status: u16, app: Option<&Router>) {
    let call = call.header("cookie", &format!("{cookie}; lang=es")).header("accept", BROWSER);
    let page = match app {
        Some(app) => call.send_over(app.clone()).await,
        None => call.send().await,
    };
    assert_eq!(page.status.as_u16(), status, "{}", page.text());
    let number = page.header("x-request-id").to_owned();
    let mut page = page;
    page.body = page.text().replace(&number, "").into_bytes();
    let shown = check(&page, &format!("status {status}"));
    // Details are in English.
    assert!(!shown.contains("<details"), "{status}: {shown}");
}

#[tokio::test]
async fn the_errors_of_patients_have_only_texts_of_the_catalogue() {
    let world = world("sandbox = true");
    let cookie = signed_in(&world, ANNA).await.cookie();
    let portal = format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id=my");
    let large = "x".repeat(200_000);
    let nowhere = "/my/exports/01a1fb95-ab0a-7a46-aeea-001492bd7651";
    for (call, status) in [
        (world.get("/patient-login"), 400),
        (world.get("/patient-login?request=old"), 400),
        (world.get("/authorize-app?request=old"), 400),
        (world.get("/auth/authorize?client_id=nobody"), 400),
        (world.get(&format!("{portal}&redirect=https://evil.example.org/")), 400),
        (world.get(&portal.replace("=my", "=nobody")), 400),
        (
            world.post("/my/apps/stop").header("origin", "https://evil.example.org").form(&[("app", "app")]),
            403,
        ),
        (world.get(nowhere), 404),
        (world.get("/nothing"), 404),
        (world.request(Method::PUT, "/my"), 405),
        (world.post("/my/apps/stop").form(&[("app", &large)]), 413),
        (world.post(&portal).form(&[("step", "parts"), ("parameters.labs.notes", &large)]), 413),
        (world.post("/patient-login").form(&[("next", "/my"), ("patient", &large)]), 413),
        (world.post("/my/apps/stop").body("text/plain", "app"), 415),
    ] {
        assert_error(call, &cookie, status, None).await;
    }
    let signed_out = world.post(&portal).form(&[("step", "parts"), ("token", "0.0")]);
    assert_error(signed_out, "", 401, None).await;
    let login = world.get(&Launch::new("app").authorize()).send().await.location();
    let request = parameter(&login, "request").expect("a request");
    let picked = world.post("/patient-login").form(&[("request", request.as_str()), ("patient", ANNA)]);
    let picked = picked.send().await;
    let fields = [("request", request.as_str()), ("decision", "allow")];
    let decided = world.post("/authorize-app").cookie(&picked).form(&fields).send().await;
    assert!(decided.status.is_redirection(), "{}", decided.text());
    let again = world.get(&format!("/authorize-app?request={request}"));
    assert_error(again, &picked.cookie(), 409, None).await;
}

#[tokio::test]
async fn limits_and_faults_have_only_texts_of_the_catalogue() {
    let world = world("sandbox = true");
    let cookie = signed_in(&world, ANNA).await.cookie();
    let until = world.clock().now() + SignedDuration::from_hours(1);
    let copy = world.exported(&world.token(ANNA).await, ANNA).await.replace("/jobs/", "/my/exports/");
    let defect = app(&world, Faults::at(0, Strike::Defect));
    assert_error(world.get(&copy), &cookie, 500, Some(&defect)).await;
    let outage = app(&world, Faults::outage(Store::Database, 0, world.clock().clone(), until));
    assert_error(world.get("/my"), &cookie, 503, Some(&outage)).await;
    // The limit of an app's exports, as a browser that opens the address of the export reads it.
    let token = world.service("direct-service", "system/*.read").await;
    for _ in 0..3 {
        assert_eq!(world.get("/fhir/$export").bearer(&token).send().await.status, StatusCode::ACCEPTED);
    }
    assert_error(world.get("/fhir/$export").bearer(&token), &cookie, 429, None).await;
}

/// A patient who has asked for too many copies reads why the next one does not begin.
#[tokio::test]
async fn the_limit_of_copies_has_only_texts_of_the_catalogue() {
    let world = world("sandbox = true\nmax_running_exports = 2");
    let session = signed_in(&world, ANNA).await;
    for _ in 0..2 {
        requested_copy(&world, &session, &[]).await;
    }
    let form = format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id=my");
    let mut browser = Browser::signed_in(&world, ANNA, &form).await;
    browser.cookie += "; lang=es";
    browser.press("next", &[]).await;
    browser.press("next", &[]).await;
    let mut refused = browser.submit("send", &[]).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.text());
    let number = refused.header("x-request-id").to_owned();
    refused.body = refused.text().replace(&number, "").into_bytes();
    let shown = check(&refused, "too many copies");
    assert!(shown.contains("⟦error-exports⟧") && shown.contains("href=\"/my\""), "{shown}");
}
