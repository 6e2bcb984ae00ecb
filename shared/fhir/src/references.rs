//! Finds and parses the references in the line of a resource.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::ids::{is_fhir_id, is_type_name};
use crate::json;

static REFERENCE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"reference\""));

/// A `Type/id` reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference<'a> {
    pub resource_type: &'a str,
    pub id: &'a str,
    /// `Type/id` as it is written in the text.
    pub text: &'a str,
}

/// Parses `Type/id`, also at the end of an absolute URL or before `/_history/…`. Returns `None` for anything else, such
/// as `#contained`, `urn:uuid:…` or a search.
pub fn parse(text: &str) -> Option<Reference<'_>> {
    // Fast path: most references are a bare `Type/id`.
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

/// The base URLs under which this server has its resources. An absolute reference below any other URL refers to a
/// resource of another server, even if its id is known here.
#[derive(Debug, Clone)]
pub struct OwnBases(Vec<String>);

impl OwnBases {
    /// Creates the set from absolute URLs without a slash at the end.
    pub fn new(bases: impl IntoIterator<Item = String>) -> Self {
        Self(bases.into_iter().collect())
    }

    /// Parses a reference to a resource of this server: `Type/id`, or the same below one of the base URLs.
    pub fn parse<'t>(&self, text: &'t str) -> Option<Reference<'t>> {
        if !text.contains("://") {
            return parse(text);
        }
        let below = |base: &String| {
            let relative = text.strip_prefix(base.as_str())?.strip_prefix('/')?;
            parse(relative).filter(|_| !relative.contains("://"))
        };
        self.0.iter().find_map(below)
    }
}

/// Calls `visit` with the range of every string value of a `"reference"` member, quotes included. The line was checked
/// before and is in its plain spelling.
pub fn reference_values(text: &[u8], mut visit: impl FnMut(Range<usize>)) {
    json::named_values(text, 0..text.len(), &REFERENCE, |value| {
        if text[value.start] == b'"' {
            visit(value);
        }
    });
}

/// Calls `visit` with every `Type/id` reference of the line. The line was checked before and is in its plain spelling.
pub fn references<'a>(text: &'a [u8], mut visit: impl FnMut(Reference<'a>)) {
    reference_values(text, |value| {
        // A `Type/id` contains no character that must be escaped.
        if let Some(Cow::Borrowed(reference)) = json::string(text, value)
            && let Some(reference) = parse(reference)
        {
            visit(reference);
        }
    });
}

/// Calls `visit` with each reference in the `target` of a Provenance, as it is written. The line was checked before and
/// is in its plain spelling.
pub fn target_values(text: &[u8], mut visit: impl FnMut(&str)) {
    values_in(text, b"target", &mut visit);
}

/// Like [`target_values`], and also visits each reference in the `entity` of an AuditEvent: the resources that a Provenance
/// or an AuditEvent is about. The `entity` of a Provenance, from which its target was made, is visited too.
pub fn subject_values(text: &[u8], mut visit: impl FnMut(&str)) {
    values_in(text, b"target", &mut visit);
    values_in(text, b"entity", &mut visit);
}

/// Visits the references in a member of the resource.
fn values_in(text: &[u8], member: &[u8], visit: &mut dyn FnMut(&str)) {
    let Some(value) = json::member(text, 0..text.len(), member) else { return };
    let text = &text[value];
    reference_values(text, |value| {
        if let Some(reference) = json::string(text, value) {
            visit(&reference);
        }
    });
}

#[cfg(test)]
mod tests;
