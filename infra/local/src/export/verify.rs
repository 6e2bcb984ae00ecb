//! Compares downloaded files with the sizes and hashes from the server, and counts the kinds of checks.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::Path;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::clock::hex;
use http::HeaderValue;
use url::Url;

use crate::Failure;

/// The kind of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file of the manifest with resources of this type, or of several types.
    Resources { resource_type: Option<String> },
    Attachment {
        content_type: Option<String>,
        /// Whether the server made the attachment for the export. Otherwise it is a document of a FHIR server, which may refuse it.
        is_of_export: bool,
    },
}

impl Kind {
    /// Returns the value of `Accept` in the request for the file.
    pub(super) fn accept(&self) -> HeaderValue {
        let any = HeaderValue::from_static("*/*");
        match self {
            Self::Resources { .. } => HeaderValue::from_static("application/fhir+ndjson"),
            Self::Attachment { content_type: Some(content_type), .. } if content_type.contains('/') => {
                HeaderValue::try_from(format!("{content_type}, */*;q=0.5")).unwrap_or(any)
            }
            Self::Attachment { .. } => any,
        }
    }
}

/// The properties of a file according to the server.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) url: Url,
    pub(super) kind: Kind,
    /// The number of lines that are not empty.
    pub(super) count: Option<u64>,
    pub(super) size: Option<u64>,
    pub(super) sha256: Option<String>,
    /// The SHA-1 in base64, as in FHIR attachments.
    pub(super) sha1: Option<String>,
    /// Whether the request needs the token. Otherwise the URL is signed or public.
    pub(super) with_token: bool,
    /// The position of the file in the manifest, by which the server gives another URL if a signed one has expired.
    pub(super) position: Option<usize>,
}

impl Expected {
    /// Returns the strongest check that is possible for the file.
    pub(super) fn check(&self) -> Check {
        match self {
            Self { sha256: Some(_), .. } => Check::Sha256,
            Self { sha1: Some(_), .. } => Check::Sha1,
            Self { size: Some(_), .. } => Check::Size,
            Self { count: Some(_), .. } => Check::Lines,
            _ => Check::Nothing,
        }
    }
}

/// The kind of check by which a file was verified. The strongest is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    Sha256,
    Sha1,
    Size,
    Lines,
    Nothing,
}

impl fmt::Display for Check {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Sha256 => "verified by SHA-256",
            Self::Sha1 => "verified by SHA-1",
            Self::Size => "by size only, because the server gives no hash for them",
            Self::Lines => "by number of lines only, because the server gives no hash and no size for them",
            Self::Nothing => "not verified, because the server gives no hash, size or count for them",
        })
    }
}

/// The number of files for each kind of check.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Verified(BTreeMap<Check, usize>);

impl Verified {
    pub(super) fn add(&mut self, check: Check) {
        *self.0.entry(check).or_default() += 1;
    }

    /// Returns a phrase for each kind of check, such as `12 files verified by SHA-256`.
    pub(crate) fn phrases(&self, noun: &str) -> impl Iterator<Item = String> {
        self.0.iter().map(move |(check, number)| {
            let plural = if *number == 1 { "" } else { "s" };
            format!("{number} {noun}{plural} {check}")
        })
    }
}

/// Compares a file's size, hashes and number of lines with the expected ones.
pub(super) fn verify(path: &Path, expected: &Expected) -> Result<(), Failure> {
    let broken = |error: std::io::Error| Failure::of_path(path, &error);
    let mut file = std::fs::File::open(path).map_err(broken)?;
    let mut sha256 = digest::Context::new(&digest::SHA256);
    let mut sha1 = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    let (mut size, mut buffer) = (0, vec![0; 256 * 1024]);
    let mut lines = LineCounter::default();
    loop {
        let read = file.read(&mut buffer).map_err(broken)?;
        if read == 0 {
            break;
        }
        if size == 0 {
            check_kind(&buffer[..read], &expected.kind)?;
        }
        size += read as u64;
        if expected.count.is_some() {
            lines.add(&buffer[..read]);
        }
        if expected.sha256.is_some() {
            sha256.update(&buffer[..read]);
        }
        if expected.sha1.is_some() {
            sha1.update(&buffer[..read]);
        }
    }
    if let Some(expected) = expected.size.filter(|expected| *expected != size) {
        return Err(Failure::new(format!(
            "{size} bytes were received, but the size is {expected} according to the server"
        )));
    }
    if expected.sha256.as_ref().is_some_and(|expected| *expected != hex(sha256.finish().as_ref())) {
        return Err(Failure::new("the SHA-256 is not the one in the manifest"));
    }
    if expected.sha1.as_ref().is_some_and(|expected| *expected != STANDARD.encode(sha1.finish())) {
        return Err(Failure::new("the hash is not the one in the resource"));
    }
    if let Some(expected) = expected.count.filter(|expected| *expected != lines.count) {
        return Err(Failure::new(format!(
            "it has {} lines, but {expected} according to the manifest",
            lines.count
        )));
    }
    Ok(())
}

/// Counts the lines that are not empty.
#[derive(Debug, Default)]
struct LineCounter {
    count: u64,
    /// Whether the last line, which may continue, is counted.
    is_counted: bool,
}

impl LineCounter {
    fn add(&mut self, bytes: &[u8]) {
        for (number, part) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if number > 0 {
                self.is_counted = false;
            }
            if !self.is_counted && !part.trim_ascii().is_empty() {
                self.is_counted = true;
                self.count += 1;
            }
        }
    }
}

/// Returns an error if a file of another type is a Binary resource: some servers send the lines as its base64.
fn check_kind(beginning: &[u8], kind: &Kind) -> Result<(), Failure> {
    let Kind::Resources { resource_type: Some(resource_type) } = kind else { return Ok(()) };
    if resource_type == "Binary" || !is_binary(beginning) {
        return Ok(());
    }
    Err(Failure::new(
        "the server sent a Binary resource instead of the lines of the file, so it does not support 'Accept: application/fhir+ndjson'",
    ))
}

/// Returns whether the text begins with a Binary resource. Only members before `resourceType` that are neither lists nor objects are read.
fn is_binary(text: &[u8]) -> bool {
    let name = b"\"resourceType\"";
    let Some(at) = memchr::memmem::find(text, name) else { return false };
    let is_outer = text[..at].iter().filter(|byte| matches!(byte, b'{' | b'[')).count() == 1;
    let value = text[at + name.len()..].trim_ascii_start().strip_prefix(b":");
    is_outer && value.is_some_and(|value| value.trim_ascii_start().starts_with(b"\"Binary\""))
}

#[cfg(test)]
mod tests;
