//! Packs: small files of an export in one object. Clients see no difference, and no file is read outside its place in the pack.

mod damaged;
mod reading;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use domain::pack::SMALL;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::packs::{attachments_in_packs, job_id, results};
use tests::{ANNA, TestResponse, World, both_hosts, text};

use crate::crash::{before_or_after, work_until_struck};

/// Returns every object of a job in a state directory, and its size.
fn objects(directory: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in std::fs::read_dir(next).expect("a directory") {
            let entry = entry.expect("an entry");
            match entry.file_type().expect("a type").is_dir() {
                true => waiting.push(entry.path()),
                false => drop(found.insert(entry.path(), entry.metadata().expect("a size").len())),
            }
        }
    }
    found
}

/// A server whose files the test can inspect.
struct Kept {
    world: World,
    state: tempfile::TempDir,
    token: String,
}

impl Kept {
    async fn over(records: &Path) -> Self {
        use std::sync::Arc;

        let state = tempfile::tempdir().expect("a directory");
        let text = tests::settings("sandbox = true");
        let settings = settings::Settings::parse(&text, |_| None, None).expect("valid settings");
        let clock = contract::FixedClock::at("2026-03-01T12:00:00Z".parse().expect("a time"));
        let (now, random) = (Arc::new(clock.clone()), Arc::new(crypto::OsRandom));
        let platform = local::Local::open(state.path(), records, settings, now, random);
        let world = World::over(platform.expect("a platform"), clock);
        let token = world.token(ANNA).await;
        Self { world, state, token }
    }

    fn directory(&self, job: &str) -> PathBuf {
        self.state.path().join("files/exports").join(job_id(job).as_str())
    }

    /// Returns the names of the job's objects below the directories of the attempts.
    fn names(&self, job: &str) -> Vec<String> {
        let directory = self.directory(job);
        let below = |path: &PathBuf| {
            let path = path.strip_prefix(&directory).expect("below").to_str().expect("text").to_owned();
            path.split_once('/').expect("an attempt").1.to_owned()
        };
        let mut names: Vec<_> = objects(&directory).keys().map(below).collect();
        names.sort();
        names
    }

    async fn get(&self, url: &str) -> TestResponse {
        self.world.get(url).bearer(&self.token).send().await
    }
}

/// Returns the URLs of all files and attachments of an export.
async fn urls(world: &World, token: &str, job: &str) -> Vec<String> {
    let manifest = world.status(token, job).await.json();
    let lists = ["output", "deleted", "error"].map(|list| manifest[list].as_array().expect("a list").clone());
    let mut urls: Vec<_> = lists.iter().flatten().map(|file| text(&file["url"])).collect();
    for resource in world.resources(token, job).await {
        let linked = resource.to_string();
        let mut rest = linked.as_str();
        while let Some((_, behind)) = rest.split_once("/download/attachments/") {
            let (name, behind) = behind.split_once('"').expect("the end of a URL");
            urls.push(format!("{job}/download/attachments/{name}"));
            rest = behind;
        }
    }
    urls
}

#[tokio::test]
async fn one_patients_export_is_three_objects() {
    let kept = Kept::over(&ehi::defaults::sample_records()).await;
    let job = kept.world.exported(&kept.token, ANNA).await;
    assert_eq!(
        kept.names(&job),
        ["0.json", "pack", "pack"],
        "the pack of the patient, the pack of the supporting resources, and the manifest"
    );
    let urls = urls(&kept.world, &kept.token, &job).await;
    assert!(urls.len() > 30, "{}", urls.len());
    for url in &urls {
        assert_eq!(kept.get(url).await.status, StatusCode::OK, "{url}");
    }
    assert_eq!(attachments_in_packs(kept.world.platform(), &job).await.len(), 8);
    // Every stored byte belongs to a file, an attachment, the references or an index.
    for (chunk, result) in results(kept.world.platform(), &job).await {
        let files = result.files.iter().map(|file| file.place.expect("in the pack").length).sum::<u64>();
        let references = result.references.and_then(|found| found.place).map_or(0, |place| place.length);
        let before = result.attachments.as_ref().map_or(files + references, |index| index.offset);
        let size = before + result.attachments.map_or(0, |index| index.length);
        let name = format!("{chunk}-{}/pack", result.attempt);
        assert_eq!(objects(&kept.directory(&job))[&kept.directory(&job).join(name)], size);
    }
}

/// Writes a patient with files and attachments of sizes around the limit.
fn large_and_small(records: &Path) {
    let directory = records.join("Patient").join(ANNA);
    std::fs::create_dir_all(directory.join("files")).expect("a directory");
    let resource = |resource_type: &str, size: usize| {
        let line = json!({ "resourceType": resource_type, "id": "x", "text": "" }).to_string();
        let filled = "t".repeat(size - line.len() - 1);
        line.replace("\"text\":\"\"", &format!("\"text\":\"{filled}\"")) + "\n"
    };
    let lines = [
        json!({ "resourceType": "Patient", "id": ANNA }).to_string() + "\n",
        resource("Condition", SMALL - 1),
        resource("Observation", SMALL),
        resource("Procedure", SMALL + 1),
        resource("Immunization", 3 * SMALL),
    ];
    std::fs::write(directory.join("all.ndjson"), lines.concat()).expect("written");
    for (name, size) in [("a.csv", 1), ("b.csv", SMALL - 1), ("c.csv", SMALL), ("d.csv", 3 * SMALL)] {
        let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at * 7 % 251).expect("small")).collect();
        std::fs::write(directory.join("files").join(name), bytes).expect("written");
    }
}

#[tokio::test]
async fn a_large_file_is_an_object_of_its_own() -> tests::Result {
    let records = tempfile::tempdir()?;
    large_and_small(records.path());
    let kept = Kept::over(records.path()).await;
    let job = kept.world.exported(&kept.token, ANNA).await;
    let expected = [
        "0.json",
        "Immunization.ndjson",
        "Observation.ndjson",
        "Procedure.ndjson",
        "attachments/c.csv",
        "attachments/d.csv",
        "pack",
    ];
    assert_eq!(kept.names(&job), expected);
    assert_eq!(attachments_in_packs(kept.world.platform(), &job).await, ["a.csv", "b.csv"]);
    let mut sizes = BTreeMap::new();
    for url in urls(&kept.world, &kept.token, &job).await {
        let name = url.rsplit(['/', '-']).next().expect("a name").to_owned();
        sizes.insert(name, kept.get(&url).await.body.len());
    }
    for (name, size) in [
        ("a.csv", 1),
        ("b.csv", SMALL - 1),
        ("c.csv", SMALL),
        ("d.csv", 3 * SMALL),
        ("Condition.ndjson", SMALL - 1),
        ("Observation.ndjson", SMALL),
        ("Procedure.ndjson", SMALL + 1),
        ("Immunization.ndjson", 3 * SMALL),
    ] {
        assert_eq!(sizes[name], size, "{name}");
    }
    Ok(())
}

/// Checks a file or attachment over HTTP: whole, by ranges, by HEAD, compressed. The whole file is the reference.
async fn is_served(world: &World, token: &str, url: &str) {
    let get = |headers: &[(&str, &str)]| {
        let call = world.get(url).bearer(token);
        headers.iter().fold(call, |call, (name, value)| call.header(name, value)).send()
    };
    let whole = get(&[]).await;
    assert_eq!(whole.status, StatusCode::OK, "{url}");
    let size = whole.body.len();
    let shown = |response: &TestResponse, name: &str| response.header(name).to_owned();
    assert_eq!(shown(&whole, "content-length"), size.to_string());
    let head = world.request(Method::HEAD, url).bearer(token).send().await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0), "{url}");
    for name in ["content-length", "content-type", "content-disposition", "etag", "accept-ranges"] {
        assert!(!shown(&whole, name).is_empty(), "{name}");
        assert_eq!(shown(&head, name), shown(&whole, name), "{name}");
    }
    for (first, last) in
        [(0, 0), (0, size - 1), (size / 2, size - 1), (size / 3, size / 2), (size - 1, size - 1)]
    {
        let part = get(&[("range", &format!("bytes={first}-{last}"))]).await;
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT, "{url}");
        assert_eq!(part.body, whole.body[first..=last], "{url} {first}-{last}");
        assert_eq!(shown(&part, "content-range"), format!("bytes {first}-{last}/{size}"));
        assert_eq!(shown(&part, "content-length"), (last - first + 1).to_string());
        assert_eq!(shown(&part, "etag"), shown(&whole, "etag"));
    }
    let suffix = get(&[("range", "bytes=-1")]).await;
    assert_eq!(suffix.body, whole.body[size - 1..]);
    // The next byte in the pack belongs to another file.
    let behind = get(&[("range", &format!("bytes={size}-"))]).await;
    assert_eq!(behind.status, StatusCode::RANGE_NOT_SATISFIABLE, "{url}");
    let beyond = get(&[("range", &format!("bytes=0-{}", size + 100))]).await;
    assert_eq!(beyond.body, whole.body);
    let known = get(&[("if-none-match", &shown(&whole, "etag"))]).await;
    assert_eq!(known.status, StatusCode::NOT_MODIFIED, "{url}");
    let taken = get(&[("accept-encoding", "gzip")]).await;
    let read = match shown(&taken, "content-encoding").as_str() {
        "" => taken.body,
        _ => {
            let mut read = Vec::new();
            let mut decoder = flate2::read::GzDecoder::new(taken.body.as_slice());
            std::io::Read::read_to_end(&mut decoder, &mut read).expect("gzip");
            read
        }
    };
    assert_eq!(read, whole.body, "{url}");
}

#[both_hosts]
async fn packed_files_are_served_like_any_other(world: World) {
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    let urls = urls(&world, &token, &job).await;
    assert!(urls.len() > 30, "{}", urls.len());
    for url in urls {
        is_served(&world, &token, &url).await;
    }
}

#[tokio::test]
async fn files_around_the_limit_are_served_alike() -> tests::Result {
    let records = tempfile::tempdir()?;
    large_and_small(records.path());
    let world = World::with("sandbox = true", records.path());
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    for url in urls(&world, &token, &job).await {
        is_served(&world, &token, &url).await;
    }
    Ok(())
}

/// A crash can interrupt the pack in the middle or at its end, or a large file beside it. None of it is listed, and the next
/// attempt writes every byte.
#[tokio::test]
async fn packs_and_large_files_survive_a_crash_at_every_call() -> tests::Result {
    let records = tempfile::tempdir()?;
    large_and_small(records.path());
    let more = records.path().join("Patient").join(ANNA).join("files");
    // With these files the pack is written in several pieces.
    for number in 0..4 {
        std::fs::write(more.join(format!("more-{number}.csv")), vec![b'0' + number; 200_000])?;
    }
    let content = async |world: &World, token: &str, job: &str| {
        let mut found = BTreeMap::new();
        for url in urls(world, token, job).await {
            let name = url.rsplit(['/', '-']).next().expect("a name").to_owned();
            let body = world.get(&url).bearer(token).send().await.body;
            // The URLs in it contain the job and the attempt, whose lengths are constant.
            let body = if name.starts_with("DocumentReference") { vec![0; body.len()] } else { body };
            found.insert(name, body);
        }
        found
    };
    let begun = async || {
        let world = World::with("sandbox = true", records.path());
        let token = world.token(ANNA).await;
        let job = world.kick_off(&token, "/auto-approve/no-form", ANNA).await;
        (world, token, job)
    };
    let (world, token, job) = begun().await;
    world.work().await;
    let expected = content(&world, &token, &job).await;
    assert_eq!(expected.len(), 14, "{:?}", expected.keys());
    let mut crashes = 0;
    for call in 0.. {
        let (world, token, job) = begun().await;
        let faults = before_or_after(call);
        work_until_struck(world.platform(), &faults).await;
        if !faults.has_struck() {
            break;
        }
        crashes += 1;
        // The very last call may have had its effect.
        if world.status(&token, &job).await.status != StatusCode::OK {
            let early = world.get(&format!("{job}/download/Patient.ndjson")).bearer(&token).send().await;
            assert_eq!(early.status, StatusCode::NOT_FOUND, "call {call}");
        }
        world.advance(61);
        world.work().await;
        world.clean().await;
        assert_eq!(content(&world, &token, &job).await, expected, "call {call}");
    }
    assert!(crashes > 30, "{crashes}");
    Ok(())
}

#[tokio::test]
async fn names_of_other_objects_are_404() {
    let kept = Kept::over(&ehi::defaults::sample_records()).await;
    let job = kept.world.exported(&kept.token, ANNA).await;
    let (chunk, result) = results(kept.world.platform(), &job).await.swap_remove(0);
    for name in ["pack", "references.txt", "Patient.ndjson", "nothing.pdf"] {
        let url = format!("{job}/download/attachments/{chunk}-{}-{name}", result.attempt);
        assert_eq!(kept.get(&url).await.status, StatusCode::NOT_FOUND, "{name}");
    }
    for name in ["pack", "pack.ndjson"] {
        assert_eq!(kept.get(&format!("{job}/download/{name}")).await.status, StatusCode::NOT_FOUND, "{name}");
    }
    let other = "f".repeat(16);
    let url = format!("{job}/download/attachments/{chunk}-{other}-discharge.txt");
    assert_eq!(kept.get(&url).await.status, StatusCode::NOT_FOUND, "another attempt");
}

/// No part of a withheld document is in the store.
#[tokio::test]
async fn withheld_documents_are_not_in_the_pack() {
    let kept = Kept::over(&ehi::defaults::sample_records()).await;
    let job = kept.world.kick_off(&kept.token, "/auto-approve", ANNA).await;
    let body =
        json!({ "parameters": { "medicalRecord": { "enabled": true }, "other": { "enabled": true } } });
    kept.world.post(&job).bearer(&kept.token).json(&body).send().await;
    kept.world.work().await;
    let names = attachments_in_packs(kept.world.platform(), &job).await;
    assert!(!names.is_empty() && !names.iter().any(|name| name.contains("psychiatry")), "{names:?}");
    assert_eq!(kept.names(&job), ["0.json", "pack", "pack"]);
    for path in objects(&kept.directory(&job)).keys() {
        let bytes = std::fs::read(path).expect("an object");
        let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!has("sychiatr"), "{}", path.display());
    }
}

/// A job from a version without packs, whose files are objects of their own, is still read correctly.
#[tokio::test]
async fn rows_of_versions_without_packs_are_served() -> tests::Result {
    use domain::chunk::{ChunkResult, OutputFile};

    let file: OutputFile = serde_json::from_value(json!({
        "purpose": "output", "type": "Patient", "key": "exports/a/0-b/Patient.ndjson", "count": 1, "size": 3,
        "sha256": "00",
    }))
    .expect("a row");
    assert_eq!((file.place, file.location().key), (None, file.key.clone()));
    assert!(serde_json::to_value(&file)?.get("place").is_none());
    let result: ChunkResult = serde_json::from_value(json!({
        "attempt": "0123456789abcdef", "files": [file], "references": "exports/a/0-b/references.txt", "bytes_read": 1,
    }))
    .expect("a row");
    assert_eq!(result.attachments, None);
    assert_eq!(
        result.references.map(|found| (found.key, found.place)),
        Some(("exports/a/0-b/references.txt".to_owned(), None))
    );
    let none: Value =
        json!({ "attempt": "0123456789abcdef", "files": [], "references": null, "bytes_read": 1 });
    assert_eq!(serde_json::from_value::<ChunkResult>(none).expect("a row").references, None);
    Ok(())
}
