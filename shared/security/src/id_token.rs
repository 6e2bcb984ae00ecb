//! ID tokens: who signed in, for the app (OpenID Connect Core 1.0, 2; SMART App Launch 2.2, scopes for requesting
//! identity data).

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
    /// When the patient signed in.
    pub auth_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// The absolute URL of the user's resource, where `fhirUser` or `profile` was granted.
    #[serde(rename = "fhirUser", skip_serializing_if = "Option::is_none")]
    pub fhir_user: Option<String>,
}

/// Signs an ID token. ES256 takes the key of access tokens; the audience keeps the two kinds apart. RS256 takes the
/// first RSA key of the settings, which are refused at start where a client needs one that is not there.
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
