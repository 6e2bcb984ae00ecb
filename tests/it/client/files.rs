//! Files that the server does not send in one response, and attachments that it does not have.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::server::{Shared, lock, start};
use super::{export, names, note};
use crate::program::printed;

const LIMIT: usize = 4 * 1024 * 1024;

/// Adds a file that needs three ranges to the manifest.
fn add_large_file(script: &Shared) -> String {
    let mut text = String::new();
    for number in 0.. {
        let line = json!({ "resourceType": "Binary", "id": number, "data": "x".repeat(4000) });
        writeln!(text, "{line}").expect("written");
        if text.len() > 2 * LIMIT + 1000 {
            break;
        }
    }
    let mut script = lock(script);
    script.files.push(("Binary.ndjson".to_owned(), text.clone()));
    (script.has_hashes, script.largest) = (true, Some(LIMIT));
    text
}

fn in_ranges() -> [String; 3] {
    [0, LIMIT, 2 * LIMIT].map(|start| format!("bytes={start}-{}", start + LIMIT - 1))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_too_large_for_one_response_is_fetched_in_ranges() -> tests::Result {
    // Some servers have weak ETags, with which If-Range never permits a range, or none.
    for etag in ["\"1\"", "W/\"1\"", ""] {
        let (script, base) = start().await;
        let out = tempfile::tempdir()?;
        let text = add_large_file(&script);
        lock(&script).etags = VecDeque::from([etag]);
        let output = export(&base, out.path(), &["--retry-for", "0"]).await;
        assert!(output.status.success(), "{etag}: {}", printed(&output));
        assert!(printed(&output).contains("2 files verified by SHA-256"), "{}", printed(&output));
        assert!(std::fs::read_to_string(out.path().join("Binary.ndjson"))? == text, "{etag}");
        assert_eq!(lock(&script).ranges, in_ranges(), "{etag}");
        assert_eq!(
            names(out.path()),
            [".ehi-export.json", "Binary.ndjson", "Patient.ndjson", "manifest.json"]
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_range_is_continued() -> tests::Result {
    let (script, base) = start().await;
    let out = tempfile::tempdir()?;
    let text = add_large_file(&script);
    lock(&script).files.remove(0);
    // The first run stops in the first range. The second run asks for all of the rest, which is too large too.
    lock(&script).broken_downloads = 1;
    let broken = export(&base, out.path(), &["--retry-for", "0"]).await;
    assert!(!broken.status.success(), "{}", printed(&broken));
    let have = std::fs::read(out.path().join("Binary.ndjson.part"))?.len();
    assert_eq!(have, LIMIT / 2);
    let output = export(&base, out.path(), &["--retry-for", "0"]).await;
    assert!(output.status.success(), "{}", printed(&output));
    assert!(std::fs::read_to_string(out.path().join("Binary.ndjson"))? == text);
    let second = [have, have + LIMIT].map(|start| format!("bytes={start}-{}", start + LIMIT - 1));
    let expected = [in_ranges()[0].clone(), format!("bytes={have}-"), second[0].clone(), second[1].clone()];
    assert_eq!(lock(&script).ranges, expected);
    Ok(())
}

/// Two lines. The first half of the text ends in the second one, so that the number of lines does not show that it is incomplete.
const CLAIMS: &str =
    "{\"resourceType\":\"Claim\"}\n{\"resourceType\":\"Claim\",\"status\":\"active\",\"use\":\"claim\"}\n";

/// Stops the download of a file in the middle. Returns its partial file.
async fn stop_in_the_middle(script: &Shared, base: &str, out: &Path) -> PathBuf {
    lock(script).files = vec![("Claim.ndjson".to_owned(), CLAIMS.to_owned())];
    lock(script).broken_downloads = 1;
    let stopped = export(base, out, &["--retry-for", "0"]).await;
    assert!(!stopped.status.success(), "{}", printed(&stopped));
    let part = out.join("Claim.ndjson.part");
    assert_eq!(std::fs::read_to_string(&part).expect("a part"), CLAIMS[..CLAIMS.len() / 2]);
    part
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_file_is_complete_only_if_the_server_has_as_many_bytes() -> tests::Result {
    let (half, whole) = (CLAIMS.len() / 2, CLAIMS.len());
    // The content of the partial file, the Content-Range of the response with 416, and the number of requests after it.
    for (have, range, more) in [
        (half, Some("bytes */10".to_owned()), 1),
        (half, None, 1),
        (half, Some("bytes */*".to_owned()), 1),
        (whole, Some(format!("bytes */{whole}")), 0),
    ] {
        let (script, base) = start().await;
        let out = tempfile::tempdir()?;
        let part = stop_in_the_middle(&script, &base, out.path()).await;
        std::fs::write(&part, &CLAIMS[..have])?;
        let mut reply = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
        if let Some(range) = &range {
            reply.headers_mut().insert("content-range", range.parse()?);
        }
        lock(&script).file_replies.insert("Claim.ndjson".to_owned(), [reply].into());
        let output = export(&base, out.path(), &["--retry-for", "0"]).await;
        assert!(output.status.success(), "{range:?}: {}", printed(&output));
        assert_eq!(std::fs::read_to_string(out.path().join("Claim.ndjson"))?, CLAIMS, "{range:?}");
        assert_eq!(lock(&script).file_requests.len(), 2 + more, "{range:?}");
    }
    Ok(())
}

/// The bytes of a response without an ETag cannot be continued, whatever the ETag of an earlier response was.
#[tokio::test(flavor = "multi_thread")]
async fn a_response_without_an_etag_is_not_continued_with_an_older_one() -> tests::Result {
    let (script, base) = start().await;
    let out = tempfile::tempdir()?;
    let part = stop_in_the_middle(&script, &base, out.path()).await;
    let tag = part.with_extension("tag");
    assert_eq!(std::fs::read_to_string(&tag)?, "\"1\"");
    lock(&script).etags = VecDeque::from([""]);
    stop_in_the_middle(&script, &base, out.path()).await;
    assert!(!tag.exists());
    let output = export(&base, out.path(), &["--retry-for", "0"]).await;
    assert!(output.status.success(), "{}", printed(&output));
    assert_eq!(std::fs::read_to_string(out.path().join("Claim.ndjson"))?, CLAIMS);
    assert_eq!(lock(&script).ranges, [format!("bytes={}-", CLAIMS.len() / 2)], "only after the first run");
    Ok(())
}

/// The parts of two versions of a file are never joined.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_between_two_ranges_is_fetched_again() -> tests::Result {
    for [first, second] in [["\"1\"", "\"2\""], ["W/\"1\"", "W/\"2\""]] {
        let (script, base) = start().await;
        let out = tempfile::tempdir()?;
        let text = add_large_file(&script);
        lock(&script).files.remove(0);
        // The response with 413 and the first range have the first ETag.
        lock(&script).etags = VecDeque::from([first, first, second]);
        let output = export(&base, out.path(), &["--retry-for", "0"]).await;
        assert!(output.status.success(), "{}", printed(&output));
        assert!(std::fs::read_to_string(out.path().join("Binary.ndjson"))? == text);
        let [start, middle, end] = in_ranges();
        assert_eq!(lock(&script).ranges, [start.clone(), middle.clone(), start, middle, end], "{second}");
    }
    // A server that refuses even ranges is asked a few times.
    let (script, base) = start().await;
    let out = tempfile::tempdir()?;
    add_large_file(&script);
    lock(&script).largest = Some(1000);
    let refused = export(&base, out.path(), &["--retry-for", "0"]).await;
    let text = printed(&refused);
    assert!(!refused.status.success() && text.contains("Binary.ndjson: the server returned 413"), "{text}");
    assert_eq!(lock(&script).ranges.len(), 3);
    Ok(())
}

/// Adds attachments, and a resource that refers to them.
fn add_attachments(script: &Shared, attachments: &[&str]) {
    let mut script = lock(script);
    let mut line = json!({ "resourceType": "DocumentReference", "content": [] });
    for name in attachments {
        let url = script.attachment_url(name);
        let content = line["content"].as_array_mut().expect("an array");
        content.push(json!({ "attachment": { "url": url, "size": name.len() } }));
        script.attachments.push(((*name).to_owned(), (*name).to_owned()));
    }
    script.files.push(("DocumentReference.ndjson".to_owned(), format!("{line}\n")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attachment_that_is_left_out_is_reported_and_the_others_are_complete() -> tests::Result {
    for status in [StatusCode::NOT_FOUND, StatusCode::GONE] {
        let (script, base) = start().await;
        let out = tempfile::tempdir()?;
        add_attachments(&script, &["first.pdf", "second.pdf", "third.pdf"]);
        lock(&script).refused.insert("second.pdf".to_owned(), status);
        let output = export(&base, out.path(), &["--retry-for", "0"]).await;
        let text = printed(&output);
        // As for problems that the server reports in its OperationOutcome files.
        assert!(output.status.success(), "{text}");
        assert!(text.contains("1 attachment is missing:"), "{text}");
        assert!(text.contains(&format!("  attachments/second.pdf: the server returned {status}")), "{text}");
        assert!(text.contains("3 resources in 2 files and 2 attachments"), "{text}");
        assert!(text.contains("2 attachments by size only"), "{text}");
        assert_eq!(names(&out.path().join("attachments")), ["first.pdf", "third.pdf"]);
        assert_eq!(note(out.path())["missing"], json!(["attachments/second.pdf"]));
        assert_eq!(note(out.path())["complete"], true);
        lock(&script).refused.clear();
        let again = export(&base, out.path(), &[]).await;
        assert!(again.status.success() && !printed(&again).contains("missing"), "{}", printed(&again));
        assert_eq!(
            (&note(out.path())["missing"], names(&out.path().join("attachments")).len()),
            (&Value::Null, 3)
        );
    }
    Ok(())
}

/// The user may name the server `localhost`, and its URLs may have `127.0.0.1`.
#[tokio::test(flavor = "multi_thread")]
async fn attachments_of_a_server_with_another_name_are_downloaded() -> tests::Result {
    let (script, base) = start().await;
    let out = tempfile::tempdir()?;
    add_attachments(&script, &["first.pdf"]);
    let output = export(&base.replace("127.0.0.1", "localhost"), out.path(), &["--retry-for", "0"]).await;
    let text = printed(&output);
    assert!(output.status.success() && text.contains("in 2 files and 1 attachments"), "{text}");
    assert!(!text.contains("not fetched"), "{text}");
    assert_eq!(names(&out.path().join("attachments")), ["first.pdf"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn other_missing_files_and_a_job_that_ends_are_errors() -> tests::Result {
    let (script, base) = start().await;
    let out = tempfile::tempdir()?;
    add_attachments(&script, &["first.pdf", "second.pdf"]);
    // A file of the manifest, and an attachment that the server may have.
    for (name, status) in [
        ("DocumentReference.ndjson", StatusCode::NOT_FOUND),
        ("DocumentReference.ndjson", StatusCode::GONE),
        ("second.pdf", StatusCode::FORBIDDEN),
    ] {
        lock(&script).refused.insert(name.to_owned(), status);
        let output = export(&base, out.path(), &["--retry-for", "0"]).await;
        let text = printed(&output);
        assert!(
            !output.status.success() && text.contains(&format!("{name}: the server returned {status}")),
            "{text}"
        );
        assert_eq!(note(out.path())["complete"], false);
        lock(&script).refused.clear();
    }
    assert_eq!(lock(&script).kick_offs.len(), 1);
    // If the whole job is gone, the export is not complete without its attachments.
    lock(&script).refused.insert("second.pdf".to_owned(), StatusCode::NOT_FOUND);
    let manifest = lock(&script).manifest().to_string();
    let gone = StatusCode::NOT_FOUND.into_response();
    let replies = [manifest.clone().into_response(), manifest.into_response(), gone];
    lock(&script).replies.extend(replies);
    let refused = export(&base, out.path(), &["--retry-for", "0"]).await;
    let text = printed(&refused);
    assert!(!refused.status.success() && text.contains("removed the job"), "{text}");
    assert!(text.contains("to start a new export") && !text.contains("resume"), "{text}");
    assert_eq!(note(out.path())["complete"], false);
    lock(&script).refused.clear();
    assert!(export(&base, out.path(), &[]).await.status.success());
    assert_eq!(lock(&script).kick_offs.len(), 2);
    Ok(())
}
