//! The SMART authorization server.

mod consent;

use http::StatusCode;
use serde_json::json;
use tests::{ANNA, BRUNO, Launch, PASSWORD, World, authorize_path, both_hosts, parameter, text};

#[both_hosts]
async fn the_token_response_has_the_members_that_smart_requires(world: World) {
    let launch = Launch::new("app");
    let code = world.code(&launch, ANNA).await;
    let response = world.redeem(&launch, &code).await;
    assert_eq!((response.header("cache-control"), response.header("pragma")), ("no-store", "no-cache"));
    insta::allow_duplicates! {
        insta::assert_json_snapshot!(response.json(), { ".access_token" => "[token]", ".refresh_token" => "[token]" }, @r#"
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

#[both_hosts]
async fn the_app_gets_the_reason_for_a_refused_request(world: World) {
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
        (with("scope", Some("patient/Bogus.rs")), "invalid_scope"),
        (with("prompt", Some("none")), "login_required"),
        (with("request", Some("x.y.z")), "request_not_supported"),
        (with("nonce", Some(&"x".repeat(600))), "invalid_request"),
    ] {
        let location = world.get(&path).send().await.location();
        assert!(location.starts_with("https://app.example.org/callback?"), "{location}");
        assert_eq!(parameter(&location, "error").as_deref(), Some(error), "{path}");
        assert_eq!(parameter(&location, "state").as_deref(), Some("xyz"));
    }
}

#[both_hosts]
async fn nobody_is_redirected_to_an_address_that_is_not_registered(world: World) {
    for (name, value) in [
        ("client_id", "nobody"),
        ("redirect_uri", "https://evil.example.org/callback"),
        ("redirect_uri", "https://app.example.org/other"),
        ("redirect_uri", "javascript:alert(1)"),
    ] {
        let mut fields = Launch::new("app").fields();
        fields.retain(|(key, _)| *key != name);
        fields.push((name, value.to_owned()));
        let response = world.get(&authorize_path(&fields)).send().await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{value}");
        assert!(response.header("content-type").starts_with("text/html"));
        assert!(response.text().contains("This app cannot ask for access here"), "{}", response.text());
    }
}

#[both_hosts]
async fn a_varying_query_of_the_redirect_uri_is_a_setting_of_the_client(world: World) {
    for (client, query, expected) in [
        ("app", "?referer=x", StatusCode::BAD_REQUEST),
        ("lasting-app", "?referer=x", StatusCode::FOUND),
        ("lasting-app", "?code=x", StatusCode::BAD_REQUEST),
        ("lasting-app", "?referer=x&state=x", StatusCode::BAD_REQUEST),
        ("lasting-app", "?iss=x", StatusCode::BAD_REQUEST),
        ("lasting-app", "?error=x", StatusCode::BAD_REQUEST),
    ] {
        let mut launch = Launch::new(client);
        launch.redirect_uri.push_str(query);
        let response = world.get(&launch.authorize()).send().await;
        assert_eq!(response.status, expected, "{client} {query}");
    }
    let mut launch = Launch::new("lasting-app");
    launch.redirect_uri.push_str("?referer=x");
    let code = world.code(&launch, ANNA).await;
    assert_eq!(world.redeem(&launch, &code).await.status, StatusCode::OK);
}

#[both_hosts]
async fn repeated_parameters_are_an_error(world: World) {
    for name in ["scope", "aud", "state", "code_challenge", "response_type", "nonce", "anything"] {
        let mut fields = Launch::new("app").fields();
        let value = fields
            .iter()
            .find(|(known, _)| *known == name)
            .map_or("x".to_owned(), |(_, value)| value.clone());
        fields.retain(|(known, _)| *known != name);
        fields.extend([(name, value.clone()), (name, value)]);
        let location = world.get(&authorize_path(&fields)).send().await.location();
        assert_eq!(parameter(&location, "error").as_deref(), Some("invalid_request"), "{name}");
        let state = (name != "state").then_some("xyz");
        assert_eq!(parameter(&location, "state").as_deref(), state, "{name}");
    }
    for name in ["client_id", "redirect_uri"] {
        let mut fields = Launch::new("app").fields();
        fields.push((name, fields.iter().find(|(known, _)| *known == name).expect("there").1.clone()));
        let response = world.get(&authorize_path(&fields)).send().await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{name}");
    }
    for path in ["/auth/token", "/auth/introspect", "/auth/revoke"] {
        let fields = [("grant_type", "refresh_token"), ("token", "a"), ("token", "b"), ("client_id", "app")];
        let response = world.post(path).form(&fields).send().await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(response.json()["error"], "invalid_request", "{path}");
    }
}

#[both_hosts]
async fn state_is_required_unless_the_client_waives_it(world: World) {
    let without = |client: &str| {
        let mut fields = Launch::new(client).fields();
        fields.retain(|(name, _)| *name != "state");
        authorize_path(&fields)
    };
    let location = world.get(&without("app")).send().await.location();
    assert_eq!(parameter(&location, "error").as_deref(), Some("invalid_request"));
    let location = world.get(&without("lasting-app")).send().await.location();
    assert!(location.contains("/patient-login?request="), "{location}");
}

#[both_hosts]
async fn authorize_accepts_a_form_as_well(world: World) {
    let response = world.post("/auth/authorize").form(&Launch::new("app").fields()).send().await;
    assert!(response.location().contains("/patient-login?request="));
}

#[tokio::test]
async fn a_code_is_valid_once_for_its_app_redirect_uri_and_challenge() {
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
        // An attempt with the wrong proof uses the code up.
        assert_eq!(world.redeem(&launch, &code).await.status, StatusCode::BAD_REQUEST);
    }
    let late = world.code(&launch, ANNA).await;
    world.advance(301);
    assert_eq!(world.redeem(&launch, &late).await.status, StatusCode::BAD_REQUEST);
}

#[both_hosts]
async fn a_code_that_is_used_again_revokes_its_tokens(world: World) {
    let launch = Launch::new("app");
    let code = world.code(&launch, ANNA).await;
    let token = text(&world.redeem(&launch, &code).await.json()["access_token"]);
    assert_eq!(world.get("/jobs").bearer(&token).send().await.status, StatusCode::OK);
    assert_eq!(world.redeem(&launch, &code).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.get("/jobs").bearer(&token).send().await.status, StatusCode::UNAUTHORIZED);
}

pub(crate) async fn refresh(world: &World, token: &str) -> tests::TestResponse {
    world.post("/auth/token").form(&[("grant_type", "refresh_token"), ("refresh_token", token)]).send().await
}

#[tokio::test]
async fn refresh_tokens_rotate_and_a_reused_one_revokes_the_family() {
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

#[both_hosts]
async fn of_two_refreshes_at_once_the_second_counts_as_theft(world: World) {
    let token = text(&world.tokens("app", ANNA).await["refresh_token"]);
    let (one, other) = tokio::join!(refresh(&world, &token), refresh(&world, &token));
    let (granted, refused): (Vec<_>, Vec<_>) =
        [one, other].into_iter().partition(|response| response.status == StatusCode::OK);
    assert!(
        !refused.is_empty() && refused.iter().all(|response| response.json()["error"] == "invalid_grant")
    );
    // The second request revoked the tokens that the first one got.
    for response in granted {
        let next = refresh(&world, &text(&response.json()["refresh_token"])).await;
        assert_eq!(next.json()["error"], "invalid_grant");
    }
}

#[both_hosts]
async fn a_refresh_cannot_request_more_scopes(world: World) {
    let token = text(&world.tokens("app", ANNA).await["refresh_token"]);
    let fields =
        [("grant_type", "refresh_token"), ("refresh_token", token.as_str()), ("scope", "patient/*.rs")];
    for _ in 0..2 {
        assert_eq!(world.post("/auth/token").form(&fields).send().await.json()["error"], "invalid_scope");
    }
    // The refused request did not use the token up.
    let refreshed = refresh(&world, &token).await;
    assert_eq!(refreshed.status, StatusCode::OK, "{}", refreshed.text());
}

/// This story moves the clock.
#[tokio::test]
async fn a_client_may_be_registered_to_keep_its_refresh_token() {
    let world = World::new();
    let first = world.tokens("lasting-app", ANNA).await;
    let token = text(&first["refresh_token"]);
    for _ in 0..3 {
        world.advance(20 * 24 * 3600);
        let response = refresh(&world, &token).await;
        assert_eq!(response.status, StatusCode::OK, "{}", response.text());
        assert_eq!(text(&response.json()["refresh_token"]), token);
        let access = text(&response.json()["access_token"]);
        assert_eq!(world.get("/jobs").bearer(&access).send().await.status, StatusCode::OK);
    }
    let (one, other) = tokio::join!(refresh(&world, &token), refresh(&world, &token));
    assert_eq!((one.status, other.status), (StatusCode::OK, StatusCode::OK));
    let revoked = [("token", token.as_str()), ("client_id", "lasting-app")];
    assert_eq!(world.post("/auth/revoke").form(&revoked).send().await.status, StatusCode::OK);
    assert_eq!(refresh(&world, &token).await.status, StatusCode::BAD_REQUEST);
    // A token that is not used during its lifetime expires.
    let token = text(&world.tokens("lasting-app", ANNA).await["refresh_token"]);
    world.advance(30 * 24 * 3600 + 1);
    assert_eq!(refresh(&world, &token).await.status, StatusCode::BAD_REQUEST);
}

/// The scopes of the client's registration at the time of the refresh apply, not those at the time of the patient's
/// agreement.
#[tokio::test]
async fn a_smaller_registration_limits_the_next_token() -> tests::Result {
    use domain::ports::expiring::EntryKind;

    let world = World::new();
    let token = text(&world.tokens("app", ANNA).await["refresh_token"]);
    let expiring = world.platform().expiring();
    let key = crypto::fingerprint(&token);
    let mut stored = expiring.get(EntryKind::Refresh, &key).await?.expect("a token");
    stored.value["scopes"] = json!("offline_access patient/$ehi-export system/*.rs patient/Bogus.rs");
    assert!(expiring.replace(EntryKind::Refresh, &key, &stored).await?);
    let refreshed = refresh(&world, &token).await.json();
    assert_eq!(refreshed["scope"], "offline_access patient/$ehi-export");
    Ok(())
}

/// Refresh tokens from before the sign-in was stored have no base URL, time or nonce.
#[tokio::test]
async fn refresh_tokens_of_an_earlier_version_are_valid() -> tests::Result {
    use domain::ports::expiring::EntryKind;

    let world = World::new();
    let token = text(&world.tokens("app", ANNA).await["refresh_token"]);
    let expiring = world.platform().expiring();
    let key = crypto::fingerprint(&token);
    let mut stored = expiring.get(EntryKind::Refresh, &key).await?.expect("a token");
    let kept = ["client", "scopes", "patient", "family", "used"];
    stored.value.as_object_mut().expect("an object").retain(|name, _| kept.contains(&name.as_str()));
    assert_eq!(stored.value.as_object().map(serde_json::Map::len), Some(5));
    assert!(expiring.replace(EntryKind::Refresh, &key, &stored).await?);
    let refreshed = refresh(&world, &token).await;
    assert_eq!(refreshed.json()["patient"], ANNA, "{}", refreshed.text());
    Ok(())
}

#[both_hosts]
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

#[both_hosts]
async fn a_patient_can_refuse(world: World) {
    let login = world.get(&Launch::new("app").authorize()).send().await.location();
    let request = parameter(&login, "request").expect("a request");
    let picked =
        world.post("/patient-login").form(&[("request", request.as_str()), ("patient", ANNA)]).send().await;
    let consent = world.get(&picked.location()).cookie(&picked).send().await;
    assert!(consent.text().contains("The test app") && consent.text().contains("Anna Lindqvist"));
    // Only the browser that signed in can decide. Another one is asked to sign in for the same request.
    let fields = [("request", request.as_str()), ("decision", "deny")];
    assert_eq!(world.post("/authorize-app").form(&fields).send().await.location(), login);
    let back = world.post("/authorize-app").cookie(&picked).form(&fields).send().await.location();
    assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"));
    // The decision stays, whatever is pressed then.
    let changed = [("request", request.as_str()), ("decision", "allow")];
    let twice = world.post("/authorize-app").cookie(&picked).form(&changed).send().await;
    assert_eq!(twice.location(), back);
}

#[tokio::test]
async fn outside_the_sandbox_patients_sign_in_with_a_password() {
    let world = World::with("sandbox = false", &ehi::defaults::sample_records());
    let login = world.get(&Launch::new("app").authorize()).send().await.location();
    let request = parameter(&login, "request").expect("a request");
    let page = world.get(&login).send().await.text();
    assert!(page.contains("Password") && !page.contains("Lindqvist"), "strangers must not see names");
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

#[both_hosts]
async fn sign_in_pages_lead_to_pages_of_this_server_only(world: World) {
    for next in ["https://evil.example.org", "//evil.example.org", "/\\evil.example.org", "", "/staff"] {
        let response = world.sign_patient_in(ANNA, next).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{next}");
    }
}

#[tokio::test]
async fn the_sandbox_lists_patients_and_finds_a_patient_by_id() {
    let world = World::new();
    let login = world.get(&Launch::new("app").authorize()).send().await.location();
    let page = world.get(&login).send().await.text();
    for name in ["Anna Lindqvist", "Bruno Keller", "Chiara Rossi", "Dmitri Sokolov"] {
        assert!(page.contains(name), "{name}");
    }
    let found = world.get(&format!("{login}&from={BRUNO}")).send().await.text();
    assert!(found.contains("Bruno Keller") && !found.contains("Anna Lindqvist"));
}

/// ehi-app varies the query of its redirect URI and keeps its first refresh token; apps in certification need RS256.
#[test]
fn the_sandbox_registers_its_app_with_the_options_it_needs() {
    use settings::{IdTokenAlg, RefreshTokens, Settings};

    let (settings, ..) = ehi::defaults::sandbox_settings().expect("settings");
    let settings =
        Settings::parse(&settings, |_| None, Some("http://127.0.0.1:8888")).expect("valid settings");
    let app = settings.client(ehi::defaults::TEST_CLIENT).expect("the app");
    assert!(app.allows_redirect("http://127.0.0.1:9000/callback?institution=1"));
    assert!(!app.allows_redirect("http://127.0.0.1:9000/callback?code=1"));
    assert_eq!(app.refresh_tokens, RefreshTokens::Reusable);
    assert_eq!(settings.id_token_alg(app), IdTokenAlg::RS256);
}
