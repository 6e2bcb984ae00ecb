//! The values that the loader reads from a resource: the patients to whom it belongs, and the time of its last update.

use std::borrow::Cow;
use std::ops::Range;

use fhir::compartments::paths;
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
}

/// Returns `Type/id`.
pub(super) fn key_of(resource_type: &str, id: &str) -> Vec<u8> {
    [resource_type.as_bytes(), b"/", id.as_bytes()].concat()
}

/// Returns the patients of a resource, and the references to other resources with the same patients.
pub(super) fn belongs<'a>(resource: &Arriving<'a>) -> (Vec<String>, Vec<Cow<'a, str>>) {
    let (mut homes, mut follows) = (Vec::new(), Vec::new());
    if resource.resource_type == "Patient" {
        homes.push(resource.id.to_owned());
    }
    // This element names the resource that determines the access to a Binary (FHIR R4, Binary.securityContext).
    let own: &[&str] = if resource.resource_type == "Binary" { &["securityContext"] } else { &[] };
    for path in paths(resource.resource_type).iter().chain(own) {
        let (name, rest) = path.split_once('.').map_or((*path, None), |(name, rest)| (name, Some(rest)));
        let Some(value) = resource.members.get(name.as_bytes()) else { continue };
        targets(resource.plain, value, rest, &mut |target| {
            let Some(reference) = parse(&target) else { return };
            if reference.resource_type == "Patient" {
                homes.push(reference.id.to_owned());
            } else if matches!(resource.resource_type, "Binary" | "Provenance") {
                follows.push(Cow::Owned(reference.text.to_owned()));
            }
        });
    }
    homes.sort_unstable();
    homes.dedup();
    follows.sort_unstable();
    follows.dedup();
    (homes, follows)
}

/// Passes the references at the rest of a dotted path to `show`. The function searches lists on the path.
fn targets<'a>(text: &'a [u8], value: Range<usize>, path: Option<&str>, show: &mut dyn FnMut(Cow<'a, str>)) {
    let (name, rest) = match path {
        None => ("reference", None),
        Some(path) => {
            path.split_once('.').map_or((path, Some(None)), |(name, rest)| (name, Some(Some(rest))))
        }
    };
    json::elements(text, value, |element| {
        let Some(value) = json::member(text, element, name.as_bytes()) else { return };
        match rest {
            Some(rest) => targets(text, value, rest, show),
            None => {
                if let Some(target) = json::string(text, value) {
                    show(target);
                }
            }
        }
    });
}

/// Returns `meta.lastUpdated` in milliseconds since 1970; the smallest number if there is none.
pub(super) fn updated(resource: &Arriving<'_>) -> i64 {
    let text = resource.plain;
    let value = resource.members.get(b"meta").and_then(|meta| json::member(text, meta, b"lastUpdated"));
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
