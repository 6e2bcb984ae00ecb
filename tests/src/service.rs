//! A backend service: its key, its assertions, its tokens (SMART App Launch 2.2, Backend Services).

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::{Answer, BASE_URL, World, text};

fn key() -> &'static EcdsaKeyPair {
    static KEY: OnceLock<EcdsaKeyPair> = OnceLock::new();
    KEY.get_or_init(|| EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key"))
}

/// The public key as a JWK set.
pub fn jwks() -> Value {
    let point = key().public_key().as_ref();
    let (x, y) = point[1..].split_at(48);
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({ "keys": [{
        "kty": "EC", "crv": "P-384", "alg": "ES384", "use": "sig", "kid": "service", "x": text(x), "y": text(y),
    }] })
}

/// A signed JWT.
pub fn signed(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = key().sign(&SystemRandom::new(), message.as_bytes()).expect("a signature");
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}

/// The header and the claims of an assertion that holds at `now` (seconds), once.
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
    /// Asks for a token with an assertion.
    pub async fn by_assertion(&self, assertion: &str, scope: &str) -> Answer {
        let fields = [
            ("grant_type", "client_credentials"),
            ("scope", scope),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ];
        self.post("/auth/token").form(&fields).send().await
    }

    /// An access token of a backend service.
    pub async fn service(&self, client: &str, scope: &str) -> String {
        let (header, claims) = assertion(client, self.now());
        let answer = self.by_assertion(&signed(&header, &claims), scope).await;
        assert_eq!(answer.status, http::StatusCode::OK, "{}", answer.text());
        text(&answer.json()["access_token"])
    }
}
