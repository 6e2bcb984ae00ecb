//! Walks JSON text without building anything: checks it whole, and shows where members begin and end.
//!
//! This is the engine's inner loop. It looks at every byte once, eight at a time inside strings, and
//! allocates nothing.

use std::ops::Range;

/// Text that is not the JSON it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct Malformed {
    pub at: usize,
    pub what: &'static str,
}

type Walk<T = usize> = Result<T, Malformed>;

/// How deep values may nest.
const MAX_DEPTH: u32 = 100;

/// Checks that the text is one JSON object in UTF-8 and shows each of its members: the key without
/// quotes, as it is written, and the range of the value.
pub fn check_object<'t>(text: &'t [u8], visit: impl FnMut(&'t [u8], Range<usize>)) -> Walk<()> {
    if let Err(error) = std::str::from_utf8(text) {
        return Err(Malformed { at: error.valid_up_to(), what: "not UTF-8" });
    }
    let at = skip_space(text, 0);
    if text.get(at) != Some(&b'{') {
        return Err(Malformed { at, what: "not a JSON object" });
    }
    let end = skip_space(text, walk_object(text, at, visit)?);
    if end == text.len() { Ok(()) } else { Err(Malformed { at: end, what: "text after the JSON object" }) }
}

/// Shows the members of the value at `value`, which was checked before; nothing if it is no object.
pub fn members(text: &[u8], value: Range<usize>, visit: impl FnMut(&[u8], Range<usize>)) {
    if text.get(value.start) == Some(&b'{') {
        let _ = walk_object(text, value.start, visit);
    }
}

/// The member of this name; `None` where there is none, or no object.
pub fn member(text: &[u8], value: Range<usize>, name: &[u8]) -> Option<Range<usize>> {
    let mut found = None;
    members(text, value, |key, value| {
        if key == name {
            found = Some(value);
        }
    });
    found
}

/// Removes the white space between the tokens of one JSON object; false when it is none.
pub fn compact(text: &mut Vec<u8>) -> bool {
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

/// Whether an object or a list, which was checked before, has nothing in it.
pub fn is_empty(text: &[u8], value: Range<usize>) -> bool {
    matches!(text.get(skip_space(text, value.start + 1)), Some(b'}' | b']'))
}

/// Shows the elements of the value at `value`, which was checked before. A value that is no array
/// is shown itself.
pub fn elements(text: &[u8], value: Range<usize>, mut visit: impl FnMut(Range<usize>)) {
    if text.get(value.start) != Some(&b'[') {
        return visit(value);
    }
    let mut at = skip_space(text, value.start + 1);
    while at < value.end && text[at] != b']' {
        let Ok(end) = skip_value(text, at) else { return };
        visit(at..end);
        at = skip_space(text, end);
        if text.get(at) == Some(&b',') {
            at = skip_space(text, at + 1);
        }
    }
}

/// The content of a string value without escapes; `None` for anything else.
pub fn plain_string(text: &[u8], value: Range<usize>) -> Option<&str> {
    let content = text.get(value)?.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', content).is_some() {
        return None;
    }
    std::str::from_utf8(content).ok()
}

/// The content of a string value, unescaped where it must be.
pub fn string(text: &[u8], value: Range<usize>) -> Option<std::borrow::Cow<'_, str>> {
    if let Some(plain) = plain_string(text, value.clone()) {
        return Some(plain.into());
    }
    serde_json::from_slice::<String>(text.get(value)?).ok().map(Into::into)
}

/// From the `{` at `at` to behind its `}`.
fn walk_object<'t>(text: &'t [u8], at: usize, mut visit: impl FnMut(&'t [u8], Range<usize>)) -> Walk {
    let mut at = skip_space(text, at + 1);
    if text.get(at) == Some(&b'}') {
        return Ok(at + 1);
    }
    loop {
        let key_start = at + 1;
        let value_start = skip_key(text, at)?;
        let key_end = key_start + memchr_quote(&text[key_start..]);
        let end = skip_value(text, value_start)?;
        visit(&text[key_start..key_end], value_start..end);
        at = skip_space(text, end);
        match text.get(at) {
            Some(b',') => at = skip_space(text, at + 1),
            Some(b'}') => return Ok(at + 1),
            _ => return Err(Malformed { at, what: "expected `,` or `}`" }),
        }
    }
}

/// Where the key that was just skipped ends. Keys of FHIR have no escapes; one that does is cut short
/// and matches nothing.
fn memchr_quote(text: &[u8]) -> usize {
    memchr::memchr2(b'"', b'\\', text).unwrap_or(text.len())
}

/// Behind the value that begins at `at`.
fn skip_value(text: &[u8], mut at: usize) -> Walk {
    // One bit a level: 1 for an object, 0 for an array.
    let mut levels: u128 = 0;
    let mut depth = 0;
    loop {
        match text.get(at) {
            Some(b'"') => at = skip_string(text, at + 1)?,
            Some(open @ (b'{' | b'[')) => {
                let is_object = *open == b'{';
                at = skip_space(text, at + 1);
                if text.get(at) == Some(if is_object { &b'}' } else { &b']' }) {
                    at += 1;
                } else {
                    depth += 1;
                    if depth > MAX_DEPTH {
                        return Err(Malformed { at, what: "nested too deep" });
                    }
                    levels = levels << 1 | u128::from(is_object);
                    if is_object {
                        at = skip_key(text, at)?;
                    }
                    continue;
                }
            }
            Some(b'-' | b'0'..=b'9') => at = skip_number(text, at)?,
            Some(b't') => at = skip_word(text, at, b"true")?,
            Some(b'f') => at = skip_word(text, at, b"false")?,
            Some(b'n') => at = skip_word(text, at, b"null")?,
            _ => return Err(Malformed { at, what: "expected a value" }),
        }
        loop {
            if depth == 0 {
                return Ok(at);
            }
            at = skip_space(text, at);
            let in_object = levels & 1 == 1;
            match text.get(at) {
                Some(b',') => {
                    at = skip_space(text, at + 1);
                    if in_object {
                        at = skip_key(text, at)?;
                    }
                    break;
                }
                Some(b'}') if in_object => {}
                Some(b']') if !in_object => {}
                _ => return Err(Malformed { at, what: "expected `,` or the end of the list" }),
            }
            at += 1;
            levels >>= 1;
            depth -= 1;
        }
    }
}

/// From the quote of a key to the first byte of its value.
fn skip_key(text: &[u8], at: usize) -> Walk {
    if text.get(at) != Some(&b'"') {
        return Err(Malformed { at, what: "expected a name" });
    }
    let at = skip_space(text, skip_string(text, at + 1)?);
    if text.get(at) != Some(&b':') {
        return Err(Malformed { at, what: "expected `:`" });
    }
    Ok(skip_space(text, at + 1))
}

/// From behind the opening quote to behind the closing one.
fn skip_string(text: &[u8], mut at: usize) -> Walk {
    loop {
        while let Some(Ok(bytes)) = text.get(at..at + 8).map(<[u8; 8]>::try_from) {
            let hits = special_bytes(u64::from_le_bytes(bytes));
            if hits != 0 {
                at += hits.trailing_zeros() as usize / 8;
                break;
            }
            at += 8;
        }
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = skip_escape(text, at)?,
            Some(0..0x20) => return Err(Malformed { at, what: "control character in a string" }),
            Some(_) => at += 1,
            None => return Err(Malformed { at, what: "string without end" }),
        }
    }
}

/// Marks the first byte that is a quote, a backslash or a control character (marks above it may be wrong).
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOPS: u64 = ONES << 7;
    let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word;
    let quote = zero_bytes(word ^ (ONES * u64::from(b'"')));
    let backslash = zero_bytes(word ^ (ONES * u64::from(b'\\')));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote | backslash | control) & TOPS
}

fn skip_escape(text: &[u8], at: usize) -> Walk {
    match text.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') if text.get(at + 2..at + 6).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) => {
            Ok(at + 6)
        }
        _ => Err(Malformed { at, what: "unknown escape" }),
    }
}

fn skip_number(text: &[u8], mut at: usize) -> Walk {
    let digits = |mut at: usize| -> Walk {
        let start = at;
        while text.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        if at == start { Err(Malformed { at, what: "expected a digit" }) } else { Ok(at) }
    };
    if text[at] == b'-' {
        at += 1;
    }
    at = if text.get(at) == Some(&b'0') { at + 1 } else { digits(at)? };
    if text.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1;
        if matches!(text.get(at), Some(b'+' | b'-')) {
            at += 1;
        }
        at = digits(at)?;
    }
    Ok(at)
}

fn skip_word(text: &[u8], at: usize, word: &'static [u8]) -> Walk {
    if text[at..].starts_with(word) {
        Ok(at + word.len())
    } else {
        Err(Malformed { at, what: "expected a value" })
    }
}

fn skip_space(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
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
    fn what_is_not_json_is_found() {
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
        fn every_object_is_walked_whole(object in prop::collection::btree_map("[a-zA-Z]{1,12}", json(), 0..8), pretty: bool) {
            let value: Value = object.into_iter().collect();
            let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.expect("JSON");
            let found: Value = walk(&text).expect("valid").into_iter().collect();
            prop_assert_eq!(found, value);
        }

        #[test]
        fn it_accepts_no_more_than_a_parser(text in "[{}\\[\\],:\"a1.\\\\ntrue e-]{0,24}") {
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
