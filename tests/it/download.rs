//! Files of a finished export.

use http::StatusCode;
use serde_json::Value;
use tests::{ANNA, Answer, World, text, both_hosts};

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

both_hosts!(names_that_are_none_are_404);
async fn names_that_are_none_are_404(world: World) {
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
    assert_eq!(metadata["withheld"]["mentalHealth"], 3, "{}", metadata["withheld"]);
    // Its address is guessed in vain: nothing is there.
    let guess = urls
        .split_whitespace()
        .find(|url| url.contains("discharge"))
        .expect("one")
        .replace("discharge", "psychiatry");
    assert_eq!(world.get(&guess).bearer(&token).send().await.status, StatusCode::NOT_FOUND);
}
