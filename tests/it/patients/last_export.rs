//! The last export of a patient in the search for patients, which tells staff whether a copy is already on its way.

use http::{Method, StatusCode};
use tests::{ANNA, TestResponse, World};

use super::search;
use crate::admin::in_review;

/// Returns the number of the export to which the row of Anna leads, and its state; `None` if the row says that there is none.
async fn last_export(world: &World, staff: &TestResponse) -> Option<(String, String)> {
    let page = search(world, staff, ANNA).await;
    let (_, cell) =
        page.split_once("data-label=\"Last export\">").unwrap_or_else(|| panic!("no cell: {page}"));
    let (cell, _) = cell.split_once("</td>").expect("the end of the cell");
    let Some((_, link)) = cell.split_once("/staff/jobs/") else {
        assert!(cell.contains("None"), "{cell}");
        return None;
    };
    let state = cell.split_once("class=\"state ").and_then(|(_, state)| state.split(['>', '<']).nth(1));
    Some((format!("/jobs/{}", link.split('"').next()?), state.expect("a state").to_owned()))
}

/// Cancels an export as its app does.
async fn cancel(world: &World, token: &str, job: &str) {
    let cancelled = world.request(Method::DELETE, &format!("{job}/status")).bearer(token).send().await;
    assert_eq!(cancelled.status, StatusCode::ACCEPTED, "{}", cancelled.text());
}

#[tokio::test]
async fn the_last_export_is_the_newest_one_that_was_not_cancelled() {
    let world = World::new();
    let staff = world.staff().await;
    assert_eq!(last_export(&world, &staff).await, None);
    let (job, token, _) = in_review(&world).await;
    // More than are read at a time.
    for _ in 0..10 {
        world.advance(1);
        let newer = world.kick_off(&token, "", ANNA).await;
        assert_eq!(
            last_export(&world, &staff).await,
            Some((newer.clone(), "Waiting for the patient".to_owned()))
        );
        cancel(&world, &token, &newer).await;
        assert_eq!(last_export(&world, &staff).await, Some((job.clone(), "Needs review".to_owned())));
    }
    cancel(&world, &token, &job).await;
    assert_eq!(last_export(&world, &staff).await, None);
}

#[tokio::test]
async fn the_last_export_has_not_expired() {
    let world = World::new();
    let (in_review, token, _) = in_review(&world).await;
    world.advance(1);
    let ready = world.exported(&token, ANNA).await;
    world.advance(24 * 3600 - 1);
    let staff = world.staff().await;
    assert_eq!(last_export(&world, &staff).await, Some((ready, "Ready".to_owned())));
    // Cleanup has not run since.
    world.advance(1);
    assert_eq!(last_export(&world, &staff).await, Some((in_review, "Needs review".to_owned())));
}
