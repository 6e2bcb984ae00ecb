//! Apps with access, and signing out everywhere.

use http::StatusCode;
use serde_json::Value;
use tests::{ANNA, BRUNO, Launch, TestResponse, World, both_hosts, parameter, text};

use super::{page, signed_in};

async fn refreshed(world: &World, tokens: &Value) -> TestResponse {
    let refresh = text(&tokens["refresh_token"]);
    let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str()), ("client_id", "app")];
    world.post("/auth/token").form(&fields).send().await
}

/// Stops the access of an app that is on the page.
async fn stop(world: &World, session: &TestResponse, app: &str) {
    assert!(page(world, session, "/my/apps").await.contains(&format!("/my/apps/stop?app={app}")));
    let asks = page(world, session, &format!("/my/apps/stop?app={app}")).await;
    assert!(asks.contains("cannot see your record any more"), "{asks}");
    let stopped = world.post("/my/apps/stop").cookie(session).form(&[("app", app)]).send().await;
    assert!(stopped.location().ends_with("/my/apps?said=stopped"), "{}", stopped.location());
}

/// No other story gives an app access to this patient: it would have access again after it was stopped.
const CHIARA: &str = "chiara-rossi";

/// Check 18: the session may end before the patient confirms.
#[both_hosts]
async fn a_confirmation_after_the_session_asks_about_the_same_app_again(world: World) {
    let anna = signed_in(&world, ANNA).await;
    world.tokens("app", ANNA).await;
    let asks = page(&world, &anna, "/my/apps/stop?app=app").await;
    let action = asks.split("method=\"post\" action=\"/my/").nth(1).expect("a form");
    let action = format!("/my/{}", action.split('"').next().unwrap_or_default());
    let login = world.post(&action).form(&[("app", "app")]).send().await.location();
    let next = parameter(&login, "next").expect("a way back");
    let again = world.sign_patient_in(ANNA, &next).await;
    let shown = page(&world, &again, &again.location()).await;
    assert!(shown.contains("<h1>Stop the access of The test app?"), "{shown}");
    assert!(page(&world, &again, "/my/apps").await.contains("<h2>The test app</h2>"), "nothing has stopped");
}

#[both_hosts]
async fn a_stopped_app_is_refused_at_once(world: World) {
    let (chiara, bruno) = (signed_in(&world, CHIARA).await, signed_in(&world, BRUNO).await);
    let tokens = world.tokens("app", CHIARA).await;
    let second = world.tokens("app", CHIARA).await;
    let others = [world.tokens("app", BRUNO).await, world.tokens("other-app", CHIARA).await];
    let rotated = refreshed(&world, &tokens).await.json();
    let shown = page(&world, &chiara, "/my/apps").await;
    for words in [
        "<h2>The test app</h2>",
        "<h2>other-app</h2>",
        "Since ",
        "Last used on",
        "Get a copy of your record; you choose the parts",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert_eq!(shown.matches("<h2>The test app</h2>").count(), 1, "each app is listed once");
    stop(&world, &chiara, "app").await;
    for refused in [refreshed(&world, &rotated).await, refreshed(&world, &second).await] {
        assert_eq!(
            (refused.status, &refused.json()["error"]),
            (StatusCode::BAD_REQUEST, &"invalid_grant".into())
        );
    }
    let shown = page(&world, &chiara, "/my/apps?said=stopped").await;
    assert!(!shown.contains("<h2>The test app</h2>") && shown.contains("<h2>other-app</h2>"), "{shown}");
    assert!(shown.contains("The app has no access any more."));
    assert_eq!(refreshed(&world, &others[0]).await.status, StatusCode::OK, "another patient's");
    assert!(page(&world, &bruno, "/my/apps").await.contains("<h2>The test app</h2>"));
    let other = text(&others[1]["access_token"]);
    let read = world.get("/jobs").bearer(&other).send().await;
    assert_eq!(read.status, StatusCode::OK, "another app of the same patient");
    // An access that has ended cannot be stopped again.
    let nothing = world.get("/my/apps/stop?app=app").cookie(&chiara).send().await;
    assert!(nothing.location().ends_with("/my/apps"), "{}", nothing.location());
}

/// No process keeps a verified token after it is revoked.
#[both_hosts(alone)]
async fn access_tokens_of_a_stopped_app_are_refused_at_once(world: World) {
    let token = world.token(ANNA).await;
    let read = || world.get("/jobs").bearer(&token).send();
    assert_eq!(read().await.status, StatusCode::OK);
    let session = signed_in(&world, ANNA).await;
    stop(&world, &session, "app").await;
    assert_eq!(read().await.status, StatusCode::UNAUTHORIZED);
}

/// An app that has a code but no token yet is on the page. Its code is refused after it is stopped.
#[both_hosts(alone)]
async fn a_code_of_a_stopped_app_is_refused(world: World) {
    let launch = Launch::new("app");
    let code = world.code(&launch, ANNA).await;
    let other = Launch::new("other-app");
    let other_code = world.code(&other, ANNA).await;
    let session = signed_in(&world, ANNA).await;
    stop(&world, &session, "app").await;
    let refused = world.redeem(&launch, &code).await;
    assert_eq!(
        (refused.status, &refused.json()["error"]),
        (StatusCode::BAD_REQUEST, &"invalid_grant".into())
    );
    assert!(!page(&world, &session, "/my/apps").await.contains("<h2>The test app</h2>"));
    assert_eq!(world.redeem(&other, &other_code).await.status, StatusCode::OK, "another app");
    assert_eq!(
        world.redeem(&launch, &world.code(&launch, ANNA).await).await.status,
        StatusCode::OK,
        "asked again"
    );
}

/// A refused code gives its app no access, so the app is not listed.
#[tokio::test]
async fn an_app_whose_code_was_refused_or_has_expired_is_not_listed() {
    let world = World::new();
    let launch = Launch::new("app");
    let code = world.code(&launch, ANNA).await;
    let wrong = Launch { verifier: "x".repeat(64), ..Launch::new("app") };
    assert_eq!(world.redeem(&wrong, &code).await.status, StatusCode::BAD_REQUEST);
    let shown = page(&world, &signed_in(&world, ANNA).await, "/my/apps").await;
    assert!(shown.contains("No app has access to your record."), "{shown}");
    world.code(&launch, ANNA).await;
    let shown = page(&world, &signed_in(&world, ANNA).await, "/my/apps").await;
    assert!(shown.contains("<h2>The test app</h2>"), "{shown}");
    world.advance(301);
    let shown = page(&world, &signed_in(&world, ANNA).await, "/my/apps").await;
    assert!(shown.contains("No app has access to your record."), "{shown}");
}

#[tokio::test]
async fn the_last_use_is_noted_once_an_hour_and_ended_authorizations_are_not_listed() {
    let world = World::new();
    let session = || signed_in(&world, ANNA);
    let mut tokens = world.tokens("app", ANNA).await;
    let revoked = world.tokens("other-app", ANNA).await;
    let fields = [("token", text(&revoked["refresh_token"])), ("client_id", "other-app".to_owned())];
    assert_eq!(world.post("/auth/revoke").form(&fields).send().await.status, StatusCode::OK);
    let shown = page(&world, &session().await, "/my/apps").await;
    assert!(!shown.contains("other-app") && shown.contains("Last used on March 1, 2026"), "{shown}");
    for (hours, used) in [(13, "March 2, 2026"), (24, "March 3, 2026")] {
        world.advance(hours * 3600);
        tokens = refreshed(&world, &tokens).await.json();
        let shown = page(&world, &session().await, "/my/apps").await;
        assert!(
            shown.contains(&format!("Last used on {used}")) && shown.contains("Since March 1, 2026"),
            "{shown}"
        );
    }
    world.advance(31 * 24 * 3600);
    let shown = page(&world, &session().await, "/my/apps").await;
    assert!(shown.contains("No app has access to your record."), "{shown}");
    assert_eq!(refreshed(&world, &tokens).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_authorization_over_the_limit_ends_the_one_that_was_used_longest_ago() {
    let world = World::new();
    let first = world.tokens("app", ANNA).await;
    world.advance(1);
    let second = world.tokens("app", ANNA).await;
    for _ in 0..49 {
        world.advance(1);
        world.tokens("other-app", ANNA).await;
    }
    assert_eq!(refreshed(&world, &first).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(refreshed(&world, &second).await.status, StatusCode::OK);
}

/// Consents that an app does not use end no access of another app.
#[tokio::test]
async fn abandoned_consents_end_no_access() {
    let world = World::new();
    let used = world.tokens("app", ANNA).await;
    let launch = Launch::new("other-app");
    for _ in 0..51 {
        world.advance(1);
        world.code(&launch, ANNA).await;
    }
    assert_eq!(refreshed(&world, &used).await.status, StatusCode::OK);
    let code = world.code(&launch, ANNA).await;
    assert_eq!(world.redeem(&launch, &code).await.status, StatusCode::OK, "the newest consent is kept");
}

/// In a deployment this story would end the sessions of other stories.
#[both_hosts(alone)]
async fn signing_out_everywhere_ends_earlier_sessions_and_no_later_one(world: World) {
    let (here, there, other) =
        (signed_in(&world, ANNA).await, signed_in(&world, ANNA).await, signed_in(&world, BRUNO).await);
    let asks = page(&world, &here, "/my/sign-out-everywhere").await;
    assert!(asks.contains("Sign out everywhere?"), "{asks}");
    let out = world.post("/my/sign-out-everywhere").cookie(&here).send().await;
    assert!(out.location().ends_with('/'), "{}", out.location());
    for ended in [&here, &there] {
        let response = world.get("/my").cookie(ended).send().await;
        assert_eq!(response.status, StatusCode::FOUND);
        let form = format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id=my");
        assert_eq!(world.get(&form).cookie(ended).send().await.status, StatusCode::FOUND);
    }
    page(&world, &other, "/my").await;
    let again = signed_in(&world, ANNA).await;
    page(&world, &again, "/my").await;
    assert_eq!(
        world.post("/my/sign-out-everywhere").cookie(&again).send().await.status,
        StatusCode::SEE_OTHER
    );
    page(&world, &signed_in(&world, ANNA).await, "/my").await;
    assert_eq!(
        world.get("/my").cookie(&here).send().await.status,
        StatusCode::FOUND,
        "the session has still ended"
    );
}
