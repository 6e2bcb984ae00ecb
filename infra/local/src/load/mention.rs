//! The elements that name a patient without a reference `Patient/id`: by an identifier, by a search, by a contained resource or by a
//! display text. Patients are found by the first two, if system and value of an identifier are the same.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use fhir::compartments::FURTHER_PATHS;
use fhir::head::Members;
use fhir::ids::is_type_name;
use fhir::json;

use super::arriving::Arriving;
use super::report::shortened;
use super::spill::put_text;

/// The elements that name the subject of a resource, besides the [`FURTHER_PATHS`]. Other elements, such as performers, often name other
/// people.
const SUBJECTS: [&str; 1] = ["candidate"];

/// Returns whether the subject of a type is often not a patient: that of a contract, of a product, or of a definition.
fn has_other_subjects(resource_type: &str) -> bool {
    let is_definition =
        resource_type.ends_with("Definition") || resource_type.starts_with("MedicinalProduct");
    is_definition || matches!(resource_type, "Contract" | "Library" | "Measure")
}

/// An identifier with system and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identifier {
    system: String,
    value: String,
}

impl Identifier {
    fn new(system: &str, value: &str) -> Option<Self> {
        let is_complete = !system.is_empty() && !value.is_empty();
        is_complete.then(|| Self { system: system.to_owned(), value: value.to_owned() })
    }

    fn read(text: &[u8], identifier: Range<usize>) -> Option<Self> {
        let string = |name: &[u8]| {
            json::member(text, identifier.clone(), name).and_then(|value| json::string(text, value))
        };
        Self::new(&string(b"system")?, &string(b"value")?)
    }

    /// Returns the identifier of a search `Patient?identifier=system|value`. A search with other or several parameters, or with several
    /// values, has none.
    fn searched(search: &str) -> Option<Self> {
        let (_, query) = search.split_once('?')?;
        let mut parameters = url::form_urlencoded::parse(query.as_bytes());
        let (name, token) = parameters.next()?;
        if name != "identifier" || parameters.next().is_some() {
            return None;
        }
        // A backslash escapes the separators `|` and `,` (FHIR R4, 3.1.1.4.0.1).
        let (mut parts, mut characters) = (vec![String::new()], token.chars());
        while let Some(character) = characters.next() {
            match (character, parts.last_mut()?) {
                ('|', _) => parts.push(String::new()),
                (',', _) => return None,
                ('\\', part) => part.extend(characters.next()),
                (other, part) => part.push(other),
            }
        }
        let [system, value] = &parts[..] else { return None };
        Self::new(system, value)
    }

    /// Returns the identifier as one text.
    pub(super) fn key(&self) -> Vec<u8> {
        let mut key = Vec::new();
        put_text(&mut key, self.system.as_bytes());
        key.extend_from_slice(self.value.as_bytes());
        key
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}|{}", shortened(&self.system), shortened(&self.value))
    }
}

/// Returns the keys of the identifiers of a Patient.
pub(super) fn identifiers(text: &[u8], members: &Members<'_>) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    if let Some(value) = members.get(b"identifier") {
        json::elements(text, value, |element| {
            keys.extend(Identifier::read(text, element).map(|identifier| identifier.key()));
        });
    }
    keys
}

/// An element that may name a patient, but has no reference `Type/id`.
pub(super) struct Mention {
    /// The identifier by which the patient can be found.
    pub(super) identifier: Option<Identifier>,
    /// Whether the element names the subject of the resource.
    pub(super) is_subject: bool,
    /// Whether the element names a patient, as far as the loader knows. The identifier of a performer may be that of a practitioner.
    pub(super) is_of_patient: bool,
    /// The path of the element, and how it names the patient.
    pub(super) text: String,
    /// Where the reference is written: at the value of `reference`, or behind the brace of an element without one.
    place: Range<usize>,
}

impl Mention {
    /// Reads an element of a resource. Returns `None` if it names no patient.
    pub(super) fn read(resource: &Arriving<'_>, path: &str, element: Range<usize>) -> Option<Self> {
        let text = resource.plain;
        let value = |name: &[u8]| json::member(text, element.clone(), name);
        let string = |name: &[u8]| {
            value(name).and_then(|value| json::string(text, value)).filter(|value| !value.trim().is_empty())
        };
        let reference = string(b"reference");
        let reference = reference.as_deref();
        let referred = reference.and_then(|reference| match reference.strip_prefix('#') {
            Some(id) => contained_type(resource, id),
            None => type_in(reference).map(Cow::Borrowed),
        });
        let of = referred.or_else(|| string(b"type"));
        // `Reference.type` is the name of a type, or its URL.
        if of.as_ref().is_some_and(|of| of.rsplit('/').next() != Some("Patient")) {
            return None;
        }
        let is_subject = path
            .rsplit('.')
            .next()
            .is_some_and(|name| SUBJECTS.contains(&name) || FURTHER_PATHS.contains(&name));
        let is_of_patient = of.is_some() || (is_subject && !has_other_subjects(resource.resource_type));
        let own = || Identifier::read(text, value(b"identifier")?);
        let identifier = match reference {
            Some(reference) if reference.starts_with('#') => None,
            Some(reference) => Identifier::searched(reference).or_else(own),
            None => own(),
        };
        let how = match (&identifier, reference) {
            (Some(identifier), _) => format!("the identifier {identifier}"),
            (None, _) if !is_of_patient => return None,
            (None, Some(reference)) => referring(reference),
            (None, None) if value(b"identifier").is_some() => {
                "an identifier without a system or without a value".to_owned()
            }
            (None, None) if string(b"display").is_some() => "only a display text".to_owned(),
            (None, None) if of.is_some() => "only a type".to_owned(),
            (None, None) => return None,
        };
        let place = value(b"reference").unwrap_or(element.start + 1..element.start + 1);
        Some(Self { identifier, is_subject, is_of_patient, text: format!("{path} has {how}"), place })
    }
}

/// Describes a reference that names a patient and is not resolved.
fn referring(reference: &str) -> String {
    let shown = shortened(reference);
    if reference.starts_with('#') {
        return format!("the contained resource '{shown}'");
    }
    if reference.contains('?') {
        return format!("the search '{shown}': only 'Patient?identifier=system|value' is resolved");
    }
    format!("the reference '{shown}', which is not resolved")
}

/// Returns the type of a contained resource.
fn contained_type<'a>(resource: &Arriving<'a>, id: &str) -> Option<Cow<'a, str>> {
    let (text, mut found) = (resource.plain, None);
    json::elements(text, resource.members.get(b"contained")?, |element| {
        let string = |name: &[u8]| {
            json::member(text, element.clone(), name).and_then(|value| json::string(text, value))
        };
        if string(b"id").is_some_and(|of| of == id) {
            found = string(b"resourceType");
        }
    });
    found
}

/// Returns the type that a search, or a reference with an id that is not valid, names.
fn type_in(reference: &str) -> Option<&str> {
    let path = match reference.split_once('?') {
        Some((path, _)) => path,
        None => {
            let before = reference.split_once("/_history/").map_or(reference, |(before, _)| before);
            before.rsplit_once('/')?.0
        }
    };
    path.rsplit('/').next().filter(|name| is_type_name(name))
}

/// Returns the text with references to these patients in the places of these elements.
pub(super) fn with_references(text: &[u8], mut found: Vec<(&Mention, &str)>) -> Vec<u8> {
    found.sort_by_key(|(mention, _)| mention.place.start);
    let (mut written, mut copied) = (Vec::with_capacity(text.len()), 0);
    for (Mention { place, .. }, patient) in found {
        written.extend_from_slice(&text[copied..place.start]);
        written.extend_from_slice(&match place.is_empty() {
            true => format!("\"reference\":\"Patient/{patient}\",").into_bytes(),
            false => format!("\"Patient/{patient}\"").into_bytes(),
        });
        copied = place.end;
    }
    written.extend_from_slice(&text[copied..]);
    written
}

#[cfg(test)]
mod tests;
