//! The access of apps when a step of an exchange or of a revocation fails, and when another version did a part of it.

use std::path::Path;

use http::StatusCode;
use rusqlite::Connection;
use tests::{ANNA, Launch, World, text};

use super::{page, signed_in};
use crate::audit::program::open;

/// Changes the state database directly, while the server runs.
pub(crate) fn change(state: &Path, statements: &str) {
    Connection::open(state.join("state.sqlite"))
        .and_then(|database| database.execute_batch(statements))
        .expect("changed");
}

/// Makes the store fail at a change of entries of a kind. `row` is NEW or OLD.
pub(crate) fn fail_at(state: &Path, change_of: &str, row: &str, kind: &str) {
    change(
        state,
        &format!(
            "CREATE TRIGGER failing BEFORE {change_of} ON grants WHEN {row}.kind = '{kind}'
             BEGIN SELECT RAISE(ABORT, 'a fault'); END"
        ),
    );
}

pub(crate) fn repair(state: &Path) {
    change(state, "DROP TRIGGER failing");
}

async fn apps(world: &World) -> String {
    page(world, &signed_in(world, ANNA).await, "/my/apps").await
}

/// A token that was accepted a moment ago is refused as soon as its authorization has ended, also if the rest fails.
#[tokio::test]
async fn a_revocation_that_fails_halfway_leaves_no_accepted_token() -> tests::Result {
    for at_the_page in [true, false] {
        let state = tempfile::tempdir()?;
        let world = open(state.path(), "");
        let token = world.token(ANNA).await;
        let read = async || world.get("/jobs").bearer(&token).send().await.status;
        assert_eq!(read().await, StatusCode::OK);
        let failed = if at_the_page {
            let session = signed_in(&world, ANNA).await;
            fail_at(state.path(), "UPDATE", "NEW", "patient-apps");
            world.post("/my/apps/stop").cookie(&session).form(&[("app", "app")]).send().await
        } else {
            fail_at(state.path(), "INSERT", "NEW", "revoked");
            let fields = [("token", token.as_str()), ("client_id", "app")];
            world.post("/auth/revoke").form(&fields).send().await
        };
        assert!(failed.status.is_server_error(), "{at_the_page}: {}", failed.status);
        assert_eq!(read().await, StatusCode::UNAUTHORIZED, "{at_the_page}");
    }
    Ok(())
}

/// An exchange that fails gives the app no tokens, so the patient does not see an app with access.
#[tokio::test]
async fn a_failed_exchange_leaves_no_app_with_access() -> tests::Result {
    for kind in ["code", "family"] {
        let state = tempfile::tempdir()?;
        let world = open(state.path(), "");
        let launch = Launch::new("app");
        let code = world.code(&launch, ANNA).await;
        match kind {
            "code" => fail_at(state.path(), "DELETE", "OLD", kind),
            _ => fail_at(state.path(), "UPDATE", "NEW", kind),
        }
        let failed = world.redeem(&launch, &code).await;
        assert!(failed.status.is_server_error(), "{kind}: {}", failed.status);
        repair(state.path());
        world.advance(301);
        let shown = apps(&world).await;
        assert!(shown.contains("No app has access to your record."), "{kind}: {shown}");
    }
    Ok(())
}

/// During an update, the version before creates a code without an authorization, and this version exchanges it.
#[tokio::test]
async fn a_code_of_the_previous_version_is_exchanged() -> tests::Result {
    const AS_BEFORE: &str = "UPDATE grants SET value = json_remove(value, '$.listed') WHERE kind = 'code';
        DELETE FROM grants WHERE kind IN ('family', 'patient-apps')";
    let state = tempfile::tempdir()?;
    let world = open(state.path(), "");
    let launch = Launch::new("app");
    let code = world.code(&launch, ANNA).await;
    change(state.path(), AS_BEFORE);
    let issued = world.redeem(&launch, &code).await;
    assert_eq!(issued.status, StatusCode::OK, "{}", issued.text());
    let token = text(&issued.json()["access_token"]);
    let read = async || world.get("/jobs").bearer(&token).send().await.status;
    assert_eq!(read().await, StatusCode::OK);
    assert!(apps(&world).await.contains("<h2>The test app</h2>"));
    assert_eq!(world.redeem(&launch, &code).await.status, StatusCode::BAD_REQUEST, "it is used up");
    assert_eq!(read().await, StatusCode::UNAUTHORIZED, "a second use ends the access");
    // A patient ends the access after an exchange that failed, and the app tries again.
    let code = world.code(&launch, ANNA).await;
    change(state.path(), AS_BEFORE);
    fail_at(state.path(), "DELETE", "OLD", "code");
    assert!(world.redeem(&launch, &code).await.status.is_server_error());
    repair(state.path());
    let session = signed_in(&world, ANNA).await;
    world.post("/my/apps/stop").cookie(&session).form(&[("app", "app")]).send().await;
    assert_eq!(world.redeem(&launch, &code).await.status, StatusCode::BAD_REQUEST);
    Ok(())
}
