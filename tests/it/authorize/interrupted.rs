//! The decision of a patient when a step of it fails: the patient can press the button again, and an app gets only codes that work.

use http::StatusCode;
use tests::{ANNA, BRUNO, Launch, TestResponse, World, parameter};

use super::consent::at_consent;
use crate::audit::program::open;
use crate::my::interrupted::{fail_at, repair};
use crate::my::{page, signed_in};

async fn decide(world: &World, session: &TestResponse, request: &str, decision: &str) -> TestResponse {
    let fields = [("request", request), ("decision", decision)];
    world.post("/authorize-app").cookie(session).form(&fields).send().await
}

/// The steps of a decision: the change, the row in which the kind is, and the kind of the entry.
const STEPS: [(&str, &str, &str); 4] = [
    ("INSERT", "NEW", "family"),
    ("INSERT", "NEW", "patient-apps"),
    ("INSERT", "NEW", "code"),
    ("UPDATE", "NEW", "authorization"),
];

#[tokio::test]
async fn a_consent_that_failed_halfway_can_be_given_again() -> tests::Result {
    for (change, row, kind) in STEPS {
        let state = tempfile::tempdir()?;
        let world = open(state.path(), "");
        let launch = Launch::new("app");
        let (request, session) = at_consent(&world, &launch).await;
        fail_at(state.path(), change, row, kind);
        let failed = decide(&world, &session, &request, "allow").await;
        assert!(failed.status.is_server_error(), "{kind}: {}", failed.status);
        repair(state.path());
        let back = decide(&world, &session, &request, "allow").await.location();
        let code = parameter(&back, "code").expect("a code");
        let tokens = world.redeem(&launch, &code).await;
        assert_eq!(tokens.status, StatusCode::OK, "{kind}: {}", tokens.text());
        assert_eq!(tokens.json()["patient"], ANNA);
        assert!(page(&world, &session, "/my/apps").await.contains("The test app"), "{kind}");
    }
    Ok(())
}

/// A request is valid longer than a code: the code of the second attempt has its whole lifetime.
#[tokio::test]
async fn a_consent_that_is_given_again_later_gives_a_new_lifetime_to_its_code() -> tests::Result {
    for (change, row, kind) in STEPS {
        let state = tempfile::tempdir()?;
        let world = open(state.path(), "");
        let launch = Launch::new("app");
        let (request, session) = at_consent(&world, &launch).await;
        fail_at(state.path(), change, row, kind);
        assert!(decide(&world, &session, &request, "allow").await.status.is_server_error(), "{kind}");
        repair(state.path());
        world.advance(4 * 60);
        let back = decide(&world, &session, &request, "allow").await.location();
        world.advance(4 * 60);
        let tokens = world.redeem(&launch, &parameter(&back, "code").expect("a code")).await;
        assert_eq!(tokens.status, StatusCode::OK, "{kind}: {}", tokens.text());
    }
    Ok(())
}

#[tokio::test]
async fn a_refusal_after_a_consent_that_failed_leaves_no_app_with_access() -> tests::Result {
    for (change, row, kind) in STEPS {
        let state = tempfile::tempdir()?;
        let world = open(state.path(), "");
        let (request, session) = at_consent(&world, &Launch::new("app")).await;
        fail_at(state.path(), change, row, kind);
        decide(&world, &session, &request, "allow").await;
        repair(state.path());
        let back = decide(&world, &session, &request, "deny").await.location();
        assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"), "{kind}");
        let shown = page(&world, &session, "/my/apps").await;
        assert!(shown.contains("No app has access to your record."), "{kind}: {shown}");
    }
    Ok(())
}

/// The code of the first attempt is for the record of the first patient, and the second patient must not get it.
#[tokio::test]
async fn another_patient_who_signs_in_for_the_same_request_gets_an_own_code() -> tests::Result {
    let state = tempfile::tempdir()?;
    let world = open(state.path(), "");
    let launch = Launch::new("app");
    let (request, session) = at_consent(&world, &launch).await;
    fail_at(state.path(), "UPDATE", "NEW", "authorization");
    assert!(decide(&world, &session, &request, "allow").await.status.is_server_error());
    repair(state.path());
    let fields = [("request", request.as_str()), ("patient", BRUNO)];
    let other = world.post("/patient-login").form(&fields).send().await;
    let back = decide(&world, &other, &request, "allow").await.location();
    let code = parameter(&back, "code").expect("a code");
    assert_eq!(world.redeem(&launch, &code).await.json()["patient"], BRUNO);
    // What is left of the first attempt ends with the lifetime of a code.
    world.advance(301);
    let shown = page(&world, &signed_in(&world, ANNA).await, "/my/apps").await;
    assert!(shown.contains("No app has access to your record."), "{shown}");
    Ok(())
}

/// A second click that is slower than the exchange of the code creates the code again. It is refused like one that is used again.
#[tokio::test]
async fn a_code_that_exists_again_after_its_exchange_gives_no_tokens() -> tests::Result {
    let state = tempfile::tempdir()?;
    let world = open(state.path(), "");
    let launch = Launch::new("app");
    let code = world.code(&launch, ANNA).await;
    let database = rusqlite::Connection::open(state.path().join("state.sqlite"))?;
    database.execute_batch("CREATE TABLE kept AS SELECT * FROM grants WHERE kind = 'code'")?;
    let tokens = world.redeem(&launch, &code).await.json();
    database.execute_batch("INSERT INTO grants SELECT * FROM kept")?;
    assert_eq!(world.redeem(&launch, &code).await.json()["error"], "invalid_grant");
    let token = tests::text(&tokens["refresh_token"]);
    assert_eq!(super::refresh(&world, &token).await.json()["error"], "invalid_grant", "the code was stolen");
    Ok(())
}
