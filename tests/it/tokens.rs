//! Access tokens of this server and of trusted issuers: their requirements, and the jobs that they give access to.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{ANNA, World, both_hosts, lake, text};

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

#[tokio::test]
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

#[tokio::test]
async fn two_users_of_one_app_do_not_see_each_others_jobs() -> tests::Result {
    let directory = tempfile::tempdir()?;
    lake::write(directory.path());
    let issuer = Issuer::new();
    let world = issuer.world_over(", users_are_staff = true", directory.path());
    let token = |subject: &str, azp: &str| {
        let mut claims = user(subject, "user/*.rs");
        claims["azp"] = json!(azp);
        issuer.token(&claims)
    };
    let (own, other, itself) = (token("u1", "portal"), token("u2", "portal"), token("portal", "portal"));
    let begun = world.get("/fhir/$export").bearer(&own).send().await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.text());
    let status = begun.header("content-location").to_owned();
    world.work().await;
    let manifest = world.get(&status).bearer(&own).send().await;
    assert_eq!(manifest.status, StatusCode::OK);
    let file = text(&manifest.json()["output"][0]["url"]);
    let jobs = async |token: &str| {
        world.get("/jobs").bearer(token).send().await.json().as_array().map(Vec::len).expect("a list")
    };
    let elsewhere = token("u1", "another-app");
    for stranger in [&other, &itself, &elsewhere] {
        for path in [&status, &file, &status.replace("/status", ""), &status.replace("/status", "/metadata")]
        {
            assert_eq!(world.get(path).bearer(stranger).send().await.status, StatusCode::NOT_FOUND, "{path}");
        }
        let deleted = world.request(Method::DELETE, &status).bearer(stranger).send().await;
        assert_eq!(deleted.status, StatusCode::NOT_FOUND);
        assert_eq!(jobs(stranger).await, 0);
    }
    assert_eq!(jobs(&own).await, 1);
    // The same idempotency key of two users makes two kick-offs.
    let keyed = async |token: &str| {
        let response = world.get("/fhir/$export").bearer(token).header("idempotency-key", "k").send().await;
        response.header("content-location").to_owned()
    };
    assert_ne!(keyed(&own).await, keyed(&other).await);
    assert_eq!(world.request(Method::DELETE, &status).bearer(&own).send().await.status, StatusCode::ACCEPTED);
    Ok(())
}

#[tokio::test]
async fn user_scopes_reach_all_patients_only_if_all_users_are_staff() -> tests::Result {
    let directory = tempfile::tempdir()?;
    lake::write(directory.path());
    let issuer = Issuer::new();
    let with = |name: &str, value: Value| {
        let mut claims = user("u1", "user/*.rs");
        claims[name] = value;
        claims
    };
    let plain = user("u1", "user/*.rs");
    let (open, closed) = (
        issuer.world_over(", users_are_staff = true", directory.path()),
        issuer.world_over(", staff = true", directory.path()),
    );
    let practitioner = with("fhirUser", json!("https://ehr.example.org/fhir/Practitioner/p"));
    for (world, claims, expected) in [
        (&closed, &plain, StatusCode::FORBIDDEN),
        (&closed, &practitioner, StatusCode::FORBIDDEN),
        (&open, &plain, StatusCode::ACCEPTED),
        (&open, &practitioner, StatusCode::ACCEPTED),
        (&open, &with("fhirUser", json!("Patient/p1")), StatusCode::FORBIDDEN),
        (
            &open,
            &with("fhirUser", json!("https://ehr.example.org/fhir/RelatedPerson/r")),
            StatusCode::FORBIDDEN,
        ),
        (
            &open,
            &with("fhirUser", json!("https://ehr.example.org/fhir/Patient/p1/_history/2")),
            StatusCode::FORBIDDEN,
        ),
        (&open, &with("profile", json!("Patient/p1")), StatusCode::FORBIDDEN),
    ] {
        for path in ["/fhir/$export", "/4_0_0/Patient/$export", "/fhir/r4/Patient/$export"] {
            let response = world.get(path).bearer(&issuer.token(claims)).send().await;
            assert_eq!(response.status, expected, "{path} {claims}");
        }
    }
    // A fhirUser that is not a text is refused.
    let odd = with("fhirUser", json!(["Practitioner/p"]));
    assert_eq!(
        open.get("/fhir/$export").bearer(&issuer.token(&odd)).send().await.status,
        StatusCode::UNAUTHORIZED
    );
    // A patient with an administrator role is not staff of this server.
    let mut patient = with("fhirUser", json!("Patient/p1"));
    patient["roles"] = json!(["ADMIN"]);
    assert_eq!(
        closed.get("/admin/jobs").bearer(&issuer.token(&patient)).send().await.status,
        StatusCode::FORBIDDEN
    );
    Ok(())
}

#[tokio::test]
async fn the_role_patient_gives_access_to_the_own_record_in_the_dialect_with_roles() -> tests::Result {
    let directory = tempfile::tempdir()?;
    lake::write(directory.path());
    let issuer = Issuer::new();
    let world = issuer.world_over("", directory.path());
    let mut claims = user("u1", "");
    (claims["patient"], claims["roles"]) = (json!("p1"), json!(["PATIENT"]));
    let token = issuer.token(&claims);
    for path in ["/fhir/$export", "/4_0_0/$export", "/fhir/Patient/$export"] {
        assert_eq!(world.get(path).bearer(&token).send().await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let begun = world.get("/fhir/r4/$export?_type=Patient,Observation").bearer(&token).send().await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.text());
    world.work().await;
    let manifest = world.get(begun.header("content-location")).bearer(&token).send().await;
    assert_eq!(manifest.status, StatusCode::OK, "{}", manifest.text());
    for file in manifest.json()["output"].as_array().expect("output") {
        let lines = world.get(&text(&file["url"])).bearer(&token).send().await.lines();
        assert!(!lines.is_empty() && lines.iter().all(|line| text(&line["id"]).starts_with("p1")));
    }
    // If the token has scopes, they apply; without a patient there is no own record; another role gives no access.
    for (name, value) in
        [("scope", json!("patient/Observation.rs")), ("patient", Value::Null), ("roles", json!(["USER"]))]
    {
        let mut other = claims.clone();
        match value {
            Value::Null => drop(other.as_object_mut().expect("an object").remove(name)),
            value => other[name] = value,
        }
        let response = world.get("/fhir/r4/$export?_type=Patient").bearer(&issuer.token(&other)).send().await;
        assert_eq!(response.status, StatusCode::FORBIDDEN, "{name}");
    }
    Ok(())
}

#[both_hosts]
async fn a_registered_tag_cannot_be_left_out(world: World) {
    for scopes in [
        "system/*.rs",
        "system/*.rs access/other.read",
        "system/*.rs access/*.*",
        "system/*.rs access/*.read access/open.write",
        "system/*.rs access/open.read",
    ] {
        let (header, claims) = tests::service::assertion("team-service", world.now());
        let response = world.by_assertion(&tests::service::signed(&header, &claims), scopes).await;
        assert_eq!(response.json()["scope"], "system/*.rs access/open.read", "{scopes}: {}", response.text());
    }
    // An EHI export has no tags by which it could be limited.
    let token = world.service("team-service", "system/$ehi-export").await;
    let path = format!("/no-form/fhir/Patient/{ANNA}/$ehi-export");
    assert_eq!(world.post(&path).bearer(&token).send().await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_token_limited_by_tags_sees_resources_with_these_tags_only() -> tests::Result {
    let directory = tempfile::tempdir()?;
    lake::write(directory.path());
    let tagged = json!({
        "resourceType": "Group", "id": "tagged", "type": "person", "actual": true,
        "meta": { "security": [{ "system": "https://example.org/access", "code": "open" }] },
    });
    std::fs::write(directory.path().join("Group/tagged.json"), tagged.to_string())?;
    let world = World::with("sandbox = true", directory.path());
    let token = world.service("team-service", "system/*.rs").await;
    let groups = world.get("/fhir/Group").bearer(&token).send().await.json();
    let ids: Vec<_> = groups["entry"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|entry| text(&entry["resource"]["id"]))
        .collect();
    assert_eq!((ids, &groups["total"]), (vec!["tagged".to_owned()], &json!(1)));
    for (group, expected) in [("tagged", StatusCode::OK), ("all", StatusCode::NOT_FOUND)] {
        let response = world.get(&format!("/fhir/Group/{group}")).bearer(&token).send().await;
        assert_eq!(response.status, expected, "{group}");
    }
    let begun = world.get("/fhir/$export?_type=Observation").bearer(&token).send().await;
    world.work().await;
    let manifest = world.get(begun.header("content-location")).bearer(&token).send().await.json();
    let lines = world.get(&text(&manifest["output"][0]["url"])).bearer(&token).send().await.lines();
    assert!(!lines.is_empty() && lines.iter().all(|line| line["meta"]["security"][0]["code"] == "open"));
    Ok(())
}
