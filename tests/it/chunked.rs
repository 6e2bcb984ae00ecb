//! Check 34 (`infra/docs/checks.md`) for a body without a length: the server stops reading it at the limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use futures_util::StreamExt;
use futures_util::stream;
use http::{Request, StatusCode};
use tests::{ANNA, TestResponse, World};

use crate::admin::in_review;

const PIECE: usize = 16 * 1024;

/// The body is far longer than every limit.
const PIECES: usize = 1 << 12;

/// Sends a body in pieces, after a beginning; returns the response, and the number of bytes that the server read.
async fn sent(world: &World, path: &str, head: &[(&str, &str)], begin: &str) -> (TestResponse, usize) {
    let read = Arc::new(AtomicUsize::new(0));
    let counter = read.clone();
    let begin = Bytes::from(begin.to_owned());
    let pieces = stream::repeat(Bytes::from(vec![b'x'; PIECE])).take(PIECES);
    let body = stream::once(std::future::ready(begin)).chain(pieces).then(move |piece| {
        counter.fetch_add(piece.len(), Ordering::SeqCst);
        async {
            // As from a network, the next piece is there later.
            tokio::task::yield_now().await;
            Ok::<_, std::io::Error>(piece)
        }
    });
    let mut request = Request::post(path);
    for (name, value) in head {
        request = request.header(*name, *value);
    }
    let response = world.send(request.body(Body::from_stream(body)).expect("a request")).await;
    (response, read.load(Ordering::SeqCst))
}

/// Check 34.
#[tokio::test]
async fn a_body_without_a_length_is_read_up_to_the_limit() {
    const LIMIT: usize = 1_000_000;
    let world =
        World::with(&format!("sandbox = true\nmax_upload_bytes = {LIMIT}"), &ehi::defaults::sample_records());
    let (job, token, staff) = in_review(&world).await;
    let (cookie, bearer) = (staff.cookie(), format!("Bearer {token}"));
    let multipart = "multipart/form-data; boundary=XX";
    let file = "--XX\r\nContent-Disposition: form-data; name=\"attachments\"; filename=\"scan.pdf\"\r\n\r\n";
    let (form, json) = ("application/x-www-form-urlencoded", "application/json");
    let (pages, api) = (format!("/staff{job}/add-files"), format!("/admin{job}/add-files"));
    let reject = format!("/staff{job}/reject");
    let kick_off = format!("/fhir/Patient/{ANNA}/$ehi-export");
    for (path, head, begin, limit) in [
        (pages.as_str(), [("cookie", cookie.as_str()), ("content-type", multipart)], file, LIMIT),
        (api.as_str(), [("cookie", cookie.as_str()), ("content-type", multipart)], file, LIMIT),
        (reject.as_str(), [("cookie", cookie.as_str()), ("content-type", form)], "reason=", 100 * 1024),
        ("/patient-login", [("accept", "text/html"), ("content-type", form)], "patient=", 100 * 1024),
        ("/auth/token", [("accept", "*/*"), ("content-type", form)], "code=", 100 * 1024),
        (
            kick_off.as_str(),
            [("authorization", bearer.as_str()), ("content-type", json)],
            "{\"a\":\"",
            100 * 1024,
        ),
    ] {
        let (response, read) = sent(&world, path, &head, begin).await;
        assert_eq!(response.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}: {}", response.text());
        assert!((limit..limit + 8 * PIECE).contains(&read), "{path}: {read} bytes of a limit of {limit}");
    }
    let shown = world.get(&format!("/admin{job}")).cookie(&staff).send().await.json();
    assert_eq!(shown["attachments"], serde_json::json!([]), "nothing is attached");
}
