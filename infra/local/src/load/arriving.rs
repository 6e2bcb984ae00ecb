//! The values that the loader reads from a resource: the patients to whom it belongs, and the time of its last update.

use std::ops::Range;
use std::sync::Arc;

use fhir::compartments::{further_paths, paths};
use fhir::head::Members;
use fhir::ids::is_fhir_id;
use fhir::json;
use fhir::references::parse;
use jiff::Timestamp;

use super::mention::Mention;
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

/// The patients of a resource.
#[derive(Default)]
pub(super) struct Belongs {
    /// The ids of the patients.
    pub(super) homes: Vec<String>,
    /// The references to other resources with the same patients.
    pub(super) follows: Vec<String>,
    /// The elements that name a patient in another way.
    pub(super) mentions: Vec<Mention>,
}

impl Belongs {
    /// Adds what the elements at a dotted path name.
    fn read(&mut self, resource: &Arriving<'_>, path: &str) {
        let text = resource.plain;
        let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        let Some(value) = resource.members.get(name.as_bytes()) else { return };
        elements_at(text, value, rest, &mut |element| {
            let value = json::member(text, element.clone(), b"reference");
            let target = value.and_then(|value| json::string(text, value));
            // The value of a search can look like a `Type/id`.
            match target.as_deref().filter(|target| !target.contains('?')).and_then(parse) {
                Some(reference) if reference.resource_type == "Patient" => {
                    self.homes.push(reference.id.to_owned());
                }
                Some(reference) if matches!(resource.resource_type, "Binary" | "Provenance") => {
                    self.follows.push(reference.text.to_owned());
                }
                Some(_) => {}
                None => self.mentions.extend(Mention::read(resource, path, element)),
            }
        });
    }

    /// Returns whether the resource names a patient, but only in a way that is not a reference.
    pub(super) fn names_nobody_else(&self) -> bool {
        let has_none = self.homes.is_empty() && self.follows.is_empty();
        has_none && self.mentions.iter().any(|mention| mention.is_of_patient)
    }
}

/// Returns `Type/id`.
pub(super) fn key_of(resource_type: &str, id: &str) -> Vec<u8> {
    [resource_type.as_bytes(), b"/", id.as_bytes()].concat()
}

/// Returns the patients of a resource, as far as the resource itself names them.
pub(super) fn belongs(resource: &Arriving<'_>) -> Belongs {
    let mut found = Belongs::default();
    if resource.resource_type == "Patient" {
        found.homes.push(resource.id.to_owned());
    }
    // This element names the resource that determines the access to a Binary (FHIR R4, Binary.securityContext).
    let own: &[&str] = if resource.resource_type == "Binary" { &["securityContext"] } else { &[] };
    for path in paths(resource.resource_type).iter().chain(own) {
        found.read(resource, path);
    }
    if found.homes.is_empty() {
        for path in further_paths(resource.resource_type) {
            found.read(resource, path);
        }
    }
    found.homes.sort_unstable();
    found.homes.dedup();
    found.follows.sort_unstable();
    found.follows.dedup();
    found
}

/// Passes the elements at the rest of a dotted path to `show`. The function searches lists on the path.
fn elements_at(text: &[u8], value: Range<usize>, path: Option<&str>, show: &mut dyn FnMut(Range<usize>)) {
    json::elements(text, value, |element| {
        let Some(path) = path else { return show(element) };
        let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        if let Some(value) = json::member(text, element, name.as_bytes()) {
            elements_at(text, value, rest, show);
        }
    });
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
