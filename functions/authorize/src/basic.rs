//! `Authorization: Basic …` (RFC 7617). OAuth clients must urlencode the id and the secret (RFC 6749, 2.3.1), but many do not. So each part
//! is read in both ways.
#![expect(clippy::disallowed_types, reason = "a part of an extractor")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;

/// The credentials of a client, in all their possible readings.
pub(crate) struct Basic {
    ids: Vec<String>,
    secrets: Vec<String>,
}

impl Basic {
    /// Returns the credentials of a request; `None` if it has none, or malformed ones.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let (scheme, encoded) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (id, secret) = decoded.split_once(':')?;
        Some(Self { ids: readings(id), secrets: readings(secret) })
    }

    /// Returns the reading of the id that is registered, or else the first one.
    pub(crate) fn id(&self, is_registered: impl Fn(&str) -> bool) -> &str {
        let registered = self.ids.iter().find(|id| is_registered(id));
        registered.or(self.ids.first()).map_or("", String::as_str)
    }

    pub(crate) fn secrets(&self) -> Vec<&str> {
        self.secrets.iter().map(String::as_str).collect()
    }
}

/// Returns the texts that a client may mean by one part of its credentials, at most three: encoded as a form, where `+` is a space; encoded
/// as a component of a URL, where it is itself; or as it is. There are several only if the part has a `+` or a `%`.
fn readings(part: &str) -> Vec<String> {
    let mut readings = Vec::new();
    // A text with a byte that every encoder replaces was not encoded.
    if part.bytes().all(may_be_encoded) {
        readings.extend(percent_decoded(&part.replace('+', " ")));
        readings.extend(percent_decoded(part));
    }
    readings.push(part.to_owned());
    readings.dedup();
    readings
}

/// Returns whether an encoder of forms, or of the components of a URL, may write this byte.
fn may_be_encoded(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~*!'()+%".contains(&byte)
}

/// Replaces each `%XX` by its byte. Returns `None` if a `%` has no two hexadecimal digits, or if the result is not UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            decoded.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_hexdigit))?;
        decoded.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_part_is_read_as_it_was_sent_or_as_it_was_encoded() {
        for (sent, expected) in [
            ("plain", &["plain"][..]),
            ("a=b&c", &["a=b&c"]),
            ("a/b c", &["a/b c"]),
            ("a%3Db%26c", &["a=b&c", "a%3Db%26c"]),
            ("%41", &["A", "%41"]),
            ("a+b", &["a b", "a+b"]),
            ("a%2Bb", &["a+b", "a%2Bb"]),
            ("a+b%20", &["a b ", "a+b ", "a+b%20"]),
            ("a%20b", &["a b", "a%20b"]),
            ("a+b=c", &["a+b=c"]),
            ("100%", &["100%"]),
            ("100%zz", &["100%zz"]),
            ("%+1", &["%+1"]),
            ("%FF", &["%FF"]),
            ("a%3Ab", &["a:b", "a%3Ab"]),
            ("a:b", &["a:b"]),
            ("ü", &["ü"]),
            ("%C3%BC", &["ü", "%C3%BC"]),
            ("", &[""]),
        ] {
            assert_eq!(readings(sent), expected, "{sent}");
        }
    }

    proptest! {
        #[test]
        fn what_an_encoder_writes_has_the_original_among_its_readings(original: String) {
            let of_a_form = url::form_urlencoded::byte_serialize(original.as_bytes()).collect::<String>();
            prop_assert_eq!(&readings(&of_a_form)[0], &original);
            let encode = |byte: u8| format!("%{byte:02X}");
            let each_byte = original.bytes().map(encode).collect::<String>();
            prop_assert_eq!(&readings(&each_byte)[0], &original);
        }

        #[test]
        fn every_text_is_among_its_readings(text in "(%[0-9A-F]{2}|[+%a-z]|.)*") {
            let readings = readings(&text);
            prop_assert!(readings.contains(&text) && readings.len() <= 3, "{readings:?}");
        }
    }
}
