//! Fuzzes access tokens and client assertions: they are accepted only if they are unchanged, correctly signed and not expired.

use std::sync::OnceLock;

use contract::SeededRandom;
use jiff::Timestamp;
use security::assertion;
use security::jwks::JwksCache;
use security::keys::{Keys, StoredKeys};
use security::tokens::{self, AccessTokenClaims};
use serde_json::json;
use settings::Settings;

use super::Source;
use super::requests::{Server, with_server};
use crate::service::{assertion as valid_assertion, signed};
use crate::{BASE_URL, settings};

/// Returns the keys of this server, and those of another server.
fn keys() -> &'static [Keys; 2] {
    static KEYS: OnceLock<[Keys; 2]> = OnceLock::new();
    KEYS.get_or_init(|| {
        [1, 2].map(|seed| {
            Keys::new(&StoredKeys::generate(&SeededRandom::new(seed)).expect("keys")).expect("keys")
        })
    })
}

/// Verifies a token of this server with some of its bytes changed, or an arbitrary text.
pub(super) fn access_token(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let [keys, other] = keys();
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
    let lifetime = i64::from(source.byte()) - 100;
    let claims = AccessTokenClaims {
        iss: source.pick(&[BASE_URL, BASE_URL, BASE_URL, "https://other.example"]).to_owned(),
        aud: source.pick(&[BASE_URL, BASE_URL, BASE_URL, "https://other.example"]).to_owned(),
        sub: source.text(),
        client_id: "app".to_owned(),
        scope: source.text(),
        patient: source.once_in(2).then(|| "ann".to_owned()),
        iat: now.as_second(),
        exp: now.as_second() + lifetime,
        jti: source.text(),
        family: None,
        fhir_user: None,
    };
    let token = tokens::sign(keys, &claims).expect("signed");
    let holds = claims.iss == BASE_URL && claims.aud == BASE_URL && lifetime > 0;
    assert_eq!(tokens::verify(keys, &token, BASE_URL, now).is_some(), holds, "{claims:?}");
    let mut changed = token.clone().into_bytes();
    for _ in 0..source.below(4) {
        let at = (source.below(256) * 256 + source.below(256)) % changed.len();
        changed[at] = source.byte();
    }
    let changed = match source.once_in(8) {
        true => String::from_utf8_lossy(source.rest()).into_owned(),
        false => String::from_utf8_lossy(&changed).into_owned(),
    };
    if let Some(read) = tokens::verify(keys, &changed, BASE_URL, now) {
        // A signature has several base64 spellings; the signed text has only one.
        let message = |token: &str| token.rsplit_once('.').map(|(message, _)| message.to_owned());
        assert_eq!((message(&changed), &read), (message(&token), &claims));
        assert!(holds);
    }
    assert_eq!(tokens::verify(other, &token, BASE_URL, now), None);
}

/// Verifies an assertion in which some claims and header fields are wrong: it must be valid exactly if none of them is wrong.
pub(super) fn assertion(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let raw = source.once_in(6).then(|| String::from_utf8_lossy(source.rest()).into_owned());
    with_server(|Server { runtime, world, .. }| {
        let settings = Settings::parse(&settings("sandbox = true"), |_| None, None).expect("settings");
        let client =
            settings.clients.iter().find(|client| client.id.as_str() == "service").expect("the client");
        let (now, audiences) = (world.now(), [format!("{BASE_URL}/auth/token")]);
        let (mut header, mut claims) = valid_assertion("service", now);
        let mut holds = true;
        for _ in 0..source.below(3) {
            let (wrong, field, value) = match source.below(12) {
                0 => (true, "kid", json!(source.pick(&["rsa", "none", ""]))),
                1 => (true, "alg", json!(source.pick(&["ES256", "RS384", "HS384", "none"]))),
                2 => (true, "typ", json!("at+jwt")),
                3 => (false, "typ", json!("jwt")),
                4 => (true, "iss", json!(source.pick(&["other-service", "", "Service"]))),
                5 => (true, "sub", json!("other-service")),
                6 => (true, "aud", json!(source.pick(&[BASE_URL, "https://other.example/auth/token", ""]))),
                7 => {
                    let away = i64::from(source.byte()) * 4 - 400;
                    (away <= 0 || away > 305, "exp", json!(now + away))
                }
                8 => (true, "jti", json!("")),
                9 => (true, "nbf", json!(now + 6 + i64::from(source.byte()))),
                10 => (false, "nbf", json!(now - i64::from(source.byte()))),
                _ => (true, "jku", json!("https://other.example/keys")),
            };
            let part = if matches!(field, "kid" | "alg" | "typ" | "jku") { &mut header } else { &mut claims };
            // Each part is changed at most once.
            if part.get("changed").is_none() {
                part[field] = value;
                part["changed"] = json!(true);
                holds &= !wrong;
            }
        }
        let assertion = raw.clone().unwrap_or_else(|| signed(&header, &claims));
        let holds = holds && raw.is_none();
        let cache = JwksCache::new(&settings.limits);
        let grants = world.platform().expiring();
        let at = Timestamp::from_second(now).expect("a time");
        let verify = || assertion::verify(&assertion, client, &audiences, &cache, &*grants, at);
        let first = runtime.block_on(verify()).expect("nothing is unavailable");
        assert_eq!(first.is_ok(), holds, "{first:?} {header} {claims}");
        let second = runtime.block_on(verify()).expect("nothing is unavailable");
        assert!(second.is_err(), "an assertion is valid once");
    });
}
