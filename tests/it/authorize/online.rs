//! `online_access`: an app gets new tokens until the patient signs out, for half a day at most (SMART App Launch 2.2).

use http::StatusCode;
use tests::{ANNA, BRUNO, Launch, TestResponse, World, parameter, settings, text};

use super::consent::at_consent;
use super::refresh;
use crate::introspect::{is_active, read_by_server};
use crate::sessions::open;

/// Returns the settings of a sandbox whose test app is registered for these scopes.
fn registered(scopes: &str) -> String {
    let scopes = format!("launch/patient {scopes} openid");
    settings("sandbox = true").replacen("launch/patient offline_access openid", &scopes, 1)
}

/// Returns a World whose test app may ask for `online_access`.
fn world() -> World {
    World::of(&registered("offline_access online_access"), &ehi::defaults::sample_records())
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

/// An app refreshes when its access token expires, which is later than the end of a session that is not used.
#[tokio::test]
async fn a_refresh_works_for_half_a_day_until_the_patient_signs_out() {
    let world = world();
    let (session, mut token) = agreed(&world, ONLINE).await;
    for number in 1..48 {
        world.advance(15 * 60);
        let refreshed = refresh(&world, &token).await;
        assert_eq!(refreshed.status, StatusCode::OK, "{number}: {}", refreshed.text());
        token = text(&refreshed.json()["refresh_token"]);
        // A refresh of the app does not extend the session.
        assert_ne!(world.get("/my").cookie(&session).send().await.status, StatusCode::OK);
    }
    world.advance(15 * 60);
    let refused = refresh(&world, &token).await;
    assert_eq!(refused.json()["error"], "invalid_grant", "{}", refused.text());
    assert!(text(&refused.json()["error_description"]).contains("sign in"), "{}", refused.text());
}

/// Signs a patient in in a browser that has the cookie of an earlier session.
async fn again(world: &World, earlier: &TestResponse, patient: &str) -> TestResponse {
    let fields = [("next", "/my"), ("patient", patient)];
    world.post("/patient-login").cookie(earlier).form(&fields).send().await
}

async fn sign_out(world: &World, path: &str, session: &TestResponse) {
    let out = world.post(path).cookie(session).form(&[("go", "yes")]).send().await;
    assert_eq!(out.status, StatusCode::SEE_OTHER, "{path}");
}

#[tokio::test]
async fn a_sign_out_after_the_end_of_the_session_ends_the_access() {
    for sign_ins in 0..3 {
        let world = world();
        let (mut session, token) = agreed(&world, ONLINE).await;
        for _ in 0..sign_ins {
            world.advance(3600);
            session = again(&world, &session, ANNA).await;
        }
        world.advance(15 * 60);
        let token = text(&refresh(&world, &token).await.json()["refresh_token"]);
        sign_out(&world, "/patient-logout", &session).await;
        assert_eq!(refresh(&world, &token).await.json()["error"], "invalid_grant", "{sign_ins}");
    }
}

#[tokio::test]
async fn another_patient_in_the_same_browser_ends_the_access() {
    let world = world();
    let (session, token) = agreed(&world, ONLINE).await;
    again(&world, &session, BRUNO).await;
    assert_eq!(refresh(&world, &token).await.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn a_sign_out_everywhere_ends_the_access_of_other_browsers_for_good() {
    let world = world();
    let (_, token) = agreed(&world, ONLINE).await;
    world.advance(3600);
    let other = world.sign_patient_in(ANNA, "/my").await;
    sign_out(&world, "/my/sign-out-everywhere", &other).await;
    world.advance(3600);
    assert_eq!(refresh(&world, &token).await.json()["error"], "invalid_grant");
}

/// A client loses a scope that an authorization has. Its access does not become longer by that.
#[tokio::test]
async fn a_client_that_loses_a_scope_has_no_longer_access() -> tests::Result {
    let offline = "launch/patient online_access offline_access patient/*.rs";
    // The granted scopes, what the client keeps, and whether a refresh works before and after the sign-out.
    let cases = [
        (ONLINE, "offline_access", false, false),
        (ONLINE, "online_access", true, false),
        (offline, "online_access", true, false),
        (offline, "offline_access", true, true),
    ];
    for (scope, kept, before, after) in cases {
        let state = tempfile::tempdir()?;
        let (session, token) =
            agreed(&open(state.path(), &registered("offline_access online_access")), scope).await;
        let world = open(state.path(), &registered(kept));
        world.advance(15 * 60);
        let read = read_by_server(&world, &token).await;
        assert_eq!(read["active"], before, "{scope}, {kept}");
        // The token gives no scope that the client has lost.
        let lost = if kept == "online_access" { "offline_access" } else { "online_access" };
        assert!(!read["scope"].as_str().unwrap_or_default().contains(lost), "{kept}: {read}");
        let refreshed = refresh(&world, &token).await;
        assert_eq!(refreshed.status == StatusCode::OK, before, "{scope}, {kept}: {}", refreshed.text());
        let token = if before { text(&refreshed.json()["refresh_token"]) } else { token };
        sign_out(&world, "/patient-logout", &session).await;
        assert_eq!(is_active(&world, &token).await, after, "{scope}, {kept}");
        assert_eq!(refresh(&world, &token).await.status == StatusCode::OK, after, "{scope}, {kept}");
    }
    Ok(())
}

#[tokio::test]
async fn signing_out_ends_the_access() {
    for path in ["/patient-logout", "/my/sign-out-everywhere"] {
        let world = world();
        let (session, token) = agreed(&world, ONLINE).await;
        let (other_session, other) = agreed(&world, ONLINE).await;
        sign_out(&world, path, &session).await;
        assert_eq!(refresh(&world, &token).await.json()["error"], "invalid_grant", "{path}");
        // Another browser is signed in until its patient signs out everywhere.
        let still = world.get("/my").cookie(&other_session).send().await.status == StatusCode::OK;
        assert_eq!(still, path == "/patient-logout");
        assert_eq!(is_active(&world, &other).await, still, "{path}");
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
