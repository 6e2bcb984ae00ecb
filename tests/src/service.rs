//! A backend service: its keys, its assertions and its tokens (SMART App Launch 2.2, Backend Services).

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA384, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::{BASE_URL, TestResponse, World, text};

fn key() -> &'static EcdsaKeyPair {
    static KEY: OnceLock<EcdsaKeyPair> = OnceLock::new();
    KEY.get_or_init(|| EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key"))
}

fn rsa_key() -> &'static RsaKeyPair {
    static KEY: OnceLock<RsaKeyPair> = OnceLock::new();
    KEY.get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"))
}

/// Returns the RSA key in PEM, with which the server signs ID tokens in the tests.
pub fn rsa_key_pem() -> String {
    use aws_lc_rs::encoding::AsDer;

    let der = rsa_key().as_der().expect("PKCS #8");
    let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

/// Returns the public keys as a JWK set.
pub fn jwks() -> Value {
    let point = key().public_key().as_ref();
    let (x, y) = point[1..].split_at(48);
    // The DER structure is a sequence: a modulus of 256 bytes after a zero byte, and the exponent 65537.
    let der = rsa_key().public_key().as_ref();
    let (modulus, exponent) = (&der[9..265], &der[der.len() - 3..]);
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({ "keys": [
        { "kty": "EC", "crv": "P-384", "alg": "ES384", "use": "sig", "kid": "service", "x": text(x), "y": text(y) },
        { "kty": "RSA", "alg": "RS384", "use": "sig", "kid": "rsa", "n": text(modulus), "e": text(exponent) },
    ] })
}

/// Returns a JWT that is signed with the key that its header names. It is made without a library, because tests send headers that no
/// library creates.
pub fn signed(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let random = SystemRandom::new();
    let signature = if header["kid"] == "rsa" {
        let mut signature = vec![0; rsa_key().public_modulus_len()];
        rsa_key().sign(&RSA_PKCS1_SHA384, &random, message.as_bytes(), &mut signature).expect("a signature");
        signature
    } else {
        key().sign(&random, message.as_bytes()).expect("a signature").as_ref().to_vec()
    };
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Returns the header and the claims of an assertion that is valid at `now` (seconds), once.
pub fn assertion(client: &str, now: i64) -> (Value, Value) {
    static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let process = std::process::id();
    let claims = json!({
        "iss": client, "sub": client, "aud": format!("{BASE_URL}/auth/token"), "exp": now + 300,
        "jti": format!("{process}-{now}-{count}"),
    });
    (json!({ "alg": "ES384", "kid": "service", "typ": "JWT" }), claims)
}

impl World {
    /// Returns the fields of an OAuth request with which a client authenticates by an assertion.
    pub fn asserting(&self, client: &str) -> Vec<(&'static str, String)> {
        let (header, claims) = assertion(client, self.now());
        vec![
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned()),
            ("client_assertion", signed(&header, &claims)),
        ]
    }

    /// Requests a token with an assertion.
    pub async fn by_assertion(&self, assertion: &str, scope: &str) -> TestResponse {
        let fields = [
            ("grant_type", "client_credentials"),
            ("scope", scope),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ];
        self.post("/auth/token").form(&fields).send().await
    }

    /// Returns an access token of a backend service.
    pub async fn service(&self, client: &str, scope: &str) -> String {
        let (header, claims) = assertion(client, self.now());
        let response = self.by_assertion(&signed(&header, &claims), scope).await;
        assert_eq!(response.status, http::StatusCode::OK, "{}", response.text());
        text(&response.json()["access_token"])
    }
}
