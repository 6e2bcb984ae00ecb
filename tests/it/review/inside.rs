//! Documents inside resources are listed, and shown as all documents are.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::clock::Clock;
use domain::ports::expiring::EntryKind;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::packs::job_id;
use tests::{TestResponse, World};

use super::left_out::{ask, leave_out};
use super::{link, link_named, page};
use crate::documents::{SOMEBODY, lake};

/// Returns the page of an export in review of a record with these resources, and the staff who review it.
async fn reviewed(lines: &[Value]) -> (World, TestResponse, String) {
    let patient = json!({ "resourceType": "Patient", "id": SOMEBODY });
    let lake = lake(&[&[patient], lines].concat(), &[]);
    let world = World::with("sandbox = true", lake.path());
    let token = world.token(SOMEBODY).await;
    let job = world.kick_off(&token, "/no-form", SOMEBODY).await;
    world.work().await;
    let staff = world.staff().await;
    (world, staff, format!("/staff{job}"))
}

fn reference(id: &str, attachments: &[Value]) -> Value {
    let content: Vec<_> = attachments.iter().map(|attachment| json!({ "attachment": attachment })).collect();
    json!({ "resourceType": "DocumentReference", "id": id, "status": "current", "content": content })
}

#[tokio::test]
async fn a_document_inside_a_resource_is_listed_and_shown_by_its_content() {
    let data = |bytes: &[u8]| STANDARD.encode(bytes);
    let documents = [
        json!({ "title": "Letter", "contentType": "application/pdf", "data": data(b"%PDF-1.7 a letter") }),
        json!({ "title": "Script.pdf", "contentType": "application/pdf", "data": data(b"<html><script>alert(1)</script></html>") }),
        json!({ "title": "Broken", "contentType": "text/plain", "data": "QUJ*" }),
        json!({ "title": "Elsewhere", "url": "https://other.example.org/x.pdf" }),
    ];
    let photo = json!({ "resourceType": "Media", "id": "photo", "status": "completed",
        "content": { "contentType": "image/png", "data": data(b"\x89PNG\r\n\x1a\n0123") } });
    let (world, staff, job) = reviewed(&[reference("d1", &documents), photo]).await;
    let shown = page(&world, &staff, &job).await;
    let list = link_named(&shown, "Documents inside resources").expect("a link");
    let listed = page(&world, &staff, &list).await;
    for text in ["Letter.pdf", "Script.pdf", "Broken.txt", "photo.png", "DocumentReference/d1", "Media/photo"]
    {
        assert!(listed.contains(text), "{text}: {listed}");
    }
    assert!(!listed.contains("Elsewhere") && !listed.contains("Search further"), "{listed}");
    assert_eq!((listed.matches("Not opened yet").count(), listed.matches("✓ Opened").count()), (4, 0));
    for (name, media_type, disposition) in [
        ("Letter.pdf", "application/pdf", "inline; filename=\"Letter.pdf\""),
        ("Script.pdf", "application/octet-stream", "attachment; filename=\"Script.pdf\""),
        ("photo.png", "image/png", "inline; filename=\"photo.png\""),
    ] {
        let path = link_named(&listed, name).expect(name);
        let head = world.request(Method::HEAD, &path).cookie(&staff).send().await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0), "{name}");
        let response = world.get(&path).cookie(&staff).send().await;
        assert_eq!(
            (response.status, response.header("content-type")),
            (StatusCode::OK, media_type),
            "{name}"
        );
        assert_eq!(response.header("content-disposition"), disposition);
        assert_eq!(response.header("x-content-type-options"), "nosniff");
        assert!(
            response.header("content-security-policy").starts_with("sandbox; default-src 'none'"),
            "{name}"
        );
        assert_eq!(response.header("cache-control"), "private, no-store");
    }
    let letter = link_named(&listed, "Letter.pdf").expect("a link");
    assert_eq!(world.get(&letter).cookie(&staff).send().await.text(), "%PDF-1.7 a letter");
    let broken = world.get(&link_named(&listed, "Broken.txt").expect("a link")).cookie(&staff).send().await;
    assert_eq!(broken.status, StatusCode::BAD_REQUEST);
    let listed = page(&world, &staff, &list).await;
    assert_eq!((listed.matches("Not opened yet").count(), listed.matches("✓ Opened").count()), (1, 3));
    let resource = page(&world, &staff, &link(&listed, "one=1")).await;
    assert!(resource.contains("Leave out"), "{resource}");
    let (file, _) = letter.split_once("&at=").expect("a place");
    for wrong in ["at=1", "at=0&number=9", "number=0", "at=99999999"] {
        let path = format!("{file}&{wrong}");
        assert_eq!(world.get(&path).cookie(&staff).send().await.status, StatusCode::NOT_FOUND, "{wrong}");
    }
    assert_eq!(world.get(&list).send().await.status, StatusCode::SEE_OTHER, "strangers sign in first");
}

#[tokio::test]
async fn a_search_for_documents_stops_at_its_limit_and_continues() {
    let large = STANDARD.encode(vec![b'a'; 1 << 20]);
    let document = |number: usize| {
        reference(&format!("d{number}"), &[json!({ "title": format!("Part {number}"), "data": large })])
    };
    let (world, staff, job) = reviewed(&(0..14).map(document).collect::<Vec<_>>()).await;
    let (mut next, mut found, mut pages) = (Some(format!("{job}/inside")), 0, 0);
    while let Some(path) = next {
        let listed = page(&world, &staff, &path).await;
        found += listed.matches("Not opened yet").count();
        pages += 1;
        next = link_named(&listed, "Search further");
    }
    assert_eq!((found, pages), (14, 2), "each of them once");
}

/// Returns what the pages of a search list, from a path on: the rows, and how many pages there are.
async fn searched(world: &World, staff: &TestResponse, path: String) -> (usize, usize) {
    let (mut next, mut found, mut pages) = (Some(path), 0, 0);
    while let Some(path) = next {
        let listed = page(world, staff, &path).await;
        let rows = listed.matches("Not opened yet").count();
        assert!(rows <= 100, "{rows} rows");
        found += rows;
        pages += 1;
        next = link_named(&listed, "Search further");
    }
    (found, pages)
}

#[tokio::test]
async fn a_page_of_documents_ends_within_a_resource() {
    let many = |count: usize| vec![json!({ "data": "QQ==" }); count];
    let (world, staff, job) = reviewed(&[reference("d1", &many(250)), reference("d2", &many(51))]).await;
    assert_eq!(searched(&world, &staff, format!("{job}/inside")).await, (301, 4));
}

#[tokio::test]
async fn a_search_reads_a_changed_file_from_its_start() {
    let document = |id: &str, count: usize| reference(id, &vec![json!({ "data": "QQ==" }); count]);
    let (world, staff, job) = reviewed(&[document("a", 1), document("bb", 100), document("ccc", 50)]).await;
    let first = page(&world, &staff, &format!("{job}/inside")).await;
    let next = link_named(&first, "Search further").expect("a link");
    assert_eq!(searched(&world, &staff, next.clone()).await, (51, 1));
    let job_path = job.strip_prefix("/staff").expect("a path");
    let (question, id) = ask(&world, &staff, job_path, "DocumentReference").await;
    let done = leave_out(&world, &staff, job_path, &question, "It is about another person.").await;
    assert_eq!((done.status, id.as_str()), (StatusCode::SEE_OTHER, "a"), "{}", done.text());
    assert_eq!(searched(&world, &staff, next).await, (150, 2), "all that the file has now");
}

/// After something was left out, another resource begins where the document was.
#[tokio::test]
async fn a_link_to_a_document_never_shows_another_one() {
    let documents = |text: &str| [json!({ "data": STANDARD.encode(text) })];
    let (world, staff, job) =
        reviewed(&[reference("a", &documents("first")), reference("b", &documents("other"))]).await;
    let listed = page(&world, &staff, &format!("{job}/inside")).await;
    let first = link(&listed, "at=0&");
    assert_eq!(world.get(&first).cookie(&staff).send().await.text(), "first");
    let job_path = job.strip_prefix("/staff").expect("a path");
    let (question, id) = ask(&world, &staff, job_path, "DocumentReference").await;
    let done = leave_out(&world, &staff, job_path, &question, "It is about another person.").await;
    assert_eq!((done.status, id.as_str()), (StatusCode::SEE_OTHER, "a"), "{}", done.text());
    let (path, _) = first.split_once('?').expect("a query");
    for stale in [first.clone(), format!("{path}?at=0&number=0")] {
        let response = world.get(&stale).cookie(&staff).send().await;
        assert_eq!(response.status, StatusCode::CONFLICT, "{}", response.text());
    }
    let listed = page(&world, &staff, &format!("{job}/inside")).await;
    assert_eq!(world.get(&link(&listed, "at=0&")).cookie(&staff).send().await.text(), "other");
}

#[tokio::test]
async fn documents_are_found_anywhere_and_in_every_spelling_of_base64() {
    let task = json!({ "resourceType": "Task", "id": "t", "status": "draft", "intent": "order",
        "input": [{ "type": { "text": "x" }, "valueAttachment": { "title": "input.txt", "contentType": "text/plain", "data": "Pz8_Pw" } }],
        "contained": [{ "resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": "Pj4+ Pg==" }] });
    let (world, staff, job) = reviewed(&[task]).await;
    let shown = page(&world, &staff, &job).await;
    let listed =
        page(&world, &staff, &link_named(&shown, "Documents inside resources").expect("a link")).await;
    let mut texts = Vec::new();
    for number in 0..2 {
        let one = world.get(&link(&listed, &format!("number={number}"))).cookie(&staff).send().await;
        assert_eq!(one.status, StatusCode::OK, "{}", one.text());
        texts.push(one.text());
    }
    texts.sort();
    assert_eq!(texts, [">>>>", "????"]);
}

/// The marks of documents in files and the marks of documents inside resources have separate limits.
#[tokio::test]
async fn pages_say_when_no_more_documents_are_marked() {
    let (world, staff, job) = reviewed(&[reference("d1", &[json!({ "data": "QQ==" })])]).await;
    let ports = world.platform().expiring();
    let key = job_id(job.strip_prefix("/staff").expect("a path"));
    let marks: Vec<_> = (0..2000).map(|number| format!("{number:032x}")).collect();
    let until = world.clock().now() + jiff::SignedDuration::from_hours(1);
    let full = "2,000 documents are marked as opened, which is the maximum";
    let pages = [format!("{job}/inside"), job.clone(), format!("{job}/approve")];
    for (kind, at) in [(EntryKind::OpenedInside, 0..1), (EntryKind::OpenedDocuments, 1..3)] {
        for path in &pages[at.clone()] {
            assert!(!page(&world, &staff, path).await.contains(full), "{path}");
        }
        assert!(ports.put(kind, key.as_str(), json!(marks), until).await.expect("stored"));
        for path in &pages[at] {
            assert!(page(&world, &staff, path).await.contains(full), "{path}");
        }
    }
}
