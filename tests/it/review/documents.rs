//! Documents are shown by their content, run no script, and are marked when a member of staff has opened them.

use http::{Method, StatusCode};
use tests::{World, both_hosts};

use super::{link, page};
use crate::admin::in_review;

#[both_hosts]
async fn a_document_is_shown_by_its_content(world: World) {
    let (job, _, staff) = in_review(&world).await;
    let script = b"<html><script>alert(document.cookie)</script></html>";
    let files: [(&str, &str, &[u8]); 4] = [
        ("letter.pdf", "application/pdf", b"%PDF-1.7 a letter"),
        ("script.pdf", "application/pdf", script),
        ("drawing.png", "image/png", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("picture.html", "text/html", b"\x89PNG\r\n\x1a\n0123"),
    ];
    let attached = world.post(&format!("/admin{job}/add-files")).cookie(&staff).files(&files).send().await;
    assert_eq!(attached.status, StatusCode::OK, "{}", attached.text());
    for (name, media_type, disposition) in [
        ("letter.pdf", "application/pdf", "inline"),
        ("script.pdf", "application/octet-stream", "attachment"),
        ("drawing.png", "application/octet-stream", "attachment"),
        ("picture.html", "image/png", "inline"),
    ] {
        let shown = world.get(&format!("/staff{job}/documents/{name}")).cookie(&staff).send().await;
        assert_eq!((shown.status, shown.header("content-type")), (StatusCode::OK, media_type), "{name}");
        assert!(shown.header("content-disposition").starts_with(disposition), "{name}");
        assert_eq!(shown.header("x-content-type-options"), "nosniff");
        assert!(shown.header("content-security-policy").starts_with("sandbox; default-src 'none'"), "{name}");
        assert_eq!(shown.header("cache-control"), "private, no-store");
    }
    for nothing in ["unknown.pdf", "000000.0-aaaaaaaaaaaaaaaa-x.pdf", "..%2Fx", "%FF"] {
        let response = world.get(&format!("/staff{job}/documents/{nothing}")).cookie(&staff).send().await;
        assert_eq!(response.status, StatusCode::NOT_FOUND, "{nothing}");
    }
}

#[both_hosts]
async fn a_reviewer_sees_how_many_documents_were_not_opened(world: World) {
    let (job, _, staff) = in_review(&world).await;
    let shown = page(&world, &staff, &format!("/staff{job}")).await;
    assert!(shown.contains("Not opened yet") && !shown.contains("✓ Opened"), "{shown}");
    let document = link(&shown, "/documents/");
    for _ in 0..2 {
        let opened = world.get(&document).cookie(&staff).send().await;
        assert_eq!(opened.status, StatusCode::OK, "{}", opened.text());
        let shown = page(&world, &staff, &format!("/staff{job}")).await;
        assert_eq!(shown.matches("✓ Opened").count(), 1, "{shown}");
        let question = page(&world, &staff, &format!("/staff{job}/approve")).await;
        assert!(question.contains("Nobody has opened 7 documents"), "{question}");
    }
}

/// A document that did not reach the reviewer is not marked as opened, and neither is another file with the same name.
#[both_hosts]
async fn a_document_is_opened_by_its_content_and_when_it_is_sent(world: World) {
    let (job, _, staff) = in_review(&world).await;
    let letter = |text: &'static [u8]| [("letter.txt", "text/plain", text)];
    let attach = async |text: &'static [u8]| {
        world.post(&format!("/admin{job}/add-files")).cookie(&staff).files(&letter(text)).send().await
    };
    attach(b"With regards").await;
    let path = format!("/staff{job}/documents/letter.txt");
    let opened = async || page(&world, &staff, &format!("/staff{job}")).await.matches("✓ Opened").count();
    let head = world.request(Method::HEAD, &path).cookie(&staff).send().await;
    assert_eq!(head.status, StatusCode::OK);
    for (name, value, status) in [
        ("range", "bytes=0-3", StatusCode::PARTIAL_CONTENT),
        ("range", "bytes=0-", StatusCode::PARTIAL_CONTENT),
        ("if-none-match", head.header("etag"), StatusCode::NOT_MODIFIED),
        ("range", "bytes=99-", StatusCode::RANGE_NOT_SATISFIABLE),
    ] {
        let response = world.get(&path).cookie(&staff).header(name, value).send().await;
        assert_eq!(response.status, status, "{name}: {value}");
        assert_eq!(opened().await, 0, "{name}: {value}");
    }
    let whole = world.get(&path).cookie(&staff).send().await;
    assert_eq!((whole.text().as_str(), opened().await), ("With regards", 1));
    let names = serde_json::json!({ "params": ["letter.txt"] });
    let removed = world.post(&format!("/admin{job}/remove-files")).cookie(&staff).json(&names).send().await;
    assert_eq!(removed.status, StatusCode::OK, "{}", removed.text());
    attach(b"Something else").await;
    assert_eq!(opened().await, 0, "another file of the same name");
    let removed = world.post(&format!("/admin{job}/remove-files")).cookie(&staff).json(&names).send().await;
    assert_eq!(removed.status, StatusCode::OK, "{}", removed.text());
    attach(b"With regards").await;
    assert_eq!(opened().await, 1, "the same content");
}

/// The client never sends the rest of the body: the server refuses the upload because of the announced length.
/// A gateway in front of a deployment waits for the whole body first.
#[tokio::test]
async fn an_upload_that_cannot_fit_is_refused_before_it_is_read() {
    let world = World::new();
    let (job, _, staff) = in_review(&world).await;
    for path in [format!("/staff{job}/add-files"), format!("/admin{job}/add-files")] {
        let call = world.post(&path).cookie(&staff).body("multipart/form-data; boundary=XX", "--XX");
        let refused = call.header("content-length", &(2_u64 << 30).to_string()).send().await;
        assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}: {}", refused.text());
    }
    let shown = page(&world, &staff, &format!("/staff{job}")).await;
    assert!(shown.contains("At most 5 files at a time, 10 MB each"), "{shown}");
}
