//! Downloads of the files of a finished export.

use http::StatusCode;
use serde_json::{Value, json};
use tests::{ANNA, BRUNO, TestResponse, World, both_hosts, text};

/// Returns the URL of every attachment that the export's resources link to.
pub(crate) fn attachment_urls(resources: &[Value]) -> Vec<String> {
    let linked = resources.iter().flat_map(|resource| match &resource["content"] {
        Value::Array(contents) => contents.iter().map(|content| content["attachment"].clone()).collect(),
        content => vec![content.clone()],
    });
    linked.filter_map(|attachment| attachment["url"].as_str().map(str::to_owned)).collect()
}

#[both_hosts]
async fn files_are_found_by_name_and_by_type(world: World) {
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    for name in ["Patient.ndjson", "Patient"] {
        let file = world.get(&format!("{job}/download/{name}")).bearer(&token).send().await;
        assert_eq!((file.status, file.header("content-type")), (StatusCode::OK, "application/fhir+ndjson"));
        assert_eq!(file.header("content-disposition"), "attachment; filename=\"Patient.ndjson\"");
        assert_eq!(file.lines()[0]["id"], ANNA);
        let etag = file.header("etag").to_owned();
        let again = world
            .get(&format!("{job}/download/{name}"))
            .bearer(&token)
            .header("if-none-match", &etag)
            .send()
            .await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    }
}

#[both_hosts]
async fn a_broken_download_continues_by_range(world: World) {
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    let path = format!("{job}/download/Observation.ndjson");
    let whole = world.get(&path).bearer(&token).send().await;
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let etag = whole.header("etag").to_owned();
    let part = |range: &'static str, tag: &str| {
        world.get(&path).bearer(&token).header("range", range).header("if-range", tag).send()
    };
    let rest = part("bytes=100-", &etag).await;
    assert_eq!(rest.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(rest.body, whole.body[100..]);
    assert_eq!(
        rest.header("content-range"),
        format!("bytes 100-{}/{}", whole.body.len() - 1, whole.body.len())
    );
    assert_eq!(part("bytes=100-", "\"another\"").await.status, StatusCode::OK);
    let outside = part("bytes=99999999-", &etag).await;
    assert_eq!(outside.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(outside.header("content-range"), format!("bytes */{}", whole.body.len()));
}

#[tokio::test]
async fn files_are_compressed_for_clients_that_accept_gzip() {
    use std::io::Read;

    let world = World::new();
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    let path = format!("{job}/download/Observation.ndjson");
    let with = |headers: &[(&str, &str)]| {
        let call = world.get(&path).bearer(&token);
        headers.iter().fold(call, |call, (name, value)| call.header(name, value)).send()
    };
    let whole = with(&[]).await;
    let varies = |response: &TestResponse| {
        response.headers.get_all("vary").iter().any(|value| value == "accept-encoding")
    };
    assert!(varies(&whole) && whole.header("content-encoding").is_empty());
    let gzip = with(&[("accept-encoding", "gzip, deflate")]).await;
    assert_eq!((gzip.status, gzip.header("content-encoding")), (StatusCode::OK, "gzip"));
    assert!(gzip.body.len() * 3 < whole.body.len(), "{} of {}", gzip.body.len(), whole.body.len());
    assert_eq!(gzip.header("content-length"), "");
    let mut read = Vec::new();
    flate2::read::GzDecoder::new(gzip.body.as_slice()).read_to_end(&mut read).expect("gzip");
    assert_eq!(read, whole.body);
    // The two representations have different ETags.
    let (tag, gzip_tag) = (whole.header("etag"), gzip.header("etag"));
    assert_ne!(tag, gzip_tag);
    assert!(gzip_tag.starts_with("W/"));
    for (headers, status) in [
        ([("accept-encoding", "gzip"), ("if-none-match", gzip_tag)], StatusCode::NOT_MODIFIED),
        ([("accept-encoding", "gzip"), ("if-none-match", tag)], StatusCode::OK),
        ([("accept-encoding", "identity"), ("if-none-match", tag)], StatusCode::NOT_MODIFIED),
        ([("accept-encoding", "identity"), ("if-none-match", gzip_tag)], StatusCode::OK),
        ([("accept-encoding", "gzip"), ("if-none-match", "*")], StatusCode::NOT_MODIFIED),
    ] {
        let response = with(&headers).await;
        assert_eq!(response.status, status, "{headers:?}");
        assert!(varies(&response), "{headers:?}");
    }
    // Ranges refer to the uncompressed file.
    let part = with(&[("accept-encoding", "gzip"), ("range", "bytes=10-19")]).await;
    assert_eq!((part.status, part.header("content-encoding")), (StatusCode::PARTIAL_CONTENT, ""));
    assert_eq!(part.body, whole.body[10..20]);
    let mixed = [("accept-encoding", "gzip"), ("range", "bytes=10-19"), ("if-range", gzip_tag)];
    let mixed = with(&mixed).await;
    assert_eq!((mixed.status, mixed.body.len()), (StatusCode::OK, whole.body.len()));
    let head = world
        .request(http::Method::HEAD, &path)
        .bearer(&token)
        .header("accept-encoding", "gzip")
        .send()
        .await;
    assert_eq!((head.status, head.header("content-encoding"), head.body.len()), (StatusCode::OK, "gzip", 0));
    assert_eq!(head.header("etag"), gzip_tag);
    for refused in ["gzip;q=0", "identity;q=1, gzip;q=0.1", "br"] {
        assert_eq!(with(&[("accept-encoding", refused)]).await.body, whole.body, "{refused}");
    }
    // Content that is already compressed is sent unchanged.
    let token = world.token(ANNA).await;
    for url in attachment_urls(&world.resources(&token, &job).await) {
        let file = world.get(&url).bearer(&token).header("accept-encoding", "gzip").send().await;
        let is_text =
            file.header("content-type").starts_with("text/") && file.header("content-encoding") == "gzip";
        assert!(is_text || file.header("content-encoding").is_empty(), "{url}");
    }
}

/// This story needs the server in memory: API Gateway decodes paths before the function gets them, and the emulator removes characters that
/// no path may have.
#[tokio::test]
async fn unknown_and_invalid_file_names_are_404() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    let names = [
        "..",
        "%2e%2e",
        "..%2F..%2Fstate.sqlite",
        "%2Fetc%2Fpasswd",
        "Patient.ndjson%00",
        "nothing",
        "%ff",
        ".hidden",
        "spool.ndjson",
        "manifest.json",
    ];
    for name in names {
        for folder in ["download", "download/attachments"] {
            let response = world.get(&format!("{job}/{folder}/{name}")).bearer(&token).send().await;
            assert_eq!(response.status, StatusCode::NOT_FOUND, "{folder}/{name}");
            response.outcome();
        }
    }
}

#[both_hosts]
async fn nothing_is_reachable_before_the_job_is_complete(world: World) {
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "/no-form", ANNA).await;
    world.work().await;
    let response = world.get(&format!("{job}/download/Patient")).bearer(&token).send().await;
    assert_eq!(response.status, StatusCode::NOT_FOUND);
}

#[both_hosts]
async fn documents_of_the_record_are_attachments_with_absolute_urls(world: World) {
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    let resources = world.resources(&token, &job).await;
    assert!(resources.iter().all(|resource| resource["resourceType"] != "Binary"));
    let urls = attachment_urls(&resources);
    // The record has four Binaries that documents refer to, one photograph, and three documents that no resource describes.
    assert_eq!(urls.len(), 8, "{urls:#?}");
    let mut types = Vec::new();
    for url in &urls {
        let file: TestResponse = world.get(url).bearer(&token).send().await;
        assert_eq!(file.status, StatusCode::OK, "{url}");
        assert!(file.header("content-security-policy").contains("sandbox"));
        types.push(file.header("content-type").to_owned());
        if url.ends_with("discharge.txt") {
            assert!(file.text().starts_with("Discharge summary for Anna"));
        }
    }
    types.sort();
    assert_eq!(
        types.iter().filter(|content_type| *content_type == "application/pdf").count(),
        3,
        "{types:?}"
    );
    let described =
        resources.iter().find(|resource| text(&resource["id"]).starts_with("documents-")).expect("our own");
    assert_eq!(described["meta"]["tag"][0]["code"], "ehi-export");
    for content in described["content"].as_array().expect("content") {
        assert!(content["attachment"]["title"].is_string() && content["attachment"]["size"].is_u64());
        assert!(content["format"]["code"].is_string());
    }
}

#[both_hosts]
async fn a_client_registered_for_it_gets_each_document_reference_in_a_file_of_its_own(world: World) {
    let token = text(&world.tokens("other-app", ANNA).await["access_token"]);
    let job = world.kick_off(&token, "/auto-approve/no-form", ANNA).await;
    world.work().await;
    let manifest = world.status(&token, &job).await.json();
    let files: Vec<_> = manifest["output"]
        .as_array()
        .expect("output")
        .iter()
        .filter(|file| file["type"] == "DocumentReference")
        .collect();
    assert_eq!(files.len(), 6);
    for file in files {
        let response = world.get(&text(&file["url"])).bearer(&token).send().await;
        assert_eq!(response.json()["resourceType"], "DocumentReference", "one JSON document");
    }
}

#[both_hosts]
async fn a_withheld_document_takes_its_binary_with_it(world: World) {
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "/auto-approve", ANNA).await;
    let groups = ["medicalRecord", "other", "dischargeSummary"];
    let parameters: serde_json::Map<_, _> =
        groups.iter().map(|group| ((*group).to_owned(), serde_json::json!({ "enabled": true }))).collect();
    let body = serde_json::json!({ "parameters": parameters });
    world.post(&job).bearer(&token).json(&body).send().await;
    world.work().await;
    let urls = attachment_urls(&world.resources(&token, &job).await).join(" ");
    assert!(urls.contains("binary-discharge") && urls.contains("binary-letter"), "{urls}");
    assert!(!urls.contains("psychiatry") && !urls.contains("operative"), "{urls}");
    let metadata = world.get(&format!("{job}/metadata")).bearer(&token).send().await.json();
    // The count includes resources of the record, and the Binary of one of them.
    assert_eq!(metadata["withheld"]["mentalHealth"], 4, "{}", metadata["withheld"]);
    // A guessed URL of the withheld document finds no file.
    let guess = urls
        .split_whitespace()
        .find(|url| url.contains("discharge"))
        .expect("one")
        .replace("discharge", "psychiatry");
    assert_eq!(world.get(&guess).bearer(&token).send().await.status, StatusCode::NOT_FOUND);
}

/// Sends a file directly to the store as staff, attached to an export of this client; returns the attachment's URL and the token.
async fn with_a_large_attachment(world: &World, client: &str, bytes: &[u8]) -> (String, String) {
    let token = text(&world.tokens(client, BRUNO).await["access_token"]);
    let job = world.kick_off(&token, "/no-form", BRUNO).await;
    world.work().await;
    let staff = world.staff().await;
    let uploads = format!("/admin{job}/uploads");
    let announced = json!({ "name": "scan.pdf", "contentType": "application/pdf", "size": bytes.len() });
    let form = world.post(&uploads).cookie(&staff).json(&announced).send().await.json();
    let complete = format!("{uploads}/{}/complete", text(&form["id"]));
    let early = world.post(&complete).cookie(&staff).send().await;
    assert_eq!(early.status, StatusCode::CONFLICT, "{}", early.text());
    let mut parts = reqwest::multipart::Form::new();
    for (name, value) in form["fields"].as_object().expect("fields") {
        parts = parts.text(name.clone(), text(value));
    }
    let parts = parts.part("file", reqwest::multipart::Part::bytes(bytes.to_vec()));
    let sent = reqwest::Client::new().post(text(&form["url"])).multipart(parts).send().await;
    let sent = sent.expect("the store responds");
    assert!(sent.status().is_success(), "{} {:?}", sent.status(), sent.text().await);
    let attached = world.post(&complete).cookie(&staff).send().await.json();
    let attachment = &attached["attachments"][0];
    assert_eq!((&attachment["title"], &attachment["size"]), (&json!("scan.pdf"), &json!(bytes.len())));
    assert_eq!(world.post(&complete).cookie(&staff).send().await.status, StatusCode::NOT_FOUND, "once");
    let approved = world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
    assert_eq!(approved.status, StatusCode::OK, "{}", approved.text());
    (text(&attachment["url"]), token)
}

#[tokio::test]
#[ignore = "cargo xtask test deploys the stack that it needs"]
async fn files_too_large_for_a_response_come_from_the_store() {
    let world = World::deployed();
    let large: Vec<u8> = (0..=u8::MAX).cycle().take(5 * 1024 * 1024).collect();
    let (url, token) = with_a_large_attachment(&world, "app", &large).await;
    let sent = world.get(&url).bearer(&token).send().await;
    assert_eq!(sent.status, StatusCode::TEMPORARY_REDIRECT, "{}", sent.text());
    let fetched = reqwest::get(sent.location()).await.expect("the store responds");
    assert_eq!(fetched.status(), StatusCode::OK);
    assert_eq!(fetched.bytes().await.expect("bytes"), large);
    // The link is signed for each request; its signature changes every second.
    let signed_at = |response: &TestResponse| tests::parameter(&response.location(), "X-Amz-Date");
    let begun = std::time::Instant::now();
    loop {
        let again = world.get(&url).bearer(&token).send().await;
        if signed_at(&again) != signed_at(&sent) {
            break;
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "the link never changes");
    }
    let stranger = world.get(&url).send().await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    let part = world.get(&url).bearer(&token).header("range", "bytes=5000000-5000009").send().await;
    assert_eq!(
        (part.status, part.body.as_slice()),
        (StatusCode::PARTIAL_CONTENT, &large[5_000_000..5_000_010])
    );

    let (url, token) = with_a_large_attachment(&world, "other-app", &large).await;
    let refused = world.get(&url).bearer(&token).send().await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(refused.outcome().contains("large_files"), "{}", refused.text());
}

#[tokio::test]
async fn a_server_that_accepts_uploads_itself_says_so() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "/no-form", ANNA).await;
    world.work().await;
    let staff = world.staff().await;
    let begin = |size: u64| {
        let announced = json!({ "name": "a.pdf", "size": size });
        world.post(&format!("/admin{job}/uploads")).cookie(&staff).json(&announced).send()
    };
    assert!(begin(5).await.outcome().contains("add-files"));
    assert_eq!(begin(u64::MAX).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let unknown = format!("/admin{job}/uploads/0123456789abcdef/complete");
    assert_eq!(world.post(&unknown).cookie(&staff).send().await.status, StatusCode::NOT_FOUND);
}
