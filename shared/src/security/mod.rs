//! Keys, tokens and passwords.

pub mod address;
pub mod assertion;
pub mod attempts;
pub mod caller;
pub mod id_token;
pub mod jwks;
pub mod jwt;
pub mod keys;
pub mod passwords;
pub mod rsa;
pub mod tokens;
pub mod verify;

use aws_lc_rs::{constant_time, digest};

use crate::clock::hex;

/// The key under which a secret is stored: its SHA-256, hexadecimal.
pub fn fingerprint(secret: &str) -> String {
    hex(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref())
}

/// Compares in a time that does not depend on where the texts differ.
pub fn same_secret(one: &str, other: &str) -> bool {
    constant_time::verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}
