//! `online_access`: an app gets new tokens only while the patient is signed in (SMART App Launch 2.2).

use http::StatusCode;
use tests::{ANNA, Launch, TestResponse, World, parameter, settings, text};

use super::consent::at_consent;
use super::refresh;

/// Returns a World whose test app may ask for `online_access`.
fn world() -> World {
    let settings = settings("sandbox = true").replacen(
        "launch/patient offline_access openid",
        "launch/patient offline_access online_access openid",
        1,
    );
    World::of(&settings, &ehi::defaults::sample_records())
}

/// Signs Anna in and agrees; returns the response with her session, and the refresh token.
async fn agreed(world: &World, scope: &str) -> (TestResponse, String) {
    let launch = Launch { scope: scope.to_owned(), ..Launch::new("app") };
    let (request, session) = at_consent(world, &launch).await;
    let fields = [("request", request.as_str()), ("decision", "allow")];
    let back = world.post("/authorize-app").cookie(&session).form(&fields).send().await.location();
    let tokens = world.redeem(&launch, &parameter(&back, "code").expect("a code")).await.json();
    (session, text(&tokens["refresh_token"]))
}

const ONLINE: &str = "launch/patient online_access patient/*.rs";

#[tokio::test]
async fn a_refresh_needs_the_session_of_the_patient() {
    let world = world();
    let (session, token) = agreed(&world, ONLINE).await;
    let token = text(&refresh(&world, &token).await.json()["refresh_token"]);
    // The patient uses a page from time to time.
    world.advance(8 * 60);
    assert_eq!(world.get("/my").cookie(&session).send().await.status, StatusCode::OK);
    world.advance(8 * 60);
    let token = text(&refresh(&world, &token).await.json()["refresh_token"]);
    // A refresh of the app does not extend the session.
    world.advance(3 * 60);
    let refused = refresh(&world, &token).await;
    assert_eq!(refused.json()["error"], "invalid_grant", "{}", refused.text());
    assert!(text(&refused.json()["error_description"]).contains("sign in"), "{}", refused.text());
}

#[tokio::test]
async fn signing_out_ends_the_access() {
    for path in ["/patient-logout", "/my/sign-out-everywhere"] {
        let world = world();
        let (session, token) = agreed(&world, ONLINE).await;
        let (other_session, other) = agreed(&world, ONLINE).await;
        let out = world.post(path).cookie(&session).form(&[("go", "yes")]).send().await;
        assert_eq!(out.status, StatusCode::SEE_OTHER, "{path}");
        assert_eq!(refresh(&world, &token).await.json()["error"], "invalid_grant", "{path}");
        // Another browser is signed in until its patient signs out everywhere.
        let still = world.get("/my").cookie(&other_session).send().await.status == StatusCode::OK;
        assert_eq!(still, path == "/patient-logout");
        assert_eq!(refresh(&world, &other).await.status == StatusCode::OK, still, "{path}");
    }
}

#[tokio::test]
async fn other_scopes_do_not_depend_on_the_session() {
    for scope in [
        "launch/patient online_access offline_access patient/*.rs",
        "launch/patient online_access patient/$ehi-export",
        "launch/patient offline_access patient/*.rs",
    ] {
        let world = world();
        let (session, token) = agreed(&world, scope).await;
        world.post("/patient-logout").cookie(&session).form(&[("", "")]).send().await;
        world.advance(24 * 3600);
        assert_eq!(refresh(&world, &token).await.status, StatusCode::OK, "{scope}");
    }
}

/// The list of apps does not show access for a month that ends with a session.
#[tokio::test]
async fn the_authorization_is_not_listed_longer_than_a_session_can_last() {
    let world = world();
    agreed(&world, ONLINE).await;
    world.advance(12 * 3600 + 3601);
    let session = crate::my::signed_in(&world, ANNA).await;
    let shown = crate::my::page(&world, &session, "/my/apps").await;
    assert!(shown.contains("No app has access to your record."), "{shown}");
}
