//! A request on Lambda ends before API Gateway gives up, even if calls to AWS are slow or hang: the response is then 503.

use std::sync::Arc;
use std::time::Duration;

use aws::lambda::respond_by;
use aws::{Aws, Caller};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use axum::Router;
use axum::body::{Body, to_bytes};
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};
use platform::Platform;
use security::keys::{Keys, StoredKeys};
use security::tokens::{AccessTokenClaims, sign};
use settings::Settings;
use tests::faulty_client::{Fault, FaultyClient, Plan};
use tests::simulated::platform::{random, resources, sdk_over};
use tests::simulated::{Client, Simulation, Stage, run};
use tests::template::Template;
use tests::{ANNA, BASE_URL};
use tokio::time::Instant;
use tower::ServiceExt;
use web::host::host;
use web::routes::Route;

use crate::surface::{filled_in, routes};

/// The timeout of the functions that serve requests, as in `template.yaml`.
const TIMEOUT: Duration = Duration::from_secs(29);
/// The time for a request after the margins of Lambda and API Gateway are subtracted.
const LONGEST: Duration = Duration::from_secs(20);

/// All functions over the simulated AWS, with a connection that a test can break.
struct Deployed {
    client: FaultyClient,
    platform: Aws,
    router: Router,
}

impl Deployed {
    async fn new() -> Self {
        let simulation = Simulation::new();
        simulation.store_directory(&ehi::defaults::sample_records());
        let client = Client::new(&simulation, Stage::Outside);
        let client = FaultyClient::over(SharedHttpClient::new(client));
        let sdk = sdk_over(SharedHttpClient::from(&client), Caller::Request).await;
        let settings = Settings::parse(&tests::settings(""), |_| None, None).expect("valid settings");
        let keys = Keys::new(&StoredKeys::from_seed(&"a".repeat(40)).expect("keys")).expect("keys");
        let clock = Arc::new(simulation.clock());
        let platform = Aws::new(sdk, resources(), settings, Some(keys), clock, random(1));
        let router = host(ehi::server::routers(&platform).expect("its ports"), platform.context());
        Self { client, platform, router }
    }

    /// Returns a token with all scopes of an app and of a service.
    fn token(&self) -> String {
        let now = self.platform.clock().now().as_second();
        let claims = AccessTokenClaims {
            iss: BASE_URL.to_owned(),
            aud: BASE_URL.to_owned(),
            sub: String::new(),
            client_id: "app".to_owned(),
            scope: "patient/$ehi-export patient/*.rs system/*.rs".to_owned(),
            patient: Some(ANNA.to_owned()),
            iat: now,
            exp: now + 3_600,
            jti: "one".to_owned(),
            fhir_user: None,
            family: None,
        };
        sign(&self.platform.keys().expect("keys"), &claims).expect("signed")
    }

    /// Returns the response with its body, as the host on Lambda gets it, and the time that it took.
    async fn send(&self, method: &Method, path: &str, form: &str) -> (Response<Vec<u8>>, Duration) {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(AUTHORIZATION, format!("Bearer {}", self.token()))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()))
            .expect("a request");
        let begun = Instant::now();
        request.extensions_mut().insert(respond_by(TIMEOUT));
        let response = self.router.clone().oneshot(request).await.expect("a response");
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body that is complete");
        (Response::from_parts(parts, body.to_vec()), begun.elapsed())
    }

    async fn kick_off(&self) -> (Response<Vec<u8>>, Duration) {
        self.send(&Method::POST, &format!("/fhir/Patient/{ANNA}/$ehi-export"), "").await
    }
}

fn assert_is_503(response: &Response<Vec<u8>>, what: &str) {
    let text = String::from_utf8_lossy(response.body());
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{what}: {text}");
    assert_eq!(response.headers()[RETRY_AFTER], "5", "{what}");
    let request = response.headers()["x-request-id"].to_str().expect("text");
    // An error page has its own text, and shows the request id.
    let is_page = response.headers()[CONTENT_TYPE].as_bytes().starts_with(b"text/html");
    let expected = if is_page { request } else { "the server cannot respond now; try again later" };
    assert!(text.contains(expected), "{what}: {text}");
}

#[test]
fn no_route_waits_longer_than_api_gateway_for_a_store_that_never_responds() {
    run(async {
        let deployed = Deployed::new().await;
        let job = "/jobs/01a1fb95-ab0a-7a46-aeea-001492bd7651";
        let mut waited = 0;
        for Route { method, path, .. } in routes() {
            let what = format!("{method} {path}");
            let path = filled_in(&path, job, ANNA).replace("{upload}", "one");
            // These are the fields that some routes require, so that the request reaches the stores.
            let form =
                "grant_type=refresh_token&refresh_token=a&client_id=app&token=a&username=admin&password=a";
            deployed.client.follow(Plan::Always(Fault::NoResponse));
            let (response, took) = deployed.send(&method, &path, form).await;
            assert!(took <= LONGEST, "{what} took {took:?}");
            if deployed.client.calls() > 0 {
                waited += 1;
                assert_is_503(&response, &what);
            }
        }
        assert!(waited > 25, "{waited} routes waited");
    });
}

#[test]
fn many_slow_calls_together_end_in_503() {
    run(async {
        let deployed = Deployed::new().await;
        let (response, took) = deployed.kick_off().await;
        assert_eq!(response.status(), StatusCode::ACCEPTED, "{}", String::from_utf8_lossy(response.body()));
        assert!(took < Duration::from_secs(2), "{took:?}");
        deployed.client.follow(Plan::Always(Fault::Late(Duration::from_secs(1))));
        let (response, took) = deployed.kick_off().await;
        assert_eq!(
            response.status(),
            StatusCode::ACCEPTED,
            "the calls are slow, but the response is in time"
        );
        let calls = deployed.client.calls();
        assert!(took < LONGEST && calls > 4, "{calls} calls in {took:?}");
        // Each call stays below its own time-outs.
        deployed.client.follow(Plan::Always(Fault::Late(Duration::from_millis(4_900))));
        let (response, took) = deployed.kick_off().await;
        assert_is_503(&response, "kick-off");
        assert_eq!(took.as_secs(), LONGEST.as_secs());
        assert!(deployed.client.calls() > 3, "no single call took that long");
    });
}

/// Covers the first request of a function that started slowly, and a request with hardly any time left.
#[test]
fn a_request_has_no_more_time_than_its_invocation() {
    run(async {
        let seconds = |left: u64| {
            let by = respond_by(Duration::from_secs(left)).0;
            by.saturating_duration_since(Instant::now()).as_secs()
        };
        assert_eq!((seconds(29), seconds(15), seconds(2), seconds(0)), (LONGEST.as_secs(), 13, 0, 0));
    });
}

/// The constants of this file must match the template.
#[test]
fn no_function_that_serves_requests_has_more_time_than_api_gateway() {
    let mut longest = Vec::new();
    for (id, properties) in Template::load().serving() {
        let seconds = properties["Timeout"].as_u64().expect("seconds");
        assert!((10..=TIMEOUT.as_secs()).contains(&seconds), "{id}");
        longest.push(seconds);
    }
    assert_eq!((longest.len(), longest.iter().max()), (8, Some(&TIMEOUT.as_secs())));
}
