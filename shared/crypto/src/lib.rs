//! Random values, digests, and parsers for keys and password hashes. This crate knows nothing of settings, requests or
//! jobs.

pub mod rsa;

use argon2::password_hash::phc::PasswordHash;
use aws_lc_rs::{constant_time, digest};
use domain::clock::{Random, hex};
use jsonwebtoken::jwk::JwkSet;
use serde_json::Value;

/// The random source of the operating system.
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes)
            .expect("the process cannot work without the operating system's random source");
    }
}

/// Returns the SHA-256 of a secret, hexadecimal. Stores use it as the key, so that they do not contain the secret.
pub fn fingerprint(secret: &str) -> String {
    hex(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref())
}

/// Returns the SHA-256 of lines, hexadecimal. Each line ends with a newline, as in a file.
pub fn digest_of_lines<'l>(lines: impl IntoIterator<Item = &'l str>) -> String {
    let mut digest = digest::Context::new(&digest::SHA256);
    for line in lines {
        digest.update(line.as_bytes());
        digest.update(b"\n");
    }
    hex(digest.finish().as_ref())
}

/// Compares two secrets in constant time.
pub fn same_secret(one: &str, other: &str) -> bool {
    constant_time::verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

/// Parses a JWK set; `None` if the text is not one. Keys that are not supported are ignored (RFC 7517, section 5).
pub fn key_set(text: &[u8]) -> Option<JwkSet> {
    let value: Value = serde_json::from_slice(text).ok()?;
    let keys = value.get("keys")?.as_array()?;
    let known = keys.iter().filter_map(|key| serde_json::from_value(key.clone()).ok());
    Some(JwkSet { keys: known.collect() })
}

/// Returns whether a text is an argon2 hash.
pub fn is_password_hash(text: &str) -> bool {
    PasswordHash::new(text).is_ok_and(|hash| hash.algorithm.as_str().starts_with("argon2"))
}

#[cfg(test)]
mod tests;
