//! Files that are stored as gzip.

use axum::extract::FromRequestParts;
use domain::pack::Location;
use domain::ports::files::{Files, Linked};
use jiff::SignedDuration;
use settings::LargeFiles;
use web::download::{FileRequest, InlineLimit, Stored};

/// Checks that lines stored as gzip are read as they were written, whole and by range.
pub(super) async fn read_as_written(files: &dyn Files) {
    let text = "{\"resourceType\":\"Patient\"}\n".repeat(200_000);
    let mut writer = files.create("z/Patient.ndjson").await.expect("created");
    for piece in text.as_bytes().chunks(100_000) {
        writer.write(piece.to_vec()).await.expect("written");
    }
    writer.finish().await.expect("finished");
    assert_eq!(files.size("z/Patient.ndjson").await.expect("a response"), Some(text.len() as u64));
    let mut stream = files.open("z/Patient.ndjson", Some(1_000_010..1_000_050)).await.expect("open");
    let mut part = Vec::new();
    while let Some(bytes) = futures_util::StreamExt::next(&mut stream).await {
        part.extend_from_slice(&bytes.expect("bytes"));
    }
    assert_eq!(part, &text.as_bytes()[1_000_010..1_000_050]);
    let file = Linked::saved("Patient.ndjson");
    let link = files.link("z/Patient.ndjson", SignedDuration::from_mins(1), file).await;
    let stored = reqwest::get(link.expect("a link").expect("a URL")).await.expect("S3 responds");
    assert_eq!(stored.status(), 200, "{:?}", stored.text().await);
    assert_eq!(stored.headers()["content-encoding"], "gzip");
    assert_eq!(stored.headers()["content-type"], "application/fhir+ndjson");
    assert!(stored.bytes().await.expect("bytes").len() < text.len() / 10);
    large_ranges(files, text.len() as u64).await;
    files.remove_prefix("z/").await.expect("removed");
}

/// Checks that a link to a compressed file is given only for the whole file, and only to a client that decompresses.
async fn large_ranges(files: &dyn Files, size: u64) {
    let location = Location { key: "z/Patient.ndjson".to_owned(), place: None };
    let inline = InlineLimit { bytes: 1_000_000, on_larger: LargeFiles::Redirect };
    for (range, encoding, status) in [
        (None, Some("gzip"), Some(307)),
        (None, None, None),
        (Some("bytes=10-"), Some("gzip"), None),
        (Some("bytes=10-29"), Some("gzip"), Some(206)),
        (Some("bytes=10-29"), None, Some(206)),
    ] {
        let mut request = http::Request::builder();
        for (name, value) in [("range", range), ("accept-encoding", encoding)] {
            request = value.into_iter().fold(request, |request, value| request.header(name, value));
        }
        let (mut parts, ()) = request.body(()).expect("a request").into_parts();
        let request = FileRequest::from_request_parts(&mut parts, &()).await.expect("headers");
        let stored = Stored {
            location: &location,
            content_type: "application/fhir+ndjson",
            file_name: "Patient.ndjson",
            is_shown: false,
            etag: "\"e\"".to_owned(),
            size,
        };
        let response = web::download::download(&stored, &request, files, inline).await;
        let found = response.as_ref().ok().map(|response| response.status().as_u16());
        assert_eq!(found, status, "{range:?} {encoding:?}");
        if let Err(error) = response {
            assert!(error.to_string().contains("Accept-Encoding: gzip"), "{error}");
        }
    }
}
