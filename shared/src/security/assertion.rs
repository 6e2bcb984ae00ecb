//! Assertions with which backend services authenticate (SMART App Launch 2.2, client authentication: asymmetric).

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;

use super::fingerprint;
use super::jwks::JwksCache;
use super::tokens::LEEWAY;
use crate::config::Client;
use crate::error::{Error, Result};
use crate::ports::grants::{GrantKind, Grants};

/// The type that a request names beside its assertion.
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How far the end of an assertion may be away.
const MAX_LIFETIME: i64 = 300;
/// The longest `jti`.
const MAX_JTI: usize = 512;

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    exp: i64,
    jti: String,
    #[serde(default)]
    nbf: Option<i64>,
}

/// The client that an assertion says it is from, which proves nothing yet.
pub fn claimed_client(assertion: &str) -> Option<String> {
    let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(assertion).ok()?;
    claims["sub"].as_str().map(str::to_owned)
}

/// Verifies an assertion for a client: signature by one of its keys, audience, lifetime, used once. `Ok(Err(reason))`
/// when it does not hold, for the log.
pub async fn verify(
    assertion: &str,
    client: &Client,
    audience: &str,
    cache: &JwksCache,
    grants: &dyn Grants,
    now: Timestamp,
) -> Result<Result<(), &'static str>> {
    let Ok(header) = jsonwebtoken::decode_header(assertion) else { return Ok(Err("no JWT")) };
    if !matches!(header.alg, Algorithm::RS384 | Algorithm::ES384) {
        return Ok(Err("an algorithm other than RS384 and ES384"));
    }
    if header.typ.as_deref().is_some_and(|kind| !kind.eq_ignore_ascii_case("JWT")) {
        return Ok(Err("a type other than JWT"));
    }
    if header.jku.is_some() && header.jku != client.jwks_url {
        return Ok(Err("a jku that is not registered"));
    }
    let Some(id) = header.kid.as_deref() else { return Ok(Err("no kid")) };
    let key = match cache.find(client.keys(), id, now).await {
        Ok(Some(key)) => key,
        Ok(None) => return Ok(Err("an unknown kid")),
        Err(error) => {
            tracing::warn!(client.id = %client.id, error = %error, cause = error.causes(), "keys of a client cannot be fetched");
            return Ok(Err("keys that cannot be fetched"));
        }
    };
    let Ok(key) = DecodingKey::from_jwk(&key) else { return Ok(Err("a key that cannot be used")) };
    let mut validation = Validation::new(header.alg);
    validation.validate_exp = false;
    validation.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
    validation.set_audience(&[audience]);
    let claims = match jsonwebtoken::decode::<Claims>(assertion, &key, &validation) {
        Ok(decoded) => decoded.claims,
        Err(error) => {
            return Ok(Err(match error.kind() {
                jsonwebtoken::errors::ErrorKind::InvalidAudience => "another audience",
                jsonwebtoken::errors::ErrorKind::InvalidSignature => "a wrong signature",
                _ => "claims that are missing or malformed",
            }));
        }
    };
    if claims.iss != client.id.as_str() || claims.sub != client.id.as_str() {
        return Ok(Err("another iss or sub than the client"));
    }
    let (second, leeway) = (now.as_second(), LEEWAY.as_secs());
    if claims.exp <= second - leeway || claims.nbf.is_some_and(|from| from > second + leeway) {
        return Ok(Err("a time that is over, or has not begun"));
    }
    if claims.exp > second + MAX_LIFETIME + leeway {
        return Ok(Err("an exp more than five minutes away"));
    }
    if claims.jti.is_empty() || claims.jti.len() > MAX_JTI {
        return Ok(Err("no usable jti"));
    }
    let key = fingerprint(&format!("{} {}", client.id, claims.jti));
    let expires_at = Timestamp::from_second(claims.exp + leeway).map_err(Error::internal)?;
    match grants.put(GrantKind::Assertion, &key, Value::Null, expires_at).await? {
        true => Ok(Ok(())),
        false => Ok(Err("a jti that was used before")),
    }
}
