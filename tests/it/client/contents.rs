//! Files whose content is not the expected one, files that are compressed, and URLs that expire.

use std::collections::VecDeque;
use std::io::Write;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::server::{Shared, lock, start};
use super::{PATIENTS, export, names, note};
use crate::program::printed;

const FILE: &str = "Patient.ndjson";

fn reply(script: &Shared, replies: impl IntoIterator<Item = Response>) {
    lock(script).file_replies.insert(FILE.to_owned(), replies.into_iter().collect());
}

/// A file that was cut off by the server is downloaded again, also by the next run.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_too_few_lines_is_downloaded_again() -> tests::Result {
    let (script, base) = start().await;
    let out = tempfile::tempdir()?;
    let first_line = || PATIENTS[..=PATIENTS.find('\n').expect("a line")].to_owned().into_response();
    reply(&script, [first_line()]);
    let output = export(&base, out.path(), &["--retry-for", "0"]).await;
    assert!(output.status.success(), "{}", printed(&output));
    assert_eq!(std::fs::read_to_string(out.path().join(FILE))?, PATIENTS);
    assert_eq!(lock(&script).file_requests.len(), 2);
    // If it stays wrong, nothing is left of it, and the next run gets the file.
    reply(&script, (0..3).map(|_| first_line()));
    let failed = export(&base, out.path(), &["--retry-for", "0"]).await;
    let text = printed(&failed);
    assert!(text.contains("Patient.ndjson: it has 1 lines, but 2 according to the manifest"), "{text}");
    assert!(!failed.status.success() && !names(out.path()).iter().any(|name| name.starts_with(FILE)));
    let resumed = export(&base, out.path(), &["--retry-for", "0"]).await;
    assert!(resumed.status.success(), "{}", printed(&resumed));
    assert_eq!(std::fs::read_to_string(out.path().join(FILE))?, PATIENTS);
    assert_eq!(lock(&script).kick_offs.len(), 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_file_is_decoded_and_other_codings_are_refused() -> tests::Result {
    let (script, base) = start().await;
    let out = tempfile::tempdir()?;
    lock(&script).has_hashes = true;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(PATIENTS.as_bytes())?;
    let compressed = encoder.finish()?;
    let half = compressed[..compressed.len() / 2].to_vec();
    let coded = |coding: &'static str, body: &[u8]| {
        ([("content-encoding", coding), ("etag", "\"gz\"")], body.to_vec()).into_response()
    };
    // A damaged response is not continued, because the file is not compressed.
    reply(&script, [coded("gzip", &half), coded("gzip", &compressed)]);
    let output = export(&base, out.path(), &["--retry-for", "0"]).await;
    assert!(output.status.success(), "{}", printed(&output));
    assert_eq!(std::fs::read_to_string(out.path().join(FILE))?, PATIENTS);
    assert_eq!(lock(&script).ranges, Vec::<String>::new());
    reply(&script, [coded("br", &compressed)]);
    let refused = export(&base, out.path(), &["--retry-for", "0"]).await;
    let sentence = "Patient.ndjson: the server sent it with the Content-Encoding 'br'";
    assert!(!refused.status.success() && printed(&refused).contains(sentence), "{}", printed(&refused));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_or_a_binary_resource_is_not_stored_as_the_file() -> tests::Result {
    let (script, base) = start().await;
    let out = tempfile::tempdir()?;
    let page = || {
        let html = "<html><body><main>Please sign in</main></body></html>";
        ([("content-type", "text/html")], html).into_response()
    };
    let binary = || json!({ "resourceType": "Binary", "data": "e30=" }).to_string().into_response();
    for (replies, sentence) in [
        (vec![page()], "Patient.ndjson: the server sent a page instead of it: Please sign in"),
        (vec![binary(), binary(), binary()], "Patient.ndjson: the server sent a Binary resource instead of"),
    ] {
        reply(&script, replies);
        let failed = export(&base, out.path(), &["--retry-for", "0"]).await;
        assert!(!failed.status.success() && printed(&failed).contains(sentence), "{}", printed(&failed));
        assert!(!out.path().join(FILE).exists());
    }
    assert!(export(&base, out.path(), &[]).await.status.success());
    assert_eq!(lock(&script).kick_offs.len(), 1);
    Ok(())
}

/// Signed URLs are valid for minutes, and the download of all files may take hours.
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_url_is_renewed_and_the_download_continues() -> tests::Result {
    let (script, base) = start().await;
    let out = tempfile::tempdir()?;
    let expired = |status: StatusCode| (status, "<Error><Code>AccessDenied</Code></Error>").into_response();
    for status in [StatusCode::FORBIDDEN, StatusCode::UNAUTHORIZED, StatusCode::BAD_REQUEST] {
        let before = {
            let mut script = lock(&script);
            script.is_signed = true;
            script.broken_downloads = 1;
            script.ranges.clear();
            script.file_requests.clear();
            script.status_requests
        };
        // The first run gets one half. The second one begins with a URL that expires.
        assert!(!export(&base, out.path(), &["--retry-for", "0"]).await.status.success());
        reply(&script, [expired(status)]);
        let output = export(&base, out.path(), &["--retry-for", "0"]).await;
        assert!(output.status.success(), "{status}: {}", printed(&output));
        assert_eq!(std::fs::read_to_string(out.path().join(FILE))?, PATIENTS);
        let script = lock(&script);
        let used: Vec<_> = script.file_requests.iter().map(|(path, _)| path.as_str()).collect();
        // Each run asks for the status of the job; the second one twice, before it resumes the job and for the manifest.
        let signed = [1, 3, 4].map(|number| format!("/files/{FILE}?signature={}", before + number));
        assert_eq!(used, signed, "{status}");
        assert_eq!(script.ranges, [format!("bytes={}-", PATIENTS.len() / 2)], "the download continued");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_is_refused_again_and_again_ends_the_export() -> tests::Result {
    let (script, base) = start().await;
    let out = tempfile::tempdir()?;
    lock(&script).is_signed = true;
    lock(&script).refused.insert(FILE.to_owned(), StatusCode::FORBIDDEN);
    let refused = export(&base, out.path(), &["--retry-for", "0"]).await;
    let text = printed(&refused);
    assert!(!refused.status.success() && text.contains("Patient.ndjson: the server returned 403"), "{text}");
    assert_eq!(lock(&script).file_requests.len(), 4, "the first request, and three with other URLs");
    // If the manifest has the same URL again, the request is not repeated.
    lock(&script).is_signed = false;
    lock(&script).file_requests.clear();
    assert!(!export(&base, out.path(), &["--retry-for", "0"]).await.status.success());
    assert_eq!(lock(&script).file_requests.len(), 1);
    // A manifest with other files has no URL for this one.
    let manifest = lock(&script).manifest();
    let mut other = manifest.clone();
    other["output"][0]["url"] =
        json!(manifest["output"][0]["url"].as_str().expect("a URL").replace(FILE, "Other"));
    lock(&script).replies =
        VecDeque::from([&manifest, &manifest, &other].map(|reply: &Value| reply.to_string().into_response()));
    lock(&script).file_requests.clear();
    assert!(!export(&base, out.path(), &["--retry-for", "0"]).await.status.success());
    assert_eq!(lock(&script).file_requests.len(), 1);
    assert_eq!((note(out.path())["complete"].clone(), lock(&script).kick_offs.len()), (json!(false), 1));
    Ok(())
}
