//! Different spellings of the same JSON: strings with needless escapes, and objects that have a member twice.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::json::members;

/// Returns the text with each string in its shortest spelling, so that names and values can be compared in place: `\/`
/// and `\uXXXX` are decoded, surrogate pairs are joined, and characters that must be escaped have their shortest escape.
/// Half of a surrogate pair stays an escape, in lower case. The text was checked before.
pub fn plain(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut copied = 0;
    // Only strings contain backslashes.
    while let Some(found) = memchr::memchr(b'\\', &text[copied..]) {
        let at = copied + found;
        plain.extend_from_slice(&text[copied..at]);
        copied = match text.get(at + 1) {
            Some(b'/') => {
                plain.push(b'/');
                at + 2
            }
            Some(b'u') => decode(text, at, &mut plain),
            Some(other) => {
                plain.extend_from_slice(&[b'\\', *other]);
                at + 2
            }
            None => at + 1,
        };
    }
    plain.extend_from_slice(&text[copied..]);
    plain
}

/// Returns the [`plain`] spelling of a text that was checked before. Borrows the text if it has no needless escapes.
pub fn plainly(text: &[u8]) -> Cow<'_, [u8]> {
    let mut from = 0;
    while let Some(found) = memchr::memchr(b'\\', &text[from..]) {
        if matches!(text.get(from + found + 1), Some(b'/' | b'u')) {
            return Cow::Owned(plain(text));
        }
        from = (from + found + 2).min(text.len());
    }
    Cow::Borrowed(text)
}

/// Decodes the `\uXXXX` at `at`, with the second half of a surrogate pair, and returns the end of the escape.
fn decode(text: &[u8], at: usize, plain: &mut Vec<u8>) -> usize {
    let Some(unit) = unit(text, at) else {
        plain.push(b'\\');
        return at + 1;
    };
    if let Some(character) = char::from_u32(unit) {
        encode(character, plain);
        return at + 6;
    }
    let low = self::unit(text, at + 6).filter(|low| unit < 0xdc00 && (0xdc00..0xe000).contains(low));
    match low.and_then(|low| char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00))) {
        Some(character) => {
            encode(character, plain);
            at + 12
        }
        None => {
            plain.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
            at + 6
        }
    }
}

/// Returns the UTF-16 code unit of the `\uXXXX` at `at`.
fn unit(text: &[u8], at: usize) -> Option<u32> {
    let hex = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u32::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
}

fn encode(character: char, plain: &mut Vec<u8>) {
    let short = match character {
        '"' => b'"',
        '\\' => b'\\',
        '\u{8}' => b'b',
        '\u{c}' => b'f',
        '\n' => b'n',
        '\r' => b'r',
        '\t' => b't',
        '\0'..' ' => {
            return plain.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
        }
        _ => return plain.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
    };
    plain.extend_from_slice(&[b'\\', short]);
}

/// Returns the first member name that an object of the text has twice, cut to 60 characters. Parsers disagree about the
/// meaning of such an object (RFC 8259, section 4). The text was checked before and has no needless escapes.
pub fn repeated_member(text: &[u8]) -> Option<String> {
    let mut open = Vec::new();
    let mut next = Some(0..text.len());
    while let Some(value) = next {
        let start = text[value.clone()].iter().position(|byte| !byte.is_ascii_whitespace());
        let value = value.start + start.unwrap_or_default()..value.end;
        if text.get(value.start) == Some(&b'[') {
            super::json::elements(text, value, |element| open.push(element));
            next = open.pop();
            continue;
        }
        let (mut names, mut repeated) = (HashSet::new(), None);
        members(text, value, |name, value| {
            if !names.insert(name.to_vec()) && repeated.is_none() {
                repeated = Some(String::from_utf8_lossy(name).chars().take(60).collect());
            }
            if matches!(text.get(value.start), Some(b'{' | b'[')) {
                open.push(value);
            }
        });
        if repeated.is_some() {
            return repeated;
        }
        next = open.pop();
    }
    None
}

#[cfg(test)]
mod tests;
