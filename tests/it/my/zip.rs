//! The ZIP of a copy: its hashes, its page for people, and an incomplete ZIP.

use platform::Platform;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};

use aws_lc_rs::digest;
use domain::clock::hex;
use http::StatusCode;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tests::{ANNA, BRUNO, TestResponse, World, both_hosts, text};
use tower::ServiceExt;
use zip::ZipArchive;

use super::{approved, page, requested_copy, signed_in};
use crate::documents::{SOMEBODY, lake};
use crate::review::link_named;

/// Returns the files of a ZIP that was sent.
fn unpacked(response: &TestResponse) -> BTreeMap<String, Vec<u8>> {
    assert_eq!(response.status, StatusCode::OK, "{}", response.text());
    assert_eq!(response.header("content-type"), "application/zip");
    unzipped(&response.body)
}

/// Returns the files of a ZIP by name.
pub(crate) fn unzipped(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).expect("a ZIP");
    let mut files = BTreeMap::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).expect("a file");
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).expect("its bytes and its checksum");
        let name = file.name().expect("a name").into_owned();
        assert!(files.insert(name.clone(), bytes).is_none(), "{name} is there twice");
    }
    files
}

fn in_text(files: &BTreeMap<String, Vec<u8>>, name: &str) -> String {
    let bytes = files.get(name).unwrap_or_else(|| panic!("no {name}: {:?}", files.keys()));
    String::from_utf8(bytes.clone()).expect("UTF-8")
}

/// Checks that `SHA256SUMS` names every other file with its hash, in the format of `sha256sum -c`.
pub(crate) fn check_sums(files: &BTreeMap<String, Vec<u8>>) {
    let sums = in_text(files, "SHA256SUMS");
    let named: BTreeMap<_, _> = sums
        .lines()
        .map(|line| line.split_once("  ").expect("a hash and a name"))
        .map(|(hash, name)| (name, hash))
        .collect();
    for (name, bytes) in files.iter().filter(|(name, _)| *name != "SHA256SUMS") {
        let hash = hex(digest::digest(&digest::SHA256, bytes).as_ref());
        assert_eq!(named.get(name.as_str()), Some(&hash.as_str()), "{name}");
    }
    assert_eq!(named.len() + 1, files.len());
}

#[both_hosts]
async fn the_zip_has_every_file_with_its_hash_and_a_page_for_people(world: World) {
    let session = signed_in(&world, ANNA).await;
    let copy = requested_copy(&world, &session, &["hiv", "alcoholAndDrug"]).await;
    let early = world.get(&format!("{copy}/zip")).cookie(&session).send().await;
    assert_eq!(early.status, StatusCode::NOT_FOUND, "there is no ZIP yet");
    world.work().await;
    let early = world.get(&format!("{copy}/zip")).cookie(&session).send().await;
    assert_eq!(early.status, StatusCode::NOT_FOUND, "staff have not approved it");
    let job = copy.rsplit('/').next().expect("an id");
    let letter: [(&str, &str, &[u8]); 1] = [("letter.txt", "text/plain", b"With regards")];
    let staff = world.staff().await;
    world.post(&format!("/admin/jobs/{job}/add-files")).cookie(&staff).files(&letter).send().await;
    approved(&world, &copy).await;
    let shown = page(&world, &session, &copy).await;
    assert!(
        shown.contains("Download all (ZIP, about ")
            && shown.contains(&format!("{copy}/files/Patient.ndjson")),
        "{shown}"
    );
    let zip = world.get(&format!("{copy}/zip")).cookie(&session).send().await;
    assert!(
        zip.header("content-disposition").starts_with("attachment; filename=\"health-record-"),
        "{:?}",
        zip.headers
    );
    let files = unpacked(&zip);
    check_sums(&files);
    assert!(
        files.keys().any(|name| name.starts_with("attachments/") && name.ends_with("letter.txt")),
        "{:?}",
        files.keys()
    );
    let manifest: Value = serde_json::from_str(&in_text(&files, "manifest.json")).expect("JSON");
    let output = manifest["output"].as_array().expect("files");
    for file in output {
        let path = text(&file["url"]);
        let lines = in_text(&files, &path).lines().count();
        assert_eq!(file["count"], lines, "{path}");
        let sha256 = &file["extension"]["sha256"];
        assert_eq!(*sha256, hex(digest::digest(&digest::SHA256, &files[&path]).as_ref()), "{path}");
        let single = path.replace("data/", &format!("{copy}/files/"));
        let single = world.get(&single).cookie(&session).send().await;
        assert!(single.body == files[&path], "{path} is another file");
    }
    let notice = "42 CFR part 2 prohibits unauthorized use or disclosure of these records.";
    assert_eq!(manifest["extension"]["notice"], notice);
    assert!(manifest["extension"]["ledger"]["resources"]["read"].as_u64() > Some(0), "{manifest}");
    assert!(in_text(&files, "README.txt").contains(notice));
    let index = in_text(&files, "index.html");
    assert!(
        index.contains(notice) && !index.contains("<script") && !index.contains("http-equiv=\"refresh"),
        "{index}"
    );
    for file in output {
        assert!(index.contains(&format!("href=\"{}\"", text(&file["url"]))), "{file}");
    }
    assert!(index.contains("Anna Lindqvist") && index.contains("Test results and measures"), "{index}");
    check_attachments(&world, &session, &copy, &files).await;
    check_others(&world, &copy).await;
}

/// Checks that the ZIP has each attachment under the name that its resource gives.
async fn check_attachments(
    world: &World,
    session: &TestResponse,
    copy: &str,
    files: &BTreeMap<String, Vec<u8>>,
) {
    for name in files.keys().filter(|name| name.starts_with("data/DocumentReference")) {
        for line in in_text(files, name).lines() {
            let resource: Value = serde_json::from_str(line).expect("JSON");
            let url =
                resource.pointer("/content/0/attachment/url").and_then(Value::as_str).unwrap_or_default();
            if let Some((_, attached)) = url.split_once("/download/attachments/") {
                assert!(
                    files.contains_key(&format!("attachments/{attached}")),
                    "{attached}: {:?}",
                    files.keys()
                );
                let single =
                    world.get(&format!("{copy}/attachments/{attached}")).cookie(session).send().await;
                assert!(single.body == files[&format!("attachments/{attached}")], "{attached}");
            }
        }
    }
}

/// Checks that another patient cannot get the files, and that a stranger is asked to sign in.
async fn check_others(world: &World, copy: &str) {
    let bruno = signed_in(world, BRUNO).await;
    for path in ["zip", "files/Patient.ndjson", "attachments/letter.txt"] {
        let others = world.get(&format!("{copy}/{path}")).cookie(&bruno).send().await;
        assert_eq!(others.status, StatusCode::NOT_FOUND, "{path}");
        assert!(
            world.get(&format!("{copy}/{path}")).send().await.location().contains("/patient-login"),
            "{path}"
        );
    }
}

/// The copy is in Spanish and without alcohol and drugs, and the record contains markup.
#[tokio::test]
async fn the_page_of_the_zip_is_escaped_and_in_the_patients_language() -> tests::Result {
    let lake = tempfile::tempdir()?;
    let patient = lake.path().join("Patient").join(ANNA);
    std::fs::create_dir_all(&patient)?;
    std::fs::write(
        patient.join("Patient.ndjson"),
        format!(
            "{{\"resourceType\":\"Patient\",\"id\":\"{ANNA}\",\"name\":[{{\"text\":\"</title><script>alert(1)</script>\"}}]}}\n"
        ),
    )?;
    let lines = (0..1200)
        .map(|number| format!("{{\"resourceType\":\"Condition\",\"id\":\"c{number}\",\"subject\":{{\"reference\":\"Patient/{ANNA}\"}},\"code\":{{\"text\":\"<img src=x onerror=alert({number})>\"}},\"recordedDate\":\"20{:02}-01-02\"}}\n", number % 20))
        .collect::<Vec<_>>()
        .concat();
    std::fs::write(patient.join("Condition.ndjson"), lines)?;
    let world = World::with("sandbox = true\nreview = false", lake.path());
    let session = signed_in(&world, ANNA).await;
    let copy = requested_copy(&world, &session, &[]).await;
    world.work().await;
    let zip = world.get(&format!("{copy}/zip")).cookie(&session).header("accept-language", "es").send().await;
    let files = unpacked(&zip);
    check_sums(&files);
    let index = in_text(&files, "index.html");
    assert!(!index.contains("<script") && !index.contains("<img"), "{index}");
    assert!(index.contains("<html lang=\"es\" dir=\"ltr\">") && index.contains("Enfermedades"), "{index}");
    assert!(
        index.contains("Los primeros 1,000 de 1,200") && index.contains("&#60;img src=x onerror=alert(999)"),
        "{index}"
    );
    assert!(!index.contains("alert(1000)"), "only the file has the later lines");
    assert!(index.contains("Desde: 2 de enero de 2000. Hasta: 2 de enero de 2019"), "{index}");
    let manifest: Value = serde_json::from_str(&in_text(&files, "manifest.json"))?;
    assert!(
        manifest["extension"].get("notice").is_none() && !in_text(&files, "README.txt").contains("42 CFR")
    );
    Ok(())
}

/// A ZIP whose files differ from the manifest must not look complete.
#[tokio::test]
async fn a_reader_detects_a_zip_that_breaks_off() -> tests::Result {
    let world = World::with("sandbox = true\nreview = false", &ehi::defaults::sample_records());
    let session = signed_in(&world, ANNA).await;
    let copy = requested_copy(&world, &session, &[]).await;
    world.work().await;
    let whole = unpacked(&world.get(&format!("{copy}/zip")).cookie(&session).send().await);
    assert!(whole.len() > 5);
    // Other bytes replace the pack with the files.
    let files = world.platform().files();
    let job = copy.rsplit('/').next().expect("an id");
    let prefix = format!("exports/{job}/");
    for directory in files.list(&prefix).await?.into_iter().filter(|name| name.ends_with('/')) {
        for name in files
            .list(&format!("{prefix}{directory}"))
            .await?
            .into_iter()
            .filter(|name| name.starts_with("pack"))
        {
            let key = format!("{prefix}{directory}{name}");
            let mut bytes = domain::ports::files::read_all(&*files, &key, 1 << 24).await?;
            let last = bytes.len() / 2;
            bytes[last] ^= 1;
            files.remove(&key).await?;
            domain::ports::files::write_all(&*files, &key, bytes).await?;
        }
    }
    let app = web::host::host(ehi::server::routers(world.platform())?, world.platform().context());
    let request = http::Request::get(format!("{copy}/zip")).header("cookie", session.cookie());
    let response = app.oneshot(request.body(axum::body::Body::empty())?).await?;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.into_body().collect().await.is_err(), "the ZIP looks complete");
    Ok(())
}

#[tokio::test]
async fn a_host_without_signed_links_sends_a_zip_of_any_size() {
    // The limit is smaller than the copy.
    let world = World::with(
        "sandbox = true\nreview = false\nmax_direct_bytes = 1000",
        &ehi::defaults::sample_records(),
    );
    let session = signed_in(&world, ANNA).await;
    let copy = requested_copy(&world, &session, &[]).await;
    world.work().await;
    // This host has no signed links: it sends the ZIP itself.
    let files = unpacked(&world.get(&format!("{copy}/zip")).cookie(&session).send().await);
    check_sums(&files);
}

/// Returns the records of a patient with this number of documents.
pub(crate) fn with_documents(count: usize) -> tempfile::TempDir {
    let url = |number: usize| json!({ "attachment": { "url": format!("Binary/b{number}") } });
    let mut lines =
        vec![json!({ "resourceType": "Patient", "id": SOMEBODY, "name": [{ "text": "Some Body" }] })];
    let content: Vec<_> = (0..count).map(url).collect();
    lines.push(
        json!({ "resourceType": "DocumentReference", "id": "d", "status": "current", "content": content }),
    );
    let binary = |number: usize| json!({ "resourceType": "Binary", "id": format!("b{number}"), "contentType": "text/plain", "data": "aGVsbG8=" });
    lines.extend((0..count).map(binary));
    lake(&lines, &[])
}

#[tokio::test]
async fn every_file_of_a_copy_can_be_reached_from_the_pages_of_their_list() {
    const COUNT: usize = 2_100;
    let directory = with_documents(COUNT);
    let world = World::with("sandbox = true\nreview = false", directory.path());
    let session = signed_in(&world, SOMEBODY).await;
    let copy = requested_copy(&world, &session, &[]).await;
    world.work().await;
    assert!(
        page(&world, &session, &copy).await.contains("<details id=\"files\">"),
        "the list is closed at first"
    );
    let (mut found, mut path, mut pages) = (BTreeSet::new(), format!("{copy}?from=0"), 0);
    loop {
        let shown = page(&world, &session, &path).await;
        assert!(shown.contains("<details id=\"files\" open>"), "{shown}");
        pages += 1;
        let links = shown.split("href=\"").skip(1).filter_map(|link| link.split('"').next());
        let files: Vec<_> =
            links.filter(|link| link.starts_with(&format!("{copy}/"))).map(str::to_owned).collect();
        found.extend(
            files.into_iter().filter(|link| link.contains("/attachments/") || link.contains("/files/")),
        );
        match link_named(&shown, "More files") {
            Some(next) => path = next.split('#').next().unwrap_or_default().to_owned(),
            None => break,
        }
    }
    assert_eq!((found.iter().filter(|link| link.contains("/attachments/")).count(), pages), (COUNT, 3));
    assert!(found.iter().any(|link| link.ends_with("/files/Patient.ndjson")), "{pages} pages");
    let last = found.last().expect("a file");
    assert_eq!(world.get(last).cookie(&session).send().await.status, StatusCode::OK, "{last}");
    let shown = page(&world, &session, &path).await;
    assert_eq!(link_named(&shown, "First files"), Some(format!("{copy}?from=0#files")), "{shown}");
    let too_far = page(&world, &session, &format!("{copy}?from=99999")).await;
    assert!(too_far.contains("Files 1 to 1,000 of 2,"), "{too_far}");
}
