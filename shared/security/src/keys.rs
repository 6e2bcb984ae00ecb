//! The keys of this server. One key signs access tokens and ID tokens, and one derives the codes in links and encrypts texts in them. RSA
//! keys in the settings sign ID tokens with RS256.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use aws_lc_rs::{agreement, hkdf, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto::fingerprint;
use crypto::rsa::RsaKey;
use domain::clock::{Random, hex};
use domain::error::{Error, Result};
use domain::ids::JobId;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The keys as they are stored, in base64url.
#[derive(Serialize, Deserialize)]
pub struct StoredKeys {
    /// PKCS #8 of an EC key on P-256.
    signing: String,
    /// 32 random bytes.
    codes: String,
}

impl StoredKeys {
    /// Generates new keys.
    pub fn generate(random: &dyn Random) -> Result<Self> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(Error::internal)?;
        let document = pair.to_pkcs8v1().map_err(Error::internal)?;
        let mut codes = [0; 32];
        random.fill(&mut codes);
        Ok(Self { signing: URL_SAFE_NO_PAD.encode(document.as_ref()), codes: URL_SAFE_NO_PAD.encode(codes) })
    }

    /// Derives keys from a random text that a secret store generated (HKDF, RFC 5869), so that no person handles a key.
    /// Returns [`Error::Invalid`] if the text is too short to be safe.
    pub fn from_seed(seed: &str) -> Result<Self> {
        if seed.len() < 32 {
            return Err(Error::invalid("the signing secret must have at least 32 random characters"));
        }
        let secret = derived(seed.as_bytes(), b"sign tokens")?;
        let public = agreement::PrivateKey::from_private_key(&agreement::ECDH_P256, &secret)
            .map_err(Error::internal)?
            .compute_public_key()
            .map_err(Error::internal)?;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &secret,
            public.as_ref(),
        )
        .map_err(Error::internal)?;
        let document = pair.to_pkcs8v1().map_err(Error::internal)?;
        Ok(Self {
            signing: URL_SAFE_NO_PAD.encode(document.as_ref()),
            codes: URL_SAFE_NO_PAD.encode(derived(seed.as_bytes(), b"codes in links")?),
        })
    }
}

/// Derives a key for a purpose (HKDF, RFC 5869).
fn derived(secret: &[u8], purpose: &[u8]) -> Result<[u8; 32]> {
    let mut key = [0; 32];
    let purpose = [purpose];
    let pseudorandom = hkdf::Salt::new(hkdf::HKDF_SHA256, b"ehi keys").extract(secret);
    let derived = pseudorandom.expand(&purpose, hkdf::HKDF_SHA256).map_err(Error::internal)?;
    derived.fill(&mut key).map_err(Error::internal)?;
    Ok(key)
}

/// The keys of a process: the one that signs, and all keys that verify.
pub struct Keys {
    signing: Key,
    /// The second key during a rotation, which only verifies.
    other: Option<Key>,
    /// The first key signs.
    rsa: Vec<RsaKey>,
}

/// One generation of keys.
pub(super) struct Key {
    pub(super) signing: EncodingKey,
    pub(super) verifying: DecodingKey,
    pub(super) id: String,
    jwk: Value,
    codes: hmac::Key,
    /// Encrypts texts in links. Its algorithm is safe also if a random nonce is used twice (RFC 8452).
    sealing: LessSafeKey,
}

impl Key {
    fn new(stored: &StoredKeys) -> Result<Self> {
        let signing = URL_SAFE_NO_PAD.decode(&stored.signing).map_err(Error::internal)?;
        let codes = URL_SAFE_NO_PAD.decode(&stored.codes).map_err(Error::internal)?;
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &signing).map_err(Error::internal)?;
        let sealing = UnboundKey::new(&AES_256_GCM_SIV, &derived(&codes, b"sealed texts")?);
        // An uncompressed point: 4, x, y.
        let point = pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..65]));
        let id = fingerprint(&format!("{x}.{y}"))[..16].to_owned();
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "use": "sig", "key_ops": ["verify"], "alg": "ES256", "kid": id });
        Ok(Self {
            signing: EncodingKey::from_ec_der(&signing),
            verifying: DecodingKey::from_ec_components(&x, &y).map_err(Error::internal)?,
            id,
            jwk,
            codes: hmac::Key::new(hmac::HMAC_SHA256, &codes),
            sealing: LessSafeKey::new(sealing.map_err(Error::internal)?),
        })
    }

    fn code(&self, message: &str) -> String {
        hex(hmac::sign(&self.codes, message.as_bytes()).as_ref())
    }

    fn seal(&self, purpose: &str, text: &str, random: &dyn Random) -> Result<String> {
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut nonce);
        let (unique, purpose) = (Nonce::assume_unique_for_key(nonce), Aad::from(purpose.as_bytes()));
        let mut sealed = text.as_bytes().to_vec();
        self.sealing.seal_in_place_append_tag(unique, purpose, &mut sealed).map_err(Error::internal)?;
        Ok(URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat()))
    }

    fn unsealed(&self, purpose: &str, sealed: &[u8]) -> Option<String> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let (nonce, purpose) = (Nonce::assume_unique_for_key(*nonce), Aad::from(purpose.as_bytes()));
        let mut text = sealed.to_vec();
        let text = self.sealing.open_in_place(nonce, purpose, &mut text).ok()?;
        String::from_utf8(text.to_vec()).ok()
    }
}

impl Keys {
    pub fn new(stored: &StoredKeys) -> Result<Self> {
        Ok(Self { signing: Key::new(stored)?, other: None, rsa: Vec::new() })
    }

    /// Creates keys during a rotation: `signing` signs, and signatures of `other` are valid as well.
    pub fn rotating(signing: &StoredKeys, other: &StoredKeys) -> Result<Self> {
        Ok(Self { signing: Key::new(signing)?, other: Some(Key::new(other)?), rsa: Vec::new() })
    }

    /// Adds the RSA keys of the settings, in PEM. Returns [`Error::Invalid`] for a text that is not an RSA key.
    pub fn with_rsa<'p>(self, pems: impl Iterator<Item = &'p str>) -> Result<Self> {
        Ok(Self { rsa: RsaKey::all(pems)?, ..self })
    }

    pub(super) fn signing(&self) -> &Key {
        &self.signing
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.signing).chain(&self.other)
    }

    /// Returns the RSA key that signs, if the settings have one.
    pub(super) fn rsa(&self) -> Option<&RsaKey> {
        self.rsa.first()
    }

    /// Returns the public keys of this server as a JWK set (RFC 7517).
    pub fn jwks(&self) -> Value {
        let keys = self.all().map(|key| &key.jwk).chain(self.rsa.iter().map(RsaKey::jwk));
        json!({ "keys": keys.collect::<Vec<_>>() })
    }

    /// Returns the code in the link to a job's form. It is derived, so that no secret is stored with the job. It can be
    /// used once, because the form can be sent once.
    pub fn form_code(&self, job: &JobId) -> String {
        self.signing.code(&form_message(job))
    }

    /// Checks a form's code in constant time.
    pub fn is_form_code(&self, job: &JobId, code: &str) -> bool {
        self.all().any(|key| crypto::same_secret(&key.code(&form_message(job)), code))
    }

    /// Returns the signature that a form contains so that its input can be saved as a draft after the form's session
    /// has ended, until `expires` (seconds since the epoch). It permits to write a draft, but not to read anything.
    pub fn draft_signature(&self, draft: &str, expires: i64) -> String {
        self.signing.code(&draft_message(draft, expires))
    }

    /// Checks a draft's signature in constant time. The caller must check that it has not expired.
    pub fn is_draft_signature(&self, draft: &str, expires: i64, signature: &str) -> bool {
        self.all().any(|key| crypto::same_secret(&key.code(&draft_message(draft, expires)), signature))
    }

    /// Returns the authorization code for the request of an app. It is derived, so that a second click on the same button redirects
    /// with the same code, and no code is stored.
    pub fn authorization_code(&self, request: &str) -> String {
        self.signing.code(&format!("authorization code of {request}"))
    }

    /// Encrypts a text for a link. Only this server can read it, and only for the same purpose. The length of the text is not hidden.
    pub fn seal(&self, purpose: &str, text: &str, random: &dyn Random) -> Result<String> {
        self.signing.seal(purpose, text, random)
    }

    /// Returns the text that this server encrypted for the purpose; `None` for anything else.
    pub fn unsealed(&self, purpose: &str, sealed: &str) -> Option<String> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        self.all().find_map(|key| key.unsealed(purpose, &sealed))
    }

    /// Returns the signature in the URL of a file, which replaces a token until `expires` (seconds since the epoch).
    pub fn file_signature(&self, job: &JobId, file: &str, expires: i64) -> String {
        self.signing.code(&file_message(job, file, expires))
    }

    /// Checks a file's signature in constant time. The caller must check that it has not expired.
    pub fn is_file_signature(&self, job: &JobId, file: &str, expires: i64, signature: &str) -> bool {
        self.all().any(|key| crypto::same_secret(&key.code(&file_message(job, file, expires)), signature))
    }
}

fn form_message(job: &JobId) -> String {
    format!("form of {job}")
}

fn draft_message(draft: &str, expires: i64) -> String {
    format!("draft {draft} until {expires}")
}

fn file_message(job: &JobId, file: &str, expires: i64) -> String {
    format!("file {file} of {job} until {expires}")
}

#[cfg(test)]
mod tests;
