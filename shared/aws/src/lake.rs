//! The keys of a lake in a bucket.

use domain::error::{Error, Result, Store};
use domain::ids::PatientId;
use domain::ports::records::{Part, Parts};
use storage::layout::{DOCUMENTS, Directory, PATIENTS, is_stray};

use crate::objects::{Bucket, Listed};

/// Returns [`Error::Unavailable`] if the lake has no key below `Patient/`. Such a lake was moved or is not loaded yet. In S3
/// it cannot be distinguished from an empty lake, so exports wait for it.
pub(super) async fn check_lake(bucket: &Bucket) -> Result<()> {
    match bucket.walk(&format!("{PATIENTS}/"), None).next().await? {
        Some(_) => Ok(()),
        None => Err(Error::unavailable("the lake has no key below Patient/").of_store(Store::Records)),
    }
}

/// Returns the part of a key behind `Patient/`.
fn below_patients(key: &str) -> Option<&str> {
    key.strip_prefix(PATIENTS)?.strip_prefix('/')
}

/// Splits a key `Patient/<id>/…` into the patient and the rest.
pub(super) fn split(key: &str) -> Option<(PatientId, &str)> {
    let (id, rest) = below_patients(key)?.split_once('/')?;
    Some((PatientId::parse(id).ok()?, rest))
}

/// Returns the directory of an object below a patient's prefix, and its name there, or `None` if it is not listed.
fn directory(rest: &str, size: u64) -> Option<(Directory, &str)> {
    let (directory, name) = match rest.split_once('/') {
        Some((DOCUMENTS, name)) => (Directory::Documents, name),
        _ => (Directory::Record, rest),
    };
    directory.lists(name, size == 0).then_some((directory, name))
}

/// Returns whether an object below a patient's prefix is listed.
pub(super) fn is_part(listed: &Listed) -> bool {
    split(&listed.key).is_some_and(|(_, rest)| directory(rest, listed.size).is_some())
}

/// Adds an object below a patient's prefix to the patient's files, if it is listed.
pub(super) fn part(listed: Listed, parts: &mut Parts) {
    let Listed { key, size: bytes, changed, .. } = listed;
    let Some((directory, name)) = split(&key).and_then(|(_, rest)| directory(rest, bytes)) else { return };
    let list = match directory {
        Directory::Documents => &mut parts.documents,
        Directory::Record | Directory::Area(_) => &mut parts.records,
    };
    list.push(Part { name: name.to_owned(), bytes, changed });
}

/// Returns the entry directly below `Patient/` to which a key belongs, if the entry is not a patient's directory.
pub(super) fn stray(key: &str, size: u64) -> Option<&str> {
    let rest = below_patients(key)?;
    let (name, is_directory) = rest.split_once('/').map_or((rest, false), |(name, _)| (name, true));
    is_stray(name, is_directory, size == 0).then_some(name)
}
