//! Trusted issuers: their tokens are accepted, and each of their keys verifies only the signatures that it is for.

use http::StatusCode;
use serde_json::json;
use tests::ANNA;

use super::{Issuer, claims, trusting};

#[tokio::test]
async fn tokens_of_trusted_issuers_are_accepted() {
    let issuer = Issuer::new();
    let token = issuer.token(&claims());
    let world = issuer.world("");
    let job = world.kick_off(&token, "", ANNA).await;
    assert_eq!(world.status(&token, &job).await.status, StatusCode::ACCEPTED);
    // A client of this server with the same id is a different client.
    let ours = world.get("/jobs").bearer(&token).send().await.json();
    assert_eq!(ours.as_array().map(Vec::len), Some(1));
    let admin = world.get("/admin/jobs").bearer(&token).send().await;
    assert_eq!(
        admin.status,
        StatusCode::FORBIDDEN,
        "administrators of the issuer are not staff of this server"
    );
    let world = issuer.world(", staff = true");
    assert_eq!(world.get("/admin/jobs").bearer(&token).send().await.status, StatusCode::OK);
}

/// The restrictions of a key in a key set apply: a key for encryption or for another algorithm verifies no token. A published key
/// of this server must not work as a shared secret.
#[tokio::test]
async fn keys_verify_only_signatures_of_their_purpose() {
    let issuer = Issuer::new();
    let token = issuer.token(&claims());
    for (name, value, expected) in [
        ("use", json!("sig"), StatusCode::OK),
        ("use", json!("enc"), StatusCode::UNAUTHORIZED),
        ("key_ops", json!(["verify"]), StatusCode::OK),
        ("key_ops", json!(["encrypt"]), StatusCode::UNAUTHORIZED),
        ("alg", json!("ES384"), StatusCode::UNAUTHORIZED),
        ("alg", json!("ES256"), StatusCode::OK),
    ] {
        let mut key = issuer.key();
        key[name] = value.clone();
        let jwks = json!({ "keys": [{ "kty": "unknown", "kid": "other" }, key] });
        let world = trusting(&format!("jwks = '{jwks}'"), &ehi::defaults::sample_records());
        assert_eq!(world.get("/jobs").bearer(&token).send().await.status, expected, "{name}: {value}");
    }
}
