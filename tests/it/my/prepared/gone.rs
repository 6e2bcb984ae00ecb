//! The ZIP of a copy that is deleted.

use domain::ports::queue::NoDeadline;
use http::StatusCode;

use super::{Copy, Over, STAGES};
use crate::review::{hidden, page};

#[tokio::test]
async fn a_copy_that_is_deleted_meanwhile_leaves_nothing() {
    let copy = Copy::of_anna().await;
    copy.ask().await;
    let worker = copy.worker(STAGES);
    assert!(ehi::worker::step(&*copy.world.platform().inbox(), &*worker, &Over).await.expect("a step"));
    assert!(copy.left().await.contains(&"en/".to_owned()), "{:?}", copy.left().await);
    let fields = [("seen", "ready")];
    let deleted =
        copy.world.post(&format!("{}/cancel", copy.path)).cookie(&copy.session).form(&fields).send();
    assert!(deleted.await.location().ends_with("said=deleted"));
    copy.work_with(&*worker, &NoDeadline).await;
    assert_eq!(copy.files().list(&copy.prefix()).await.expect("a list"), Vec::<String>::new());
    let gone = copy.world.get(&copy.progress()).cookie(&copy.session).send().await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}

/// Staff delete the copy, on its page.
async fn delete_as_staff(copy: &Copy, job: &str) {
    let (world, path) = (&copy.world, format!("/staff/jobs/{job}/delete"));
    let staff = world.staff().await;
    let version = hidden(&page(world, &staff, &path).await, "version");
    let deleted = world.post(&path).cookie(&staff).form(&[("version", version.as_str())]).send().await;
    assert_eq!(deleted.status, StatusCode::SEE_OTHER, "{}", deleted.text());
    assert_eq!(world.get(&copy.zip()).cookie(&copy.session).send().await.status, StatusCode::NOT_FOUND);
}

async fn undo(copy: &Copy, job: &str) {
    let staff = copy.world.staff().await;
    let undone = copy.world.post(&format!("/staff/jobs/{job}/undo")).cookie(&staff).send().await;
    assert_eq!(undone.status, StatusCode::SEE_OTHER, "{}", undone.text());
}

/// A deletion that staff undo keeps the ZIP. One that a worker has noticed does not: the ZIP is made again.
#[tokio::test]
async fn a_copy_that_staff_restore_has_its_zip_or_makes_it_again() {
    let copy = Copy::of_anna().await;
    let job = copy.path.rsplit('/').next().expect("an id").to_owned();
    copy.ask().await;
    copy.work_with(&*copy.worker(STAGES), &NoDeadline).await;
    let before = copy.linked().await;
    delete_as_staff(&copy, &job).await;
    undo(&copy, &job).await;
    assert!(copy.linked().await == before);
    copy.files().remove_prefix(&format!("{}zip/", copy.prefix())).await.expect("removed");
    copy.ask().await;
    delete_as_staff(&copy, &job).await;
    assert_eq!(copy.work_with(&*copy.worker(STAGES), &NoDeadline).await, 1);
    undo(&copy, &job).await;
    assert!(copy.shown().await.contains("Not prepared yet"), "{}", copy.shown().await);
    copy.ask().await;
    copy.work_with(&*copy.worker(STAGES), &NoDeadline).await;
    assert!(copy.linked().await == before, "it is the same ZIP");
}
