//! Introspection (RFC 7662) and revocation (RFC 7009).

use base64::Engine;
use http::StatusCode;
use platform::Platform;
use serde_json::{Value, json};
use tests::{ANNA, BRUNO, PASSWORD, TestResponse, World, both_hosts, text};

use crate::authorize::refresh;
use crate::tokens::{Issuer, claims, trusting};

#[both_hosts]
async fn introspection_describes_a_token_to_its_own_client_only(world: World) {
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

#[both_hosts]
async fn revoking_either_token_revokes_both(world: World) {
    for name in ["access_token", "refresh_token"] {
        let tokens = world.tokens("app", ANNA).await;
        let other_client = [("token", text(&tokens[name])), ("client_id", "other-app".to_owned())];
        assert_eq!(world.post("/auth/revoke").form(&other_client).send().await.status, StatusCode::OK);
        let access = text(&tokens["access_token"]);
        assert_eq!(
            world.get("/jobs").bearer(&access).send().await.status,
            StatusCode::OK,
            "another client must not revoke the token"
        );
        let own = [("token", text(&tokens[name])), ("client_id", "app".to_owned())];
        assert_eq!(world.post("/auth/revoke").form(&own).send().await.status, StatusCode::OK);
        assert_eq!(world.get("/jobs").bearer(&access).send().await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(refresh(&world, &text(&tokens["refresh_token"])).await.status, StatusCode::BAD_REQUEST);
    }
    let unknown = world.post("/auth/revoke").form(&[("token", "nonsense")]).send().await;
    assert_eq!(unknown.status, StatusCode::OK);
}

/// The holder of a token cannot fill the audit trail.
#[tokio::test]
async fn a_token_that_is_revoked_again_leaves_no_further_entry() {
    let world = World::new();
    let tokens = world.tokens("app", ANNA).await;
    for name in ["refresh_token", "refresh_token", "access_token"] {
        let fields = [("token", text(&tokens[name])), ("client_id", "app".to_owned())];
        assert_eq!(world.post("/auth/revoke").form(&fields).send().await.status, StatusCode::OK, "{name}");
    }
    let auditor = world.staff().await;
    let entries = world.get("/admin/audit?action=token-revoked").cookie(&auditor).send().await;
    assert_eq!(entries.lines().len(), 1, "{}", entries.text());
}

/// Returns what a resource server reads about a token.
pub(crate) async fn read_by_server(world: &World, token: &str) -> Value {
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("resource-server:{PASSWORD}"));
    let call = world.post("/auth/introspect").header("authorization", &format!("Basic {basic}"));
    let known = call.form(&[("token", token)]).send().await;
    assert_eq!(known.status, StatusCode::OK, "{}", known.text());
    known.json()
}

/// Returns whether a resource server reads that a token is active.
pub(crate) async fn is_active(world: &World, token: &str) -> bool {
    read_by_server(world, token).await["active"] == true
}

async fn introspected(world: &World, bearer: &str, token: &str) -> Value {
    world.post("/auth/introspect").bearer(bearer).form(&[("token", token)]).send().await.json()
}

#[tokio::test]
async fn introspection_and_revocation_know_the_issuer_of_a_client() {
    let issuer = Issuer::new();
    let world = issuer.world("");
    // This is a client of the issuer with the id of a public client of this server.
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
    assert!(known.get("aud").is_none(), "this server does not know the audience");
    // The client with this id here cannot revoke the other's token, nor the other the token of the client here.
    let alive = async |token: &str| world.get("/jobs").bearer(token).send().await.status == StatusCode::OK;
    let fields = [("token", foreign.as_str()), ("client_id", "app")];
    assert_eq!(world.post("/auth/revoke").form(&fields).send().await.status, StatusCode::OK);
    world.post("/auth/revoke").bearer(&own).form(&fields[..1]).send().await;
    assert!(alive(&foreign).await);
    world.post("/auth/revoke").bearer(&foreign).form(&[("token", own.as_str())]).send().await;
    assert!(alive(&own).await);
    // The bearer of the token can revoke it. The token is then invalid in every process, in spite of caches.
    let response = world.post("/auth/revoke").bearer(&foreign).form(&fields[..1]).send().await;
    assert_eq!(response.status, StatusCode::OK);
    assert!(!alive(&foreign).await);
    let platform = world.platform().clone();
    let fresh = security::verify::Verifier::new(
        platform.settings(),
        platform.keys(),
        platform.clock(),
        platform.expiring(),
        std::sync::Arc::default(),
    );
    assert!(fresh.verify(&foreign).await.is_err());
    assert!(alive(&issuer.token(&json!({ "jti": "another", "azp": "app", "iss": claims["iss"], "aud": claims["aud"], "exp": claims["exp"] }))).await);
}

/// The response 200 would mean that the token is not valid any more (RFC 7009, 2.2.1).
#[tokio::test]
async fn a_token_that_cannot_be_verified_now_is_not_reported_as_revoked() {
    // Nothing listens on this port.
    let world = trusting("jwks_url = \"http://127.0.0.1:9/keys\"", &ehi::defaults::sample_records());
    let foreign = Issuer::new().token(&claims());
    let own = world.token(ANNA).await;
    for path in ["/auth/revoke", "/auth/introspect"] {
        let response = world.post(path).bearer(&own).form(&[("token", &foreign)]).send().await;
        assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {}", response.text());
        assert_eq!(response.json()["error"], "temporarily_unavailable", "{path}");
        assert!(response.header("retry-after").parse::<u32>().is_ok(), "{path}");
    }
}

#[both_hosts]
async fn a_resource_server_may_introspect_all_tokens(world: World) {
    let tokens = world.tokens("app", ANNA).await;
    let basic = base64::engine::general_purpose::STANDARD
        .encode(format!("resource-server:{}", PASSWORD.replace(' ', "%20")));
    let ask = async |user: &str, token: &Value| -> TestResponse {
        let fields = [("token", text(token))];
        world.post("/auth/introspect").header("authorization", user).form(&fields).send().await
    };
    let server = format!("Basic {basic}");
    for name in ["access_token", "refresh_token"] {
        let known = ask(&server, &tokens[name]).await.json();
        assert_eq!((&known["active"], &known["patient"]), (&json!(true), &json!(ANNA)), "{name}");
    }
    // It may introspect the token, but not revoke it.
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
