//! Compares downloaded files with the sizes and hashes from the server, and counts the kinds of checks.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::Path;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::clock::hex;

use crate::Failure;

/// The properties of a file according to the server.
#[derive(Debug, Clone, Default)]
pub(super) struct Expected {
    pub(super) url: String,
    pub(super) count: Option<u64>,
    pub(super) size: Option<u64>,
    pub(super) sha256: Option<String>,
    /// The SHA-1 in base64, as in FHIR attachments.
    pub(super) sha1: Option<String>,
    /// Whether the request needs the token. Otherwise the URL is signed or public.
    pub(super) with_token: bool,
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

/// Compares a file's size and hashes with the expected ones.
pub(super) fn verify(path: &Path, expected: &Expected) -> Result<(), Failure> {
    let broken = |error: std::io::Error| Failure::of_path(path, &error);
    let mut file = std::fs::File::open(path).map_err(broken)?;
    let mut sha256 = digest::Context::new(&digest::SHA256);
    let mut sha1 = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    let (mut size, mut buffer) = (0, vec![0; 256 * 1024]);
    loop {
        let read = file.read(&mut buffer).map_err(broken)?;
        if read == 0 {
            break;
        }
        size += read as u64;
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
        return Err(Failure::new("the hash is not the one in the DocumentReference"));
    }
    Ok(())
}
