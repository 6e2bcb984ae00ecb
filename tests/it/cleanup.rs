//! Cleanup: it removes expired jobs, their files, and files that no job recorded.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use async_trait::async_trait;
use domain::audit::{Action, Event};
use domain::error::{Error, Result, Store};
use domain::ids::{ClientId, JobId};
use domain::job::JobState;
use domain::ports::audit::{AuditLog, AuditPage, AuditQuery, StoredEntry};
use domain::ports::files::{Files, write_all};
use domain::ports::queue::Inbox;
use domain::request::Cohort;
use http::StatusCode;
use jiff::SignedDuration;
use platform::Platform;
use platform::exports::withdraw;
use serde_json::json;
use tests::exports::{begin, new_export};
use tests::hooked::{Hook, Hooked, Made};
use tests::{ANNA, World};

use crate::review::{decide, hidden, page};

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
    let lost = inbox.receive(SignedDuration::from_secs(1)).await?;
    inbox.acknowledge(&lost.expect("a task")).await.expect("gone");
    world.work().await;
    assert_eq!(world.status(&token, &job).await.status, StatusCode::ACCEPTED);
    world.advance(3600);
    world.clean().await;
    world.work().await;
    let token = world.token(ANNA).await;
    assert_eq!(world.status(&token, &job).await.status, StatusCode::OK);
    Ok(())
}

/// The time of the last finished chunk decides, and not that of the last change of the job.
#[tokio::test]
async fn the_tasks_of_an_export_are_sent_again_only_if_no_chunk_was_finished_for_an_hour() -> tests::Result {
    let world = World::with("sandbox = true\nchunk_bytes = 1", &ehi::defaults::sample_records());
    let job = begin(world.platform(), new_export(Cohort::Everyone)).await;
    assert!(world.step().await, "the plan");
    world.advance(1_800);
    assert!(world.step().await, "the first chunk");
    let done = world.platform().jobs().get(job.id()).await?.expect("a job").progress;
    assert!(done.chunks_done == 1 && done.chunks_planned > 2, "{done:?}");
    let inbox = world.platform().inbox();
    while let Some(lost) = inbox.receive(SignedDuration::from_secs(1)).await? {
        inbox.acknowledge(&lost).await?;
    }
    world.advance(1_801);
    world.clean().await;
    assert!(!world.step().await, "a chunk was finished half an hour ago");
    world.advance(1_800);
    world.clean().await;
    world.work().await;
    let state = world.platform().jobs().get(job.id()).await?.expect("a job").job.state();
    assert_eq!(state, JobState::Complete);
    Ok(())
}

/// A store of files whose first calls fail, or get no response.
struct Unremovable {
    hangs: bool,
    calls: AtomicUsize,
}

impl Unremovable {
    fn of(calls: usize) -> Self {
        Self { hangs: false, calls: AtomicUsize::new(calls) }
    }
}

impl Hook for Unremovable {
    fn follows(&self, store: Store) -> bool {
        store == Store::Files
    }

    async fn call<T: Send>(&self, _: Made, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let left = self.calls.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        if left.is_err() {
            return call.await;
        }
        if self.hangs {
            std::future::pending::<()>().await;
        }
        Err(Error::unavailable("the store of the test"))
    }
}

/// Otherwise the client would get an error for a job that it has deleted, and 404 for the same request again.
#[tokio::test(start_paused = true)]
async fn an_export_is_deleted_even_if_its_files_cannot_be_removed_now() -> tests::Result {
    for hangs in [false, true] {
        let world = World::new();
        let token = world.token(ANNA).await;
        let job = id_of(&world.exported(&token, ANNA).await);
        let inner = Arc::new(world.platform().clone());
        let broken = Hooked { inner, hook: Arc::new(Unremovable { hangs, ..Unremovable::of(1) }) };
        let (jobs, now) = (world.platform().jobs(), world.platform().clock().now());
        withdraw(&*jobs, &*broken.files()?, &job, ClientId::parse("app")?.as_str(), now).await?;
        assert!(jobs.get(&job).await?.expect("a job").job.state().is_gone());
        assert!(!world.platform().files().list("exports/").await?.is_empty());
        world.clean().await;
        assert!(world.platform().files().list("exports/").await?.is_empty(), "cleanup removes them");
    }
    Ok(())
}

#[tokio::test]
async fn a_cleanup_that_fails_at_one_export_cleans_the_others_and_fails() -> tests::Result {
    let world = World::new();
    let token = world.token(ANNA).await;
    for _ in 0..2 {
        world.exported(&token, ANNA).await;
    }
    let inner = Arc::new(world.platform().clone());
    let broken = Arc::new(Hooked { inner, hook: Arc::new(Unremovable::of(1)) });
    world.advance(24 * 3600);
    assert!(cleanup::run(broken).await.is_err());
    assert_eq!(world.platform().files().list("exports/").await?.len(), 1);
    world.clean().await;
    assert!(world.platform().files().list("exports/").await?.is_empty());
    Ok(())
}

/// An audit trail on a disk that the exported files fill.
struct OnFullDisk {
    inner: Arc<dyn AuditLog>,
    files: Arc<dyn Files>,
}

#[async_trait]
impl AuditLog for OnFullDisk {
    async fn append(&self, event: &Event) -> Result<()> {
        match self.files.list("exports/").await?.is_empty() {
            true => self.inner.append(event).await,
            false => Err(Error::from(std::io::Error::from(std::io::ErrorKind::StorageFull))),
        }
    }

    async fn list(&self, query: &AuditQuery) -> Result<AuditPage> {
        self.inner.list(query).await
    }

    async fn chain(&self, shard: u8, from: u64, count: usize) -> Result<Vec<StoredEntry>> {
        self.inner.chain(shard, from, count).await
    }

    async fn newest(&self, shard: u8, count: usize) -> Result<Vec<StoredEntry>> {
        self.inner.newest(shard, count).await
    }

    async fn sweep(&self) -> Result<u64> {
        self.inner.sweep().await
    }
}

struct FullDisk(Arc<dyn Files>);

impl Hook for FullDisk {
    fn follows(&self, _: Store) -> bool {
        false
    }

    fn audit(&self, inner: Arc<dyn AuditLog>) -> Arc<dyn AuditLog> {
        Arc::new(OnFullDisk { inner, files: self.0.clone() })
    }
}

/// Without this rule the disk would stay full, because every removal is recorded first.
#[tokio::test]
async fn an_expired_export_makes_room_for_the_entry_about_its_deletion() -> tests::Result {
    let world = World::new();
    let token = world.token(ANNA).await;
    let job = id_of(&world.exported(&token, ANNA).await);
    let platform = world.platform();
    let full = || {
        let hook = Arc::new(FullDisk(platform.files()));
        Arc::new(Hooked { inner: Arc::new(platform.clone()), hook })
    };
    world.advance(24 * 3600 - 1);
    cleanup::run(full()).await?;
    assert!(!platform.files().list("exports/").await?.is_empty(), "clients can still download it");
    world.advance(1);
    cleanup::run(full()).await?;
    assert!(platform.files().list("exports/").await?.is_empty());
    assert_eq!(platform.jobs().get(&job).await?.expect("a job").job.state(), JobState::Expired);
    let query = AuditQuery { action: Some(Action::Deleted), count: 10, ..AuditQuery::default() };
    assert_eq!(Platform::audit(platform)?.list(&query).await?.entries.len(), 1);
    Ok(())
}

/// An export that staff have not reviewed in time exists until its deletion is recorded.
#[tokio::test]
async fn an_export_that_still_exists_is_not_removed_without_an_entry() -> tests::Result {
    let world = World::new();
    let token = world.token(ANNA).await;
    world.kick_off(&token, "/no-form", ANNA).await;
    world.work().await;
    world.advance(31 * 24 * 3600);
    let platform = world.platform();
    let hook = Arc::new(FullDisk(platform.files()));
    let full = Arc::new(Hooked { inner: Arc::new(platform.clone()), hook });
    assert!(cleanup::run(full).await.is_err());
    assert!(!platform.files().list("exports/").await?.is_empty());
    world.clean().await;
    assert!(platform.files().list("exports/").await?.is_empty());
    Ok(())
}

/// The files of a deleted export are kept only while staff can restore it: not after its `Expires`, and not after the end of
/// the permission for private topics, although the time to undo is longer.
#[tokio::test]
async fn the_files_of_a_deleted_export_are_removed_when_it_can_no_longer_be_restored() -> tests::Result {
    let settings = "sandbox = true\nundo_hours = 168\npages.due_days = 1";
    let choices = json!({
        "parameters": { "labs": { "enabled": true } }, "authorizations": { "hiv": { "value": true } },
    });
    for (shortcut, choices) in [("/auto-approve", None), ("", Some(choices))] {
        let world = World::with(settings, &ehi::defaults::sample_records());
        let token = world.token(ANNA).await;
        let job = match &choices {
            None => world.exported(&token, ANNA).await,
            Some(choices) => {
                let job = world.kick_off(&token, shortcut, ANNA).await;
                let taken = world.post(&job).bearer(&token).json(choices).send().await;
                assert_eq!(taken.status, StatusCode::OK, "{}", taken.text());
                world.work().await;
                job
            }
        };
        world.advance(24 * 3600 - 60);
        let staff = world.staff().await;
        let path = format!("/staff{job}/delete");
        let version = hidden(&page(&world, &staff, &path).await, "version");
        decide(&world, &staff, &path, &version, &[]).await;
        let files = world.platform().files();
        world.clean().await;
        assert!(!files.list("exports/").await?.is_empty(), "{shortcut}: staff can still restore it");
        world.advance(61);
        world.clean().await;
        assert_eq!(files.list("exports/").await?, Vec::<String>::new(), "{shortcut}");
    }
    Ok(())
}

/// On AWS, cleanup has no settings file: it knows the end of the permission only from the deletion.
pub(crate) async fn a_deleted_export_is_removed_when_its_permission_ends(world: World) {
    const DAY: Duration = Duration::from_hours(24);
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "", ANNA).await;
    let choices = json!({
        "parameters": { "labs": { "enabled": true } }, "authorizations": { "hiv": { "value": true } },
    });
    let taken = world.post(&job).bearer(&token).json(&choices).send().await;
    assert_eq!(taken.status, StatusCode::OK, "{}", taken.text());
    world.work().await;
    let staff = world.staff().await;
    let path = format!("/staff{job}/delete");
    let version = hidden(&page(&world, &staff, &path).await, "version");
    decide(&world, &staff, &path, &version, &[]).await;
    world.account().wait(DAY).await;
    world.account().clean().await;
    assert!(world.account().has_files(&id_of(&job)), "staff can still restore it");
    world.account().wait(DAY).await;
    world.account().clean().await;
    assert!(!world.account().has_files(&id_of(&job)));
}
