//! Reads JSON text without building a tree: checks the whole text and finds the ranges of its members.
//!
//! Names and strings are compared as they are written. If [`check_object`] finds needless escapes in a text, its
//! [`plain`](super::spelling::plain) spelling is read instead.

use std::borrow::Cow;
use std::ops::Range;

pub use crate::scan::{Malformed, Spelling};
use crate::scan::{Scan, skip_space};

/// Checks that the text is one JSON object in UTF-8. Calls `visit` with each of its members: the name without quotes, as
/// it is written, and the range of the value.
pub fn check_object<'t>(
    text: &'t [u8],
    mut visit: impl FnMut(&'t [u8], Range<usize>),
) -> Result<Spelling, Malformed> {
    if let Err(error) = simdutf8::compat::from_utf8(text) {
        return Err(Malformed { at: error.valid_up_to(), what: "not UTF-8" });
    }
    let at = skip_space(text, 0);
    if text.get(at) != Some(&b'{') {
        return Err(Malformed { at, what: "not a JSON object" });
    }
    let mut scan = Scan::new();
    let end = skip_space(text, scan.object(text, at, &mut visit)?);
    if end != text.len() {
        return Err(Malformed { at: end, what: "text after the JSON object" });
    }
    Ok(scan.spelling())
}

/// Calls `visit` with each member of the value at `value`, which was checked before. A value that is not an object has
/// no members.
pub fn members(text: &[u8], value: Range<usize>, mut visit: impl FnMut(&[u8], Range<usize>)) {
    let start = skip_space(text, value.start);
    if text.get(start) == Some(&b'{') {
        let _ = Scan::of_checked().object(text, start, &mut visit);
    }
}

/// Returns the value of the member of this name; `None` if there is no such member, or if the value is not an object.
pub fn member(text: &[u8], value: Range<usize>, name: &[u8]) -> Option<Range<usize>> {
    let mut found = None;
    members(text, value, |key, value| {
        if key == name {
            found = Some(value);
        }
    });
    found
}

/// Returns the text without the byte order mark at its beginning, if it has one.
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// Removes the white space between the tokens of a JSON object, and a byte order mark. Returns `false` if the text is
/// not a JSON object.
pub fn compact(text: &mut Vec<u8>) -> bool {
    let marked = text.len() - without_mark(text).len();
    text.drain(..marked);
    if check_object(text, |_, _| {}).is_err() {
        return false;
    }
    let (mut in_string, mut escaped) = (false, false);
    text.retain(|byte| {
        if in_string {
            in_string = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            return true;
        }
        in_string = *byte == b'"';
        !matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
    });
    true
}

/// Returns whether an object or a list is empty. It was checked before.
pub fn is_empty(text: &[u8], value: Range<usize>) -> bool {
    matches!(text.get(skip_space(text, value.start + 1)), Some(b'}' | b']'))
}

/// Calls `visit` with the range of each element of the array at `value`, which was checked before. For a value that is
/// not an array, calls it with the value itself.
pub fn elements(text: &[u8], value: Range<usize>, mut visit: impl FnMut(Range<usize>)) {
    if text.get(value.start) != Some(&b'[') {
        return visit(value);
    }
    let mut scan = Scan::of_checked();
    let mut at = skip_space(text, value.start + 1);
    while at < value.end && text[at] != b']' {
        let Ok(end) = scan.value(text, at) else { return };
        visit(at..end);
        at = skip_space(text, end);
        if text.get(at) == Some(&b',') {
            at = skip_space(text, at + 1);
        }
    }
}

/// Returns the decoded content of a string value. `None` for any other value, and for a string with half of a surrogate
/// pair, which encodes no text.
pub fn string(text: &[u8], value: Range<usize>) -> Option<Cow<'_, str>> {
    let whole = text.get(value)?;
    let content = whole.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', content).is_none() {
        return std::str::from_utf8(content).ok().map(Cow::Borrowed);
    }
    serde_json::from_slice::<String>(whole).ok().map(Cow::Owned)
}

/// Calls `visit` with the values of all members of one name in `within`, at any depth. `quoted` finds the name with its
/// quotes. The text was checked before and has no needless escapes.
pub fn named_values(
    text: &[u8],
    within: Range<usize>,
    quoted: &memchr::memmem::Finder<'_>,
    mut visit: impl FnMut(Range<usize>),
) {
    let mut scan = Scan::of_checked();
    for found in quoted.find_iter(&text[within.clone()]) {
        let found = within.start + found;
        // A quote after a backslash is inside a string. A string value with this content is not followed by a colon.
        if found > 0 && text[found - 1] == b'\\' {
            continue;
        }
        let at = skip_space(text, found + quoted.needle().len());
        if text.get(at) != Some(&b':') {
            continue;
        }
        let start = skip_space(text, at + 1);
        if let Ok(end) = scan.value(text, start) {
            visit(start..end);
        }
    }
}

#[cfg(test)]
mod tests;
