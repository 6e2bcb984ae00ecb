//! Downloads all files of a manifest, resumes interrupted downloads, and verifies the files.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use domain::ids::FileName;
use domain::ledger::Patients;
use futures_util::stream::{self, StreamExt};
use http::header::{ETAG, IF_RANGE, LOCATION, RANGE};
use http::{Method, StatusCode};
use indicatif::ProgressBar;
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::directory::{OutputDirectory, part_of, tag_of};
use super::retry::{Repeat, Trouble};
use super::smart::{Session, checked};
use super::verify::{Expected, Verified, verify};
use crate::{Failure, private};

/// The number of files that are downloaded at the same time.
const AT_ONCE: usize = 4;
/// The number of complete downloads of a file whose verification fails.
const WHOLE_TRIES: u32 = 3;
/// The name of the directory of the attachments.
const ATTACHMENTS: &str = "attachments";
/// The file name of the manifest.
const MANIFEST: &str = "manifest.json";

/// The result of an export.
#[derive(Debug, Default)]
pub(crate) struct Exported {
    pub(crate) files: usize,
    pub(crate) attachments: usize,
    pub(crate) resources: u64,
    pub(crate) bytes: u64,
    pub(crate) problems: u64,
    /// The numbers of patients that were planned, had no record, or could not be read completely. `None` if the manifest has no ledger.
    pub(crate) patients: Option<Patients>,
    /// The number of Bundles of deleted resources.
    pub(crate) deleted: u64,
    /// The checks of the files of the manifest.
    pub(crate) files_verified: Verified,
    /// The checks of the attachments.
    pub(crate) attachments_verified: Verified,
}

/// A file of the manifest.
struct Wanted {
    /// The list of the manifest that names the file.
    list: &'static str,
    expected: Expected,
    name: String,
}

/// Downloads and verifies all files of a manifest and their attachments, several at once. Writes the manifest to the same directory.
pub(crate) async fn fetch(
    session: &Session,
    manifests: &[Value],
    directory: &mut OutputDirectory,
    progress: &ProgressBar,
) -> Result<Exported, Failure> {
    let ledger = manifests.first().map(|manifest| manifest["extension"]["ledger"]["patients"].clone());
    let patients = ledger.and_then(|patients| serde_json::from_value(patients).ok());
    let mut exported = Exported { patients, ..Exported::default() };
    let wanted = listed(manifests)?;
    let names = wanted.iter().map(|file| file.name.clone());
    directory.expect_files(names.chain([MANIFEST.to_owned()]))?;
    let (out, resumed) = (directory.path().to_owned(), directory.is_resumed());
    progress.set_position(0);
    progress.set_length(wanted.iter().filter_map(|file| file.expected.size).sum());
    let server = wanted.first().and_then(|file| settings::origin_of(&file.expected.url));
    let mut attachments = BTreeMap::new();
    let mut fetched = stream::iter(wanted)
        .map(|Wanted { list, expected, name }| {
            let path = out.join(name);
            async move {
                download(session, &expected, &path, resumed, progress).await?;
                let mut noted = BTreeMap::new();
                let count = lines(&path, |text| collect_attachments(text, &mut noted))?;
                if let Some(expected) = expected.count.filter(|expected| *expected != count) {
                    return Err(Failure::new(format!(
                        "{} has {count} lines, but {expected} according to the manifest",
                        path.display()
                    )));
                }
                Ok((list, count, bytes_of(&path)?, noted, expected.check()))
            }
        })
        .buffer_unordered(AT_ONCE);
    while let Some(file) = fetched.next().await {
        let (list, count, bytes, noted, check) = file?;
        exported.files += 1;
        exported.bytes += bytes;
        exported.files_verified.add(check);
        match list {
            "error" | "outcome" => exported.problems += count,
            "deleted" => exported.deleted += count,
            _ => exported.resources += count,
        }
        attachments.extend(noted);
    }
    // The token must not be sent to another server.
    attachments.retain(|url, _| settings::origin_of(url) == server);
    fetch_attachments(session, attachments, directory, progress, &mut exported).await?;
    let pages: Vec<_> =
        manifests.iter().map(|page| serde_json::to_string_pretty(page).unwrap_or_default()).collect();
    private::replace(&out.join(MANIFEST), pages.join("\n").as_bytes())?;
    Ok(exported)
}

/// Returns the files of the manifest's lists, each with a unique name.
fn listed(manifests: &[Value]) -> Result<Vec<Wanted>, Failure> {
    let mut wanted = Vec::new();
    let mut names = HashSet::from([MANIFEST.to_owned(), ATTACHMENTS.to_owned()]);
    for manifest in manifests {
        let with_token = manifest["requiresAccessToken"] != false;
        for list in ["output", "deleted", "error", "outcome"] {
            for entry in manifest[list].as_array().into_iter().flatten() {
                let url = entry["url"].as_str().unwrap_or_default().to_owned();
                let name = unique(file_name(&url)?, &mut names);
                let expected = Expected {
                    url,
                    count: entry["count"].as_u64(),
                    size: entry["extension"]["size"].as_u64().or(entry["fileSize"].as_u64()),
                    sha256: sha256(&entry["extension"]).map(str::to_owned),
                    sha1: None,
                    with_token,
                };
                wanted.push(Wanted { list, expected, name });
            }
        }
    }
    Ok(wanted)
}

/// Returns the hash in an entry of the manifest. Bulk Data 4.0 has an array of FHIR extensions, earlier versions an object.
fn sha256(extension: &Value) -> Option<&str> {
    let mut extensions = extension.as_array().into_iter().flatten();
    let listed = extensions.find(|extension| extension["url"] == "https://schema.org/sha256");
    listed.map_or(&extension["sha256"], |listed| &listed["valueString"]).as_str()
}

/// Downloads the attachments that the resources refer to.
async fn fetch_attachments(
    session: &Session,
    attachments: BTreeMap<String, Expected>,
    directory: &mut OutputDirectory,
    progress: &ProgressBar,
    exported: &mut Exported,
) -> Result<(), Failure> {
    if attachments.is_empty() {
        return Ok(());
    }
    let mut names = HashSet::new();
    let mut wanted = Vec::new();
    for expected in attachments.into_values() {
        let name = unique(file_name(&expected.url)?, &mut names);
        wanted.push((expected, format!("{ATTACHMENTS}/{name}")));
    }
    directory.expect_files(wanted.iter().map(|(_, name)| name.clone()))?;
    let (out, resumed) = (directory.path().to_owned(), directory.is_resumed());
    private::create_directory(&out.join(ATTACHMENTS))?;
    let mut fetched = stream::iter(wanted)
        .map(|(expected, name)| {
            let path = out.join(name);
            async move {
                download(session, &expected, &path, resumed, progress).await?;
                Ok::<_, Failure>((bytes_of(&path)?, expected.check()))
            }
        })
        .buffer_unordered(AT_ONCE);
    while let Some(file) = fetched.next().await {
        let (bytes, check) = file?;
        exported.attachments += 1;
        exported.bytes += bytes;
        exported.attachments_verified.add(check);
    }
    Ok(())
}

/// Returns the name, or a numbered variant if it is already used, because the URLs of a server may all end with the same segment.
fn unique(name: String, names: &mut HashSet<String>) -> String {
    let mut unique = name.clone();
    let mut number = 1;
    while !names.insert(unique.clone()) {
        number += 1;
        unique = format!("{number}-{name}");
    }
    unique
}

fn bytes_of(path: &Path) -> Result<u64, Failure> {
    Ok(std::fs::metadata(path).map_err(|error| Failure::of_path(path, &error))?.len())
}

/// Returns the last segment of a URL as a safe file name.
fn file_name(url: &str) -> Result<String, Failure> {
    let url =
        url::Url::parse(url).map_err(|_| Failure::new(format!("the manifest has an invalid URL: {url}")))?;
    let last = url.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default();
    Ok(FileName::sanitize(last).to_string())
}

/// Downloads a file until it is complete, and renames it to its final name if the verification succeeds.
async fn download(
    session: &Session,
    expected: &Expected,
    path: &Path,
    resumed: bool,
    progress: &ProgressBar,
) -> Result<(), Failure> {
    if resumed && path.exists() && verify(path, expected).is_ok() {
        return Ok(());
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    progress.set_message(name.clone());
    let part = part_of(path);
    let mut attempts = session.patience.attempts();
    let mut whole = 0;
    let failed = |failure: Failure| Failure::new(format!("{name}: {failure}"));
    loop {
        let before = length(&part);
        match piece(session, expected, path, progress).await {
            Ok(()) => match verify(&part, expected) {
                Ok(()) => {
                    std::fs::rename(&part, path).map_err(|error| Failure::of_path(path, &error))?;
                    let _ = std::fs::remove_file(tag_of(path));
                    return Ok(());
                }
                Err(failure) => {
                    // A file whose verification failed is not resumed.
                    let _ = std::fs::remove_file(&part);
                    whole += 1;
                    if whole >= WHOLE_TRIES {
                        return Err(failed(failure));
                    }
                }
            },
            Err(trouble) => {
                if length(&part) > before {
                    attempts.progressed();
                }
                attempts.pause(trouble).await.map_err(failed)?;
            }
        }
    }
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map(|metadata| metadata.len()).unwrap_or_default()
}

/// Downloads the missing part of a file.
async fn piece(
    session: &Session,
    expected: &Expected,
    path: &Path,
    progress: &ProgressBar,
) -> Result<(), Trouble> {
    let part = part_of(path);
    let have = length(&part);
    let tag = std::fs::read_to_string(tag_of(path)).ok().filter(|_| have > 0);
    let with_range = |request: reqwest::RequestBuilder| match &tag {
        Some(tag) => request.header(RANGE, format!("bytes={have}-")).header(IF_RANGE, tag),
        None => request,
    };
    // Object stores refuse a signed URL if the request also has a token.
    let signed = async |url: url::Url| {
        let request =
            async || with_range(session.client.get(url.clone())).send().await.map_err(Trouble::of_transport);
        session.patience.send(Repeat::Safe, request).await
    };
    let response = match expected.with_token {
        true => session.send(Method::GET, &expected.url, with_range).await?,
        false => signed(expected.url.parse().map_err(|_| Failure::new("its URL is invalid"))?).await?,
    };
    let response = match response.headers().get(LOCATION).and_then(|location| location.to_str().ok()) {
        Some(location) if response.status().is_redirection() => {
            let location = response.url().join(location);
            signed(location.map_err(|_| Failure::new("the server redirects to an invalid URL"))?).await?
        }
        _ => response,
    };
    // An earlier response was interrupted after its last byte, so the file is complete.
    if response.status() == StatusCode::RANGE_NOT_SATISFIABLE && have > 0 {
        return Ok(());
    }
    let response = checked(response).await?;
    let resumes = response.status() == StatusCode::PARTIAL_CONTENT;
    if let Some(tag) = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()) {
        private::replace(&tag_of(path), tag.as_bytes())?;
    }
    let broken = |error: std::io::Error| Failure::of_path(&part, &error);
    let mut options = tokio::fs::OpenOptions::new();
    options.create(true).write(true).append(resumes).truncate(!resumes).mode(private::FILE_MODE);
    let mut file = options.open(&part).await.map_err(broken)?;
    let mut stream = response.bytes_stream();
    let mut received = Ok(());
    while let Some(bytes) = stream.next().await {
        match bytes {
            Ok(bytes) => {
                file.write_all(&bytes).await.map_err(broken)?;
                progress.inc(bytes.len() as u64);
            }
            Err(error) => {
                received = Err(Trouble::broken(super::smart::unreachable(error)));
                break;
            }
        }
    }
    file.flush().await.map_err(broken)?;
    received
}

/// Passes each line of a file that is not empty to `show`, and returns the number of these lines.
fn lines(path: &Path, mut show: impl FnMut(&[u8])) -> Result<u64, Failure> {
    use std::io::BufRead;

    let broken = |error: std::io::Error| Failure::of_path(path, &error);
    let file = std::fs::File::open(path).map_err(broken)?;
    let mut reader = std::io::BufReader::with_capacity(256 * 1024, file);
    let (mut count, mut text) = (0, Vec::new());
    loop {
        text.clear();
        if reader.read_until(b'\n', &mut text).map_err(broken)? == 0 {
            return Ok(count);
        }
        if !text.trim_ascii().is_empty() {
            count += 1;
            show(text.trim_ascii());
        }
    }
}

/// Collects the attachments of a resource that the export contains.
fn collect_attachments(line: &[u8], found: &mut BTreeMap<String, Expected>) {
    if memchr::memmem::find(line, b"/download/attachments/").is_none() {
        return;
    }
    let Ok(resource) = serde_json::from_slice::<Value>(line) else { return };
    collect_from(&resource, found);
}

fn collect_from(value: &Value, found: &mut BTreeMap<String, Expected>) {
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
            object.values().for_each(|value| collect_from(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| collect_from(value, found)),
        _ => {}
    }
}
