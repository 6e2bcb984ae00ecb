//! What the client does if the server does not return the status of an export.

use std::path::Path;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::server::{Shared, lock, start};
use super::{PATIENTS, export, names, note};
use crate::program::{ehi, printed};

const PART: &str = "Patient.ndjson.part";

fn outcome(code: &str, text: &str) -> String {
    json!({ "resourceType": "OperationOutcome", "issue": [{ "severity": "error", "code": code, "diagnostics": text }] })
        .to_string()
}

/// Returns responses that are neither a status of the job nor a sign that it is gone, and a part of the text that the client prints.
fn strange_replies() -> Vec<(Response, &'static str)> {
    let page = "<html><body><main>Please sign in</main></body></html>";
    let html = [("content-type", "text/html; charset=utf-8")];
    vec![
        (StatusCode::UNAUTHORIZED.into_response(), "must be renewed"),
        ((StatusCode::UNAUTHORIZED, outcome("login", "expired")).into_response(), "must be renewed"),
        ((StatusCode::FORBIDDEN, html, page).into_response(), "must be renewed"),
        ((StatusCode::BAD_REQUEST, "a bad proxy").into_response(), "400"),
        (
            (StatusCode::FOUND, [("location", "/login")]).into_response(),
            "it redirects to /login; if that is a page for signing in, the access token must be renewed",
        ),
        (StatusCode::NOT_ACCEPTABLE.into_response(), "406"),
        (StatusCode::UNPROCESSABLE_ENTITY.into_response(), "422"),
        (StatusCode::NO_CONTENT.into_response(), "204"),
        ((html, page).into_response(), "is not JSON, but a page: Please sign in"),
        ("{}".into_response(), "is not a manifest"),
        ("[]".into_response(), "is not a manifest"),
    ]
}

/// Adds a strange reply to the responses, and returns its text. A status of 200 is requested twice: first to learn whether there is a job.
fn add_strange(script: &Shared, number: usize) -> &'static str {
    let (reply, text) = strange_replies().swap_remove(number);
    let is_read_twice = reply.status() == StatusCode::OK;
    let mut script = lock(script);
    script.replies.push_back(reply);
    script.replies.extend(is_read_twice.then(|| strange_replies().swap_remove(number).0));
    text
}

/// Leaves a directory with half of a file.
async fn half_downloaded(script: &Shared, base: &str, out: &Path) -> Vec<u8> {
    lock(script).broken_downloads = 1;
    let broken = export(base, out, &["--retry-for", "0"]).await;
    assert!(!broken.status.success(), "{}", printed(&broken));
    assert_eq!(names(out), [".ehi-export.json", PART, "Patient.ndjson.tag"]);
    std::fs::read(out.join(PART)).expect("a part")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strange_status_leaves_a_half_downloaded_export_alone() -> tests::Result {
    let (script, base) = start().await;
    let out = tempfile::tempdir()?;
    let half = half_downloaded(&script, &base, out.path()).await;
    assert_eq!(half, &PATIENTS.as_bytes()[..PATIENTS.len() / 2]);
    let before = note(out.path());
    for number in 0..strange_replies().len() {
        let printed_text = add_strange(&script, number);
        let output = export(&base, out.path(), &["--retry-for", "0"]).await;
        let text = printed(&output);
        assert!(!output.status.success() && text.contains(printed_text), "{printed_text}: {text}");
        assert!(text.contains("run the same command again to resume it"), "{text}");
        assert_eq!(names(out.path()), [".ehi-export.json", PART, "Patient.ndjson.tag"], "{text}");
        assert_eq!((std::fs::read(out.path().join(PART))?, note(out.path())), (half.clone(), before.clone()));
    }
    // A job with a manifest has not failed, so these are faults of the server.
    for status in [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::BAD_REQUEST, StatusCode::PAYLOAD_TOO_LARGE]
    {
        lock(&script).replies.push_back((status, outcome("exception", "a defect")).into_response());
        let output = export(&base, out.path(), &["--retry-for", "0"]).await;
        assert!(printed(&output).contains("again to resume it"), "{}", printed(&output));
        let after = (std::fs::read(out.path().join(PART))?, note(out.path()));
        assert_eq!(after, (half.clone(), before.clone()), "{status}");
    }
    assert!(export(&base, out.path(), &[]).await.status.success());
    let script = lock(&script);
    assert_eq!(script.kick_offs.len(), 1);
    assert_eq!(script.ranges, [format!("bytes={}-", half.len())], "the download continued");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_job_that_is_gone_stay_until_a_new_job_is_accepted() -> tests::Result {
    let (script, base) = start().await;
    for gone in [StatusCode::NOT_FOUND, StatusCode::GONE] {
        let out = tempfile::tempdir()?;
        let half = half_downloaded(&script, &base, out.path()).await;
        let started = lock(&script).kick_offs.len();
        lock(&script).replies.push_back(gone.into_response());
        lock(&script).kick_off_replies.push_back(StatusCode::UNAUTHORIZED.into_response());
        let refused = export(&base, out.path(), &[]).await;
        assert!(!refused.status.success() && printed(&refused).contains("401"), "{}", printed(&refused));
        assert_eq!(std::fs::read(out.path().join(PART))?, half, "{gone}: the server may still have the job");
        let again = export(&base, out.path(), &[]).await;
        assert!(again.status.success(), "{}", printed(&again));
        assert_eq!(std::fs::read_to_string(out.path().join("Patient.ndjson"))?, PATIENTS);
        let script = lock(&script);
        assert_eq!(script.kick_offs.len(), started + 2);
        assert_eq!(script.kick_offs[started], script.kick_offs[started + 1], "the key was not used yet");
        assert_ne!(script.kick_offs[started - 1], script.kick_offs[started], "a new job has a new key");
        assert_eq!(script.ranges, Vec::<String>::new(), "the part is of another job");
    }
    Ok(())
}

/// The files of the last complete export stay if a server refuses the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_kick_off_leaves_a_complete_export_alone() -> tests::Result {
    let (script, base) = start().await;
    let out = tempfile::tempdir()?;
    assert!(export(&base, out.path(), &[]).await.status.success());
    for (reply, _) in strange_replies() {
        lock(&script).kick_off_replies.push_back(reply);
        let refused = export(&base, out.path(), &[]).await;
        assert!(!refused.status.success(), "{}", printed(&refused));
        assert_eq!(names(out.path()), [".ehi-export.json", "Patient.ndjson", "manifest.json"]);
        assert_eq!(note(out.path())["complete"], true);
    }
    assert!(export(&base, out.path(), &[]).await.status.success());
    assert_eq!(names(out.path()), [".ehi-export.json", "Patient.ndjson", "manifest.json"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_job_the_same_command_starts_a_new_export() -> tests::Result {
    let (script, base) = start().await;
    let out = tempfile::tempdir()?;
    assert!(export(&base, out.path(), &[]).await.status.success());
    let json_of = |value: Value| value.to_string().into_response();
    let fatal = StatusCode::INTERNAL_SERVER_ERROR;
    let rejected = StatusCode::UNPROCESSABLE_ENTITY;
    for (reply, reason) in [
        ((fatal, outcome("exception", "the disk is full")).into_response(), "the disk is full"),
        ((rejected, outcome("business-rule", "rejected by staff")).into_response(), "rejected by staff"),
        ((StatusCode::BAD_REQUEST, outcome("invalid", "no such type")).into_response(), "no such type"),
        ((StatusCode::PAYLOAD_TOO_LARGE, "too many resources").into_response(), "413"),
        (json_of(json!({ "status": "failed", "error": "out of memory" })), "out of memory"),
        (json_of(json!({ "status": "cancelled" })), "no reason given"),
    ] {
        let started = lock(&script).kick_offs.len();
        lock(&script).replies.push_back(reply);
        let failed = export(&base, out.path(), &["--retry-for", "0"]).await;
        let text = printed(&failed);
        assert!(!failed.status.success() && text.contains(reason), "{reason}: {text}");
        assert!(text.contains("run the same command again to start a new export"), "{text}");
        assert!(!text.contains("resume") && text.contains(&format!("/status/{}", started + 1)), "{text}");
        assert_eq!(note(out.path())["status"], Value::Null);
        let earlier = out.path().join(".earlier");
        assert_eq!(names(&earlier), ["Patient.ndjson", "manifest.json"], "the last complete export stays");
        assert_eq!(std::fs::read_to_string(earlier.join("Patient.ndjson"))?, PATIENTS);
        let again = export(&base, out.path(), &[]).await;
        assert!(again.status.success(), "{}", printed(&again));
        let script = lock(&script);
        assert_eq!(script.kick_offs.len(), started + 2);
        assert_ne!(script.kick_offs[started], script.kick_offs[started + 1]);
        assert_eq!(names(out.path()), [".ehi-export.json", "Patient.ndjson", "manifest.json"]);
    }
    Ok(())
}

/// The export of one patient uses the same rules.
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_or_a_failed_job_does_not_end_the_export_of_a_patient() -> tests::Result {
    let (script, base) = start().await;
    let out = tempfile::tempdir()?;
    let token = out.path().join("token");
    std::fs::write(&token, "t")?;
    let directory = out.path().join("out");
    let patient = async || {
        let mut command = ehi();
        command.args(["export", "--patient", "a", "--server", &base, "--retry-for", "0", "--token-file"]);
        command.arg(&token).arg("--out").arg(&directory);
        tokio::task::spawn_blocking(move || command.output().expect("it runs")).await.expect("no panic")
    };
    for number in 0..strange_replies().len() {
        let printed_text = add_strange(&script, number);
        let output = patient().await;
        let text = printed(&output);
        assert!(!output.status.success() && text.contains(printed_text), "{printed_text}: {text}");
        assert_eq!(lock(&script).kick_offs.len(), 1);
    }
    let rejected = (StatusCode::UNPROCESSABLE_ENTITY, outcome("business-rule", "not now"));
    lock(&script).replies.push_back(rejected.into_response());
    let rejected = patient().await;
    assert!(printed(&rejected).contains("to start a new export"), "{}", printed(&rejected));
    assert!(patient().await.status.success());
    assert_eq!(lock(&script).kick_offs.len(), 2);
    Ok(())
}
