//! Checks JWTs that other systems issued, before and after their signature is verified (RFC 7515, RFC 7519, RFC 8725).
//!
//! The checks are strict: a token is refused if it has a member twice, a value of another type than specified, or an
//! extension that this server does not support.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde::de::{Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

/// The maximum length of a token, in bytes.
const MAX_TOKEN: usize = 16 * 1024;
/// The maximum length of `kid`, in bytes.
const MAX_KEY_ID: usize = 512;
/// The last second of the year 9999, which is the latest time that the server supports.
const LAST_SECOND: i64 = 253_402_300_799;

/// The reason why a token is not valid, for the log.
pub type Refused = &'static str;

/// A token of another system that was parsed, but not verified.
#[derive(Debug)]
pub struct Unverified<'t> {
    token: &'t str,
    algorithm: Algorithm,
    pub key_id: String,
    /// `jku` of the header.
    pub key_set: Option<String>,
    claims: Map<String, Value>,
}

/// The claims of a token whose signature was verified.
#[derive(Debug)]
pub struct Claims(Map<String, Value>);

/// Returns the part of a token that is signed.
pub fn signed_part(token: &str) -> &str {
    token.rsplit_once('.').map_or(token, |(signed, _)| signed)
}

impl<'t> Unverified<'t> {
    /// Parses a token whose `alg` is one of the `algorithms` and whose `typ`, if it has one, is one of the `types`, which are
    /// in lower case.
    pub fn read(token: &'t str, algorithms: &[&str], types: &[&str]) -> Result<Self, Refused> {
        if token.len() > MAX_TOKEN {
            return Err("a token that is too long");
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("a text that is not a signed JWT");
        };
        let header = object(header).ok_or("a header that is not a JSON object with each member once")?;
        let text = |name: &str| match header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err("a header with a value of the wrong type"),
        };
        // This server supports no extensions, so every critical one is refused (RFC 7515, section 4.1.11; RFC 7797).
        if ["crit", "b64", "zip", "enc"].iter().any(|name| header.contains_key(*name)) {
            return Err("a header with an extension that is not supported (crit, b64, zip or enc)");
        }
        let algorithm =
            text("alg")?.filter(|name| algorithms.contains(name)).and_then(|name| name.parse().ok());
        if text("typ")?.is_some_and(|kind| !types.contains(&kind.to_ascii_lowercase().as_str())) {
            return Err("a typ that is not accepted");
        }
        let key_id = text("kid")?.filter(|id| (1..=MAX_KEY_ID).contains(&id.len())).ok_or("no kid")?;
        Ok(Self {
            token,
            algorithm: algorithm.ok_or("an algorithm that is not accepted")?,
            key_id: key_id.to_owned(),
            key_set: text("jku")?.map(str::to_owned),
            claims: object(claims).ok_or("claims that are not a JSON object with each member once")?,
        })
    }

    /// Returns a claim that is a text. It is not verified.
    pub fn claimed(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// Verifies the signature. The key must be meant for signatures with this algorithm.
    pub fn verify(self, key: &Jwk) -> Result<Claims, Refused> {
        if !is_meant_for(key, self.algorithm) {
            return Err("a key for another purpose or algorithm");
        }
        let key = DecodingKey::from_jwk(key).map_err(|_| "a key that cannot be used")?;
        let mut validation = Validation::new(self.algorithm);
        // `Claims` checks everything else, more strictly and with the clock of this server.
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
        match jsonwebtoken::decode::<Value>(self.token, &key, &validation) {
            Ok(_) => Ok(Claims(self.claims)),
            Err(_) => Err("a wrong signature"),
        }
    }
}

/// Returns whether a key may verify signatures of an algorithm (RFC 7517, sections 4.2 to 4.4).
fn is_meant_for(key: &Jwk, algorithm: Algorithm) -> bool {
    let common = &key.common;
    let signs = !matches!(common.public_key_use, Some(PublicKeyUse::Encryption | PublicKeyUse::Other(_)));
    let verifies = common.key_operations.as_ref().is_none_or(|known| known.contains(&KeyOperations::Verify));
    let same = common.key_algorithm.is_none_or(|known| known.to_string() == format!("{algorithm:?}"));
    signs && verifies && same
}

impl Claims {
    /// Returns a claim that must be a text; `None` if it is missing. Any other value is refused.
    pub fn text(&self, name: &'static str) -> Result<Option<&str>, Refused> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err("a claim of the wrong type"),
        }
    }

    /// Returns the value of a claim; null if it is missing.
    pub fn get(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or(&Value::Null)
    }

    /// Returns whether the token is for one of these audiences. With `only`, it must have exactly one audience.
    pub fn is_for(&self, audiences: &[String], only: bool) -> bool {
        let named: Option<Vec<&str>> = match self.get("aud") {
            Value::String(one) => Some(vec![one]),
            Value::Array(list) => list.iter().map(Value::as_str).collect(),
            _ => None,
        };
        // A list with other values than texts counts as no audience.
        let named = named.unwrap_or_default();
        let ours = |name: &&str| audiences.iter().any(|audience| audience == name);
        if only { named.len() == 1 && named.iter().all(ours) } else { named.iter().any(ours) }
    }

    /// Returns the time at which the token expires, in seconds since 1970. Refuses a token that has expired, is not
    /// valid yet, or has no `exp` (RFC 7519, sections 4.1.4 to 4.1.6).
    pub fn ends(&self, now: Timestamp, leeway: SignedDuration) -> Result<i64, Refused> {
        let (now, leeway) = (now.as_second(), leeway.as_secs());
        let end = self.seconds("exp")?.ok_or("no exp")?;
        if end <= now {
            return Err("an exp in the past");
        }
        if self.seconds("nbf")?.is_some_and(|begin| begin > now + leeway) {
            return Err("an nbf in the future");
        }
        self.seconds("iat")?;
        Ok(end)
    }

    /// Reads a NumericDate. A fraction is rounded down to a whole second.
    fn seconds(&self, name: &str) -> Result<Option<i64>, Refused> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked below")]
        let seconds = value
            .as_i64()
            .or_else(|| value.as_f64().filter(|_| value.is_f64()).map(|seconds| seconds.floor() as i64));
        match seconds {
            Some(seconds @ 0..=LAST_SECOND) => Ok(Some(seconds)),
            _ => Err("a time that is not a number of seconds"),
        }
    }
}

/// Parses a part of a token as a JSON object without repeated members.
fn object(part: &str) -> Option<Map<String, Value>> {
    struct Unique(Map<String, Value>);

    impl<'de> Deserialize<'de> for Unique {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Members;

            impl<'de> Visitor<'de> for Members {
                type Value = Unique;

                fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    formatter.write_str("a JSON object")
                }

                fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Unique, A::Error> {
                    let mut members = Map::new();
                    while let Some((name, value)) = access.next_entry::<String, Value>()? {
                        if members.insert(name, value).is_some() {
                            return Err(A::Error::custom("a member is repeated"));
                        }
                    }
                    Ok(Unique(members))
                }
            }

            deserializer.deserialize_map(Members)
        }
    }

    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice::<Unique>(&bytes).ok().map(|unique| unique.0)
}

#[cfg(test)]
mod tests;
