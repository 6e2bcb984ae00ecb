//! RSA keys for ID tokens, for apps that support only RS256 (OpenID Connect Core 1.0, section 15.1).
//!
//! On every host, these keys are in the settings. The other signing keys are derived from a seed, but to derive an RSA
//! key takes too long for a cold start.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::error::{Error, Result};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

use crate::fingerprint;

/// A private RSA key and its public JWK.
pub struct RsaKey {
    pair: RsaKeyPair,
    id: String,
    jwk: Value,
}

impl RsaKey {
    /// Parses keys in PEM. Returns [`Error::Invalid`] with the number of the first text that is not an RSA key.
    pub fn all<'p>(pems: impl Iterator<Item = &'p str>) -> Result<Vec<Self>> {
        let read = |(index, pem): (usize, &str)| {
            Self::of_pem(pem).ok_or_else(|| {
                Error::invalid(format!(
                    "number {} is not an RSA private key of 2048 to 8192 bits in PEM (make one: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048)",
                    index + 1
                ))
            })
        };
        pems.enumerate().map(read).collect()
    }

    fn of_pem(pem: &str) -> Option<Self> {
        let pair = match PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()? {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok()?,
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).ok()?,
            _ => return None,
        };
        let (modulus, exponent) = components(pair.public_key().as_ref())?;
        let (n, e) = (URL_SAFE_NO_PAD.encode(modulus), URL_SAFE_NO_PAD.encode(exponent));
        let id = fingerprint(&format!("{n}.{e}"))[..16].to_owned();
        let jwk = json!({
            "kty": "RSA", "n": n, "e": e, "use": "sig", "key_ops": ["verify"], "alg": "RS256", "kid": id,
        });
        Some(Self { pair, id, jwk })
    }

    /// Returns the public key as a JWK (RFC 7517).
    pub fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// Makes a JWT with these claims, signed with RS256.
    ///
    /// The JWT is assembled here because jsonwebtoken accepts RSA keys only as PKCS #1 and parses them for each
    /// signature. Its PEM parser would add two crates and their dependencies.
    pub fn sign(&self, claims: &impl serde::Serialize) -> Result<String> {
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": self.id }).to_string();
        let claims = serde_json::to_vec(claims)?;
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = SystemRandom::new();
        self.pair
            .sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature)
            .map_err(Error::internal)?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Returns the modulus and the exponent of an `RSAPublicKey` (RFC 8017, A.1.1), without leading zeros.
fn components(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, _) = element(der, 0x30)?;
    let (modulus, rest) = element(sequence, 0x02)?;
    let (exponent, _) = element(rest, 0x02)?;
    let unsigned = |number: &'_ [u8]| number.iter().position(|byte| *byte != 0);
    Some((&modulus[unsigned(modulus)?..], &exponent[unsigned(exponent)?..]))
}

/// Returns the content of the DER element with this tag at the beginning, and the bytes after it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let rest = der.strip_prefix(&[tag])?;
    let (length, rest) = match rest.split_first()? {
        (short @ 0..0x80, rest) => (usize::from(*short), rest),
        (long, rest) => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            let length = digits.iter().try_fold(0_usize, |length, digit| {
                length.checked_mul(256)?.checked_add(usize::from(*digit))
            })?;
            (length, rest)
        }
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests;
