//! Jobs and manifests: relative URLs, pages, pauses between status requests, and exports that the user gives up.

use std::path::Path;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::server::{Shared, lock, start};
use super::{PATIENTS, export, names, note};
use crate::program::printed;

fn accepted(location: &str) -> Response {
    (StatusCode::ACCEPTED, [("content-location", location.to_owned())]).into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn relative_urls_of_a_server_are_resolved() -> tests::Result {
    let (script, base) = start().await;
    let out = tempfile::tempdir()?;
    lock(&script).kick_off_replies.push_back(accepted("../status/7"));
    let manifest = json!({ "requiresAccessToken": false, "output": [{ "type": "Patient", "url": "../files/Patient.ndjson", "count": 2 }] });
    lock(&script).replies.push_back(manifest.to_string().into_response());
    let output = export(&base, out.path(), &[]).await;
    assert!(output.status.success(), "{}", printed(&output));
    assert_eq!(std::fs::read_to_string(out.path().join("Patient.ndjson"))?, PATIENTS);
    assert_eq!(note(out.path())["status"], format!("{}/status/7", base.trim_end_matches("/fhir")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_cannot_be_requested_is_not_stored() -> tests::Result {
    let (script, base) = start().await;
    let out = tempfile::tempdir()?;
    for location in ["urn:uuid:1", "http://", "file:///etc/passwd"] {
        lock(&script).kick_off_replies.push_back(accepted(location));
        let refused = export(&base, out.path(), &[]).await;
        let sentence = format!("the server returned an invalid URL: {location}");
        assert!(!refused.status.success() && printed(&refused).contains(&sentence), "{}", printed(&refused));
        assert_eq!(note(out.path())["status"], Value::Null);
    }
    // An earlier version stored what the server sent.
    let mut stored = note(out.path());
    stored["status"] = json!("/status/1");
    std::fs::write(out.path().join(".ehi-export.json"), stored.to_string())?;
    let output = export(&base, out.path(), &[]).await;
    assert!(output.status.success(), "{}", printed(&output));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_a_manifest_become_one_file() -> tests::Result {
    let (script, base) = start().await;
    let out = tempfile::tempdir()?;
    lock(&script).files.push(("Claim.ndjson".to_owned(), "{\"resourceType\":\"Claim\"}\n".to_owned()));
    let entry = |name: &str| json!({ "type": name, "url": format!("../files/{name}.ndjson") });
    let pages = [
        json!({ "requiresAccessToken": false, "output": [entry("Patient")], "link": [{ "relation": "next", "url": "2" }] }),
        json!({ "requiresAccessToken": false, "output": [entry("Claim")], "error": [] }),
    ];
    lock(&script).replies.extend(pages.map(|page| page.to_string().into_response()));
    let output = export(&base, out.path(), &[]).await;
    assert!(output.status.success(), "{}", printed(&output));
    assert_eq!(names(out.path()), [".ehi-export.json", "Claim.ndjson", "Patient.ndjson", "manifest.json"]);
    let manifest: Value = serde_json::from_slice(&std::fs::read(out.path().join("manifest.json"))?)?;
    assert_eq!(
        manifest,
        json!({ "requiresAccessToken": false, "output": [entry("Patient"), entry("Claim")], "link": [] })
    );
    Ok(())
}

/// A server may not know that `Retry-After: 0` would be obeyed.
#[tokio::test(flavor = "multi_thread")]
async fn the_client_does_not_poll_without_a_pause() -> tests::Result {
    let (script, base) = start().await;
    let out = tempfile::tempdir()?;
    let running = |pause: &'static str| (StatusCode::ACCEPTED, [("retry-after", pause)]).into_response();
    // 20 short pauses, then one of a second; a longer pause is obeyed from the beginning.
    lock(&script).replies.extend((0..21).map(|_| running("0")));
    let start = Instant::now();
    assert!(export(&base, out.path(), &[]).await.status.success());
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(lock(&script).status_requests, 22);
    lock(&script).replies.push_back(running("2"));
    let start = Instant::now();
    assert!(export(&base, out.path(), &[]).await.status.success());
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
    Ok(())
}

/// Leaves a job whose status the server cannot return.
async fn stuck(script: &Shared, base: &str, out: &Path) -> String {
    lock(script).replies.push_back(StatusCode::NOT_IMPLEMENTED.into_response());
    printed(&export(base, out, &["--retry-for", "0"]).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_never_ends_can_be_given_up() -> tests::Result {
    let (script, base) = start().await;
    let out = tempfile::tempdir()?;
    for number in 1..=2 {
        let text = stuck(&script, &base, out.path()).await;
        let sentence = format!(
            "(the job is {}/status/1: run the same command again to resume it, or with --restart to give it up and start a new export)",
            base.trim_end_matches("/fhir")
        );
        assert!(text.contains("501") && text.contains(&sentence), "{number}: {text}");
        assert_eq!(lock(&script).kick_offs.len(), 1);
    }
    let output = export(&base, out.path(), &["--restart"]).await;
    assert!(output.status.success(), "{}", printed(&output));
    let script = lock(&script);
    assert_eq!((script.kick_offs.len(), &script.cancelled[..]), (2, &["/status/1".to_owned()][..]));
    assert_ne!(script.kick_offs[0], script.kick_offs[1], "a new job has a new key");
    Ok(())
}

/// The kick-off is not followed to another address.
#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_of_the_kick_off_is_named() -> tests::Result {
    let (script, base) = start().await;
    let out = tempfile::tempdir()?;
    let redirect = (StatusCode::FOUND, [("location", "https://login.example/")]).into_response();
    lock(&script).kick_off_replies.push_back(redirect);
    let refused = export(&base, out.path(), &[]).await;
    let sentence = "it redirects to https://login.example/; if that is a page for signing in";
    assert!(!refused.status.success() && printed(&refused).contains(sentence), "{}", printed(&refused));
    Ok(())
}
