//! Discovery documents and error pages.

use http::StatusCode;
use tests::{BASE_URL, World, both_hosts, text};

#[both_hosts]
async fn every_base_and_shortcut_is_discoverable(world: World) {
    for prefix in ["", "/auto-approve", "/no-form", "/auto-approve/no-form", "/no-form/auto-approve"] {
        for base in ["/fhir", "/4_0_0", "/fhir/r4"] {
            let smart = world.get(&format!("{prefix}{base}/.well-known/smart-configuration")).send().await;
            assert_eq!((smart.status, smart.header("content-type")), (StatusCode::OK, "application/json"));
            assert_eq!(text(&smart.json()["token_endpoint"]), format!("{BASE_URL}/auth/token"));
            assert_eq!(smart.json()["code_challenge_methods_supported"], serde_json::json!(["S256"]));
            assert!(smart.header("cache-control").contains("public"));
            let capability = world.get(&format!("{prefix}{base}/metadata")).send().await;
            assert_eq!(capability.header("content-type"), "application/fhir+json");
            let statement = capability.json();
            assert_eq!(text(&statement["implementation"]["url"]), format!("{BASE_URL}{prefix}{base}"));
            let resources = statement["rest"][0]["resource"].as_array().expect("resources");
            let patient = resources.iter().find(|resource| resource["type"] == "Patient").expect("Patient");
            assert_eq!(patient["operation"][0]["name"], "ehi-export");
            // A shortcut is for EHI exports only: the listed operations exist, and the others do not.
            let is_shortcut = !prefix.is_empty();
            let operations = patient["operation"].as_array().map(Vec::len);
            assert_eq!(
                (operations, resources.len() == 1),
                (Some(if is_shortcut { 1 } else { 2 }), is_shortcut)
            );
            assert_eq!(statement["rest"][0]["operation"].is_null(), is_shortcut);
            assert!(statement["instantiates"].is_null() || !is_shortcut);
            let scopes = smart.json()["scopes_supported"].clone();
            let has_bulk = scopes.as_array().expect("scopes").contains(&serde_json::json!("system/*.rs"));
            assert_eq!(has_bulk, !is_shortcut, "{scopes}");
            let bulk = world.get(&format!("{prefix}{base}/$export")).send().await;
            assert_eq!(bulk.status == StatusCode::NOT_FOUND, is_shortcut, "{prefix}{base}");
            assert_eq!(patient["interaction"], serde_json::json!([{ "code": "read" }]));
            let smart = smart.json();
            assert_eq!(text(&smart["issuer"]), BASE_URL);
            assert_eq!(text(&smart["jwks_uri"]), format!("{BASE_URL}/.well-known/jwks.json"));
            let capabilities = smart["capabilities"].as_array().expect("capabilities");
            assert!(capabilities.contains(&serde_json::json!("sso-openid-connect")));
        }
    }
}

#[both_hosts]
async fn only_the_public_keys_are_published(world: World) {
    let keys = world.get("/.well-known/jwks.json").send().await.json();
    for key in keys["keys"].as_array().expect("keys") {
        assert_eq!(
            (&key["use"], &key["key_ops"]),
            (&serde_json::json!("sig"), &serde_json::json!(["verify"]))
        );
        assert!(["d", "p", "q", "dp", "dq", "qi"].iter().all(|secret| key.get(*secret).is_none()));
    }
    insta::allow_duplicates! {
        insta::assert_json_snapshot!(keys["keys"][0].as_object().expect("a key").keys().collect::<Vec<_>>(), @r#"
    [
      "kty",
      "crv",
      "x",
      "y",
      "use",
      "key_ops",
      "alg",
      "kid"
    ]
    "#);
    }
}

#[both_hosts]
async fn an_unknown_path_or_method_is_an_outcome(world: World) {
    let nothing = world.get("/nothing").send().await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
    nothing.outcome();
    let method = world.request(http::Method::PUT, "/fhir/metadata").send().await;
    assert_eq!(method.status, StatusCode::METHOD_NOT_ALLOWED);
    method.outcome();
}

#[both_hosts]
async fn a_browser_gets_a_page_with_the_error(world: World) {
    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let job = "/jobs/01a1fb95-ab0a-7a46-aeea-001492bd7651/status";
    for (path, status) in [
        ("/nothing", StatusCode::NOT_FOUND),
        (job, StatusCode::UNAUTHORIZED),
        ("/auth/token", StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let page = world.get(path).header("accept", BROWSER).send().await;
        assert_eq!(
            (page.status, page.header("content-type")),
            (status, "text/html; charset=utf-8"),
            "{path}"
        );
        assert!(page.header("content-security-policy").contains("default-src 'none'"));
        let program = world.get(path).header("accept", "application/fhir+json").send().await;
        assert_eq!(program.status, status);
        // OAuth clients know no OperationOutcome.
        match path.starts_with("/auth/") {
            true => assert_eq!(program.json()["error"], "invalid_request"),
            false => assert!(!program.outcome().is_empty()),
        }
    }
    let challenge = world.get(job).header("accept", BROWSER).send().await;
    assert_eq!(challenge.header("www-authenticate"), "Bearer");
}

#[both_hosts]
async fn formats_other_than_json_are_not_acceptable(world: World) {
    for (query, accept, acceptable) in [
        ("", "", true),
        ("", "*/*", true),
        ("", "application/fhir+xml, application/fhir+json;q=0.5", true),
        ("", "application/fhir+json; fhirVersion=4.0", true),
        ("", "application/fhir+xml", false),
        ("", "text/turtle", false),
        ("?_format=json", "application/fhir+xml", true),
        ("?_format=application/fhir%2Bjson", "", true),
        ("?_format=application/fhir+json", "", true),
        ("?_format=xml", "", false),
        ("?_format=application/fhir%2Bxml", "application/fhir+json", false),
    ] {
        let call = world.get(&format!("/fhir/metadata{query}"));
        let response = if accept.is_empty() { call } else { call.header("accept", accept) }.send().await;
        let expected = if acceptable { StatusCode::OK } else { StatusCode::NOT_ACCEPTABLE };
        assert_eq!(response.status, expected, "{query} {accept}");
        if !acceptable {
            assert!(response.outcome().contains("application/fhir+json"));
        }
    }
}

#[both_hosts]
async fn urls_come_from_the_settings_and_never_from_a_header(world: World) {
    let response = world
        .get("/fhir/.well-known/smart-configuration")
        .header("host", "evil.example.org")
        .header("x-forwarded-host", "evil.example.org")
        .send()
        .await;
    assert!(!response.text().contains("evil"));
}
