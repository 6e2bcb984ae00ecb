//! Whole responses, as clients read them. These snapshots show each member that is new, missing or renamed.

use http::StatusCode;
use serde_json::{Map, Value, json};
use tests::service::{assertion, signed};
use tests::{ANNA, BRUNO, Launch, TestResponse, World};

use crate::bulk::exported;
use crate::format::assert_described;

/// Replaces every job id and every signature in a document by a placeholder.
fn without_ids(document: &Value) -> Value {
    let text = document.to_string();
    let mut plain = String::new();
    for (number, part) in text.split("signature=").enumerate() {
        let part =
            if number == 0 { part } else { part.trim_start_matches(|letter| letter != '"' && letter != '&') };
        plain += if number == 0 { "" } else { "signature={signature}" };
        plain += part;
    }
    let ids: Vec<_> =
        plain.split(['/', '"', '?', ' ']).filter(|part| is_id(part)).map(str::to_owned).collect();
    let plain = ids.iter().fold(plain, |plain, id| plain.replace(id.as_str(), "{job}"));
    serde_json::from_str(&plain).expect("JSON")
}

/// Returns whether this is a UUID, like the id of a job.
fn is_id(text: &str) -> bool {
    text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
}

/// Returns the status, the body, and headers that matter.
fn shown(response: &TestResponse) -> Value {
    let mut shown = json!({ "status": response.status.as_u16(), "body": without_ids(&response.json()) });
    for name in ["www-authenticate", "retry-after", "content-type"] {
        let value = response.header(name);
        if !value.is_empty() {
            shown[name] = json!(value);
        }
    }
    shown
}

#[tokio::test]
async fn discovery_documents_match_their_snapshots() {
    let world = World::new();
    for (name, path) in [
        ("capability-statement", "/fhir/metadata"),
        ("capability-statement-of-a-shortcut", "/no-form/fhir/metadata"),
        ("smart-configuration", "/fhir/.well-known/smart-configuration"),
        ("smart-configuration-of-a-shortcut", "/no-form/fhir/.well-known/smart-configuration"),
        ("openid-configuration", "/.well-known/openid-configuration"),
    ] {
        let response = world.get(path).send().await;
        assert_eq!(response.status, StatusCode::OK, "{path}");
        insta::assert_json_snapshot!(name, response.json());
    }
}

#[tokio::test]
async fn manifests_match_their_snapshots() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    let manifest = world.status(&token, &job).await.json();
    assert_described(&world, &manifest).await;
    insta::assert_json_snapshot!("manifest-of-a-patient", without_ids(&manifest));
    let token = world.service("service", "system/*.rs").await;
    for (name, base) in [("fhir", "/fhir"), ("4_0_0", "/4_0_0"), ("r4", "/fhir/r4")] {
        let manifest =
            exported(&world, &token, &format!("{base}/Patient/$export?_type=Patient,Device")).await;
        assert_described(&world, &manifest).await;
        insta::assert_json_snapshot!(format!("manifest-of-{name}"), without_ids(&manifest));
    }
    for client in ["other-service", "direct-service"] {
        let token = world.service(client, "system/Patient.rs").await;
        let manifest = exported(&world, &token, "/fhir/Patient/$export?_type=Patient").await;
        assert_described(&world, &manifest).await;
        insta::assert_json_snapshot!(format!("manifest-of-{client}"), without_ids(&manifest));
    }
}

/// 42 CFR 2.32: what is disclosed with the patient's consent carries a notice.
#[tokio::test]
async fn the_manifest_has_the_notice_about_alcohol_and_drugs_if_they_were_authorized() {
    let world = World::new();
    let (token, staff) = (world.token(ANNA).await, world.staff().await);
    let notice = json!("42 CFR part 2 prohibits unauthorized use or disclosure of these records.");
    for (topic, expected) in [("alcoholAndDrug", notice), ("hiv", Value::Null)] {
        let job = world.kick_off(&token, "/auto-approve", ANNA).await;
        let choices = json!({
            "parameters": { "labs": { "enabled": true } },
            "authorizations": { topic: { "value": true } },
        });
        assert_eq!(world.post(&job).bearer(&token).json(&choices).send().await.status, StatusCode::OK);
        world.work().await;
        // The manifest is in the language of clients, whatever the language of a browser is.
        let status = world.get(&format!("{job}/status")).bearer(&token).header("accept-language", "es");
        assert_eq!(status.send().await.json()["extension"]["notice"], expected, "{topic}");
        let of_staff = world.get(&format!("/admin{job}")).cookie(&staff).send().await.json();
        assert_eq!(of_staff["manifest"]["extension"]["notice"], expected, "{topic}");
    }
}

#[tokio::test]
async fn jobs_match_their_snapshot_in_each_state() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "", ANNA).await;
    let mut jobs = Map::new();
    let mut note = async |state: &str| {
        jobs.insert(state.to_owned(), without_ids(&world.get(&job).bearer(&token).send().await.json()));
    };
    note("awaiting-input").await;
    let choices = json!({
        "parameters": { "labs": { "enabled": true, "from": "2020" } },
        "authorizations": { "hiv": { "value": true } },
    });
    assert_eq!(world.post(&job).bearer(&token).json(&choices).send().await.status, StatusCode::OK);
    note("queued").await;
    world.work().await;
    note("in-review").await;
    let staff = world.staff().await;
    world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
    note("complete").await;
    insta::assert_json_snapshot!("jobs", jobs);
}

#[tokio::test]
async fn operation_outcomes_match_their_snapshot() {
    let world = World::new();
    let (anna, bruno) = (world.token(ANNA).await, world.token(BRUNO).await);
    let service = world.service("service", "system/*.rs").await;
    let job = world.kick_off(&anna, "", ANNA).await;
    let export = format!("/fhir/Patient/{ANNA}/$ehi-export");
    let unknown = json!({ "parameters": { "lab": { "enabled": true } } });
    let staff = world.staff().await;
    let status = format!("{job}/status");
    let responses = [
        ("without a token", world.get(&status)),
        ("with a token that is none", world.get(&status).bearer("nonsense")),
        ("the job of somebody else", world.get(&status).bearer(&bruno)),
        ("the export of somebody else", world.post(&export).bearer(&bruno)),
        ("no such path", world.get("/nothing")),
        ("no such method", world.request(http::Method::PUT, "/fhir/metadata")),
        ("no such format", world.get("/fhir/metadata?_format=xml")),
        ("a body that is no JSON", world.post(&export).bearer(&anna).body("application/json", "{")),
        ("choices that are unknown", world.post(&job).bearer(&anna).json(&unknown)),
        ("a type that is unknown", world.get("/fhir/$export?_type=Bogus").bearer(&service)),
        ("a time that is none", world.get("/fhir/$export?_since=yesterday").bearer(&service)),
        ("a group that is not there", world.get("/fhir/Group/nobody/$export").bearer(&service)),
        ("what a patient's token may not", world.get("/fhir/$export").bearer(&anna)),
        ("a move that the state does not allow", world.post(&format!("/admin{job}/approve")).cookie(&staff)),
        ("a file before its time", world.get(&format!("{job}/download/Patient.ndjson")).bearer(&anna)),
    ];
    let mut outcomes = Map::new();
    for (name, call) in responses {
        outcomes.insert(name.to_owned(), shown(&call.send().await));
    }
    insta::assert_json_snapshot!("operation-outcomes", outcomes);
}

#[tokio::test]
async fn token_errors_match_their_snapshot() {
    let world = World::new();
    let launch = Launch::new("app");
    let code = world.code(&launch, ANNA).await;
    let mut stolen = Launch::new("app");
    stolen.verifier = "v".repeat(64);
    let mut errors = Map::new();
    errors.insert("a verifier of another".to_owned(), shown(&world.redeem(&stolen, &code).await));
    errors.insert("a code that was used".to_owned(), shown(&world.redeem(&launch, &code).await));
    for (name, fields) in [
        ("nothing", &[][..]),
        ("no such grant", &[("grant_type", "password"), ("client_id", "app")]),
        ("no code", &[("grant_type", "authorization_code"), ("client_id", "app")]),
        ("no such client", &[("grant_type", "refresh_token"), ("client_id", "x"), ("refresh_token", "y")]),
        (
            "no such refresh token",
            &[("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", "y")],
        ),
        (
            "a client that must authenticate",
            &[("grant_type", "refresh_token"), ("client_id", "confidential"), ("refresh_token", "y")],
        ),
        ("no assertion", &[("grant_type", "client_credentials"), ("scope", "system/*.rs")]),
    ] {
        errors.insert(name.to_owned(), shown(&world.post("/auth/token").form(fields).send().await));
    }
    let (header, claims) = assertion("service", world.now());
    let good = signed(&header, &claims);
    for (name, assertion, scope) in [
        ("a scope that is not registered", good.as_str(), "system/Bogus.rs"),
        ("a signature that is wrong", &format!("{good}x"), "system/*.rs"),
    ] {
        errors.insert(name.to_owned(), shown(&world.by_assertion(assertion, scope).await));
    }
    insta::assert_json_snapshot!("token-errors", errors);
}
