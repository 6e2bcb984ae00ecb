//! Files of a finished export.

use http::StatusCode;
use serde_json::{Value, json};
use tests::{ANNA, Answer, BRUNO, World, both_hosts, text};

/// Every attachment that the export's resources link to.
fn attachment_urls(resources: &[Value]) -> Vec<String> {
    let linked = resources.iter().flat_map(|resource| match &resource["content"] {
        Value::Array(contents) => contents.iter().map(|content| content["attachment"].clone()).collect(),
        content => vec![content.clone()],
    });
    linked.filter_map(|attachment| attachment["url"].as_str().map(str::to_owned)).collect()
}

both_hosts!(files_come_by_name_and_by_type);
async fn files_come_by_name_and_by_type(world: World) {
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

both_hosts!(a_broken_download_goes_on_by_range);
async fn a_broken_download_goes_on_by_range(world: World) {
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

/// An API Gateway decodes paths before the function sees them, and the emulator drops what no path may have.
#[tokio::test]
async fn names_that_are_none_are_404() {
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
            let answer = world.get(&format!("{job}/{folder}/{name}")).bearer(&token).send().await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{folder}/{name}");
            answer.outcome();
        }
    }
}

both_hosts!(nothing_is_reachable_before_the_job_is_complete);
async fn nothing_is_reachable_before_the_job_is_complete(world: World) {
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "/no-form", ANNA).await;
    world.work().await;
    let answer = world.get(&format!("{job}/download/Patient")).bearer(&token).send().await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

both_hosts!(documents_of_the_record_are_attachments_with_absolute_urls);
async fn documents_of_the_record_are_attachments_with_absolute_urls(world: World) {
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    let resources = world.resources(&token, &job).await;
    assert!(resources.iter().all(|resource| resource["resourceType"] != "Binary"));
    let urls = attachment_urls(&resources);
    // Four Binaries that documents refer to, one photograph, and three documents that nothing describes.
    assert_eq!(urls.len(), 8, "{urls:#?}");
    let mut types = Vec::new();
    for url in &urls {
        let file: Answer = world.get(url).bearer(&token).send().await;
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

both_hosts!(a_client_that_needs_it_gets_each_document_reference_alone);
async fn a_client_that_needs_it_gets_each_document_reference_alone(world: World) {
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
        let answer = world.get(&text(&file["url"])).bearer(&token).send().await;
        assert_eq!(answer.json()["resourceType"], "DocumentReference", "one JSON document");
    }
}

both_hosts!(a_withheld_document_takes_its_binary_with_it);
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
    // Resources of the record, and the Binary of one of them.
    assert_eq!(metadata["withheld"]["mentalHealth"], 4, "{}", metadata["withheld"]);
    // Its address is guessed in vain: nothing is there.
    let guess = urls
        .split_whitespace()
        .find(|url| url.contains("discharge"))
        .expect("one")
        .replace("discharge", "psychiatry");
    assert_eq!(world.get(&guess).bearer(&token).send().await.status, StatusCode::NOT_FOUND);
}

/// What staff send to the store themselves, attached to an export of this client; the attachment's URL, the token.
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
    assert!(sent.expect("the store answers").status().is_success());
    let attached = world.post(&complete).cookie(&staff).send().await.json();
    let attachment = &attached["attachments"][0];
    assert_eq!((&attachment["title"], &attachment["size"]), (&json!("scan.pdf"), &json!(bytes.len())));
    assert_eq!(world.post(&complete).cookie(&staff).send().await.status, StatusCode::NOT_FOUND, "once");
    let approved = world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
    assert_eq!(approved.status, StatusCode::OK, "{}", approved.text());
    (text(&attachment["url"]), token)
}

#[tokio::test]
#[ignore = "cargo xtask test deploys what it needs"]
async fn files_too_large_for_an_answer_come_from_the_store() {
    let world = World::deployed();
    let large: Vec<u8> = (0..=u8::MAX).cycle().take(5 * 1024 * 1024).collect();
    let (url, token) = with_a_large_attachment(&world, "app", &large).await;
    let sent = world.get(&url).bearer(&token).send().await;
    assert_eq!(sent.status, StatusCode::TEMPORARY_REDIRECT, "{}", sent.text());
    let fetched = reqwest::get(sent.location()).await.expect("the store answers");
    assert_eq!(fetched.status(), StatusCode::OK);
    assert_eq!(fetched.bytes().await.expect("bytes"), large);
    // Signed for each request, to the second.
    let signed_at = |answer: &Answer| tests::parameter(&answer.location(), "X-Amz-Date");
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
async fn a_server_that_takes_files_itself_says_so() {
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
