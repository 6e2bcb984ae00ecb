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
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn walk(text: &[u8]) -> Option<Vec<(String, Value)>> {
        let mut found = Vec::new();
        check_object(text, |key, value| {
            let key = String::from_utf8(key.to_vec()).expect("checked before");
            found.push((key, serde_json::from_slice(&text[value]).expect("a whole value")));
        })
        .ok()?;
        Some(found)
    }

    #[test]
    fn members_are_found_after_white_space() {
        let text = b" \n{ \"a\" : {\"b\":1} } ";
        assert_eq!(member(text, 0..text.len(), b"a").map(|value| &text[value]), Some(&b"{\"b\":1}"[..]));
    }

    #[test]
    fn text_that_is_not_a_json_object_is_refused() {
        for text in [
            "",
            "{",
            "}",
            "[]",
            "null",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":\"\n\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12g4\"}",
            "{\"a\":[1,]}",
            "{\"a\":[1}",
            "{\"a\":{]}",
            "{\"a\":1}x",
            "{a:1}",
            "{\"a\":tru}",
            "{\"a\":+1}",
            "{\"a\":\"",
            "{\"a\" 1}",
            "{\"resourceType\":\"Patient\",\"id\":\"cut o",
        ] {
            assert_eq!(walk(text.as_bytes()), None, "{text}");
        }
        assert_eq!(walk(b"{\"a\":\"\xff\"}"), None);
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        assert_eq!(walk(deep.as_bytes()), None);
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1_000_000..1_000_000_i32).prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
            ".{0,40}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[a-z]{1,12}", inner, 0..6)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_member_of_an_object_is_visited(object in prop::collection::btree_map("[a-zA-Z]{1,12}", json(), 0..8), pretty: bool) {
            let value: Value = object.into_iter().collect();
            let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.expect("JSON");
            let found: Value = walk(&text).expect("valid").into_iter().collect();
            prop_assert_eq!(found, value);
        }

        #[test]
        fn the_check_accepts_nothing_that_a_parser_refuses(text in "[{}\\[\\],:\"a1.\\\\ntrue e-]{0,24}") {
            let text = format!("{{\"a\":{text}}}");
            if walk(text.as_bytes()).is_some() {
                prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{}", text);
            }
        }

        #[test]
        fn elements_are_those_of_the_array(array in prop::collection::vec(json(), 0..6)) {
            let text = serde_json::to_vec(&array).expect("JSON");
            let mut found = Vec::new();
            elements(&text, 0..text.len(), |range| found.push(serde_json::from_slice::<Value>(&text[range]).expect("a value")));
            prop_assert_eq!(found, array);
        }
    }
}
