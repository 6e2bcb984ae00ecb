//! The requirements of a token: its claims, its header and its signature.

use http::StatusCode;
use serde_json::{Value, json};
use tests::ANNA;

use super::{HEADER, Issuer, claims};

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of tokens")]
async fn tokens_of_trusted_issuers_must_be_valid_too() {
    let issuer = Issuer::new();
    let world = issuer.world(", staff = true");
    let status = async |token: &str| world.get("/jobs").bearer(token).send().await.status;
    let set = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        claims
    };
    for good in [
        claims(),
        set("aud", json!(["https://elsewhere.example.org", "http://localhost:8888/fhir"])),
        set("exp", json!(1_900_000_000.5)),
        set("nbf", json!(1_700_000_000)),
        set("roles", json!("USER")),
    ] {
        assert_eq!(status(&issuer.token(&good)).await, StatusCode::OK, "{good}");
    }
    for (name, value) in [
        ("aud", json!("https://elsewhere.example.org")),
        ("aud", json!(["http://localhost:8888/fhir", 1])),
        ("aud", json!({ "http://localhost:8888/fhir": true })),
        ("aud", Value::Null),
        ("iss", json!("https://evil.example.org")),
        ("iss", json!(["https://login.example.org"])),
        ("exp", json!(1_000)),
        ("exp", Value::Null),
        ("exp", json!("1900000000")),
        ("exp", json!(1e300)),
        ("exp", json!(u64::MAX)),
        ("nbf", json!(1_890_000_000)),
        ("nbf", json!(1_890_000_000.5)),
        ("nbf", json!("1890000000")),
        ("iat", json!("yesterday")),
        ("patient", json!("../x")),
        ("patient", json!([ANNA])),
        ("sub", json!(7)),
        ("sub", json!("x".repeat(300))),
        ("azp", json!({})),
        ("scope", json!(["patient/$ehi-export"])),
        ("roles", json!({ "ADMIN": true })),
        ("roles", json!([1])),
    ] {
        let token = issuer.token(&set(name, value.clone()));
        assert_eq!(status(&token).await, StatusCode::UNAUTHORIZED, "{name}: {value}");
    }
    let mut no_end = claims();
    no_end.as_object_mut().expect("an object").remove("exp");
    assert_eq!(status(&issuer.token(&no_end)).await, StatusCode::UNAUTHORIZED, "no exp");
    let text = claims().to_string();
    for header in [
        r#"{"alg":"none","kid":"k"}"#,
        r#"{"alg":"HS256","kid":"k"}"#,
        r#"{"alg":"ES384","kid":"k"}"#,
        r#"{"alg":"RS256","kid":"k"}"#,
        r#"{"alg":"ES256"}"#,
        r#"{"alg":"ES256","kid":"another"}"#,
        r#"{"alg":"ES256","kid":"k","crit":["exp"]}"#,
        r#"{"alg":"ES256","kid":"k","crit":["b64"],"b64":false}"#,
        r#"{"alg":"ES256","kid":"k","b64":false}"#,
        r#"{"alg":"ES256","kid":"k","typ":"logout+jwt"}"#,
        r#"{"alg":"ES256","kid":"k","alg":"ES256"}"#,
        r#"{"alg":"ES256","kid":"k","zip":"DEF"}"#,
    ] {
        assert_eq!(status(&issuer.signed(header, &text)).await, StatusCode::UNAUTHORIZED, "{header}");
    }
    for header in
        [r#"{"alg":"ES256","kid":"k","typ":"at+jwt"}"#, r#"{"alg":"ES256","kid":"k","typ":"JWT","x":1}"#]
    {
        assert_eq!(status(&issuer.signed(header, &text)).await, StatusCode::OK, "{header}");
    }
    let twice = text.replacen('{', r#"{"patient":"bruno-keller","#, 1);
    assert_eq!(
        status(&issuer.signed(HEADER, &twice)).await,
        StatusCode::UNAUTHORIZED,
        "a claim is given twice"
    );
    let good = issuer.token(&claims());
    for broken in [
        format!("{good}A"),
        format!("{good}."),
        format!("{good}="),
        good[..good.len() - 2].to_owned(),
        good.replace('.', ".."),
    ] {
        assert_eq!(status(&broken).await, StatusCode::UNAUTHORIZED, "{broken}");
    }
    assert_eq!(status(&Issuer::new().token(&claims())).await, StatusCode::UNAUTHORIZED, "another key");
}
