//! The exchange of a code for tokens: its conditions, and the response.

use http::StatusCode;
use serde_json::json;
use tests::{ANNA, Launch, PASSWORD, World, both_hosts, text};

use super::refresh;

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
