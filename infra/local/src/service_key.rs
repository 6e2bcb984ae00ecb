//! The key of a backend service, and the assertions that it signs.

use std::io::Write as _;
use std::path::Path;

use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto::OsRandom;
use domain::clock::{Clock, Random, SystemClock};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::Failure;

/// The lifetime of an assertion in seconds.
const LIFETIME: i64 = 240;

/// The key of a backend service (ES384).
pub struct ServiceKey {
    id: String,
    pair: EcdsaKeyPair,
}

impl ServiceKey {
    pub fn generate() -> Result<Self, Failure> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING)
            .map_err(|_| Failure::new("no key could be generated"))?;
        Ok(Self { id: OsRandom.secret()[..16].to_owned(), pair })
    }

    /// Reads a private key: a JWK, or a JWK set with a private key.
    pub fn read(file: &Path) -> Result<Self, Failure> {
        let wrong = || {
            Failure::new(format!(
                "{} is not a private key for ES384 (a JWK with kid, x, y and d)",
                file.display()
            ))
        };
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
        let value: Value = serde_json::from_str(&text).map_err(|_| wrong())?;
        let is_key = |key: &&Value| key["crv"] == "P-384" && key["d"].is_string();
        let keys = value["keys"].as_array().map_or_else(|| vec![&value], |keys| keys.iter().collect());
        let key = keys.into_iter().find(is_key).ok_or_else(wrong)?;
        let part =
            |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap_or_default()).map_err(|_| wrong());
        let (x, y, d) = (part("x")?, part("y")?, part("d")?);
        let point = [&[4][..], &x, &y].concat();
        let algorithm = &ECDSA_P384_SHA384_FIXED_SIGNING;
        let pair =
            EcdsaKeyPair::from_private_key_and_public_key(algorithm, &d, &point).map_err(|_| wrong())?;
        Ok(Self { id: key["kid"].as_str().ok_or_else(wrong)?.to_owned(), pair })
    }

    /// Writes the private key. A new file can be read only by its owner.
    pub fn write(&self, file: &Path) -> Result<(), Failure> {
        use std::os::unix::fs::OpenOptionsExt;

        let secret: aws_lc_rs::encoding::EcPrivateKeyBin<'_> =
            self.pair.private_key().as_be_bytes().map_err(|_| Failure::new("the key cannot be written"))?;
        let mut jwk = self.public();
        // Some clients find the signing key by this member (RFC 7517, 4.3).
        jwk["key_ops"] = json!(["sign"]);
        jwk["d"] = json!(URL_SAFE_NO_PAD.encode(secret.as_ref()));
        let mut options = std::fs::OpenOptions::new();
        let opened = options.write(true).create(true).truncate(true).mode(0o600).open(file);
        let written = opened.and_then(|mut opened| opened.write_all(jwk.to_string().as_bytes()));
        written.map_err(|error| Failure::of_path(file, &error))
    }

    /// Returns the public key as a JWK set (RFC 7517).
    pub fn public_set(&self) -> Value {
        json!({ "keys": [self.public()] })
    }

    fn public(&self) -> Value {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(48);
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({
            "kty": "EC", "crv": "P-384", "alg": "ES384", "use": "sig", "key_ops": ["verify"], "kid": self.id, "x": text(x), "y": text(y),
        })
    }

    /// Returns an assertion for a token endpoint (SMART App Launch 2.2, client authentication: asymmetric).
    pub fn assertion(&self, client: &str, token_endpoint: &str) -> Result<String, Failure> {
        let header = Header { kid: Some(self.id.clone()), ..Header::new(Algorithm::ES384) };
        let claims = json!({
            "iss": client, "sub": client, "aud": token_endpoint, "jti": OsRandom.secret(),
            "exp": SystemClock.now().as_second() + LIFETIME,
        });
        let wrong = || Failure::new("the assertion cannot be signed");
        let key = EncodingKey::from_ec_der(self.pair.to_pkcs8v1().map_err(|_| wrong())?.as_ref());
        jsonwebtoken::encode(&header, &claims, &key).map_err(|_| wrong())
    }
}
