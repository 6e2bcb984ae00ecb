//! Passwords as argon2 hashes.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, Params, PasswordHasher, PasswordVerifier};

use crate::clock::Ids;
use crate::error::{Error, Result};

/// The longest password that is looked at.
const MAX_PASSWORD: usize = 256;

/// Whether a text is an argon2 hash.
pub fn is_hash(text: &str) -> bool {
    PasswordHash::new(text).is_ok_and(|hash| hash.algorithm.as_str().starts_with("argon2"))
}

/// Hashes a password: argon2id, 19 MiB, 2 passes (OWASP's least).
pub fn hash(password: &str, ids: &dyn Ids) -> Result<String> {
    let mut salt = [0; 16];
    ids.fill(&mut salt);
    let params = Params::new(19 * 1024, 2, 1, None).map_err(|error| Error::internal(error.to_string()))?;
    let argon2 = Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let hash = argon2.hash_password_with_salt(password.as_bytes(), &salt);
    Ok(hash.map_err(|error| Error::internal(error.to_string()))?.to_string())
}

/// Checks a password against a hash, off the async threads. `None` takes as long and is never right,
/// so that an answer does not tell which users exist.
pub async fn verify(password: &str, hash: Option<&str>) -> Result<bool> {
    /// Of a password that nobody knows.
    const NOBODY: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$f3rAHYQmlyMNjvFjE7cdWU4yGYZzT9UeCZP2Fz9Xh0A";

    if password.len() > MAX_PASSWORD {
        return Ok(false);
    }
    let known = hash.is_some();
    let password = password.to_owned();
    let hash = hash.unwrap_or(NOBODY).to_owned();
    let right = tokio::task::spawn_blocking(move || {
        let parsed = PasswordHash::new(&hash).ok();
        parsed.is_some_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
    });
    Ok(right.await.map_err(Error::internal)? && known)
}
