//! Downloads all files of a manifest and their attachments, and counts what they contain.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use futures_util::stream::{self, StreamExt};
use indicatif::ProgressBar;
use serde_json::Value;

use super::attachments::{ATTACHMENTS, collect_attachments, fetch_attachments};
use super::directory::OutputDirectory;
use super::download::{AT_ONCE, Fetched, download};
use super::exported::{Exported, bytes_of, file_name, unique};
use super::smart::Session;
use super::verify::Expected;
use crate::{Failure, private};

/// The file name of the manifest.
const MANIFEST: &str = "manifest.json";

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
            let path = out.join(&name);
            async move {
                if let Fetched::Missing(failure) =
                    download(session, &expected, &path, resumed, progress).await?
                {
                    return Err(Failure::new(format!("{name}: {failure}")));
                }
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
