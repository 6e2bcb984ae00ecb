//! Documents are shown by their content, run no script, and are marked when a member of staff has opened them.

use http::StatusCode;
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
        let answer = world.get(&format!("/staff{job}/documents/{nothing}")).cookie(&staff).send().await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{nothing}");
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
        let asked = page(&world, &staff, &format!("/staff{job}/approve")).await;
        assert!(asked.contains("Nobody has opened 7 documents"), "{asked}");
    }
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
