//! ID tokens, which tell an app who signed in (OpenID Connect Core 1.0, section 2; SMART App Launch 2.2, scopes for
//! requesting identity data).

use domain::error::{Error, Result};
use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;
use settings::IdTokenAlg;

use crate::keys::Keys;

/// The claims of an ID token. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IdClaims {
    pub iss: String,
    pub sub: String,
    /// The client's id.
    pub aud: String,
    pub iat: i64,
    pub exp: i64,
    /// The time at which the patient signed in.
    pub auth_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// The absolute URL of the user's resource, if `fhirUser` or `profile` was granted.
    #[serde(rename = "fhirUser", skip_serializing_if = "Option::is_none")]
    pub fhir_user: Option<String>,
}

/// Signs an ID token. ES256 uses the key of access tokens; the two kinds of tokens have different audiences. RS256 uses the
/// first RSA key of the settings. Settings without such a key are refused at start if a client needs it.
pub fn sign(keys: &Keys, algorithm: IdTokenAlg, claims: &IdClaims) -> Result<String> {
    match algorithm {
        IdTokenAlg::ES256 => {
            let mut header = Header::new(Algorithm::ES256);
            header.kid = Some(keys.signing().id.clone());
            jsonwebtoken::encode(&header, claims, &keys.signing().signing).map_err(Error::internal)
        }
        IdTokenAlg::RS256 => {
            let key = keys.rsa().ok_or_else(|| Error::internal("there is no RSA key for an ID token"))?;
            key.sign(claims)
        }
    }
}
