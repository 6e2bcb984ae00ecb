//! The engine during failures: it waits for a store for a limited time, retries its own faults three times,
//! and gives up a task that kills its workers.

use std::sync::Arc;

use domain::clock::Clock;
use domain::error::Store;
use domain::job::Job;
use domain::ports::queue::{Inbox, NoDeadline, Worker};
use http::StatusCode;
use jiff::SignedDuration;
use local::LocalQueue;
use tests::faults::{Faults, Faulty, Strike};
use tests::{ANNA, World, text};

use crate::crash::{SMALL_CHUNKS, begin_everyone, counted};
use crate::logs::Captured;

/// Runs workers over a faulty platform while time passes.
async fn work_for(world: &World, faulty: &Faulty, minutes: i64) {
    let worker = export_generator::worker(faulty).expect("its ports");
    let inbox = faulty.inbox();
    for _ in 0..minutes * 2 {
        // If the queue does not respond, the next round asks it again, like the server does.
        while matches!(ehi::worker::step(&*inbox, &*worker, &NoDeadline).await, Ok(true)) {}
        world.advance(30);
    }
}

/// Returns a platform with an outage that starts at this call and ends after so many minutes.
fn outage(world: &World, store: Store, call: i64, minutes: i64) -> (Faulty, Arc<Faults>) {
    let until = world.clock().now() + SignedDuration::from_mins(minutes);
    let faults = Faults::outage(store, call, world.clock().clone(), until);
    (Faulty::new(world.platform().clone(), faults.clone()), faults)
}

/// Checks that an export is complete after an outage of ten minutes at a port, starting at different calls.
async fn assert_survives(store: Store) {
    let expected = {
        let world = World::with(SMALL_CHUNKS, &ehi::defaults::sample_records());
        let job = begin_everyone(&world).await;
        world.work().await;
        counted(&world.resources(&world.token(ANNA).await, &job).await)
    };
    let mut outages = 0;
    for call in [0, 1, 2, 4, 7, 12, 20, 33, 54, 88] {
        let world = World::with(SMALL_CHUNKS, &ehi::defaults::sample_records());
        let job = begin_everyone(&world).await;
        let (faulty, faults) = outage(&world, store, call, 10);
        work_for(&world, &faulty, 30).await;
        outages += u32::from(faults.has_struck());
        let token = world.token(ANNA).await;
        let status = world.status(&token, &job).await;
        assert_eq!(status.status, StatusCode::OK, "{store:?}, call {call}: {}", status.text());
        assert_eq!(counted(&world.resources(&token, &job).await), expected, "{store:?}, call {call}");
    }
    assert!(outages >= 4, "{outages}");
}

#[tokio::test]
async fn an_export_survives_ten_minutes_without_records() {
    assert_survives(Store::Records).await;
}

#[tokio::test]
async fn an_export_survives_ten_minutes_without_files() {
    assert_survives(Store::Files).await;
}

#[tokio::test]
async fn an_export_survives_ten_minutes_without_the_database() {
    assert_survives(Store::Database).await;
}

#[tokio::test]
async fn an_export_survives_ten_minutes_without_the_queue() {
    assert_survives(Store::Queue).await;
}

#[tokio::test]
async fn the_status_says_since_when_and_for_which_store_an_export_waits() -> tests::Result {
    let world = World::with(SMALL_CHUNKS, &ehi::defaults::sample_records());
    let job = begin_everyone(&world).await;
    world.step().await;
    world.advance(60 * 42);
    let (faulty, _) = outage(&world, Store::Records, 0, 10);
    work_for(&world, &faulty, 5).await;
    let token = world.token(ANNA).await;
    let status = world.status(&token, &job).await;
    assert_eq!(status.status, StatusCode::ACCEPTED);
    assert_eq!(status.header("x-progress"), "waiting for the store since 12:42 (records)");
    let staff = world.staff().await;
    let json = world.get(&format!("/admin{job}")).cookie(&staff).send().await.json();
    assert_eq!(text(&json["waiting"]["store"]), "records");
    assert_eq!(json["waiting"]["since"], 1_772_368_920_000_i64);
    let page = world.get(&format!("/staff{job}")).cookie(&staff).send().await.text();
    assert!(
        page.contains("The export has waited since ")
            && page.contains("12:42")
            && page.contains(" for a store that does not respond."),
        "{page}"
    );
    // Cleanup sends no more tasks to a store that is down.
    world.advance(60 * 61);
    let before = world.platform().jobs().get(&id(&job)).await?;
    world.clean().await;
    assert_eq!(world.platform().jobs().get(&id(&job)).await?, before);
    // The store responds again.
    work_for(&world, &faulty, 10).await;
    let token = world.token(ANNA).await;
    assert_eq!(world.status(&token, &job).await.status, StatusCode::OK);
    Ok(())
}

/// The directory is renamed while the plan reads it, and then renamed back: no data is lost.
#[tokio::test]
async fn an_export_waits_for_a_lake_that_is_moved_away() -> tests::Result {
    let lake = tempfile::tempdir()?;
    tests::lake::write(lake.path());
    let away = lake.path().with_extension("away");
    let begun = async |world: &World| {
        let token = world.service("service", "system/*.rs").await;
        let kicked = world.get("/fhir/$export").bearer(&token).send().await;
        assert_eq!(kicked.status, StatusCode::ACCEPTED, "{}", kicked.text());
        kicked.job()
    };
    let exported = async |world: &World, job: &str| {
        let token = world.service("service", "system/*.rs").await;
        counted(&world.resources(&token, job).await)
    };
    for (of, part) in [("Patient", lake.path().join("Patient")), ("the lake", lake.path().to_owned())] {
        let expected = {
            let world = World::with(SMALL_CHUNKS, lake.path());
            let job = begun(&world).await;
            world.work().await;
            exported(&world, &job).await
        };
        assert!(expected.len() > 10, "{expected:?}");
        for steps in 0..4 {
            let world = World::with(SMALL_CHUNKS, lake.path());
            let job = begun(&world).await;
            for _ in 0..steps {
                assert!(world.step().await);
            }
            std::fs::rename(&part, &away).expect("moved away");
            world.work().await;
            world.advance(60);
            world.work().await;
            let stored = world.platform().jobs().get(&id(&job)).await.expect("a response").expect("a job");
            let Job::Running(running) = &stored.job else {
                panic!("{of}, {steps}: {:?}", stored.job.state())
            };
            let waiting = running.waiting.expect("the job waits");
            assert_eq!(waiting.store, Some(Store::Records), "{of}, {steps}");
            let token = world.service("service", "system/*.rs").await;
            let kicked = world.get("/fhir/Patient/$export?patient=p0").bearer(&token).send().await;
            assert_eq!(
                kicked.status,
                StatusCode::SERVICE_UNAVAILABLE,
                "the response must not say that the patient does not exist"
            );
            std::fs::rename(&away, &part).expect("back");
            for _ in 0..6 {
                world.advance(60);
                world.work().await;
            }
            assert_eq!(exported(&world, &job).await, expected, "{of}, {steps}");
        }
    }
    Ok(())
}

/// The machine's clock is set back by an hour: running exports continue.
#[tokio::test]
async fn a_clock_that_is_set_back_stops_no_export() -> tests::Result {
    for steps in [0, 1, 3] {
        let world = World::with(SMALL_CHUNKS, &ehi::defaults::sample_records());
        let job = begin_everyone(&world).await;
        for _ in 0..steps {
            world.step().await;
        }
        // One worker dies with a task, and another one failed and its task is to be delivered again.
        let inbox = world.platform().inbox();
        inbox.receive(SignedDuration::from_secs(60)).await?.expect("a task");
        if steps > 1 {
            let other = inbox.receive(SignedDuration::from_secs(60)).await?.expect("a task");
            inbox.release(&other, SignedDuration::from_mins(5)).await.expect("released");
        }
        world.advance(-3600);
        world.work().await;
        let stored = world.platform().jobs().get(&id(&job)).await.expect("a response").expect("a job");
        assert!(matches!(stored.job, Job::Complete(_)), "{steps}: {:?}", stored.job.state());
    }
    Ok(())
}

/// An export ends whatever kind of file the lake has: it never waits for a pipe.
#[tokio::test]
async fn an_irregular_file_stops_no_export() -> tests::Result {
    for name in ["shared/pipe.ndjson", "Patient/p0/pipe.ndjson", "Patient/p0/files/pipe", "Group/pipe.json"] {
        let lake = tempfile::tempdir()?;
        tests::lake::write(lake.path());
        let path = lake.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent"))?;
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo is there");
        assert!(made.success());
        let world = World::with("sandbox = true", lake.path());
        let token = world.service("service", "system/*.rs").await;
        let begun = world.get("/fhir/$export").bearer(&token).send().await;
        let status = begun.header("content-location").to_owned();
        let worked = tokio::time::timeout(std::time::Duration::from_mins(1), world.work()).await;
        assert!(worked.is_ok(), "{name}");
        let response = world.get(&status).bearer(&token).send().await;
        assert_eq!(response.status, StatusCode::OK, "{name}: {}", response.text());
        let errors = response.json()["error"].as_array().expect("a list").clone();
        let mut named = false;
        for file in errors {
            let text = world.get(&text(&file["url"])).bearer(&token).send().await.text();
            named |= text.contains(name) && text.contains("only regular files are read");
        }
        assert!(named, "{name} is reported");
    }
    Ok(())
}

fn id(job: &str) -> domain::ids::JobId {
    domain::ids::JobId::parse(job.trim_start_matches("/jobs/")).expect("an id")
}

#[tokio::test]
async fn an_outage_beyond_the_budget_fails_the_job() -> tests::Result {
    let settings = format!("{SMALL_CHUNKS}\noutage_hours = 1");
    let world = World::with(&settings, &ehi::defaults::sample_records());
    let job = begin_everyone(&world).await;
    let (faulty, _) = outage(&world, Store::Records, 5, 600);
    work_for(&world, &faulty, 55).await;
    let token = world.token(ANNA).await;
    assert_eq!(
        world.status(&token, &job).await.status,
        StatusCode::ACCEPTED,
        "the export waits within the hour"
    );
    work_for(&world, &faulty, 15).await;
    let token = world.token(ANNA).await;
    let status = world.status(&token, &job).await;
    assert_eq!(status.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(status.outcome().contains("did not respond for 1 hour;"), "{}", status.outcome());
    assert_eq!(status.json()["issue"][0]["code"], "no-store", "the client must not try again");
    assert!(world.platform().files().list("exports/").await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_defect_is_tried_three_times_and_the_text_has_the_request_id() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let kicked = world
        .post(&format!("/auto-approve/no-form/fhir/Patient/{ANNA}/$ehi-export"))
        .bearer(&token)
        .header("x-request-id", "request-4711")
        .send()
        .await;
    assert_eq!(kicked.status, StatusCode::ACCEPTED, "{}", kicked.text());
    let job = kicked.job();
    let stored = world.platform().jobs().get(&id(&job)).await.expect("a response").expect("a job");
    let request = stored.job.header().request_id.clone().expect("a request id");
    let faulty = Faulty::new(world.platform().clone(), Faults::at(1, Strike::Defect));
    work_for(&world, &faulty, 2).await;
    let stored = world.platform().jobs().get(&id(&job)).await.expect("a response").expect("a job");
    let Job::Failed(failed) = &stored.job else { panic!("{:?}", stored.job.state()) };
    assert!(failed.reason.contains(&request), "{}", failed.reason);
    let last = stored.job.header().history.last().expect("history");
    assert!(last.action.contains("delivered 3 times"), "{}", last.action);
    assert!(last.action.contains("chunk"), "{}", last.action);
}

/// An export of everyone whose first task is done, and the worker and queue for the next task.
struct AtWork {
    world: World,
    job: String,
    token: String,
    worker: Arc<dyn Worker>,
    inbox: Arc<LocalQueue>,
}

impl AtWork {
    async fn new() -> Self {
        let world = World::new();
        let job = begin_everyone(&world).await;
        let token = world.token(ANNA).await;
        world.step().await;
        let worker = export_generator::worker(world.platform()).expect("its ports");
        let inbox = world.platform().inbox();
        Self { world, job, token, worker, inbox }
    }
}

#[tokio::test]
async fn a_task_that_kills_its_workers_fails_its_job() -> tests::Result {
    let AtWork { world, job, token, worker, inbox } = AtWork::new().await;
    let mut deaths = 0;
    while let Some(delivery) = inbox.receive(SignedDuration::from_secs(60)).await? {
        if worker.admit(&delivery).await.is_some() {
            inbox.acknowledge(&delivery).await?;
            break;
        }
        // The process dies here.
        deaths += 1;
        world.advance(61);
    }
    assert_eq!(deaths, 5);
    let status = world.status(&token, &job).await;
    assert_eq!(status.status, StatusCode::INTERNAL_SERVER_ERROR, "{}", status.text());
    assert!(status.outcome().contains("tell the operator the job id"), "{}", status.outcome());
    Ok(())
}

/// Staff may cancel the job while a worker gives up: neither is an error of the queue.
#[tokio::test]
async fn a_job_that_was_cancelled_does_not_fail_as_well() -> tests::Result {
    let AtWork { world, job, token, worker, inbox } = AtWork::new().await;
    let delivery = inbox.receive(SignedDuration::from_secs(60)).await?.expect("a task");
    let deleted = world.request(http::Method::DELETE, &format!("{job}/status")).bearer(&token).send().await;
    assert_eq!(deleted.status, StatusCode::ACCEPTED);
    let settled = worker.settle(&delivery, Err(domain::error::Error::internal("a defect"))).await;
    assert_eq!(settled, domain::ports::queue::Settled::Done);
    worker.bury(&delivery.task, &delivery.diagnostics()).await.expect("nothing is left to fail");
    assert_eq!(world.status(&token, &job).await.status, StatusCode::NOT_FOUND);
    Ok(())
}

/// The log must show the task, its deliveries, and what is known about its failures.
#[tokio::test]
async fn a_dead_letter_names_its_task_and_what_was_recorded_about_it() -> tests::Result {
    let AtWork { world, job, token, worker, inbox } = AtWork::new().await;
    let delivery = inbox.receive(SignedDuration::from_secs(60)).await?.expect("a task");
    let down = domain::error::Error::unavailable("no route to the store");
    worker.settle(&delivery, Err(down)).await;
    worker.settle(&delivery, Err(domain::error::Error::internal("a defect"))).await;
    let log = Captured::start();
    worker.bury(&delivery.task, &delivery.diagnostics()).await.expect("the job fails");
    let known = format!(
        "task {}, delivered 1 times, failed by a fault of the server 1 times, waiting for the store since",
        delivery.task.key()
    );
    let lines = log.with("export failed");
    assert!(lines.len() == 1 && lines[0].contains(&known), "{lines:?}");
    assert!(lines[0].contains("reached its maximum number of deliveries"), "{lines:?}");
    drop(log);
    let staff = world.staff().await;
    let shown = world.get(&format!("/admin{job}")).cookie(&staff).send().await.json();
    let last = shown["history"].as_array().and_then(|history| history.last()).expect("a history").clone();
    assert!(text(&last["what"]).contains(&known), "{last}");
    let status = world.status(&token, &job).await;
    assert_eq!(status.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        status.json()["issue"][0]["code"],
        "exception",
        "the client must not wait for it: {}",
        status.text()
    );
    Ok(())
}

/// A worker of the version before gets tasks of chunks that a newer version wrote, while traffic is shifted.
#[tokio::test]
async fn a_task_that_needs_a_newer_version_is_tried_again_and_removes_nothing() -> tests::Result {
    let AtWork { world, job, worker, inbox, .. } = AtWork::new().await;
    let mut delivery = inbox.receive(SignedDuration::from_secs(60)).await?.expect("a task");
    let task = delivery.task.clone();
    for deliveries in 1..=30 {
        delivery.deliveries = deliveries;
        assert_eq!(worker.admit(&delivery).await, None, "no worker was lost");
        let unknown = serde_json::from_str::<domain::chunk::Work>("\"teleport\"").expect_err("unknown");
        let settled = worker.settle(&delivery, Err(domain::error::Error::reading(unknown))).await;
        assert!(matches!(settled, domain::ports::queue::Settled::Again(_)), "{settled:?}");
    }
    let stored = world.platform().jobs().get(&id(&job)).await?.expect("a job");
    let Job::Running(running) = &stored.job else { panic!("{:?}", stored.job.state()) };
    assert!(running.troubles.is_empty(), "nothing counts against {}", task.key());
    assert!(running.waiting.is_some(), "cleanup does not send the task again");
    Ok(())
}
