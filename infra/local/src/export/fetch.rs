//! Downloads all files of a manifest and their attachments, and counts what they contain.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use futures_util::stream::{self, StreamExt};
use indicatif::ProgressBar;
use url::Url;

use super::attachments::{ATTACHMENTS, Attachments, FileServers, fetch_attachments};
use super::directory::OutputDirectory;
use super::download::{AT_ONCE, Downloads, Fetched};
use super::exported::{Exported, Names, bytes_of};
use super::manifest::{ManifestPage, Wanted, joined, listed};
use super::signed_urls::SignedUrls;
use super::smart::Session;
use super::verify::Check;
use crate::{Failure, private};

/// The file name of the manifest.
const MANIFEST: &str = "manifest.json";
/// The maximum length of a line that is searched for attachments, in bytes.
const MAX_LINE: usize = 64 * 1024 * 1024;

/// Downloads and verifies all files of a manifest and their attachments, several at once. Writes the manifest to the same directory.
pub(crate) async fn fetch(
    session: &Session,
    base: &Url,
    manifest: &[ManifestPage],
    directory: &mut OutputDirectory,
    progress: &ProgressBar,
) -> Result<Exported, Failure> {
    let ledger = manifest.first().map(|first| first.body["extension"]["ledger"]["patients"].clone());
    let patients = ledger.and_then(|patients| serde_json::from_value(patients).ok());
    let mut exported = Exported { patients, ..Exported::default() };
    let wanted = listed(manifest, base, Names::reserving([MANIFEST, ATTACHMENTS]))?;
    let names = wanted.iter().map(|file| file.name.clone());
    directory.expect_files(names.chain([MANIFEST.to_owned()]))?;
    let (out, is_resumed) = (directory.path().to_owned(), directory.is_resumed());
    progress.set_position(0);
    progress.set_length(wanted.iter().filter_map(|file| file.expected.size).sum());
    let urls = manifest.first().map(|first| SignedUrls::new(session, first.url().clone(), &wanted));
    let is_failing = AtomicBool::new(false);
    let downloads = Downloads { session, progress, urls: urls.as_ref(), is_resumed, is_failing: &is_failing };
    let servers = Arc::new(file_servers(&wanted));
    let mut attachments = Attachments::new(base, &servers);
    let mut fetched = stream::iter(wanted)
        .map(|file| {
            let (path, found) = (out.join(&file.name), Attachments::new(base, &servers));
            async move { fetch_file(downloads, &file, &path, found).await }
        })
        .buffer_unordered(AT_ONCE);
    while let Some(file) = fetched.next().await {
        attachments.extend(file?.count_in(&mut exported));
    }
    fetch_attachments(downloads, attachments, directory, &mut exported).await?;
    let text = serde_json::to_string_pretty(&joined(manifest));
    let text = text.map_err(|error| Failure::new(error.to_string()))?;
    private::replace(&out.join(MANIFEST), text.as_bytes())?;
    Ok(exported)
}

fn file_servers(files: &[Wanted]) -> FileServers {
    let mut servers = FileServers::new();
    for Wanted { expected, .. } in files {
        *servers.entry(expected.url.origin()).or_default() |= expected.with_token;
    }
    servers
}

/// A downloaded file, and what it contains.
struct FetchedFile {
    list: &'static str,
    check: Check,
    bytes: u64,
    lines: Lines,
    attachments: Attachments,
}

async fn fetch_file(
    downloads: Downloads<'_>,
    Wanted { list, expected, name }: &Wanted,
    path: &Path,
    mut attachments: Attachments,
) -> Result<FetchedFile, Failure> {
    if let Fetched::Missing(failure) = downloads.download(expected, path).await? {
        return Err(Failure::new(format!("{name}: {failure}")));
    }
    let lines = read_lines(path, MAX_LINE, |line| attachments.collect(line))?;
    Ok(FetchedFile { list, check: expected.check(), bytes: bytes_of(path)?, lines, attachments })
}

impl FetchedFile {
    /// Adds the file to the result of the export, and returns its attachments.
    fn count_in(self, exported: &mut Exported) -> Attachments {
        exported.files += 1;
        exported.bytes += self.bytes;
        exported.files_verified.add(self.check);
        exported.long_lines += self.lines.long;
        match self.list {
            "error" | "outcome" => exported.problems += self.lines.count,
            "deleted" => exported.deleted += self.lines.count,
            _ => exported.resources += self.lines.count,
        }
        self.attachments
    }
}

/// The numbers of lines of a file that are not empty.
#[derive(Debug, Default, PartialEq, Eq)]
struct Lines {
    count: u64,
    /// Those that are longer than the limit.
    long: u64,
}

/// Passes each line that is not empty, and not longer than `limit`, to `show`, and counts the lines.
fn read_lines(path: &Path, limit: usize, mut show: impl FnMut(&[u8])) -> Result<Lines, Failure> {
    use std::io::{BufRead, Read};

    let broken = |error: std::io::Error| Failure::of_path(path, &error);
    let file = std::fs::File::open(path).map_err(broken)?;
    let mut reader = std::io::BufReader::with_capacity(256 * 1024, file);
    let (mut lines, mut text) = (Lines::default(), Vec::new());
    loop {
        text.clear();
        // One byte more than the limit shows that the line is longer.
        if reader.by_ref().take(limit as u64 + 1).read_until(b'\n', &mut text).map_err(broken)? == 0 {
            return Ok(lines);
        }
        let is_long = text.len() > limit && !text.ends_with(b"\n");
        if is_long {
            reader.skip_until(b'\n').map_err(broken)?;
        }
        if is_long || !text.trim_ascii().is_empty() {
            lines.count += 1;
            lines.long += u64::from(is_long);
        }
        if !is_long && !text.trim_ascii().is_empty() {
            show(text.trim_ascii());
        }
    }
}

#[cfg(test)]
mod tests;
