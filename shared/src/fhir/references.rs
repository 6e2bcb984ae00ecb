//! The references that a resource's line contains.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::json;
use crate::domain::ids::{is_fhir_id, is_type_name};

static REFERENCE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"reference\""));

/// A `Type/id` reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference<'a> {
    pub resource_type: &'a str,
    pub id: &'a str,
    /// `Type/id` as it stands in the text.
    pub text: &'a str,
}

/// Reads `Type/id`, also at the end of an absolute URL or before `/_history/…`. Anything else, such as
/// `#contained`, `urn:uuid:…` or a search, is none.
pub fn parse(text: &str) -> Option<Reference<'_>> {
    // Most are plain: searching for more is for the few that have it.
    let slash = memchr::memchr(b'/', text.as_bytes())?;
    let is_plain = memchr::memchr(b'/', &text.as_bytes()[slash + 1..]).is_none();
    let text = if is_plain { text } else { text.split_once("/_history/").map_or(text, |(before, _)| before) };
    let (before, id) = if is_plain { (&text[..slash], &text[slash + 1..]) } else { text.rsplit_once('/')? };
    let start = if is_plain { 0 } else { before.rfind('/').map_or(0, |slash| slash + 1) };
    let resource_type = &before[start..];
    let absolute = before.starts_with("http://") || before.starts_with("https://");
    let known_form = start == 0 || absolute;
    (known_form && is_type_name(resource_type) && is_fhir_id(id)).then(|| Reference {
        resource_type,
        id,
        text: &text[start..],
    })
}

/// Shows the range of every `"reference"` member's string value in a line that was checked, quotes included.
pub fn reference_values(line: &[u8], mut visit: impl FnMut(Range<usize>)) {
    for at in REFERENCE.find_iter(line) {
        let mut at = at + b"\"reference\"".len();
        // A string that happens to be "reference" is not followed by a colon.
        let skip_space = |at: &mut usize| {
            while matches!(line.get(*at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
                *at += 1;
            }
        };
        skip_space(&mut at);
        if line.get(at) != Some(&b':') {
            continue;
        }
        at += 1;
        skip_space(&mut at);
        if line.get(at) != Some(&b'"') {
            continue;
        }
        let content = &line[at + 1..];
        // An escaped quote inside would cut the value short; such a text is no reference anyway.
        let Some(length) = memchr::memchr(b'"', content) else { continue };
        visit(at..at + length + 2);
    }
}

/// Shows every `Type/id` reference of a line that was checked.
pub fn references<'a>(line: &'a [u8], mut visit: impl FnMut(Reference<'a>)) {
    reference_values(line, |value| {
        if let Some(reference) = json::plain_string(line, value).and_then(parse) {
            visit(reference);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_at_any_depth_and_nothing_else_is() {
        let line = br##"{"resourceType":"Claim","subject":{"reference" : "Patient/1"},"x":"reference","y":["\"reference\":\"Patient/no\""],
            "contained":[{"a":{"reference":"http://h/fhir/Practitioner/p.1/_history/2"}}],"b":{"reference":"#c"},"d":{"reference":"urn:uuid:1"},
            "e":{"reference":"Practitioner?identifier=1"},"f":{"reference":7},"g":{"reference":"../Organization/x"}}"##;
        let mut found = Vec::new();
        references(line, |reference| found.push(reference.text));
        assert_eq!(found, ["Patient/1", "Practitioner/p.1"]);
    }
}
