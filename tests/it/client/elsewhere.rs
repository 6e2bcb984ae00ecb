//! Attachments of other servers: those at the FHIR base are downloaded with the token, and no other server gets it.

use std::path::Path;
use std::process::Output;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::server::{Shared, header, lock, start};
use super::{command, names, note};
use crate::program::printed;

/// Runs an export with the token `secret`.
async fn with_token(base: &str, out: &Path, directory: &Path) -> Output {
    for_seconds("0", base, out, directory).await
}

/// Exports with a token, and with a time for retries.
async fn for_seconds(retry_for: &str, base: &str, out: &Path, directory: &Path) -> Output {
    let token = directory.join("token");
    std::fs::write(&token, "secret").expect("written");
    let mut command = command(base, out, &["--retry-for", retry_for, "--token-file"]);
    command.arg(&token);
    tokio::task::spawn_blocking(move || command.output().expect("the program runs")).await.expect("no panic")
}

fn add(script: &Shared, resources: &[Value]) {
    let lines: String = resources.iter().map(|resource| resource.to_string() + "\n").collect();
    lock(script).files.push(("Media.ndjson".to_owned(), lines));
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_at_the_fhir_base_are_downloaded_and_the_others_are_named() -> tests::Result {
    let ((script, base), (stranger, _)) = (start().await, start().await);
    let parent = tempfile::tempdir()?;
    let out = parent.path().join("out");
    let elsewhere = lock(&stranger).attachment_url("theirs");
    let attachment = |url: &str| json!({ "resourceType": "Media", "content": { "url": url, "contentType": "application/pdf" } });
    add(
        &script,
        &[
            attachment("Binary/relative"),
            attachment(&format!("{base}/Binary/absolute.txt")),
            attachment(&format!("{elsewhere}?signature=1")),
            json!({ "resourceType": "ExplanationOfBenefit", "form": { "url": "urn:oid:1.2.3" } }),
            attachment("data:text/plain,content"),
        ],
    );
    for name in ["relative", "absolute.txt"] {
        lock(&script).attachments.push((name.to_owned(), name.to_owned()));
    }
    lock(&stranger).attachments.push(("theirs".to_owned(), "theirs".to_owned()));
    let output = with_token(&base, &out, parent.path()).await;
    let text = printed(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("in 2 files and 2 attachments"), "{text}");
    let named = format!(
        "2 attachments were not fetched, because their URLs are not those of the server:\n  {elsewhere}\n  urn:oid:1.2.3\n"
    );
    assert!(text.contains(&named), "{text}");
    assert_eq!(names(&out.join("attachments")), ["absolute.txt", "relative.pdf"]);
    assert_eq!(std::fs::read_to_string(out.join("attachments/relative.pdf"))?, "relative");
    assert_eq!(note(&out)["elsewhere"], json!([format!("{elsewhere}?signature=1"), "urn:oid:1.2.3"]));
    assert_eq!(lock(&stranger).file_requests.len(), 0, "another server is not asked");
    let script = lock(&script);
    for (path, headers) in &script.file_requests {
        let is_attachment = path.contains("/Binary/");
        let token = if is_attachment { "Bearer secret" } else { "" };
        assert_eq!(header(headers, "authorization"), token, "{path}");
        let accept = if is_attachment { "application/pdf, */*;q=0.5" } else { "application/fhir+ndjson" };
        assert_eq!((header(headers, "accept"), header(headers, "accept-encoding")), (accept, "identity"));
    }
    Ok(())
}

/// The Bulk Data specification permits another file server that uses the same token, but the manifest must say so.
#[tokio::test(flavor = "multi_thread")]
async fn another_file_server_gets_the_token_only_if_the_manifest_says_so() -> tests::Result {
    for (requires, token) in [(json!(true), "Bearer secret"), (Value::Null, ""), (json!(false), "")] {
        let ((script, base), (stranger, _)) = (start().await, start().await);
        let parent = tempfile::tempdir()?;
        let mut manifest = lock(&stranger).manifest();
        manifest["requiresAccessToken"] = requires.clone();
        lock(&script).replies.push_back(manifest.to_string().into_response());
        let output = with_token(&base, &parent.path().join("out"), parent.path()).await;
        assert!(output.status.success(), "{}", printed(&output));
        let stranger = lock(&stranger);
        let tokens = stranger.file_requests.iter().map(|(_, headers)| header(headers, "authorization"));
        assert_eq!(tokens.collect::<Vec<_>>(), [token], "{requires}");
    }
    Ok(())
}

/// A document of a FHIR server is not part of the export, so the export is complete without it.
#[tokio::test(flavor = "multi_thread")]
async fn documents_that_the_fhir_server_refuses_are_named_and_the_export_is_complete() -> tests::Result {
    let (script, base) = start().await;
    let parent = tempfile::tempdir()?;
    let out = parent.path().join("out");
    let attachment = |id: &str| json!({ "resourceType": "Media", "content": { "url": format!("Binary/{id}"), "size": 3 } });
    add(&script, &["abc", "forbidden", "refused", "other", "none"].map(attachment));
    lock(&script)
        .attachments
        .extend([("abc", "abc"), ("other", "longer")].map(|(name, text)| (name.to_owned(), text.to_owned())));
    lock(&script).refused.insert("forbidden".to_owned(), StatusCode::FORBIDDEN);
    lock(&script).refused.insert("refused".to_owned(), StatusCode::NOT_ACCEPTABLE);
    let output = with_token(&base, &out, parent.path()).await;
    let text = printed(&output);
    assert!(output.status.success() && text.contains("4 attachments are missing:"), "{text}");
    assert!(text.contains("  attachments/forbidden: the server returned 403"), "{text}");
    assert!(text.contains("  attachments/other: more bytes were received than the size"), "{text}");
    assert_eq!(names(&out.join("attachments")), ["abc"]);
    // An expired token is no reason to leave documents out.
    lock(&script).refused.insert("abc".to_owned(), StatusCode::UNAUTHORIZED);
    let expired = with_token(&base, &out, parent.path()).await;
    assert!(!expired.status.success() && printed(&expired).contains("abc: the server returned 401"));
    assert_eq!(note(&out)["complete"], false);
    Ok(())
}

/// Errors for one document do not stop the export. Errors of the client and an expired token do.
#[tokio::test(flavor = "multi_thread")]
async fn documents_that_the_fhir_server_cannot_send_are_named_and_the_export_is_complete() -> tests::Result {
    let ((script, base), (stranger, _)) = (start().await, start().await);
    let parent = tempfile::tempdir()?;
    let out = parent.path().join("out");
    let media = |id: &str| json!({ "resourceType": "Media", "content": { "url": format!("Binary/{id}") } });
    add(&script, &["broken", "coded", "dead", "good", "signed", "strange"].map(media));
    lock(&script).attachments.push(("good".to_owned(), "good".to_owned()));
    // No process listens on port 1.
    let dead = "http://127.0.0.1:1/dead".to_owned();
    let elsewhere = lock(&stranger).attachment_url("theirs");
    lock(&stranger).refused.insert("theirs".to_owned(), StatusCode::UNAUTHORIZED);
    let add_replies = || {
        let page = "<html><body><main>Out of order</main></body></html>";
        let to = |location: &str| (StatusCode::FOUND, [("location", location.to_owned())]).into_response();
        let replies = [
            ("broken", (StatusCode::BAD_GATEWAY, [("content-type", "text/html")], page).into_response()),
            ("coded", ([("content-encoding", "br")], "x").into_response()),
            ("dead", to(&dead)),
            ("signed", to(&elsewhere)),
            ("strange", to("ftp://files.example/1")),
        ];
        for (name, reply) in replies {
            lock(&script).file_replies.insert(name.to_owned(), [reply].into());
        }
    };
    add_replies();
    let output = with_token(&base, &out, parent.path()).await;
    let text = printed(&output);
    assert!(output.status.success() && text.contains("5 attachments are missing:"), "{text}");
    for (name, reason) in [
        ("broken", "the server returned 502"),
        ("coded", "the server sent it with the Content-Encoding 'br'"),
        ("dead", "the server cannot be reached"),
        ("signed", "the server returned 401"),
        ("strange", "the server returned an invalid URL: ftp:"),
    ] {
        assert!(text.contains(&format!("  attachments/{name}: {reason}")), "{name}: {text}");
    }
    assert_eq!(names(&out.join("attachments")), ["good"]);
    assert!(out.join("manifest.json").exists() && note(&out)["complete"] == true);
    // The token expires. In the next run, the file cannot be written.
    for (status, reason) in
        [(Some(StatusCode::UNAUTHORIZED), "good: the server returned 401"), (None, "good.part: ")]
    {
        lock(&script).refused.extend(status.map(|status| ("good".to_owned(), status)));
        add_replies();
        let failed = with_token(&base, &out, parent.path()).await;
        assert!(!failed.status.success() && printed(&failed).contains(reason), "{}", printed(&failed));
        assert!(!out.join("manifest.json").exists() && note(&out)["complete"] == false);
        lock(&script).refused.clear();
        std::fs::create_dir_all(out.join("attachments/good.part"))?;
    }
    assert_eq!(lock(&script).kick_offs.len(), 2);
    Ok(())
}

/// They share the time for retries: otherwise thousands of them would wait one after another.
#[tokio::test(flavor = "multi_thread")]
async fn documents_that_do_not_arrive_share_the_time_for_retries() -> tests::Result {
    let (script, base) = start().await;
    let parent = tempfile::tempdir()?;
    let names: Vec<_> = (10..30).map(|number| format!("document-{number}")).collect();
    let media =
        |name: &String| json!({ "resourceType": "Media", "content": { "url": format!("Binary/{name}") } });
    add(&script, &names.iter().map(media).collect::<Vec<_>>());
    lock(&script).refused.extend(names.iter().map(|name| (name.clone(), StatusCode::SERVICE_UNAVAILABLE)));
    let output = for_seconds("2", &base, &parent.path().join("out"), parent.path()).await;
    let text = printed(&output);
    assert!(output.status.success() && text.contains("20 attachments are missing:"), "{text}");
    let script = lock(&script);
    let requests =
        |name: &String| script.file_requests.iter().filter(|(path, _)| path.ends_with(name)).count();
    let counts: Vec<_> = names.iter().map(requests).collect();
    // Four are requested at the same time.
    assert_eq!(counts.iter().filter(|count| **count > 1).count(), 4, "{counts:?}");
    assert_eq!(counts.iter().filter(|count| **count == 1).count(), 16, "{counts:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_followed_and_the_token_stays_with_the_server() -> tests::Result {
    let ((script, base), (store, _)) = (start().await, start().await);
    let parent = tempfile::tempdir()?;
    let out = parent.path().join("out");
    let media = |id: &str| json!({ "resourceType": "Media", "content": { "url": format!("Binary/{id}") } });
    add(&script, &[media("first")]);
    lock(&store).attachments.push(("stored".to_owned(), "stored".to_owned()));
    let to = |location: &str| {
        (StatusCode::TEMPORARY_REDIRECT, [("location", location.to_owned())]).into_response()
    };
    // Two redirects on the server, then one to the store, and one on the store.
    let stored = lock(&store).attachment_url("stored");
    for (name, target) in [("first", "/fhir/Binary/second"), ("second", "third"), ("third", &stored)] {
        lock(&script).file_replies.insert(name.to_owned(), [to(target)].into());
    }
    lock(&store).file_replies.insert("stored".to_owned(), [to("stored?signature=1")].into());
    let output = with_token(&base, &out, parent.path()).await;
    assert!(output.status.success(), "{}", printed(&output));
    assert_eq!(std::fs::read_to_string(out.join("attachments/first"))?, "stored");
    let tokens = |script: &Shared, name: &str| -> Vec<String> {
        let script = lock(script);
        let of_name = script.file_requests.iter().filter(|(path, _)| path.contains(name));
        of_name.map(|(_, headers)| header(headers, "authorization").to_owned()).collect()
    };
    for name in ["/first", "/second", "/third"] {
        assert_eq!(tokens(&script, name), ["Bearer secret"], "{name}");
    }
    assert_eq!(tokens(&store, "/stored"), ["", ""]);
    // A circle ends.
    lock(&script).files.pop();
    add(&script, &[media("circle")]);
    let circle = (0..6).map(|_| to("circle?secret=1")).collect();
    lock(&script).file_replies.insert("circle".to_owned(), circle);
    let output = with_token(&base, &out, parent.path()).await;
    let text = printed(&output);
    let sentence =
        format!("circle: the server redirects more than 5 times, the last time to {base}/Binary/circle");
    assert!(output.status.success() && text.contains("1 attachment is missing:"), "{text}");
    assert!(text.contains(&sentence) && !text.contains("secret=1"), "{text}");
    assert_eq!(tokens(&script, "/circle").len(), 6);
    Ok(())
}
