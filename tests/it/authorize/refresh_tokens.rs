//! Refresh tokens: how they rotate, which scopes they give, and how long they are valid.

use http::StatusCode;
use serde_json::json;
use tests::{ANNA, World, both_hosts, text};

use super::refresh;

#[tokio::test]
async fn refresh_tokens_rotate_and_a_reused_one_revokes_the_family() {
    let world = World::new();
    let first = world.tokens("app", ANNA).await;
    world.advance(1000);
    assert_eq!(
        world.get("/jobs").bearer(&text(&first["access_token"])).send().await.status,
        StatusCode::UNAUTHORIZED
    );
    let second = refresh(&world, &text(&first["refresh_token"])).await.json();
    assert_eq!(second["patient"], ANNA);
    let access = text(&second["access_token"]);
    assert_eq!(world.get("/jobs").bearer(&access).send().await.status, StatusCode::OK);
    let reused = refresh(&world, &text(&first["refresh_token"])).await;
    assert_eq!(reused.json()["error"], "invalid_grant");
    assert_eq!(refresh(&world, &text(&second["refresh_token"])).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.get("/jobs").bearer(&access).send().await.status, StatusCode::UNAUTHORIZED);
}

#[both_hosts]
async fn of_two_refreshes_at_once_the_second_counts_as_theft(world: World) {
    let token = text(&world.tokens("app", ANNA).await["refresh_token"]);
    let (one, other) = tokio::join!(refresh(&world, &token), refresh(&world, &token));
    let (granted, refused): (Vec<_>, Vec<_>) =
        [one, other].into_iter().partition(|response| response.status == StatusCode::OK);
    assert!(
        !refused.is_empty() && refused.iter().all(|response| response.json()["error"] == "invalid_grant")
    );
    // The second request revoked the tokens that the first one got.
    for response in granted {
        let next = refresh(&world, &text(&response.json()["refresh_token"])).await;
        assert_eq!(next.json()["error"], "invalid_grant");
    }
}

#[both_hosts]
async fn a_refresh_cannot_request_more_scopes(world: World) {
    let token = text(&world.tokens("app", ANNA).await["refresh_token"]);
    let fields =
        [("grant_type", "refresh_token"), ("refresh_token", token.as_str()), ("scope", "patient/*.rs")];
    for _ in 0..2 {
        assert_eq!(world.post("/auth/token").form(&fields).send().await.json()["error"], "invalid_scope");
    }
    // The refused request did not use the token up.
    let refreshed = refresh(&world, &token).await;
    assert_eq!(refreshed.status, StatusCode::OK, "{}", refreshed.text());
}

/// This story moves the clock.
#[tokio::test]
async fn a_client_may_be_registered_to_keep_its_refresh_token() {
    let world = World::new();
    let first = world.tokens("lasting-app", ANNA).await;
    let token = text(&first["refresh_token"]);
    for _ in 0..3 {
        world.advance(20 * 24 * 3600);
        let response = refresh(&world, &token).await;
        assert_eq!(response.status, StatusCode::OK, "{}", response.text());
        assert_eq!(text(&response.json()["refresh_token"]), token);
        let access = text(&response.json()["access_token"]);
        assert_eq!(world.get("/jobs").bearer(&access).send().await.status, StatusCode::OK);
    }
    let (one, other) = tokio::join!(refresh(&world, &token), refresh(&world, &token));
    assert_eq!((one.status, other.status), (StatusCode::OK, StatusCode::OK));
    let revoked = [("token", token.as_str()), ("client_id", "lasting-app")];
    assert_eq!(world.post("/auth/revoke").form(&revoked).send().await.status, StatusCode::OK);
    assert_eq!(refresh(&world, &token).await.status, StatusCode::BAD_REQUEST);
    // A token that is not used during its lifetime expires.
    let token = text(&world.tokens("lasting-app", ANNA).await["refresh_token"]);
    world.advance(30 * 24 * 3600 + 1);
    assert_eq!(refresh(&world, &token).await.status, StatusCode::BAD_REQUEST);
}

/// The scopes of the client's registration at the time of the refresh apply, not those at the time of the patient's
/// agreement.
#[tokio::test]
async fn a_smaller_registration_limits_the_next_token() -> tests::Result {
    use domain::ports::expiring::EntryKind;

    let world = World::new();
    let token = text(&world.tokens("app", ANNA).await["refresh_token"]);
    let expiring = world.platform().expiring();
    let key = crypto::fingerprint(&token);
    let mut stored = expiring.get(EntryKind::Refresh, &key).await?.expect("a token");
    stored.value["scopes"] = json!("offline_access patient/$ehi-export system/*.rs patient/Bogus.rs");
    assert!(expiring.replace(EntryKind::Refresh, &key, &stored).await?);
    let refreshed = refresh(&world, &token).await.json();
    assert_eq!(refreshed["scope"], "offline_access patient/$ehi-export");
    Ok(())
}

/// Refresh tokens from before the sign-in was stored have no base URL, time or nonce.
#[tokio::test]
async fn refresh_tokens_of_an_earlier_version_are_valid() -> tests::Result {
    use domain::ports::expiring::EntryKind;

    let world = World::new();
    let token = text(&world.tokens("app", ANNA).await["refresh_token"]);
    let expiring = world.platform().expiring();
    let key = crypto::fingerprint(&token);
    let mut stored = expiring.get(EntryKind::Refresh, &key).await?.expect("a token");
    let kept = ["client", "scopes", "patient", "family", "used"];
    stored.value.as_object_mut().expect("an object").retain(|name, _| kept.contains(&name.as_str()));
    assert_eq!(stored.value.as_object().map(serde_json::Map::len), Some(5));
    assert!(expiring.replace(EntryKind::Refresh, &key, &stored).await?);
    let refreshed = refresh(&world, &token).await;
    assert_eq!(refreshed.json()["patient"], ANNA, "{}", refreshed.text());
    Ok(())
}
