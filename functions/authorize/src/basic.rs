//! `Authorization: Basic …` (RFC 7617). OAuth clients must urlencode the id and the secret (RFC 6749, 2.3.1), but many do not.
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

/// Returns the texts that a client may mean by one part of its credentials. There are two only if the part has a `+`, which means a space
/// in a form and itself elsewhere.
fn readings(part: &str) -> Vec<String> {
    // A text with a byte that every encoder replaces was not encoded.
    let (true, Some(kept)) = (part.bytes().all(may_be_encoded), percent_decoded(part)) else {
        return vec![part.to_owned()];
    };
    let spaced = percent_decoded(&part.replace('+', " "));
    let mut readings: Vec<String> = spaced.into_iter().chain([kept]).collect();
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
            ("a%3Db%26c", &["a=b&c"]),
            ("a+b", &["a b", "a+b"]),
            ("a%2Bb", &["a+b"]),
            ("a%20b", &["a b"]),
            ("a+b=c", &["a+b=c"]),
            ("100%", &["100%"]),
            ("100%zz", &["100%zz"]),
            ("%+1", &["%+1"]),
            ("%FF", &["%FF"]),
            ("a%3Ab", &["a:b"]),
            ("a:b", &["a:b"]),
            ("ü", &["ü"]),
            ("%C3%BC", &["ü"]),
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
            prop_assert_eq!(readings(&each_byte), vec![original]);
        }

        #[test]
        fn a_text_without_percent_signs_is_among_its_readings(text in "[^%]*") {
            prop_assert!(readings(&text).contains(&text));
        }
    }
}
