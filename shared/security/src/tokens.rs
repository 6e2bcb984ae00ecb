//! Access tokens: JWTs signed with ES256 (SMART App Launch 2.2; RFC 9068 for the claims).

use domain::error::{Error, Result};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::keys::{Key, Keys};

/// The claims of this server's access tokens. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessTokenClaims {
    pub iss: String,
    pub aud: String,
    pub sub: String,
    pub client_id: String,
    pub scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient: Option<String>,
    pub iat: i64,
    pub exp: i64,
    pub jti: String,
    /// The absolute URL of the user's resource, if it was granted.
    #[serde(rename = "fhirUser", default, skip_serializing_if = "Option::is_none")]
    pub fhir_user: Option<String>,
    /// The authorization from which the token was issued. Revoking it revokes the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
}

/// The maximum difference between clocks.
pub const LEEWAY: SignedDuration = SignedDuration::from_secs(5);

/// Signs an access token.
pub fn sign(keys: &Keys, claims: &AccessTokenClaims) -> Result<String> {
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(keys.signing().id.clone());
    jsonwebtoken::encode(&header, claims, &keys.signing().signing).map_err(Error::internal)
}

/// Returns the claims of a token that this server issued for itself and that has not expired; `None` for any other
/// token.
pub fn verify(keys: &Keys, token: &str, issuer: &str, now: Timestamp) -> Option<AccessTokenClaims> {
    let mut validation = Validation::new(Algorithm::ES256);
    // The expiry is checked below with the clock of this server.
    validation.validate_exp = false;
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[issuer]);
    let decode =
        |key: &Key| jsonwebtoken::decode::<AccessTokenClaims>(token, &key.verifying, &validation).ok();
    let claims = keys.all().find_map(decode)?.claims;
    (claims.exp > now.as_second()).then_some(claims)
}
