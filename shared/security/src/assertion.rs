//! Assertions with which clients authenticate (SMART App Launch 2.2, client authentication: asymmetric).

use crypto::fingerprint;
use domain::error::{Error, Result};
use domain::ports::expiring::{EntryKind, ExpiringStore};
use jiff::Timestamp;
use serde_json::Value;
use settings::Client;

use crate::jwks::JwksCache;
use crate::jwt::{Refused, Unverified};
use crate::tokens::LEEWAY;

/// The type that a request names beside its assertion.
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The algorithms that clients may sign with.
pub const ALGORITHMS: [&str; 2] = ["RS384", "ES384"];

/// How far the end of an assertion may be away.
const MAX_LIFETIME: i64 = 300;
/// The longest `jti`.
const MAX_JTI: usize = 512;

fn read(assertion: &str) -> Result<Unverified<'_>, Refused> {
    Unverified::read(assertion, &ALGORITHMS, &["jwt"])
}

/// The client that an assertion says it is from, which proves nothing yet.
pub fn claimed_client(assertion: &str) -> Option<String> {
    read(assertion).ok()?.claimed("sub").map(str::to_owned)
}

/// Verifies an assertion for a client: signature by one of its keys, one of the audiences and no other, lifetime, used
/// once. `Ok(Err(reason))` when it does not hold, for the log.
pub async fn verify(
    assertion: &str,
    client: &Client,
    audiences: &[String],
    cache: &JwksCache,
    expiring: &dyn ExpiringStore,
    now: Timestamp,
) -> Result<Result<(), Refused>> {
    let unverified = match read(assertion) {
        Ok(unverified) => unverified,
        Err(reason) => return Ok(Err(reason)),
    };
    if unverified.key_set.is_some() && unverified.key_set != client.jwks_url {
        return Ok(Err("a jku that is not registered"));
    }
    let key = match cache.find(client.keys(), &unverified.key_id, now).await {
        Ok(Some(key)) => key,
        Ok(None) => return Ok(Err("an unknown kid")),
        Err(error) => {
            tracing::warn!(client.id = %client.id, error = %error, cause = error.causes(), "keys of a client cannot be fetched");
            return Ok(Err("keys that cannot be fetched"));
        }
    };
    let checked = unverified.verify(&key).and_then(|claims| {
        let is_own = |name| -> Result<bool, Refused> { Ok(claims.text(name)? == Some(client.id.as_str())) };
        if !is_own("iss")? || !is_own("sub")? {
            return Err("another iss or sub than the client");
        }
        // An assertion for several servers could be replayed by one of them at another.
        if !claims.is_for(audiences, true) {
            return Err("another audience");
        }
        let end = claims.ends(now, LEEWAY)?;
        if end > now.as_second() + MAX_LIFETIME + LEEWAY.as_secs() {
            return Err("an exp more than five minutes away");
        }
        let id = claims.text("jti")?.filter(|id| (1..=MAX_JTI).contains(&id.len()));
        Ok((end, id.ok_or("no usable jti")?.to_owned()))
    });
    let (end, id) = match checked {
        Ok(checked) => checked,
        Err(reason) => return Ok(Err(reason)),
    };
    let key = fingerprint(&format!("{} {id}", client.id));
    let expires_at = Timestamp::from_second(end + LEEWAY.as_secs()).map_err(Error::internal)?;
    match expiring.put(EntryKind::Assertion, &key, Value::Null, expires_at).await? {
        true => Ok(Ok(())),
        false => Ok(Err("a jti that was used before")),
    }
}
