//! The SMART authorization server.

use http::StatusCode;
use serde_json::{Value, json};
use tests::{ANNA, BRUNO, Launch, PASSWORD, World, authorize_path, both_hosts, parameter, text};

both_hosts!(the_token_response_has_what_smart_wants);
async fn the_token_response_has_what_smart_wants(world: World) {
    let launch = Launch::new("app");
    let code = world.code(&launch, ANNA).await;
    let answer = world.redeem(&launch, &code).await;
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
    insta::allow_duplicates! {
        insta::assert_json_snapshot!(answer.json(), { ".access_token" => "[token]", ".refresh_token" => "[token]" }, @r#"
    {
      "access_token": "[token]",
      "token_type": "bearer",
      "expires_in": 900,
      "scope": "launch/patient offline_access patient/$ehi-export",
      "patient": "anna-lindqvist",
      "refresh_token": "[token]"
    }
    "#);
    }
}

both_hosts!(requests_that_are_wrong_go_back_to_the_app_with_the_reason);
async fn requests_that_are_wrong_go_back_to_the_app_with_the_reason(world: World) {
    let with = |name: &'static str, value: Option<&str>| {
        let mut fields = Launch::new("app").fields();
        fields.retain(|(key, _)| *key != name);
        fields.extend(value.map(|value| (name, value.to_owned())));
        authorize_path(&fields)
    };
    for (path, error) in [
        (with("response_type", Some("token")), "unsupported_response_type"),
        (with("aud", None), "invalid_request"),
        (with("aud", Some("https://elsewhere.example.org/fhir")), "invalid_request"),
        (with("code_challenge", None), "invalid_request"),
        (with("code_challenge_method", Some("plain")), "invalid_request"),
        (with("code_challenge_method", None), "invalid_request"),
        (with("scope", Some("system/*.rs")), "invalid_scope"),
    ] {
        let location = world.get(&path).send().await.location();
        assert!(location.starts_with("https://app.example.org/callback?"), "{location}");
        assert_eq!(parameter(&location, "error").as_deref(), Some(error), "{path}");
        assert_eq!(parameter(&location, "state").as_deref(), Some("xyz"));
    }
}

both_hosts!(nothing_is_sent_to_an_address_that_is_not_registered);
async fn nothing_is_sent_to_an_address_that_is_not_registered(world: World) {
    for (name, value) in [
        ("client_id", "nobody"),
        ("redirect_uri", "https://evil.example.org/callback"),
        ("redirect_uri", "https://app.example.org/other"),
        ("redirect_uri", "javascript:alert(1)"),
    ] {
        let mut fields = Launch::new("app").fields();
        fields.retain(|(key, _)| *key != name);
        fields.push((name, value.to_owned()));
        let answer = world.get(&authorize_path(&fields)).send().await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{value}");
        assert!(answer.header("content-type").starts_with("text/html"));
    }
    // A varying query is fine.
    let mut launch = Launch::new("app");
    launch.redirect_uri.push_str("?referer=x");
    let code = world.code(&launch, ANNA).await;
    assert_eq!(world.redeem(&launch, &code).await.status, StatusCode::OK);
}

both_hosts!(authorize_takes_a_form_as_well);
async fn authorize_takes_a_form_as_well(world: World) {
    let answer = world.post("/auth/authorize").form(&Launch::new("app").fields()).send().await;
    assert!(answer.location().contains("/patient-login?request="));
}

#[tokio::test]
async fn a_code_is_good_once_for_its_app_address_and_challenge() {
    let world = World::new();
    let launch = Launch::new("app");
    let wrong: [fn(&mut Launch); 3] = [
        |launch| launch.verifier = "x".repeat(64),
        |launch| launch.client = "other-app".to_owned(),
        |launch| launch.redirect_uri.push_str("?other"),
    ];
    for change in wrong {
        let code = world.code(&launch, ANNA).await;
        let mut changed = Launch::new("app");
        change(&mut changed);
        let refused = world.redeem(&changed, &code).await;
        assert_eq!(
            (refused.status, refused.json()["error"].clone()),
            (StatusCode::BAD_REQUEST, json!("invalid_grant"))
        );
        // A try with the wrong proof uses the code up.
        assert_eq!(world.redeem(&launch, &code).await.status, StatusCode::BAD_REQUEST);
    }
    let late = world.code(&launch, ANNA).await;
    world.advance(301);
    assert_eq!(world.redeem(&launch, &late).await.status, StatusCode::BAD_REQUEST);
}

/// Another process believes a token for half a minute.
#[tokio::test]
async fn a_code_that_comes_again_ends_what_came_of_it() {
    let world = World::new();
    let launch = Launch::new("app");
    let code = world.code(&launch, ANNA).await;
    let token = text(&world.redeem(&launch, &code).await.json()["access_token"]);
    assert_eq!(world.get("/jobs").bearer(&token).send().await.status, StatusCode::OK);
    assert_eq!(world.redeem(&launch, &code).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.get("/jobs").bearer(&token).send().await.status, StatusCode::UNAUTHORIZED);
}

async fn refresh(world: &World, token: &str) -> tests::Answer {
    world.post("/auth/token").form(&[("grant_type", "refresh_token"), ("refresh_token", token)]).send().await
}

#[tokio::test]
async fn refresh_tokens_rotate_and_a_stolen_one_ends_the_family() {
    let world = World::new();
    let first = world.tokens("app", ANNA).await;
    world.advance(1000);
    assert_eq!(
        world.get("/jobs").bearer(&text(&first["access_token"])).send().await.status,
        StatusCode::UNAUTHORIZED
    );
    let second = refresh(&world, &text(&first["refresh_token"])).await.json();
    assert_eq!(second["patient"], ANNA);
    let access = text(&second["access_token"]);
    assert_eq!(world.get("/jobs").bearer(&access).send().await.status, StatusCode::OK);
    let reused = refresh(&world, &text(&first["refresh_token"])).await;
    assert_eq!(reused.json()["error"], "invalid_grant");
    assert_eq!(refresh(&world, &text(&second["refresh_token"])).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.get("/jobs").bearer(&access).send().await.status, StatusCode::UNAUTHORIZED);
}

both_hosts!(two_refreshes_at_once_are_one_refresh_and_one_theft);
async fn two_refreshes_at_once_are_one_refresh_and_one_theft(world: World) {
    let token = text(&world.tokens("app", ANNA).await["refresh_token"]);
    let (one, other) = tokio::join!(refresh(&world, &token), refresh(&world, &token));
    let succeeded = [one, other].iter().filter(|answer| answer.status == StatusCode::OK).count();
    assert!(succeeded <= 1);
}

both_hosts!(a_refresh_cannot_ask_for_more);
async fn a_refresh_cannot_ask_for_more(world: World) {
    let token = text(&world.tokens("app", ANNA).await["refresh_token"]);
    let fields =
        [("grant_type", "refresh_token"), ("refresh_token", token.as_str()), ("scope", "patient/*.rs")];
    assert_eq!(world.post("/auth/token").form(&fields).send().await.json()["error"], "invalid_scope");
}

both_hosts!(a_confidential_client_must_authenticate);
async fn a_confidential_client_must_authenticate(world: World) {
    let mut launch = Launch::new("confidential");
    "offline_access patient/$ehi-export".clone_into(&mut launch.scope);
    let code = world.code(&launch, ANNA).await;
    let refused = world.redeem(&launch, &code).await;
    assert_eq!(
        (refused.status, refused.json()["error"].clone()),
        (StatusCode::UNAUTHORIZED, json!("invalid_client"))
    );
    let basic = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        format!("confidential:{}", PASSWORD.replace(' ', "%20")),
    );
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", &launch.redirect_uri),
        ("code_verifier", &launch.verifier),
    ];
    let granted = world
        .post("/auth/token")
        .header("authorization", &format!("Basic {basic}"))
        .form(&fields)
        .send()
        .await;
    assert_eq!(granted.status, StatusCode::OK, "{}", granted.text());
    let refresh_token = text(&granted.json()["refresh_token"]);
    assert_eq!(refresh(&world, &refresh_token).await.json()["error"], "invalid_client");
}

both_hosts!(introspection_tells_the_client_and_nobody_else);
async fn introspection_tells_the_client_and_nobody_else(world: World) {
    let tokens = world.tokens("app", ANNA).await;
    let (access, refresh_token) = (text(&tokens["access_token"]), text(&tokens["refresh_token"]));
    let introspect = |bearer: String, token: String| {
        world.post("/auth/introspect").bearer(&bearer).form(&[("token", token)]).send()
    };
    for token in [&access, &refresh_token] {
        let known = introspect(access.clone(), token.clone()).await.json();
        assert_eq!(
            (&known["active"], &known["client_id"], &known["patient"]),
            (&json!(true), &json!("app"), &json!(ANNA))
        );
        let other = text(&world.tokens("other-app", BRUNO).await["access_token"]);
        assert_eq!(introspect(other, token.clone()).await.json(), json!({ "active": false }));
    }
    assert_eq!(introspect(access.clone(), "nonsense".to_owned()).await.json(), json!({ "active": false }));
    let stranger = world.post("/auth/introspect").form(&[("token", &access)]).send().await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
}

/// Another process believes a token for half a minute.
#[tokio::test]
async fn revoking_either_token_ends_both() {
    let world = World::new();
    for name in ["access_token", "refresh_token"] {
        let tokens = world.tokens("app", ANNA).await;
        let other_client = [("token", text(&tokens[name])), ("client_id", "other-app".to_owned())];
        assert_eq!(world.post("/auth/revoke").form(&other_client).send().await.status, StatusCode::OK);
        let access = text(&tokens["access_token"]);
        assert_eq!(
            world.get("/jobs").bearer(&access).send().await.status,
            StatusCode::OK,
            "not another client's to revoke"
        );
        let own = [("token", text(&tokens[name])), ("client_id", "app".to_owned())];
        assert_eq!(world.post("/auth/revoke").form(&own).send().await.status, StatusCode::OK);
        assert_eq!(world.get("/jobs").bearer(&access).send().await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(refresh(&world, &text(&tokens["refresh_token"])).await.status, StatusCode::BAD_REQUEST);
    }
    let unknown = world.post("/auth/revoke").form(&[("token", "nonsense")]).send().await;
    assert_eq!(unknown.status, StatusCode::OK);
}

both_hosts!(a_patient_can_say_no);
async fn a_patient_can_say_no(world: World) {
    let login = world.get(&Launch::new("app").authorize()).send().await.location();
    let request = parameter(&login, "request").expect("a request");
    let picked =
        world.post("/patient-login").form(&[("request", request.as_str()), ("patient", ANNA)]).send().await;
    let consent = world.get(&picked.location()).cookie(&picked).send().await;
    assert!(consent.text().contains("The test app") && consent.text().contains("Anna Lindqvist"));
    // Consent needs the browser that signed in.
    let fields = [("request", request.as_str()), ("decision", "deny")];
    assert_eq!(world.post("/authorize-app").form(&fields).send().await.status, StatusCode::UNAUTHORIZED);
    let back = world.post("/authorize-app").cookie(&picked).form(&fields).send().await.location();
    assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"));
    let twice = world.post("/authorize-app").cookie(&picked).form(&fields).send().await;
    assert_eq!(twice.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn outside_the_sandbox_patients_sign_in_with_a_password() {
    let world = World::with("sandbox = false", &ehi::defaults::sample_records());
    let login = world.get(&Launch::new("app").authorize()).send().await.location();
    let request = parameter(&login, "request").expect("a request");
    let page = world.get(&login).send().await.text();
    assert!(page.contains("Password") && !page.contains("Lindqvist"), "no names to strangers");
    let picked =
        world.post("/patient-login").form(&[("request", request.as_str()), ("patient", ANNA)]).send().await;
    assert_eq!(picked.status, StatusCode::UNAUTHORIZED);
    let sign_in = |password: &str| {
        let fields = [
            ("request", request.clone()),
            ("username", "anna".to_owned()),
            ("password", password.to_owned()),
        ];
        world.post("/patient-login").form(&fields)
    };
    assert_eq!(sign_in("wrong").send().await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(sign_in(PASSWORD).send().await.status, StatusCode::SEE_OTHER);
}

both_hosts!(sign_in_pages_lead_nowhere_else);
async fn sign_in_pages_lead_nowhere_else(world: World) {
    for next in ["https://evil.example.org", "//evil.example.org", "/\\evil.example.org", "", "/staff"] {
        let answer = world.post("/patient-login").form(&[("next", next), ("patient", ANNA)]).send().await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{next}");
    }
}

#[tokio::test]
async fn the_sandbox_lists_patients_and_finds_one_by_id() {
    let world = World::new();
    let login = world.get(&Launch::new("app").authorize()).send().await.location();
    let page = world.get(&login).send().await.text();
    for name in ["Anna Lindqvist", "Bruno Keller", "Chiara Rossi", "Dmitri Sokolov"] {
        assert!(page.contains(name), "{name}");
    }
    let found = world.get(&format!("{login}&from={BRUNO}")).send().await.text();
    assert!(found.contains("Bruno Keller") && !found.contains("Anna Lindqvist"));
}

/// A token of another issuer, and the settings that trust it.
fn foreign(claims: &Value) -> (String, String) {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    let encode = |bytes: &[u8]| base64::Engine::encode(&URL_SAFE_NO_PAD, bytes);
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let point = pair.public_key().as_ref();
    let jwks = json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "k", "alg": "ES256", "x": encode(&point[1..33]), "y": encode(&point[33..]) }] });
    let head = encode(br#"{"alg":"ES256","kid":"k"}"#);
    let message = format!("{head}.{}", encode(claims.to_string().as_bytes()));
    let signature = pair.sign(&SystemRandom::new(), message.as_bytes()).expect("signed");
    (format!("{message}.{}", encode(signature.as_ref())), jwks.to_string())
}

fn foreign_claims() -> Value {
    json!({
        "iss": "https://login.example.org", "aud": "http://localhost:8888/fhir", "sub": "u1", "azp": "portal",
        "exp": 1_900_000_000, "scope": "patient/$ehi-export", "patient": ANNA, "roles": ["ADMIN"],
    })
}

fn trusting(jwks: &str, staff: bool) -> World {
    let issuer =
        format!("issuers = [{{ issuer = \"https://login.example.org\", jwks = '{jwks}', staff = {staff} }}]");
    World::with(&issuer, &ehi::defaults::sample_records())
}

#[tokio::test]
async fn tokens_of_trusted_issuers_are_accepted() {
    let (token, jwks) = foreign(&foreign_claims());
    let world = trusting(&jwks, false);
    let job = world.kick_off(&token, "", ANNA).await;
    assert_eq!(world.status(&token, &job).await.status, StatusCode::ACCEPTED);
    // The same client id of ours is somebody else.
    let ours = world.get("/jobs").bearer(&token).send().await.json();
    assert_eq!(ours.as_array().map(Vec::len), Some(1));
    let admin = world.get("/admin/jobs").bearer(&token).send().await;
    assert_eq!(admin.status, StatusCode::FORBIDDEN, "its administrators are not ours");
    let world = trusting(&jwks, true);
    assert_eq!(world.get("/admin/jobs").bearer(&token).send().await.status, StatusCode::OK);
}

#[tokio::test]
async fn tokens_of_trusted_issuers_must_hold_too() {
    for (name, value) in [
        ("aud", json!("https://elsewhere.example.org")),
        ("iss", json!("https://evil.example.org")),
        ("exp", json!(1_000)),
        ("nbf", json!(1_890_000_000)),
        ("patient", json!("../x")),
    ] {
        let mut claims = foreign_claims();
        claims[name] = value;
        let (token, jwks) = foreign(&claims);
        let answer = trusting(&jwks, true).get("/jobs").bearer(&token).send().await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}");
    }
    let (token, _) = foreign(&foreign_claims());
    let (_, other_keys) = foreign(&foreign_claims());
    assert_eq!(
        trusting(&other_keys, true).get("/jobs").bearer(&token).send().await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn an_issuers_keys_are_fetched_and_remembered() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    let (token, jwks) = foreign(&foreign_claims());
    let fetched = Arc::new(AtomicUsize::new(0));
    let count = fetched.clone();
    let app = axum::Router::new().route(
        "/keys",
        axum::routing::get(async move || {
            count.fetch_add(1, Ordering::SeqCst);
            jwks
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let issuer = format!("issuers = [{{ issuer = \"https://login.example.org\", jwks_url = \"{url}\" }}]");
    let world = World::with(&issuer, &ehi::defaults::sample_records());
    for _ in 0..3 {
        assert_eq!(world.get("/jobs").bearer(&token).send().await.status, StatusCode::OK);
        world.advance(31);
    }
    assert_eq!(fetched.load(Ordering::SeqCst), 1);
}
