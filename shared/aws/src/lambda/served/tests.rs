use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use axum::body::Body;
use contract::{FixedClock, SeededRandom};
use http::{Request, StatusCode};
use tower::ServiceExt;

use super::*;

/// Secrets whose version the test sets.
#[derive(Default)]
struct Secrets {
    version: Mutex<Option<&'static str>>,
    reads: AtomicU32,
    hang: AtomicBool,
}

impl Connect for &Secrets {
    async fn connect(&self, known: Option<&str>) -> Result<Option<(Router, String)>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        if self.hang.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        let version = *self.version.lock().expect("a version");
        let Some(version) = version else { return Err(Error::unavailable("Secrets Manager is down")) };
        let router = Router::new().fallback(move || async move { version });
        Ok((known != Some(version)).then(|| (router, version.to_owned())))
    }
}

struct World {
    clock: FixedClock,
    secrets: &'static Secrets,
    app: App<&'static Secrets>,
}

impl World {
    async fn with(version: Option<&'static str>) -> Self {
        let clock = FixedClock::at("2026-03-01T12:00:00Z".parse().expect("a time"));
        let secrets: &'static Secrets = Box::leak(Box::default());
        *secrets.version.lock().expect("a version") = version;
        let app = App::start(secrets, Arc::new(clock.clone()), Arc::new(SeededRandom::new(1))).await;
        Self { clock, secrets, app }
    }

    fn set(&self, version: Option<&'static str>) {
        *self.secrets.version.lock().expect("a version") = version;
    }

    async fn get(&self) -> (StatusCode, String) {
        let request = Request::get("/fhir/metadata").body(Body::empty()).expect("a request");
        let response = self.app.router().await.oneshot(request).await.expect("a response");
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.expect("a body");
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    /// Makes one request each second, and returns how many times the secrets were read.
    async fn reads(&self, requests: u32) -> u32 {
        let before = self.secrets.reads.load(Ordering::SeqCst);
        for _ in 0..requests {
            self.clock.advance(SignedDuration::from_secs(1));
            self.get().await;
        }
        self.secrets.reads.load(Ordering::SeqCst) - before
    }
}

#[tokio::test]
async fn without_settings_every_response_is_503() {
    let world = World::with(None).await;
    let (status, body) = world.get().await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains("OperationOutcome") && !body.contains("Secrets Manager"), "{body}");
    world.set(Some("one"));
    assert_eq!(
        world.get().await.0,
        StatusCode::SERVICE_UNAVAILABLE,
        "the secrets are not read at every request"
    );
    world.clock.advance(FIRST_PAUSE);
    assert_eq!(world.get().await, (StatusCode::OK, "one".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_only_briefly_for_secrets_that_never_arrive() {
    for (version, expected, longest) in [
        (None, StatusCode::SERVICE_UNAVAILABLE, CONNECT_TIMEOUT),
        (Some("one"), StatusCode::OK, REFRESH_TIMEOUT),
    ] {
        let world = World::with(version).await;
        world.secrets.hang.store(true, Ordering::SeqCst);
        world.clock.advance(FRESH);
        let begun = tokio::time::Instant::now();
        assert_eq!(world.get().await.0, expected);
        assert_eq!(begun.elapsed(), longest);
        assert_eq!(world.get().await.0, expected);
        assert_eq!(begun.elapsed(), longest, "the next request does not wait as well");
    }
}

#[tokio::test]
async fn secrets_that_cannot_be_read_are_read_again_after_longer_and_longer_pauses() {
    let world = World::with(Some("one")).await;
    world.set(None);
    world.clock.advance(FRESH);
    assert_eq!(world.get().await, (StatusCode::OK, "one".to_owned()), "the earlier secrets are used");
    // After 5, 15, 35, 75, 155, 315 seconds, and then every 300.
    assert_eq!((world.reads(320).await, world.reads(600).await), (6, 2));
    world.set(Some("two"));
    world.clock.advance(FRESH);
    assert_eq!(world.get().await.1, "two");
    world.set(None);
    world.clock.advance(FRESH);
    assert_eq!(world.reads(10).await, 2, "the next outage begins with a short pause");
}

#[tokio::test]
async fn good_secrets_are_read_every_five_minutes_and_new_ones_are_used() {
    let world = World::with(Some("one")).await;
    assert_eq!(world.reads(601).await, 2);
    world.set(Some("two"));
    assert_eq!(world.get().await.1, "one");
    world.clock.advance(FRESH);
    assert_eq!(world.get().await.1, "two");
}
