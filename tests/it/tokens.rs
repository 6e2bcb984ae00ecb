//! Access tokens of this server and of trusted issuers: what they must be, whose jobs they reach, how they end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{ANNA, Answer, BRUNO, PASSWORD, World, both_hosts, lake, text};

/// Another issuer, with a key of its own.
struct Issuer(EcdsaKeyPair);

impl Issuer {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"))
    }

    fn key(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let point = self.0.public_key().as_ref();
        json!({
            "kty": "EC", "crv": "P-256", "kid": "k", "alg": "ES256", "x": encode(&point[1..33]), "y": encode(&point[33..]),
        })
    }

    fn jwks(&self) -> String {
        json!({ "keys": [self.key()] }).to_string()
    }

    fn signed(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.0.sign(&SystemRandom::new(), message.as_bytes()).expect("signed");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    fn token(&self, claims: &Value) -> String {
        self.signed(HEADER, &claims.to_string())
    }

    /// A world whose settings trust this issuer.
    fn world(&self, more: &str) -> World {
        self.world_over(more, &ehi::defaults::sample_records())
    }

    fn world_over(&self, more: &str, records: &std::path::Path) -> World {
        trusting(&format!("jwks = '{}'{more}", self.jwks()), records)
    }
}

const HEADER: &str = r#"{"alg":"ES256","kid":"k"}"#;

fn trusting(more: &str, records: &std::path::Path) -> World {
    let issuer = format!("sandbox = true\nissuers = [{{ issuer = \"https://login.example.org\", {more} }}]");
    World::with(&issuer, records)
}

fn claims() -> Value {
    json!({
        "iss": "https://login.example.org", "aud": "http://localhost:8888/fhir", "sub": "u1", "azp": "portal",
        "exp": 1_900_000_000, "scope": "patient/$ehi-export", "patient": ANNA, "roles": ["ADMIN"],
    })
}

/// The claims of a user of the app `portal` who reads a population.
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
    // The same client id of ours is somebody else.
    let ours = world.get("/jobs").bearer(&token).send().await.json();
    assert_eq!(ours.as_array().map(Vec::len), Some(1));
    let admin = world.get("/admin/jobs").bearer(&token).send().await;
    assert_eq!(admin.status, StatusCode::FORBIDDEN, "its administrators are not ours");
    let world = issuer.world(", staff = true");
    assert_eq!(world.get("/admin/jobs").bearer(&token).send().await.status, StatusCode::OK);
}

#[tokio::test]
async fn tokens_of_trusted_issuers_must_hold_too() {
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
    assert_eq!(status(&issuer.signed(HEADER, &twice)).await, StatusCode::UNAUTHORIZED, "a claim comes twice");
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

/// What a key set says of a key counts: for encryption, or for another algorithm, it verifies nothing. A key of ours
/// that is published never serves as a shared secret.
#[tokio::test]
async fn keys_verify_only_what_they_are_meant_for() {
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
async fn two_users_of_one_app_do_not_see_each_others_jobs() {
    let directory = tempfile::tempdir().expect("a directory");
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
    // The same key of two users is two kick-offs.
    let keyed = async |token: &str| {
        let answer = world.get("/fhir/$export").bearer(token).header("idempotency-key", "k").send().await;
        answer.header("content-location").to_owned()
    };
    assert_ne!(keyed(&own).await, keyed(&other).await);
    assert_eq!(world.request(Method::DELETE, &status).bearer(&own).send().await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn user_scopes_reach_everybody_only_where_all_users_are_staff() {
    let directory = tempfile::tempdir().expect("a directory");
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
            let answer = world.get(path).bearer(&issuer.token(claims)).send().await;
            assert_eq!(answer.status, expected, "{path} {claims}");
        }
    }
    // A fhirUser that is no text is refused.
    let odd = with("fhirUser", json!(["Practitioner/p"]));
    assert_eq!(
        open.get("/fhir/$export").bearer(&issuer.token(&odd)).send().await.status,
        StatusCode::UNAUTHORIZED
    );
    // A patient's administrator role is no staff of ours.
    let mut patient = with("fhirUser", json!("Patient/p1"));
    patient["roles"] = json!(["ADMIN"]);
    assert_eq!(
        closed.get("/admin/jobs").bearer(&issuer.token(&patient)).send().await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn the_role_of_a_patient_is_the_own_record_in_the_dialect_with_roles() {
    let directory = tempfile::tempdir().expect("a directory");
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
    // With scopes these count; without a patient there is no own record; another role is none.
    for (name, value) in
        [("scope", json!("patient/Observation.rs")), ("patient", Value::Null), ("roles", json!(["USER"]))]
    {
        let mut other = claims.clone();
        match value {
            Value::Null => drop(other.as_object_mut().expect("an object").remove(name)),
            value => other[name] = value,
        }
        let answer = world.get("/fhir/r4/$export?_type=Patient").bearer(&issuer.token(&other)).send().await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}");
    }
}

both_hosts!(a_registered_tag_cannot_be_left_out);
async fn a_registered_tag_cannot_be_left_out(world: World) {
    for asked in [
        "system/*.rs",
        "system/*.rs access/other.read",
        "system/*.rs access/*.*",
        "system/*.rs access/*.read access/open.write",
        "system/*.rs access/open.read",
    ] {
        let (header, claims) = tests::service::assertion("team-service", world.now());
        let answer = world.by_assertion(&tests::service::signed(&header, &claims), asked).await;
        assert_eq!(answer.json()["scope"], "system/*.rs access/open.read", "{asked}: {}", answer.text());
    }
    // An EHI export has no tags to be limited by.
    let token = world.service("team-service", "system/$ehi-export").await;
    let path = format!("/no-form/fhir/Patient/{ANNA}/$ehi-export");
    assert_eq!(world.post(&path).bearer(&token).send().await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_token_limited_by_tags_sees_no_more_than_these() {
    let directory = tempfile::tempdir().expect("a directory");
    lake::write(directory.path());
    let tagged = json!({
        "resourceType": "Group", "id": "tagged", "type": "person", "actual": true,
        "meta": { "security": [{ "system": "https://example.org/access", "code": "open" }] },
    });
    std::fs::write(directory.path().join("Group/tagged.json"), tagged.to_string()).expect("written");
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
        let answer = world.get(&format!("/fhir/Group/{group}")).bearer(&token).send().await;
        assert_eq!(answer.status, expected, "{group}");
    }
    let begun = world.get("/fhir/$export?_type=Observation").bearer(&token).send().await;
    world.work().await;
    let manifest = world.get(begun.header("content-location")).bearer(&token).send().await.json();
    let lines = world.get(&text(&manifest["output"][0]["url"])).bearer(&token).send().await.lines();
    assert!(!lines.is_empty() && lines.iter().all(|line| line["meta"]["security"][0]["code"] == "open"));
}

async fn introspected(world: &World, bearer: &str, token: &str) -> Value {
    world.post("/auth/introspect").bearer(bearer).form(&[("token", token)]).send().await.json()
}

#[tokio::test]
async fn introspection_and_revocation_know_the_issuer_of_a_client() {
    let issuer = Issuer::new();
    let world = issuer.world("");
    // A client of the issuer that has the id of a public client of ours.
    let mut claims = claims();
    (claims["azp"], claims["fhirUser"]) = (json!("app"), json!("https://login.example.org/fhir/Patient/x"));
    let foreign = issuer.token(&claims);
    let own = world.token(ANNA).await;
    let inactive = json!({ "active": false });
    assert_eq!(introspected(&world, &own, &foreign).await, inactive);
    assert_eq!(introspected(&world, &foreign, &own).await, inactive);
    let known = introspected(&world, &foreign, &foreign).await;
    assert_eq!((&known["active"], &known["iss"]), (&json!(true), &claims["iss"]));
    assert_eq!(known["fhirUser"], claims["fhirUser"]);
    assert!(known.get("aud").is_none(), "not ours to say");
    // Our client of that name cannot end the other's token, and the other not ours.
    let alive = async |token: &str| world.get("/jobs").bearer(token).send().await.status == StatusCode::OK;
    let fields = [("token", foreign.as_str()), ("client_id", "app")];
    assert_eq!(world.post("/auth/revoke").form(&fields).send().await.status, StatusCode::OK);
    world.post("/auth/revoke").bearer(&own).form(&fields[..1]).send().await;
    assert!(alive(&foreign).await);
    world.post("/auth/revoke").bearer(&foreign).form(&[("token", own.as_str())]).send().await;
    assert!(alive(&own).await);
    // Its own bearer can. It is dead then in every process, whatever it has remembered.
    let answer = world.post("/auth/revoke").bearer(&foreign).form(&fields[..1]).send().await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(!alive(&foreign).await);
    let platform = world.platform().clone();
    let fresh = shared::security::verify::Verifier::new(
        shared::platform::Platform::settings(&platform),
        shared::platform::Platform::keys(&platform),
        shared::platform::Platform::clock(&platform),
        shared::platform::Platform::grants(&platform),
    );
    assert!(fresh.verify(&foreign).await.is_err());
    assert!(alive(&issuer.token(&json!({ "jti": "another", "azp": "app", "iss": claims["iss"], "aud": claims["aud"], "exp": claims["exp"] }))).await);
}

both_hosts!(a_resource_server_may_ask_about_all_tokens);
async fn a_resource_server_may_ask_about_all_tokens(world: World) {
    let tokens = world.tokens("app", ANNA).await;
    let basic = base64::engine::general_purpose::STANDARD
        .encode(format!("resource-server:{}", PASSWORD.replace(' ', "%20")));
    let ask = async |user: &str, token: &Value| -> Answer {
        let fields = [("token", text(token))];
        world.post("/auth/introspect").header("authorization", user).form(&fields).send().await
    };
    let server = format!("Basic {basic}");
    for name in ["access_token", "refresh_token"] {
        let known = ask(&server, &tokens[name]).await.json();
        assert_eq!((&known["active"], &known["patient"]), (&json!(true), &json!(ANNA)), "{name}");
    }
    // It may ask, and not end.
    world
        .post("/auth/revoke")
        .header("authorization", &server)
        .form(&[("token", text(&tokens["access_token"]))])
        .send()
        .await;
    assert_eq!(ask(&server, &tokens["access_token"]).await.json()["active"], true);
    let other = format!("Bearer {}", text(&world.tokens("other-app", BRUNO).await["access_token"]));
    assert_eq!(ask(&other, &tokens["access_token"]).await.json(), json!({ "active": false }));
}

/// A server of keys on this machine that counts its requests.
async fn key_server(
    answer: impl Fn(usize) -> (StatusCode, String) + Clone + Send + Sync + 'static,
) -> (String, Arc<AtomicUsize>) {
    let fetched = Arc::new(AtomicUsize::new(0));
    let count = fetched.clone();
    let app = axum::Router::new().route(
        "/keys",
        axum::routing::get(async move || {
            let number = count.fetch_add(1, Ordering::SeqCst);
            // Others come meanwhile.
            tokio::task::yield_now().await;
            let (status, body) = answer(number);
            (status, [("cache-control", "no-store")], body)
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, fetched)
}

#[tokio::test]
async fn an_issuers_keys_are_fetched_and_remembered() {
    let issuer = Issuer::new();
    let token = issuer.token(&claims());
    let jwks = issuer.jwks();
    let (url, fetched) = key_server(move |_| (StatusCode::OK, jwks.clone())).await;
    let world = trusting(&format!("jwks_url = \"{url}\""), &ehi::defaults::sample_records());
    for _ in 0..3 {
        assert_eq!(world.get("/jobs").bearer(&token).send().await.status, StatusCode::OK);
        world.advance(9);
    }
    assert_eq!(fetched.load(Ordering::SeqCst), 1, "no-store is not an invitation to a flood");
    world.advance(60);
    assert_eq!(world.get("/jobs").bearer(&token).send().await.status, StatusCode::OK);
    assert_eq!(fetched.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn strangers_cannot_make_the_server_fetch_keys_without_end() {
    let issuer = Issuer::new();
    let unknown = |number: usize| {
        issuer.signed(&format!(r#"{{"alg":"ES256","kid":"unknown-{number}"}}"#), &claims().to_string())
    };
    for fails in [false, true] {
        let jwks = issuer.jwks();
        let status = if fails { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
        let (url, fetched) = key_server(move |_| (status, jwks.clone())).await;
        let world = trusting(&format!("jwks_url = \"{url}\""), &ehi::defaults::sample_records());
        for round in 1..=3 {
            let tokens: Vec<_> = (0..50).map(unknown).collect();
            let answers = tokens.iter().map(|token| world.get("/jobs").bearer(token).send());
            let answers = futures_util::future::join_all(answers).await;
            let expected = if fails { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::UNAUTHORIZED };
            assert!(answers.iter().all(|answer| answer.status == expected), "{fails}");
            assert_eq!(fetched.load(Ordering::SeqCst), round, "one a round, failing: {fails}");
            world.advance(29);
            assert_ne!(world.get("/jobs").bearer(&unknown(99)).send().await.status, StatusCode::OK);
            assert_eq!(fetched.load(Ordering::SeqCst), round, "too early, failing: {fails}");
            world.advance(1);
        }
    }
    // A set that is too large, or is none, is not waited for again and again.
    for body in ["x".repeat(300 * 1024), "{}".to_owned()] {
        let (url, fetched) = key_server(move |_| (StatusCode::OK, body.clone())).await;
        let world = trusting(&format!("jwks_url = \"{url}\""), &ehi::defaults::sample_records());
        for number in 0..5 {
            let answer = world.get("/jobs").bearer(&unknown(number)).send().await;
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        }
        assert_eq!(fetched.load(Ordering::SeqCst), 1);
    }
}
