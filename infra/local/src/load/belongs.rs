//! The patients of a resource, as far as the resource itself names them.

use std::ops::Range;

use fhir::compartments::{further_paths, paths};
use fhir::json;
use fhir::references::parse;

use super::arriving::Arriving;
use super::mention::Mention;

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
