//! The key sets of trusted issuers: they are fetched and cached, and strangers cannot cause a flood of fetches.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::StatusCode;

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
