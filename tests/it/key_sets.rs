//! The key sets of trusted issuers: they are fetched and cached, and strangers cannot cause a flood of fetches.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::StatusCode;
use tests::service::{assertion, jwks, signed};
use tests::{TestResponse, World, settings};
use tokio::sync::Notify;

use crate::tokens::{Issuer, claims, trusting};

/// Starts a server of keys on this machine; returns its URL and the count of its requests.
async fn key_server(
    response: impl Fn(usize) -> (StatusCode, String) + Clone + Send + Sync + 'static,
) -> (String, Arc<AtomicUsize>) {
    let fetched = Arc::new(AtomicUsize::new(0));
    let count = fetched.clone();
    let app = axum::Router::new().route(
        "/keys",
        axum::routing::get(async move || {
            let number = count.fetch_add(1, Ordering::SeqCst);
            // Other requests run in the meantime.
            tokio::task::yield_now().await;
            let (status, body) = response(number);
            (status, [("cache-control", "no-store")], body)
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, fetched)
}

#[tokio::test]
async fn an_issuers_keys_are_fetched_and_cached() {
    let issuer = Issuer::new();
    let token = issuer.token(&claims());
    let jwks = issuer.jwks();
    let (url, fetched) = key_server(move |_| (StatusCode::OK, jwks.clone())).await;
    let world = trusting(&format!("jwks_url = \"{url}\""), &ehi::defaults::sample_records());
    for _ in 0..3 {
        assert_eq!(world.get("/jobs").bearer(&token).send().await.status, StatusCode::OK);
        world.advance(9);
    }
    assert_eq!(fetched.load(Ordering::SeqCst), 1, "the keys are cached in spite of no-store");
    world.advance(60);
    assert_eq!(world.get("/jobs").bearer(&token).send().await.status, StatusCode::OK);
    assert_eq!(fetched.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn strangers_cannot_make_the_server_fetch_keys_again_and_again() {
    let issuer = Issuer::new();
    let unknown = |number: usize| {
        issuer.signed(&format!(r#"{{"alg":"ES256","kid":"unknown-{number}"}}"#), &claims().to_string())
    };
    for fails in [false, true] {
        let jwks = issuer.jwks();
        let status = if fails { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
        let (url, fetched) = key_server(move |_| (status, jwks.clone())).await;
        let world = trusting(&format!("jwks_url = \"{url}\""), &ehi::defaults::sample_records());
        for round in 1..=3 {
            let tokens: Vec<_> = (0..50).map(unknown).collect();
            let responses = tokens.iter().map(|token| world.get("/jobs").bearer(token).send());
            let responses = futures_util::future::join_all(responses).await;
            let expected = if fails { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::UNAUTHORIZED };
            assert!(responses.iter().all(|response| response.status == expected), "{fails}");
            assert_eq!(fetched.load(Ordering::SeqCst), round, "one a round, failing: {fails}");
            world.advance(29);
            assert_ne!(world.get("/jobs").bearer(&unknown(99)).send().await.status, StatusCode::OK);
            assert_eq!(fetched.load(Ordering::SeqCst), round, "too early, failing: {fails}");
            world.advance(1);
        }
    }
    // A set that is too large or invalid is not fetched again for each request.
    for body in ["x".repeat(300 * 1024), "{}".to_owned()] {
        let (url, fetched) = key_server(move |_| (StatusCode::OK, body.clone())).await;
        let world = trusting(&format!("jwks_url = \"{url}\""), &ehi::defaults::sample_records());
        for number in 0..5 {
            let response = world.get("/jobs").bearer(&unknown(number)).send().await;
            assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
        }
        assert_eq!(fetched.load(Ordering::SeqCst), 1);
    }
}

/// The first request to a server of keys, which waits until the test lets it continue.
#[derive(Default)]
struct FirstRequest {
    has_begun: Notify,
    may_continue: Notify,
}

/// Starts a server of keys that holds back its first response; returns its URL.
async fn slow_key_server(jwks: String, first: Arc<FirstRequest>) -> String {
    let count = Arc::new(AtomicUsize::new(0));
    let handler = async move || {
        if count.fetch_add(1, Ordering::SeqCst) == 0 {
            first.has_begun.notify_one();
            first.may_continue.notified().await;
        }
        jwks
    };
    let app = axum::Router::new().route("/keys", axum::routing::get(handler));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

/// A stranger sends a request that makes the server fetch keys, and closes the connection at once. The owner of a valid token or key must
/// not notice that.
#[tokio::test]
async fn a_caller_who_leaves_does_not_stop_the_fetch_for_others() {
    let issuer = Issuer::new();
    let stranger = issuer.signed(r#"{"alg":"ES256","kid":"unknown"}"#, &claims().to_string());
    let token = issuer.token(&claims());
    let first = Arc::new(FirstRequest::default());
    let url = slow_key_server(issuer.jwks(), first.clone()).await;
    let world = trusting(&format!("jwks_url = \"{url}\""), &ehi::defaults::sample_records());
    leave_during(world.get("/jobs").bearer(&stranger).send(), &first).await;
    assert_eq!(world.get("/jobs").bearer(&token).send().await.status, StatusCode::OK);

    let first = Arc::new(FirstRequest::default());
    let world = with_remote_service(&slow_key_server(jwks().to_string(), first.clone()).await);
    let (mut header, claims) = assertion("remote-service", world.now());
    let valid = signed(&header, &claims);
    header["kid"] = "unknown".into();
    leave_during(world.by_assertion(&signed(&header, &claims), "system/*.rs"), &first).await;
    let response = world.by_assertion(&valid, "system/*.rs").await;
    assert_eq!(response.status, StatusCode::OK, "{}", response.text());
}

/// Drops a request as soon as the server has begun to fetch keys for it.
async fn leave_during(request: impl Future<Output = TestResponse>, first: &FirstRequest) {
    let mut request = std::pin::pin!(request);
    tokio::select! {
        response = &mut request => panic!("a response without keys: {response:?}"),
        () = first.has_begun.notified() => {}
    }
    first.may_continue.notify_one();
}

/// Returns a World with a backend service whose keys are at a URL.
fn with_remote_service(url: &str) -> World {
    let client =
        format!("[[clients]]\nid = \"remote-service\"\nscopes = \"system/*.rs\"\njwks_url = \"{url}\"\n");
    World::of(&(settings("sandbox = true") + &client), &ehi::defaults::sample_records())
}

/// `invalid_client` would be final for the client, and the audit trail would have a failed sign-in.
#[tokio::test]
async fn while_the_keys_of_a_service_cannot_be_fetched_it_is_asked_to_try_again() {
    let has_keys = move |number| match number {
        0 => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
        _ => (StatusCode::OK, jwks().to_string()),
    };
    let world = with_remote_service(&key_server(has_keys).await.0);
    for path in ["/auth/token", "/auth/introspect", "/auth/revoke"] {
        let mut fields = world.asserting("remote-service");
        fields.extend([("grant_type", "client_credentials".to_owned()), ("scope", "system/*.rs".to_owned())]);
        fields.push(("token", "x".to_owned()));
        let response = world.post(path).form(&fields).send().await;
        assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {}", response.text());
        assert_eq!(response.json()["error"], "temporarily_unavailable", "{path}");
        assert!(response.header("retry-after").parse::<u32>().is_ok(), "{path}");
    }
    let auditor = world.staff().await;
    let failed = world.get("/admin/audit?action=sign-in-failed").cookie(&auditor).send().await;
    assert!(failed.body.is_empty(), "{}", failed.text());
    world.advance(31);
    world.service("remote-service", "system/*.rs").await;
}
