//! Verifies the assertions with which clients authenticate (SMART App Launch 2.2, client authentication: asymmetric).

use crypto::fingerprint;
use domain::error::{Error, Result};
use domain::ports::expiring::{EntryKind, ExpiringStore};
use jiff::Timestamp;
use serde_json::Value;
use settings::Client;

use crate::jwks::JwksCache;
use crate::jwt::{Refused, Unverified};
use crate::tokens::LEEWAY;

/// The `client_assertion_type` of a request with an assertion.
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The algorithms with which clients may sign.
pub const ALGORITHMS: [&str; 2] = ["RS384", "ES384"];

/// The maximum time until an assertion expires, in seconds.
const MAX_LIFETIME: i64 = 300;
/// The maximum length of `jti`, in bytes.
const MAX_JTI: usize = 512;

fn read(assertion: &str) -> Result<Unverified<'_>, Refused> {
    Unverified::read(assertion, &ALGORITHMS, &["jwt"])
}

/// Returns the client that an assertion names. It is not verified.
pub fn claimed_client(assertion: &str) -> Option<String> {
    read(assertion).ok()?.claimed("sub").map(str::to_owned)
}

/// Verifies an assertion of a client: the signature by one of its keys, one of the audiences and no other, the lifetime,
/// and that it was not used before. Returns `Ok(Err(reason))` if it is not valid; the reason is for the log. If the
/// client's keys cannot be fetched now, the result is [`Error::Unavailable`], because the assertion may be valid.
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
            tracing::warn!(client.id = %client.id, error = %error, cause = error.causes(), "the keys of a client cannot be fetched");
            return Err(error);
        }
    };
    let checked = unverified.verify(&key).and_then(|claims| {
        let is_own = |name| -> Result<bool, Refused> { Ok(claims.text(name)? == Some(client.id.as_str())) };
        if !is_own("iss")? || !is_own("sub")? {
            return Err("an iss or a sub that is not the client");
        }
        // One of several audiences could use the assertion at another one.
        if !claims.is_for(audiences, true) {
            return Err("an audience that is not this server alone");
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
