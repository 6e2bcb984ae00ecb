//! Files that staff attach to an export in review.

use http::StatusCode;
use serde_json::{Value, json};
use tests::{ANNA, BASE_URL, World, both_hosts, text};

use crate::admin::in_review;

#[both_hosts]
async fn approval_releases_the_files_and_the_attachments_of_staff(world: World) {
    let (job, token, staff) = in_review(&world).await;
    let files: [(&str, &str, &[u8]); 2] =
        [("../../Letter to you.pdf", "application/pdf", b"%PDF-1"), ("notes.txt", "text/plain", b"hello")];
    let attached = world.post(&format!("/admin{job}/add-files")).cookie(&staff).files(&files).send().await;
    assert_eq!(attached.status, StatusCode::OK, "{}", attached.text());
    let listed = attached.json()["attachments"].clone();
    assert_eq!(text(&listed[0]["url"]), format!("{BASE_URL}{job}/download/attachments/Letter_to_you.pdf"));
    assert_eq!((&listed[1]["title"], &listed[1]["size"]), (&json!("notes.txt"), &json!(5)));
    assert_eq!(world.get(&text(&listed[0]["url"])).bearer(&token).send().await.status, StatusCode::NOT_FOUND);
    let approved = world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await.json();
    assert_eq!(approved["status"], "approved");
    assert!(approved["completedAt"].as_u64() >= approved["createdAt"].as_u64());
    let manifest = world.status(&token, &job).await.json();
    assert_eq!(manifest, approved["manifest"]);
    let own = manifest["output"]
        .as_array()
        .expect("output")
        .iter()
        .find(|file| text(&file["url"]).contains("attached"))
        .expect("one");
    let document = world.get(&text(&own["url"])).bearer(&token).send().await.json();
    let contents = document["content"].as_array().expect("content");
    assert_eq!(contents.len(), 2);
    for content in contents {
        let attachment = &content["attachment"];
        let file = world.get(&text(&attachment["url"])).bearer(&token).send().await;
        assert_eq!((file.status, &attachment["size"]), (StatusCode::OK, &json!(file.body.len())));
        assert_eq!(file.header("content-type"), text(&attachment["contentType"]));
    }
}

#[both_hosts]
async fn attachments_can_be_removed_and_names_never_collide(world: World) {
    let (job, _, staff) = in_review(&world).await;
    let record_like = format!("000000.0-{}-x.pdf", "a".repeat(16));
    let files: [(&str, &str, &[u8]); 3] =
        [("a.txt", "text/plain", b"1"), ("a.txt", "text/plain", b"2"), (&record_like, "text/plain", b"3")];
    let attached =
        world.post(&format!("/admin{job}/add-files")).cookie(&staff).files(&files).send().await.json();
    let names: Vec<_> = attached["attachments"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|file| text(&file["url"]).rsplit('/').next().expect("a name").to_owned())
        .collect();
    assert_eq!(names[..2], ["a.txt", "copy-2-a.txt"]);
    assert!(names[2].starts_with("copy-2-000000"), "{names:?}");
    let remove = |names: Value| {
        world
            .post(&format!("/admin{job}/remove-files"))
            .cookie(&staff)
            .json(&json!({ "params": names }))
            .send()
    };
    let left = remove(json!(["a.txt", "unknown"])).await.json();
    assert_eq!(left["attachments"].as_array().map(Vec::len), Some(2));
    assert_eq!(remove(json!("a.txt")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(remove(json!([{ "name": "a.txt" }])).await.status, StatusCode::BAD_REQUEST);
    let unreadable =
        world.post(&format!("/admin{job}/reject")).cookie(&staff).json(&json!({ "reason": ["no"] }));
    assert_eq!(unreadable.send().await.status, StatusCode::BAD_REQUEST);
}

/// On Windows and macOS two files whose names differ only in their case would be one after the ZIP is unpacked.
#[tokio::test]
async fn names_of_attachments_differ_in_more_than_their_case() {
    let world = World::new();
    let (job, _, staff) = in_review(&world).await;
    let record_like = format!("000000.0-{}-x.pdf", "A".repeat(16));
    let mut names = Vec::new();
    for upload in
        [&["Scan.pdf", "scan.pdf"][..], &["SCAN.PDF", "scan.pdf.", &record_like], &["Copy-2-scan.pdf"]]
    {
        let files: Vec<(&str, &str, &[u8])> =
            upload.iter().map(|name| (*name, "application/pdf", b"%PDF".as_slice())).collect();
        let path = format!("/admin{job}/add-files");
        let attached = world.post(&path).cookie(&staff).files(&files).send().await;
        assert_eq!(attached.status, StatusCode::OK, "{}", attached.text());
        let listed = attached.json()["attachments"].as_array().expect("a list").clone();
        names = listed
            .iter()
            .map(|file| text(&file["url"]).rsplit('/').next().expect("a name").to_owned())
            .collect();
    }
    let expected = ["Scan.pdf", "copy-2-scan.pdf", "copy-3-SCAN.PDF", "copy-4-scan.pdf."];
    assert_eq!(names[..4], expected);
    assert_eq!(
        names[4],
        format!("copy-2-{record_like}"),
        "the ZIP can have a file of the record with this name"
    );
    assert_eq!(names[5], "copy-2-Copy-2-scan.pdf");
    let folded: std::collections::BTreeSet<_> = names.iter().map(|name| name.to_lowercase()).collect();
    assert_eq!(folded.len(), 6, "{names:?}");
}

#[tokio::test]
async fn uploads_have_limits() -> tests::Result {
    let world = World::with("sandbox = true\nmax_upload_bytes = 1000", &ehi::defaults::sample_records());
    let (job, token, staff) = in_review(&world).await;
    let path = format!("/admin{job}/add-files");
    let upload = |files: &[(&str, &str, &[u8])]| world.post(&path).cookie(&staff).files(files).send();
    let large = [0_u8; 1001];
    assert_eq!(upload(&[("a", "text/plain", &large)]).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let six: Vec<(&str, &str, &[u8])> = vec![("a", "text/plain", b"x"); 6];
    assert_eq!(upload(&six).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(upload(&[]).await.status, StatusCode::BAD_REQUEST);
    let not_multipart = world.post(&path).cookie(&staff).json(&json!({})).send().await;
    assert_eq!(not_multipart.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let cut_off = world.post(&path).cookie(&staff).body(
        "multipart/form-data; boundary=XX",
        "--XX\r\nContent-Disposition: form-data; name=\"attachments\"; filename=\"a\"\r\n\r\nhalf",
    );
    assert_eq!(cut_off.send().await.status, StatusCode::BAD_REQUEST);
    // The failed uploads have left no files.
    let shown = world.get(&format!("/admin{job}")).cookie(&staff).send().await.json();
    assert_eq!(shown["attachments"], json!([]));
    let uploads = world
        .platform()
        .files()
        .list(&format!("exports/{}/uploads/", job.rsplit('/').next().expect("an id")))
        .await?;
    for directory in uploads {
        let left = world
            .platform()
            .files()
            .list(&format!("exports/{}/uploads/{directory}", job.rsplit('/').next().expect("an id")))
            .await;
        assert_eq!(left?, Vec::<String>::new());
    }
    let early = world.kick_off(&token, "", ANNA).await;
    let refused = world
        .post(&format!("/admin{early}/add-files"))
        .cookie(&staff)
        .files(&[("a", "text/plain", b"x")])
        .send()
        .await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    Ok(())
}

#[both_hosts]
async fn other_fields_of_an_upload_are_skipped(world: World) {
    let (job, _, staff) = in_review(&world).await;
    let field = |name: &str, bytes: usize| {
        format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{}\r\n", "x".repeat(bytes))
    };
    let file = "--XX\r\nContent-Disposition: form-data; name=\"attachments\"; filename=\"results.csv\"\r\nContent-Type: application/octet-stream\r\n\r\na,b\r\n";
    let send = |fields: &str| {
        let body = format!("{fields}{file}{}--XX--\r\n", field("after", 3));
        world
            .post(&format!("/admin{job}/add-files"))
            .cookie(&staff)
            .body("multipart/form-data; boundary=XX", body)
            .send()
    };
    let attached = send(&field("action", 14)).await;
    assert_eq!(attached.status, StatusCode::OK, "{}", attached.text());
    let listed = attached.json()["attachments"].clone();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&listed[0]["title"], &listed[0]["contentType"]),
        (&json!("results.csv"), &json!("text/csv")),
        "the type comes from the file name, because octet-stream says nothing"
    );
    for too_much in
        [field("action", 70_000), field("action", 40_000).repeat(2), field("action", 1).repeat(21)]
    {
        assert_eq!(send(&too_much).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    }
}
