use proptest::prelude::*;
use serde_json::json;

use super::*;

fn token(header: &str, claims: &str) -> String {
    format!("{}.{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims), "AAAA")
}

fn read(token: &str) -> Result<(), Refused> {
    Unverified::read(token, &["ES256"], &["jwt", "at+jwt"]).map(|_| ())
}

#[test]
fn headers_are_read_strictly() {
    for (header, good) in [
        (r#"{"alg":"ES256","kid":"k"}"#, true),
        (r#"{"alg":"ES256","kid":"k","typ":"at+JWT"}"#, true),
        (r#"{"alg":"ES256","kid":"k","x":[1]}"#, true),
        (r#"{"alg":"ES256"}"#, false),
        (r#"{"alg":"ES256","kid":""}"#, false),
        (r#"{"alg":"ES256","kid":7}"#, false),
        (r#"{"alg":"none","kid":"k"}"#, false),
        (r#"{"alg":"HS256","kid":"k"}"#, false),
        (r#"{"alg":"es256","kid":"k"}"#, false),
        (r#"{"alg":["ES256"],"kid":"k"}"#, false),
        (r#"{"alg":"ES256","alg":"ES256","kid":"k"}"#, false),
        (r#"{"alg":"ES256","kid":"k","crit":["exp"]}"#, false),
        (r#"{"alg":"ES256","kid":"k","crit":[]}"#, false),
        (r#"{"alg":"ES256","kid":"k","b64":false}"#, false),
        (r#"{"alg":"ES256","kid":"k","zip":"DEF"}"#, false),
        (r#"{"alg":"ES256","kid":"k","typ":"JOSE"}"#, false),
        (r#"{"alg":"ES256","kid":"k","typ":null}"#, false),
        (r#"["ES256"]"#, false),
        ("nonsense", false),
    ] {
        assert_eq!(read(&token(header, "{}")).is_ok(), good, "{header}");
    }
    let header = r#"{"alg":"ES256","kid":"k"}"#;
    assert!(read(&token(header, r#"{"sub":"a","sub":"b"}"#)).is_err(), "a claim is repeated");
    assert!(read(&token(header, "[]")).is_err());
    let good = token(header, "{}");
    assert!(read(&good).is_ok());
    for wrong in [&good[..good.len() - 5], &format!("{good}.x"), &good.replace('.', " "), &"x".repeat(20_000)]
    {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn times_are_numbers_of_seconds() {
    let now = Timestamp::from_second(1_000).expect("a time");
    for (claims, ends) in [
        (json!({ "exp": 1_001 }), Some(1_001)),
        (json!({ "exp": 1_001.9 }), Some(1_001)),
        (json!({ "exp": 1_000 }), None),
        (json!({ "exp": 1_000.9 }), None),
        (json!({}), None),
        (json!({ "exp": null }), None),
        (json!({ "exp": "1001" }), None),
        (json!({ "exp": -5 }), None),
        (json!({ "exp": 1e300 }), None),
        (json!({ "exp": u64::MAX }), None),
        (json!({ "exp": 253_402_300_800_i64 }), None),
        (json!({ "exp": 1_001, "nbf": 1_004 }), Some(1_001)),
        (json!({ "exp": 1_001, "nbf": 1_006 }), None),
        (json!({ "exp": 1_001, "nbf": 1_006.5 }), None),
        (json!({ "exp": 1_001, "nbf": "900" }), None),
        (json!({ "exp": 1_001, "nbf": null }), None),
        (json!({ "exp": 1_001, "iat": "yesterday" }), None),
    ] {
        let Value::Object(members) = claims.clone() else { panic!("an object") };
        assert_eq!(Claims(members).ends(now, SignedDuration::from_secs(5)).ok(), ends, "{claims}");
    }
}

#[test]
fn audiences_are_texts() {
    let ours = ["a".to_owned(), "b".to_owned()];
    for (audience, any, only) in [
        (json!("a"), true, true),
        (json!(["b"]), true, true),
        (json!(["x", "b"]), true, false),
        (json!(["a", "b"]), true, false),
        (json!(["a", 1]), false, false),
        (json!([]), false, false),
        (json!("A"), false, false),
        (json!("a "), false, false),
        (json!({ "a": 1 }), false, false),
        (json!(null), false, false),
    ] {
        let claims = Claims(Map::from_iter([("aud".to_owned(), audience.clone())]));
        assert_eq!((claims.is_for(&ours, false), claims.is_for(&ours, true)), (any, only), "{audience}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[a-zA-Z0-9_.=-]{0,200}", header in ".{0,60}", claims in ".{0,60}") {
        let _ = read(&text);
        let _ = read(&token(&header, &claims));
    }
}
