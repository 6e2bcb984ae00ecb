//! Requests for authorization: their parameters, and the reason that the app gets for a refusal.

use http::StatusCode;
use tests::{Launch, World, authorize_path, both_hosts, parameter};

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
async fn repeated_parameters_are_an_error(world: World) {
    for name in ["scope", "aud", "state", "code_challenge", "response_type", "nonce", "anything"] {
        let mut fields = Launch::new("app").fields();
        let value = fields
            .iter()
            .find(|(known, _)| *known == name)
            .map_or("x".to_owned(), |(_, value)| value.clone());
        fields.retain(|(known, _)| *known != name);
        fields.extend([(name, value.clone()), (name, value)]);
        for call in [world.get(&authorize_path(&fields)), world.post("/auth/authorize").form(&fields)] {
            let location = call.send().await.location();
            assert_eq!(parameter(&location, "error").as_deref(), Some("invalid_request"), "{name}");
            let state = (name != "state").then_some("xyz");
            assert_eq!(parameter(&location, "state").as_deref(), state, "{name}");
        }
    }
    for name in ["client_id", "redirect_uri"] {
        let mut fields = Launch::new("app").fields();
        fields.push((name, fields.iter().find(|(known, _)| *known == name).expect("there").1.clone()));
        for call in [world.get(&authorize_path(&fields)), world.post("/auth/authorize").form(&fields)] {
            assert_eq!(call.send().await.status, StatusCode::BAD_REQUEST, "{name}");
        }
    }
    // These may be repeated (RFC 8707; RFC 8693).
    for name in ["resource", "audience"] {
        let mut fields = Launch::new("app").fields();
        fields.extend([(name, "a".to_owned()), (name, "b".to_owned())]);
        let location = world.get(&authorize_path(&fields)).send().await.location();
        assert!(location.contains("/patient-login?request="), "{name}: {location}");
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
