//! A resource that was read, and the values that the loader reads from it.

use std::sync::Arc;

use fhir::head::Members;
use fhir::ids::is_fhir_id;
use fhir::json;
use fhir::references::parse;
use jiff::Timestamp;

use super::report::Place;

/// A resource that was read and is not sorted yet.
pub(super) struct Arriving<'a> {
    pub(super) number: u64,
    pub(super) place: Place,
    /// The rank among versions with the same time. The version with the highest rank is kept.
    pub(super) rank: u64,
    pub(super) resource_type: &'a str,
    pub(super) id: &'a str,
    /// The text that is written.
    pub(super) text: &'a [u8],
    /// The text in its plain spelling, which the loader reads.
    pub(super) plain: &'a [u8],
    /// The members of `plain`.
    pub(super) members: &'a Members<'a>,
    /// The patient in whose directory of the lake the resource was found.
    pub(super) directory: Option<Arc<str>>,
}

/// Returns `Type/id`.
pub(super) fn key_of(resource_type: &str, id: &str) -> Vec<u8> {
    [resource_type.as_bytes(), b"/", id.as_bytes()].concat()
}

/// Returns `meta.lastUpdated` in milliseconds since 1970; the smallest number if there is none.
pub(super) fn updated(text: &[u8], members: &Members<'_>) -> i64 {
    let value = members.get(b"meta").and_then(|meta| json::member(text, meta, b"lastUpdated"));
    let at = value.and_then(|value| json::string(text, value)?.parse::<Timestamp>().ok());
    at.map_or(i64::MIN, Timestamp::as_millisecond)
}

/// Returns the id in an entry's full URL, for a resource without an id.
pub(super) fn id_of(url: &str) -> Option<String> {
    let id = url.strip_prefix("urn:uuid:").or_else(|| parse(url).map(|reference| reference.id))?;
    is_fhir_id(id).then(|| id.to_owned())
}

pub(super) fn insert_id(text: &[u8], id: &str) -> Vec<u8> {
    let mut with_id = format!("{{\"id\":\"{id}\",").into_bytes();
    let after_brace = text.iter().position(|byte| *byte == b'{').map_or(0, |at| at + 1);
    with_id.extend_from_slice(&text[after_brace..]);
    with_id
}

/// Returns whether an object is the manifest of a bulk export (Bulk Data 2.0, output manifest).
pub(super) fn is_manifest(text: &[u8]) -> bool {
    let has = |name: &[u8]| json::member(text, 0..text.len(), name).is_some();
    has(b"transactionTime") && has(b"output") && !has(b"resourceType")
}

/// Returns whether an object is a line of the directory `deleted/` of a lake. No resource has this element at its root.
pub(super) fn is_deletion(text: &[u8], members: &Members<'_>) -> bool {
    members.get(b"deleted").is_some_and(|value| json::string(text, value).is_some())
}
