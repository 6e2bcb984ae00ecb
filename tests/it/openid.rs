//! A standalone launch with OpenID Connect (SMART App Launch 2.2; OpenID Connect Core 1.0 and Discovery 1.0), and the first steps of
//! an app after it: it verifies who signed in, and reads the Patient.

use http::StatusCode;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use tests::{ANNA, BASE_URL, BRUNO, Launch, TestResponse, World, both_hosts, text};

const SCOPE: &str = "openid fhirUser launch/patient offline_access patient/Patient.rs";

fn launch(client: &str, scope: &str) -> Launch {
    Launch { scope: scope.to_owned(), nonce: "n-0S6_WzA2Mj".to_owned(), ..Launch::new(client) }
}

/// Returns the claims of an ID token for `client`, verified like an app does, with the published keys.
async fn verified(world: &World, id_token: &str, client: &str, algorithm: Algorithm) -> Value {
    let discovery = world.get("/.well-known/openid-configuration").send().await.json();
    assert_eq!(text(&discovery["issuer"]), BASE_URL);
    let keys: JwkSet = serde_json::from_value(world.get(&text(&discovery["jwks_uri"])).send().await.json())
        .expect("a key set");
    let header = jsonwebtoken::decode_header(id_token).expect("a header");
    assert_eq!(header.alg, algorithm);
    let key = keys.find(&header.kid.expect("a kid")).expect("a published key");
    let mut validation = Validation::new(algorithm);
    // The World's clock is not the system's.
    validation.validate_exp = false;
    validation.set_issuer(&[BASE_URL]);
    validation.set_audience(&[client]);
    validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
    let key = DecodingKey::from_jwk(key).expect("a key");
    let claims =
        jsonwebtoken::decode::<Value>(id_token, &key, &validation).expect("the token is valid").claims;
    let now = world.now();
    let seconds = |name: &str| claims[name].as_i64().unwrap_or_else(|| panic!("no {name}: {claims}"));
    assert!(seconds("exp") > now && seconds("iat") <= now && seconds("iat") > now - 120, "{claims}");
    assert!(seconds("auth_time") <= seconds("iat") && seconds("auth_time") > now - 120, "{claims}");
    claims
}

#[both_hosts]
async fn the_discovery_document_has_the_members_that_openid_connect_requires(world: World) {
    let response = world.get("/.well-known/openid-configuration").send().await;
    assert_eq!((response.status, response.header("content-type")), (StatusCode::OK, "application/json"));
    let document = response.json();
    for (name, path) in [
        ("authorization_endpoint", "/auth/authorize"),
        ("token_endpoint", "/auth/token"),
        ("userinfo_endpoint", "/auth/userinfo"),
        ("jwks_uri", "/.well-known/jwks.json"),
    ] {
        assert_eq!(text(&document[name]), format!("{BASE_URL}{path}"), "{name}");
    }
    for (name, value) in [
        ("response_types_supported", "code"),
        ("subject_types_supported", "public"),
        ("id_token_signing_alg_values_supported", "RS256"),
        ("id_token_signing_alg_values_supported", "ES256"),
        ("scopes_supported", "openid"),
        ("claims_supported", "fhirUser"),
    ] {
        assert!(document[name].as_array().expect("a list").contains(&json!(value)), "{name}");
    }
    assert_eq!(document["request_uri_parameter_supported"], false, "the default of this member is true");
}

#[both_hosts]
async fn an_app_learns_who_signed_in_and_reads_that_patient(world: World) {
    for base in ["/fhir", "/fhir/r4", "/4_0_0", "/no-form/auto-approve/fhir"] {
        let launch = Launch { aud: format!("{BASE_URL}{base}"), ..launch("app", SCOPE) };
        let code = world.code(&launch, ANNA).await;
        let response = world.redeem(&launch, &code).await;
        assert_eq!(response.status, StatusCode::OK, "{}", response.text());
        let tokens = response.json();
        let claims = verified(&world, &text(&tokens["id_token"]), "app", Algorithm::RS256).await;
        let url = format!("{BASE_URL}{base}/Patient/{ANNA}");
        assert_eq!(
            (&claims["nonce"], &claims["fhirUser"], &claims["aud"]),
            (&json!("n-0S6_WzA2Mj"), &json!(url), &json!("app"))
        );
        let access = text(&tokens["access_token"]);
        let patient = world.get(&text(&claims["fhirUser"])).bearer(&access).send().await;
        assert_eq!(
            (patient.status, patient.header("content-type")),
            (StatusCode::OK, "application/fhir+json")
        );
        let resource = patient.json();
        assert_eq!((&resource["resourceType"], &resource["id"]), (&json!("Patient"), &tokens["patient"]));
        let info = world.get("/auth/userinfo").bearer(&access).send().await;
        assert_eq!(info.json(), json!({ "sub": claims["sub"], "fhirUser": url }));
        let known =
            world.post("/auth/introspect").bearer(&access).form(&[("token", &access)]).send().await.json();
        assert_eq!((&known["sub"], &known["fhirUser"]), (&claims["sub"], &claims["fhirUser"]));
        // A refresh returns no new ID token, and the access token keeps the user.
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", tokens["refresh_token"].as_str().expect("one")),
        ];
        let refreshed = world.post("/auth/token").form(&fields).send().await.json();
        assert!(refreshed.get("id_token").is_none());
        let info = world.post("/auth/userinfo").bearer(&text(&refreshed["access_token"])).send().await;
        assert_eq!(text(&info.json()["fhirUser"]), url);
    }
}

#[both_hosts]
async fn an_id_token_matches_the_granted_scopes_and_is_not_an_access_token(world: World) {
    let granted = async |scope: &str| -> Value {
        let launch = launch("app", scope);
        let code = world.code(&launch, ANNA).await;
        world.redeem(&launch, &code).await.json()
    };
    for (scope, has_token, has_user) in [
        ("openid fhirUser patient/*.rs", true, true),
        ("openid profile patient/*.rs", true, true),
        ("openid patient/*.rs", true, false),
        ("fhirUser patient/*.rs", false, false),
        ("patient/*.rs", false, false),
    ] {
        let tokens = granted(scope).await;
        assert_eq!(tokens.get("id_token").is_some(), has_token, "{scope}");
        let access = text(&tokens["access_token"]);
        let info = world.get("/auth/userinfo").bearer(&access).send().await;
        assert_eq!(info.status, if has_token { StatusCode::OK } else { StatusCode::FORBIDDEN }, "{scope}");
        assert_eq!(info.json().get("fhirUser").is_some(), has_user, "{scope}");
        if has_token {
            let id_token = text(&tokens["id_token"]);
            let claims = verified(&world, &id_token, "app", Algorithm::RS256).await;
            assert_eq!(claims.get("fhirUser").is_some(), has_user, "{scope}");
            assert_eq!(world.get("/jobs").bearer(&id_token).send().await.status, StatusCode::UNAUTHORIZED);
        }
    }
    assert_eq!(world.get("/auth/userinfo").send().await.status, StatusCode::UNAUTHORIZED);
    let launch = Launch { nonce: String::new(), ..launch("app", "openid patient/*.rs") };
    let code = world.code(&launch, ANNA).await;
    let id_token = text(&world.redeem(&launch, &code).await.json()["id_token"]);
    assert!(verified(&world, &id_token, "app", Algorithm::RS256).await.get("nonce").is_none());
}

#[both_hosts]
async fn a_token_reads_its_own_patient_only(world: World) {
    let with = async |scope: &str| {
        let launch = launch("app", scope);
        let code = world.code(&launch, ANNA).await;
        text(&world.redeem(&launch, &code).await.json()["access_token"])
    };
    let (reads, exports, others) = (
        with("patient/Patient.r").await,
        with("patient/$ehi-export").await,
        with("patient/Observation.rs").await,
    );
    let narrowed = with("patient/Patient.rs?active=true").await;
    let system = world.service("service", "system/*.rs").await;
    for (token, patient, expected) in [
        (Some(&reads), ANNA, StatusCode::OK),
        (Some(&reads), BRUNO, StatusCode::NOT_FOUND),
        (Some(&reads), "nobody", StatusCode::NOT_FOUND),
        (Some(&exports), ANNA, StatusCode::FORBIDDEN),
        (Some(&others), ANNA, StatusCode::FORBIDDEN),
        (Some(&narrowed), ANNA, StatusCode::FORBIDDEN),
        (Some(&exports), BRUNO, StatusCode::NOT_FOUND),
        (Some(&system), ANNA, StatusCode::FORBIDDEN),
        (None, ANNA, StatusCode::UNAUTHORIZED),
    ] {
        let mut call =
            world.get(&format!("/fhir/Patient/{patient}")).header("origin", "https://app.example.org");
        if let Some(token) = token {
            call = call.bearer(token);
        }
        let response = call.send().await;
        assert_eq!(response.status, expected, "{patient}: {}", response.text());
        if expected != StatusCode::OK {
            response.outcome();
        }
    }
}

#[tokio::test]
async fn a_sensitive_or_unreliably_readable_patient_is_not_returned() -> tests::Result {
    let directory = tempfile::tempdir()?;
    let label = |code: &str| format!(r#""meta":{{"security":[{{"system":"s","code":"{code}"}}]}}"#);
    let open = label("N");
    for (id, members) in [
        ("plain", r#""multipleBirthInteger": 16942.30"#.to_owned()),
        ("open", open.clone()),
        ("hiv", label("HIV")),
        ("lower", label("hiv")),
        ("escaped", label("\\u0048IV")),
        ("twice", format!("{},{open}", label("HIV"))),
        ("contained", format!(r#""contained":[{{"resourceType":"Basic",{}}}]"#, label("PSY"))),
        ("odd", r#""meta":{"security":[{"display":"HIV"}]}"#.to_owned()),
        ("list", r#""meta":[]"#.to_owned()),
    ] {
        let path = directory.path().join("Patient").join(id);
        std::fs::create_dir_all(&path)?;
        let line = format!("{{\"resourceType\":\"Patient\",\"id\":\"{id}\",{members}}}\n");
        std::fs::write(path.join("records.ndjson"), line)?;
    }
    std::fs::create_dir_all(directory.path().join("Patient/empty"))?;
    std::fs::write(directory.path().join("Patient/empty/records.ndjson"), "")?;
    let world = World::with("sandbox = true", directory.path());
    for (id, expected) in [
        ("plain", StatusCode::OK),
        ("open", StatusCode::OK),
        ("hiv", StatusCode::FORBIDDEN),
        ("lower", StatusCode::FORBIDDEN),
        ("escaped", StatusCode::FORBIDDEN),
        ("twice", StatusCode::NOT_FOUND),
        ("contained", StatusCode::FORBIDDEN),
        ("odd", StatusCode::FORBIDDEN),
        ("list", StatusCode::FORBIDDEN),
        ("empty", StatusCode::NOT_FOUND),
    ] {
        let launch = launch("app", "patient/Patient.rs");
        let code = world.code(&launch, id).await;
        let token = text(&world.redeem(&launch, &code).await.json()["access_token"]);
        let response = world.get(&format!("/fhir/Patient/{id}")).bearer(&token).send().await;
        assert_eq!(response.status, expected, "{id}: {}", response.text());
        if id == "plain" {
            assert!(response.text().contains("16942.30"), "numbers keep their digits");
        }
    }
    Ok(())
}

/// Sends an OAuth request of the app that authenticates with a key.
async fn signed(world: &World, path: &str, fields: &[(&'static str, &str)]) -> TestResponse {
    let mut all = world.asserting("signed-app");
    all.extend(fields.iter().map(|(name, value)| (*name, (*value).to_owned())));
    world.post(path).form(&all).send().await
}

#[both_hosts]
async fn an_app_can_authenticate_with_a_key(world: World) {
    let launch = launch("signed-app", SCOPE);
    let redeem = |code: String| {
        vec![
            ("grant_type", "authorization_code".to_owned()),
            ("code", code),
            ("redirect_uri", launch.redirect_uri.clone()),
            ("code_verifier", launch.verifier.clone()),
        ]
    };
    let code = world.code(&launch, ANNA).await;
    // Without its key, or with another client's key, the app is refused, and the code stays valid.
    let mut named = redeem(code.clone());
    named.push(("client_id", "signed-app".to_owned()));
    let refused = world.post("/auth/token").form(&named).send().await;
    assert_eq!(
        (refused.status, &refused.json()["error"]),
        (StatusCode::UNAUTHORIZED, &json!("invalid_client"))
    );
    let mut borrowed = redeem(code.clone());
    borrowed.extend(world.asserting("service"));
    borrowed.push(("client_id", "signed-app".to_owned()));
    assert_eq!(world.post("/auth/token").form(&borrowed).send().await.json()["error"], "invalid_client");
    let mut both = redeem(code.clone());
    both.extend(world.asserting("signed-app"));
    both.push(("client_secret", "x".to_owned()));
    assert_eq!(world.post("/auth/token").form(&both).send().await.json()["error"], "invalid_request");
    let mut good = redeem(code);
    good.extend(world.asserting("signed-app"));
    let response = world.post("/auth/token").form(&good).send().await;
    assert_eq!(response.status, StatusCode::OK, "{}", response.text());
    let tokens = response.json();
    let claims = verified(&world, &text(&tokens["id_token"]), "signed-app", Algorithm::ES256).await;
    assert_eq!(text(&claims["fhirUser"]), format!("{BASE_URL}/fhir/Patient/{ANNA}"));
    // At refresh, introspection and revocation the app authenticates by its key as well.
    let token = text(&tokens["refresh_token"]);
    let unsigned = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
    assert_eq!(world.post("/auth/token").form(&unsigned).send().await.json()["error"], "invalid_client");
    let refreshed = signed(&world, "/auth/token", &unsigned).await;
    assert_eq!(refreshed.status, StatusCode::OK, "{}", refreshed.text());
    let access = text(&refreshed.json()["access_token"]);
    let known = signed(&world, "/auth/introspect", &[("token", &access)]).await.json();
    assert_eq!((&known["active"], &known["client_id"]), (&json!(true), &json!("signed-app")));
    let stranger = world.post("/auth/revoke").form(&[("token", &access)]).send().await;
    assert_eq!(stranger.status, StatusCode::OK);
    assert_eq!(signed(&world, "/auth/introspect", &[("token", &access)]).await.json()["active"], true);
    assert_eq!(signed(&world, "/auth/revoke", &[("token", &access)]).await.status, StatusCode::OK);
    for token in [access, text(&refreshed.json()["refresh_token"])] {
        assert_eq!(signed(&world, "/auth/introspect", &[("token", &token)]).await.json()["active"], false);
    }
}

/// Every mistake in an assertion is refused at every endpoint and for every grant.
#[tokio::test]
async fn assertions_are_checked_equally_everywhere() {
    type Change = (&'static str, fn(&mut Value, &mut Value));
    let world = World::new();
    let changes: [Change; 14] = [
        ("nothing", |_, _| {}),
        ("crit", |header, _| header["crit"] = json!(["exp"])),
        ("b64", |header, _| header["b64"] = json!(false)),
        ("alg none", |header, _| header["alg"] = json!("none")),
        ("alg HS384", |header, _| header["alg"] = json!("HS384")),
        ("typ", |header, _| header["typ"] = json!("at+jwt")),
        ("kid missing", |header, _| drop(header.as_object_mut().expect("an object").remove("kid"))),
        ("another kid", |header, _| header["kid"] = json!("rsa")),
        ("aud of two", |_, claims| claims["aud"] = json!([claims["aud"], "https://other.example.org"])),
        ("exp missing", |_, claims| drop(claims.as_object_mut().expect("an object").remove("exp"))),
        ("exp text", |_, claims| claims["exp"] = json!(claims["exp"].to_string())),
        ("exp huge", |_, claims| claims["exp"] = json!(1e18)),
        ("nbf text", |_, claims| claims["nbf"] = json!("0")),
        ("jti number", |_, claims| claims["jti"] = json!(7)),
    ];
    for (what, change) in changes {
        for path in ["/auth/token", "/auth/introspect", "/auth/revoke"] {
            let (mut header, mut claims) = tests::service::assertion("signed-app", world.now());
            change(&mut header, &mut claims);
            let fields = [
                ("grant_type", "refresh_token"),
                ("refresh_token", "unknown"),
                ("token", "unknown"),
                ("client_assertion_type", security::assertion::TYPE),
                ("client_assertion", &tests::service::signed(&header, &claims)),
            ];
            let response = world.post(path).form(&fields).send().await.json();
            let expected = match (what, path) {
                ("nothing", "/auth/token") => json!("invalid_grant"),
                ("nothing", _) => Value::Null,
                _ => json!("invalid_client"),
            };
            assert_eq!(response["error"], expected, "{what} at {path}");
        }
    }
    // A list of one audience is accepted, and so is a fraction of a second.
    let (header, mut claims) = tests::service::assertion("service", world.now());
    claims["aud"] = json!([claims["aud"]]);
    claims["exp"] = json!(claims["exp"].as_f64().expect("a number") - 0.5);
    let response = world.by_assertion(&tests::service::signed(&header, &claims), "system/*.rs").await;
    assert_eq!(response.status, StatusCode::OK, "{}", response.text());
}
