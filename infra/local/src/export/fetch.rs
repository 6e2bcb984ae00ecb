//! Downloads every file of a manifest, goes on where a download broke, and verifies what arrived.

use std::collections::{BTreeMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream::{self, StreamExt};
use http::header::{ETAG, IF_RANGE, LOCATION, RANGE};
use http::{Method, StatusCode};
use indicatif::ProgressBar;
use serde_json::Value;
use shared::clock::hex;
use shared::domain::ids::FileName;
use tokio::io::AsyncWriteExt;

use super::smart::{Session, checked};
use crate::Failure;

/// Tries for one file.
const TRIES: u32 = 5;
/// Files downloaded at once.
const AT_ONCE: usize = 4;

/// What an export came to.
#[derive(Debug, Default)]
pub(crate) struct Exported {
    pub(crate) files: usize,
    pub(crate) attachments: usize,
    pub(crate) resources: u64,
    pub(crate) bytes: u64,
    pub(crate) problems: u64,
    /// Bundles of what was deleted.
    pub(crate) deleted: u64,
}

/// What a file must be.
#[derive(Debug, Clone, Default)]
struct Expected {
    url: String,
    count: Option<u64>,
    size: Option<u64>,
    sha256: Option<String>,
    /// SHA-1, base64, as FHIR attachments carry it.
    sha1: Option<String>,
    /// Whether it is behind the token, and not behind a signature.
    with_token: bool,
}

/// Downloads and verifies everything that the pages of a manifest list, several files at once; leaves the manifest
/// beside the files.
pub(crate) async fn fetch(
    session: &Session,
    manifests: &[Value],
    out: &Path,
    progress: &ProgressBar,
) -> Result<Exported, Failure> {
    let mut exported = Exported::default();
    let mut wanted = Vec::new();
    let mut names = HashSet::new();
    for manifest in manifests {
        let with_token = manifest["requiresAccessToken"] != false;
        for list in ["output", "deleted", "error", "outcome"] {
            for entry in manifest[list].as_array().into_iter().flatten() {
                let url = entry["url"].as_str().unwrap_or_default().to_owned();
                let mut name = file_name(&url)?;
                // Servers may give every file the same last segment.
                while !names.insert(name.clone()) {
                    name = format!("{}-{name}", names.len());
                }
                let expected = Expected {
                    url,
                    count: entry["count"].as_u64(),
                    size: entry["extension"]["size"].as_u64(),
                    sha256: entry["extension"]["sha256"].as_str().map(str::to_owned),
                    sha1: None,
                    with_token,
                };
                wanted.push((list, expected, out.join(name)));
            }
        }
    }
    progress.set_position(0);
    progress.set_length(wanted.iter().filter_map(|(_, expected, _)| expected.size).sum());
    let server = wanted.first().and_then(|(_, first, _)| shared::config::origin_of(&first.url));
    let mut attachments = BTreeMap::new();
    let mut fetched = stream::iter(wanted)
        .map(|(list, expected, path)| async move {
            download(session, &expected, &path, progress).await?;
            let mut noted = BTreeMap::new();
            let count = lines(&path, |text| note_attachments(text, &mut noted))?;
            if expected.count.is_some_and(|expected| expected != count) {
                return Err(Failure::new(format!(
                    "{} has {count} lines, the manifest says {:?}",
                    path.display(),
                    expected.count
                )));
            }
            Ok((list, count, std::fs::metadata(&path)?.len(), noted))
        })
        .buffer_unordered(AT_ONCE);
    while let Some(file) = fetched.next().await {
        let (list, count, bytes, noted) = file?;
        exported.files += 1;
        exported.bytes += bytes;
        match list {
            "error" | "outcome" => exported.problems += count,
            "deleted" => exported.deleted += count,
            _ => exported.resources += count,
        }
        attachments.extend(noted);
    }
    // Only what the server itself serves gets the token.
    attachments.retain(|url, _| shared::config::origin_of(url) == server);
    if !attachments.is_empty() {
        std::fs::create_dir_all(out.join("attachments"))?;
    }
    let mut fetched = stream::iter(attachments.into_values())
        .map(|expected| async move {
            let path = out.join("attachments").join(file_name(&expected.url)?);
            download(session, &expected, &path, progress).await?;
            Ok::<_, Failure>(std::fs::metadata(&path)?.len())
        })
        .buffer_unordered(AT_ONCE);
    while let Some(bytes) = fetched.next().await {
        exported.attachments += 1;
        exported.bytes += bytes?;
    }
    let pages: Vec<_> =
        manifests.iter().map(|page| serde_json::to_string_pretty(page).unwrap_or_default()).collect();
    std::fs::write(out.join("manifest.json"), pages.join("\n"))?;
    Ok(exported)
}

/// The last segment of a URL, as a name that stays in its directory.
fn file_name(url: &str) -> Result<String, Failure> {
    let url = url::Url::parse(url)
        .map_err(|_| Failure::new(format!("the manifest has a URL that is none: {url}")))?;
    let last = url.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default();
    Ok(FileName::sanitize(last).to_string())
}

async fn download(
    session: &Session,
    expected: &Expected,
    path: &Path,
    progress: &ProgressBar,
) -> Result<(), Failure> {
    if path.exists() && verify(path, expected).is_ok() {
        return Ok(());
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    progress.set_message(name.clone());
    let part = path.with_file_name(format!("{name}.part"));
    let mut problem = Failure::new("not tried");
    for attempt in 0..TRIES {
        if attempt > 0 {
            tokio::time::sleep(Duration::from_millis(200 << attempt)).await;
        }
        match piece(session, expected, &part, progress).await {
            Ok(()) => match verify(&part, expected) {
                Ok(()) => {
                    std::fs::rename(&part, path)?;
                    let _ = std::fs::remove_file(tag_of(&part));
                    return Ok(());
                }
                Err(error) => {
                    // What does not verify is not resumed.
                    let _ = std::fs::remove_file(&part);
                    problem = error;
                }
            },
            Err(error) => problem = error,
        }
    }
    Err(Failure::new(format!("{name}: {problem}")))
}

/// Where the tag of a partial file is kept: only the same file is gone on with.
fn tag_of(part: &Path) -> PathBuf {
    part.with_extension("tag")
}

/// Fetches what is missing of a file.
async fn piece(
    session: &Session,
    expected: &Expected,
    part: &Path,
    progress: &ProgressBar,
) -> Result<(), Failure> {
    let have = std::fs::metadata(part).map(|metadata| metadata.len()).unwrap_or_default();
    let tag = std::fs::read_to_string(tag_of(part)).ok().filter(|_| have > 0);
    let dress = |request: reqwest::RequestBuilder| match &tag {
        Some(tag) => request.header(RANGE, format!("bytes={have}-")).header(IF_RANGE, tag),
        None => request,
    };
    let response = match expected.with_token {
        true => session.send(Method::GET, &expected.url, dress).await?,
        false => dress(session.client.get(&expected.url)).send().await.map_err(super::smart::unreachable)?,
    };
    let response = match response.headers().get(LOCATION).and_then(|location| location.to_str().ok()) {
        // To the store, which refuses what is both signed and bears a token.
        Some(location) if response.status().is_redirection() => {
            let location =
                response.url().join(location).map_err(|_| Failure::new("a redirect to nowhere"))?;
            dress(session.client.get(location)).send().await.map_err(super::smart::unreachable)?
        }
        _ => response,
    };
    // Everything was there before, and only its end was not seen.
    if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        return Ok(());
    }
    let response = checked(response).await?;
    let resumed = response.status() == StatusCode::PARTIAL_CONTENT;
    if let Some(tag) = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()) {
        std::fs::write(tag_of(part), tag)?;
    }
    let mut options = tokio::fs::OpenOptions::new();
    let mut file = options.create(true).write(true).append(resumed).truncate(!resumed).open(part).await?;
    let mut stream = response.bytes_stream();
    while let Some(bytes) = stream.next().await {
        let bytes = bytes.map_err(super::smart::unreachable)?;
        file.write_all(&bytes).await?;
        progress.inc(bytes.len() as u64);
    }
    file.flush().await?;
    Ok(())
}

fn verify(path: &Path, expected: &Expected) -> Result<(), Failure> {
    let mut file = std::fs::File::open(path)?;
    let mut sha256 = digest::Context::new(&digest::SHA256);
    let mut sha1 = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    let (mut size, mut buffer) = (0, vec![0; 256 * 1024]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        size += read as u64;
        sha256.update(&buffer[..read]);
        if expected.sha1.is_some() {
            sha1.update(&buffer[..read]);
        }
    }
    if expected.size.is_some_and(|expected| expected != size) {
        return Err(Failure::new(format!("{size} bytes arrived, the server says {:?}", expected.size)));
    }
    if expected.sha256.as_ref().is_some_and(|expected| *expected != hex(sha256.finish().as_ref())) {
        return Err(Failure::new("the SHA-256 is not the one in the manifest"));
    }
    if expected.sha1.as_ref().is_some_and(|expected| *expected != STANDARD.encode(sha1.finish())) {
        return Err(Failure::new("the hash is not the one in the DocumentReference"));
    }
    Ok(())
}

/// Shows each line of a file; answers how many there are.
fn lines(path: &Path, mut show: impl FnMut(&[u8])) -> Result<u64, Failure> {
    use std::io::BufRead;

    let mut reader = std::io::BufReader::with_capacity(256 * 1024, std::fs::File::open(path)?);
    let (mut count, mut text) = (0, Vec::new());
    loop {
        text.clear();
        if reader.read_until(b'\n', &mut text)? == 0 {
            return Ok(count);
        }
        if !text.trim_ascii().is_empty() {
            count += 1;
            show(text.trim_ascii());
        }
    }
}

/// Notes the attachments of a resource that are files of the export.
fn note_attachments(line: &[u8], found: &mut BTreeMap<String, Expected>) {
    if memchr::memmem::find(line, b"/download/attachments/").is_none() {
        return;
    }
    let Ok(resource) = serde_json::from_slice::<Value>(line) else { return };
    collect(&resource, found);
}

fn collect(value: &Value, found: &mut BTreeMap<String, Expected>) {
    match value {
        Value::Object(object) => {
            if let Some(url) = object.get("url").and_then(Value::as_str)
                && url.contains("/download/attachments/")
            {
                let expected = Expected {
                    url: url.to_owned(),
                    size: object.get("size").and_then(Value::as_u64),
                    sha1: object.get("hash").and_then(Value::as_str).map(str::to_owned),
                    with_token: true,
                    ..Expected::default()
                };
                found.insert(url.to_owned(), expected);
            }
            object.values().for_each(|value| collect(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}
