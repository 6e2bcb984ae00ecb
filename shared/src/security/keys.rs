//! The keys of this server: one signs access tokens, one derives the codes in links.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fingerprint;
use crate::clock::{Ids, hex};
use crate::domain::ids::JobId;
use crate::error::{Error, Result};

/// The keys as they are kept: base64url.
#[derive(Serialize, Deserialize)]
pub struct StoredKeys {
    /// PKCS #8 of an EC key on P-256.
    signing: String,
    /// 32 random bytes.
    codes: String,
}

impl StoredKeys {
    /// New keys.
    pub fn generate(ids: &dyn Ids) -> Result<Self> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(Error::internal)?;
        let document = pair.to_pkcs8v1().map_err(Error::internal)?;
        let mut codes = [0; 32];
        ids.fill(&mut codes);
        Ok(Self { signing: URL_SAFE_NO_PAD.encode(document.as_ref()), codes: URL_SAFE_NO_PAD.encode(codes) })
    }
}

pub struct Keys {
    pub(super) signing: EncodingKey,
    pub(super) verifying: DecodingKey,
    pub(super) id: String,
    jwk: Value,
    codes: hmac::Key,
}

impl Keys {
    pub fn new(stored: &StoredKeys) -> Result<Self> {
        let signing = URL_SAFE_NO_PAD.decode(&stored.signing).map_err(Error::internal)?;
        let codes = URL_SAFE_NO_PAD.decode(&stored.codes).map_err(Error::internal)?;
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &signing).map_err(Error::internal)?;
        // An uncompressed point: 4, x, y.
        let point = pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..65]));
        let id = fingerprint(&format!("{x}.{y}"))[..16].to_owned();
        let jwk =
            json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "use": "sig", "alg": "ES256", "kid": id });
        Ok(Self {
            signing: EncodingKey::from_ec_der(&signing),
            verifying: DecodingKey::from_ec_components(&x, &y).map_err(Error::internal)?,
            id,
            jwk,
            codes: hmac::Key::new(hmac::HMAC_SHA256, &codes),
        })
    }

    /// Our public keys as a JWK set (RFC 7517).
    pub fn jwks(&self) -> Value {
        json!({ "keys": [self.jwk] })
    }

    /// The code that the link to a job's form carries. It is derived, so nothing secret is stored with the
    /// job; it is good once, because the form can be sent once.
    pub fn form_code(&self, job: &JobId) -> String {
        hex(hmac::sign(&self.codes, form_message(job).as_bytes()).as_ref())
    }

    /// Checks a form's code in constant time.
    pub fn is_form_code(&self, job: &JobId, code: &str) -> bool {
        super::same_secret(&self.form_code(job), code)
    }
}

fn form_message(job: &JobId) -> String {
    format!("form of {job}")
}
