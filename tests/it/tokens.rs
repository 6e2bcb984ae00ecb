//! Access tokens of this server and of trusted issuers: their requirements, and the jobs that they give access to.

mod all_patients;
mod requirements;
mod tags;
mod trusted;
mod users;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tests::{ANNA, World};

/// Another issuer, with a key of its own.
pub(crate) struct Issuer(EcdsaKeyPair);

impl Issuer {
    pub(crate) fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"))
    }

    fn key(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let point = self.0.public_key().as_ref();
        json!({
            "kty": "EC", "crv": "P-256", "kid": "k", "alg": "ES256", "x": encode(&point[1..33]), "y": encode(&point[33..]),
        })
    }

    pub(crate) fn jwks(&self) -> String {
        json!({ "keys": [self.key()] }).to_string()
    }

    /// Returns a JWT with an arbitrary header, which no library creates.
    pub(crate) fn signed(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.0.sign(&SystemRandom::new(), message.as_bytes()).expect("signed");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        self.signed(HEADER, &claims.to_string())
    }

    /// Returns a World whose settings trust this issuer.
    pub(crate) fn world(&self, more: &str) -> World {
        self.world_over(more, &ehi::defaults::sample_records())
    }

    fn world_over(&self, more: &str, records: &std::path::Path) -> World {
        trusting(&format!("jwks = '{}'{more}", self.jwks()), records)
    }
}

const HEADER: &str = r#"{"alg":"ES256","kid":"k"}"#;

pub(crate) fn trusting(more: &str, records: &std::path::Path) -> World {
    let issuer = format!("sandbox = true\nissuers = [{{ issuer = \"https://login.example.org\", {more} }}]");
    World::with(&issuer, records)
}

pub(crate) fn claims() -> Value {
    json!({
        "iss": "https://login.example.org", "aud": "http://localhost:8888/fhir", "sub": "u1", "azp": "portal",
        "exp": 1_900_000_000, "scope": "patient/$ehi-export", "patient": ANNA, "roles": ["ADMIN"],
    })
}

/// Returns the claims of a user of the app `portal` who reads data of all patients.
fn user(subject: &str, scope: &str) -> Value {
    json!({
        "iss": "https://login.example.org", "aud": "http://localhost:8888/fhir", "sub": subject, "azp": "portal",
        "exp": 1_900_000_000, "scope": scope,
    })
}
