//! Cleanup: it removes expired jobs, their files, and files that no job recorded.

use domain::ids::JobId;
use domain::ports::files::write_all;
use http::StatusCode;
use tests::{ANNA, World};

fn id_of(job: &str) -> JobId {
    JobId::parse(job.rsplit('/').next().expect("an id")).expect("an id")
}

#[tokio::test]
async fn a_finished_job_and_its_files_are_removed_after_24_hours() -> tests::Result {
    let world = World::new();
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    world.advance(24 * 3600 - 1);
    world.clean().await;
    let token = world.token(ANNA).await;
    assert_eq!(world.status(&token, &job).await.status, StatusCode::OK);
    world.advance(1);
    world.clean().await;
    assert_eq!(world.status(&token, &job).await.status, StatusCode::NOT_FOUND);
    assert!(world.platform().files().list("exports/").await?.is_empty());
    // The row is removed later, when no worker can still be writing.
    assert!(world.platform().jobs().get(&id_of(&job)).await?.is_some());
    world.advance(24 * 3600);
    world.clean().await;
    assert!(world.platform().jobs().get(&id_of(&job)).await?.is_none());
    Ok(())
}

#[tokio::test]
async fn a_form_that_is_not_filled_in_expires_too() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "", ANNA).await;
    world.advance(29 * 24 * 3600);
    world.clean().await;
    let token = world.token(ANNA).await;
    assert_eq!(world.status(&token, &job).await.status, StatusCode::ACCEPTED);
    world.advance(24 * 3600);
    world.clean().await;
    let token = world.token(ANNA).await;
    assert_eq!(world.status(&token, &job).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn unrecorded_files_are_removed_and_recorded_files_stay() -> tests::Result {
    let world = World::new();
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    let files = world.platform().files();
    let orphan = format!("exports/{}/000000.0-ffffffffffffffff/Patient.ndjson", id_of(&job));
    let unknown = "exports/01a1fb95-ab0a-7a46-aeea-001492bd7651/000000.0-ffffffffffffffff/Patient.ndjson";
    for key in [orphan.as_str(), unknown] {
        write_all(&*files, key, b"x".to_vec()).await?;
    }
    let before = world.resources(&token, &job).await.len();
    world.clean().await;
    for key in [orphan.as_str(), unknown] {
        assert_eq!(files.size(key).await?, None, "{key}");
    }
    assert_eq!(world.resources(&token, &job).await.len(), before);
    Ok(())
}

#[tokio::test]
async fn a_job_whose_message_was_lost_is_enqueued_again() -> tests::Result {
    let world = World::new();
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "/auto-approve/no-form", ANNA).await;
    // A worker receives the message and never comes back; then the message is deleted.
    let inbox = world.platform().inbox();
    let lost = domain::ports::queue::Inbox::receive(&*inbox, jiff::SignedDuration::from_secs(1)).await?;
    domain::ports::queue::Inbox::acknowledge(&*inbox, &lost.expect("a task")).await.expect("gone");
    world.work().await;
    assert_eq!(world.status(&token, &job).await.status, StatusCode::ACCEPTED);
    world.advance(3600);
    world.clean().await;
    world.work().await;
    let token = world.token(ANNA).await;
    assert_eq!(world.status(&token, &job).await.status, StatusCode::OK);
    Ok(())
}
