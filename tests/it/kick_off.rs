//! The kick-off of exports.

use http::StatusCode;
use platform::Platform;
use security::tokens::{AccessTokenClaims, sign};
use serde_json::json;
use tests::{ANNA, BASE_URL, BRUNO, World, both_hosts, parameter};

fn export_of(patient: &str) -> String {
    format!("/fhir/Patient/{patient}/$ehi-export")
}

#[both_hosts]
async fn a_patients_app_gets_a_status_url_and_the_form(world: World) {
    let token = world.token(ANNA).await;
    for base in ["/fhir", "/4_0_0", "/fhir/r4"] {
        let response = world.post(&format!("{base}/Patient/{ANNA}/$ehi-export")).bearer(&token).send().await;
        assert_eq!(response.status, StatusCode::ACCEPTED);
        assert!(response.header("content-location").starts_with(&format!("{BASE_URL}/jobs/")));
        let link = response.header("link");
        assert!(
            link.starts_with(&format!("<{BASE_URL}/jobs/"))
                && link.ends_with("; rel=\"patient-interaction\""),
            "{link}"
        );
        let form = link.split(['<', '>']).nth(1).expect("a URL");
        assert_eq!(parameter(form, "_patient").as_deref(), Some(ANNA));
        assert_eq!(response.json()["issue"][0]["severity"], "information");
    }
}

#[both_hosts]
async fn a_client_that_cannot_parse_angle_brackets_gets_a_bare_url(world: World) {
    let token = tests::text(&world.tokens("other-app", ANNA).await["access_token"]);
    let response = world.post(&export_of(ANNA)).bearer(&token).send().await;
    assert!(response.header("link").starts_with("http://"), "{}", response.header("link"));
}

#[both_hosts]
async fn an_encoded_dollar_is_a_dollar(world: World) {
    let token = world.token(ANNA).await;
    let response = world.post(&format!("/fhir/Patient/{ANNA}/%24ehi-export")).bearer(&token).send().await;
    assert_eq!(response.status, StatusCode::ACCEPTED);
}

#[both_hosts]
async fn parameters_in_the_body_replace_the_form(world: World) {
    let token = world.token(ANNA).await;
    let body = json!({ "resourceType": "Parameters", "parameter": [
        { "name": "parameters", "part": [{ "name": "labs", "part": [{ "name": "enabled", "valueBoolean": true }] }] },
    ]});
    let response = world.post(&export_of(ANNA)).bearer(&token).json(&body).send().await;
    assert_eq!(response.status, StatusCode::ACCEPTED);
    assert_eq!(response.header("link"), "");
}

#[both_hosts]
async fn mistakes_in_the_body_are_reported(world: World) {
    let token = world.token(ANNA).await;
    let post = || world.post(&export_of(ANNA)).bearer(&token);
    let unknown =
        json!({ "resourceType": "Parameters", "parameter": [{ "name": "_since", "valueInstant": "2020" }] });
    let response = post().json(&unknown).send().await;
    assert_eq!(response.status, StatusCode::BAD_REQUEST);
    assert!(response.outcome().contains("_since"));
    assert_eq!(post().body("application/json", "{").send().await.status, StatusCode::BAD_REQUEST);
    assert_eq!(post().body("text/plain", "x").send().await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let twice = r#"{"resourceType":"Parameters","parameter":[],"parameter":[]}"#;
    let response = post().body("application/fhir+json", twice).send().await;
    assert_eq!(response.status, StatusCode::BAD_REQUEST);
    assert!(response.outcome().contains("'parameter' is given twice"), "{}", response.outcome());
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(110_000));
    let response = post().body("application/json", large).send().await;
    assert_eq!(response.status, StatusCode::PAYLOAD_TOO_LARGE);
    response.outcome();
}

#[both_hosts]
async fn malformed_parameters_are_reported_and_start_nothing(world: World) {
    let token = world.token(ANNA).await;
    let post = |list: serde_json::Value| {
        let body = json!({ "resourceType": "Parameters", "parameter": list });
        world.post(&export_of(ANNA)).bearer(&token).json(&body).send()
    };
    let enabled = json!({ "name": "enabled", "valueBoolean": true });
    for (list, named) in [
        (
            json!([{ "name": "parameters", "part": [{ "name": "visits", "valueBoolean": true }] }]),
            "parameters.visits",
        ),
        (json!([{ "name": "parameters", "valueString": "visits" }]), "'parameters'"),
        (
            json!([
                { "name": "parameters", "part": [{ "name": "labs", "part": [enabled] }] },
                { "name": "authorizations", "part": [{ "name": "hiv", "part": [enabled] }] },
            ]),
            "authorizations.hiv",
        ),
        (
            json!([{ "name": "parameters", "part": [{ "name": "labs", "part": [{ "name": "enabled", "valueBoolean": false }] }] }]),
            "at least one group",
        ),
    ] {
        let response = post(list.clone()).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{list}");
        assert!(response.outcome().contains(named), "{list}: {}", response.outcome());
    }
    // An empty Parameters resource is treated like a missing body: the patient chooses.
    let response = post(json!([])).await;
    assert_eq!(response.status, StatusCode::ACCEPTED);
    assert!(response.header("link").contains("patient-interaction"));
}

#[tokio::test]
async fn another_patient_and_no_patient_are_the_same_404() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let others = world.post(&export_of(BRUNO)).bearer(&token).send().await;
    let unknown = world.post(&export_of("nobody")).bearer(&token).send().await;
    assert_eq!((others.status, unknown.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND));
    assert_eq!(others.outcome(), unknown.outcome());
}

/// Returns a token of this server with some claims changed.
fn signed(world: &World, change: impl FnOnce(&mut AccessTokenClaims)) -> String {
    let now = world.platform().clock().now().as_second();
    let mut claims = AccessTokenClaims {
        iss: BASE_URL.to_owned(),
        aud: BASE_URL.to_owned(),
        sub: format!("Patient/{ANNA}"),
        client_id: "app".to_owned(),
        scope: "patient/$ehi-export".to_owned(),
        patient: Some(ANNA.to_owned()),
        iat: now,
        exp: now + 300,
        jti: "j".to_owned(),
        fhir_user: None,
        family: None,
    };
    change(&mut claims);
    sign(&world.platform().keys(), &claims).expect("signed")
}

#[tokio::test]
async fn invalid_tokens_are_401() {
    let world = World::new();
    let good = signed(&world, |_| {});
    assert_eq!(world.post(&export_of(ANNA)).bearer(&good).send().await.status, StatusCode::ACCEPTED);
    let parts: Vec<&str> = good.split('.').collect();
    let base64 = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text);
    let none = format!("{}.{}.", base64(r#"{"alg":"none","typ":"JWT"}"#), parts[1]);
    let hs256 = {
        // The public key is used as a shared secret.
        let head = base64(r#"{"alg":"HS256","typ":"JWT"}"#);
        let key = world.platform().keys().jwks()["keys"][0].to_string();
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key.as_bytes());
        let signature = aws_lc_rs::hmac::sign(&key, format!("{head}.{}", parts[1]).as_bytes());
        let signature = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, signature);
        format!("{head}.{}.{signature}", parts[1])
    };
    let changed = format!("{}.{}.{}", parts[0], base64(&format!(r#"{{"patient":"{BRUNO}"}}"#)), parts[2]);
    let bad = [
        String::new(),
        "x".to_owned(),
        "a.b.c".to_owned(),
        none,
        hs256,
        changed,
        signed(&world, |claims| claims.exp = claims.iat),
        signed(&world, |claims| claims.aud = "https://elsewhere.example.org".to_owned()),
        signed(&world, |claims| claims.iss = "https://elsewhere.example.org".to_owned()),
        tests::text(&serde_json::Value::from("é".repeat(10).replace('é', "e"))),
    ];
    for token in bad {
        let response = world.post(&export_of(ANNA)).bearer(&token).send().await;
        assert_eq!(response.status, StatusCode::UNAUTHORIZED, "{token}");
        assert_eq!(response.header("www-authenticate"), "Bearer error=\"invalid_token\"");
        response.outcome();
    }
}

/// This story signs tokens with the server's own keys.
#[tokio::test]
async fn a_token_without_the_scope_is_403_and_an_internal_one_needs_no_form() {
    let world = World::new();
    let reads = signed(&world, |claims| claims.scope = "patient/*.rs".to_owned());
    assert_eq!(world.post(&export_of(ANNA)).bearer(&reads).send().await.status, StatusCode::FORBIDDEN);
    let system = signed(&world, |claims| {
        claims.scope = "system/$ehi-export".to_owned();
        claims.patient = None;
    });
    let response = world.post(&export_of(BRUNO)).bearer(&system).send().await;
    assert_eq!((response.status, response.header("link")), (StatusCode::ACCEPTED, ""));
    let response = world.post(&export_of("nobody")).bearer(&system).send().await;
    assert_eq!(response.status, StatusCode::NOT_FOUND);
    // The response is the same for an unknown patient.
    let reads = signed(&world, |claims| {
        claims.scope = "system/*.rs".to_owned();
        claims.patient = None;
    });
    for patient in [BRUNO, "nobody"] {
        let response = world.post(&export_of(patient)).bearer(&reads).send().await;
        assert_eq!(response.status, StatusCode::FORBIDDEN, "{patient}");
        assert_eq!(response.outcome(), "the token lacks the scope system/$ehi-export");
    }
}

#[tokio::test]
async fn the_shortcuts_exist_in_the_sandbox_only() {
    let world = World::new();
    let token = world.token(ANNA).await;
    for prefix in ["/auto-approve", "/no-form", "/auto-approve/no-form", "/no-form/auto-approve"] {
        let response = world.post(&format!("{prefix}{}", export_of(ANNA))).bearer(&token).send().await;
        assert_eq!(response.status, StatusCode::ACCEPTED, "{prefix}");
        assert_eq!(response.header("link").is_empty(), prefix.contains("no-form"), "{prefix}");
    }
    let strict = World::with("sandbox = false", &ehi::defaults::sample_records());
    let token = signed(&strict, |_| {});
    let response = strict.post(&format!("/auto-approve{}", export_of(ANNA))).bearer(&token).send().await;
    assert_eq!(response.status, StatusCode::NOT_FOUND);
}
