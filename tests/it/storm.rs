//! A bulk export of many chunks over the services of the emulator, while a third of all calls are throttled, messages are
//! delivered twice and workers are killed: the exported resources are the same as without faults.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws::{Aws, SqsInbox, files_at, sdk};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use crypto::OsRandom;
use domain::clock::{Random, SystemClock};
use domain::error::Result;
use domain::job::Job;
use domain::ports::files::write_all;
use domain::ports::queue::{Delivery, Inbox, NoDeadline};
use domain::request::{Cohort, SizeClass};
use jiff::SignedDuration;
use platform::Platform;
use platform::exports::NewExport;
use settings::Settings;
use tests::deployed::{aws, variable};
use tests::exports::{begin, new_export, new_system_export};
use tests::faulty_client::{FaultyClient, Plan};
use tests::parts;
use tokio::sync::Notify;

use crate::aws::{exported, resources};

const PATIENTS: usize = 30;
const WORKERS: usize = 4;
/// The number of throttled calls in a thousand.
const THROTTLED: u64 = 300;
/// One message in this number is delivered again although its task is done.
const TWICE_ONE_IN: u64 = 5;
/// One step of a worker in this number is interrupted in the middle of its task.
const KILLED_ONE_IN: u64 = 6;
/// The time limit, far more than the export takes.
const PATIENCE: Duration = Duration::from_mins(4);
/// The time for which the message of a killed worker is hidden: longer than any task of this export takes.
const HIDDEN: SignedDuration = SignedDuration::from_secs(8);
/// The delay after which the message of a finished task is delivered again.
const AGAIN: SignedDuration = SignedDuration::from_secs(1);

/// The faults that an export met.
#[derive(Default)]
struct Met {
    messages: AtomicU64,
    twice: AtomicU64,
    killed: AtomicU64,
}

/// An inbox that sometimes does not acknowledge messages, if it is stormy.
struct Forgetful {
    inbox: SqsInbox,
    met: Arc<Met>,
    is_stormy: bool,
    /// Notified when a task is received.
    received: Notify,
}

#[async_trait::async_trait]
impl Inbox for Forgetful {
    async fn receive(&self, _: SignedDuration) -> Result<Option<Delivery>> {
        let received = self.inbox.receive(HIDDEN).await?;
        if received.is_some() {
            self.received.notify_one();
        }
        Ok(received)
    }

    async fn acknowledge(&self, delivery: &Delivery) -> Result<()> {
        let number = self.met.messages.fetch_add(1, Ordering::SeqCst);
        if self.is_stormy && number.is_multiple_of(TWICE_ONE_IN) && delivery.deliveries == 1 {
            self.met.twice.fetch_add(1, Ordering::SeqCst);
            return self.inbox.release(delivery, AGAIN).await;
        }
        self.inbox.acknowledge(delivery).await
    }

    async fn release(&self, delivery: &Delivery, delay: SignedDuration) -> Result<()> {
        self.inbox.release(delivery, delay.min(HIDDEN)).await
    }

    async fn extend(&self, delivery: &Delivery, _: SignedDuration) -> Result<()> {
        self.inbox.extend(delivery, HIDDEN).await
    }

    /// This queue has no dead-letter queue.
    async fn dead(&self) -> Result<Option<Delivery>> {
        Ok(None)
    }
}

/// A stack's tables and buckets, a lake and a queue of the test's own, and the connection to them.
struct World {
    platform: Aws,
    client: FaultyClient,
}

/// A job that is no longer active, the faults that its workers met, and the numbers of calls and of struck calls.
struct Exported {
    job: Job,
    met: Arc<Met>,
    calls: u64,
    struck: u64,
}

impl World {
    async fn new() -> Self {
        let name = format!("storm-{}", OsRandom.attempt());
        let lake = format!("{}/{name}", variable("EHI_TEST_LAKE"));
        let files = files_at(&sdk().await, &lake, Arc::new(SystemClock)).expect("a lake");
        let directory = tempfile::tempdir().expect("a directory");
        tests::lake::write_many(directory.path(), PATIENTS);
        for path in tests::lake::files(directory.path()) {
            let bytes = std::fs::read(directory.path().join(&path)).expect("a file");
            write_all(&*files, &path, bytes).await.expect("written");
        }
        let created = aws(&["sqs", "create-queue", "--queue-name", &name]);
        let url = tests::text(&created["QueueUrl"]);
        let resources = resources(&name, &[("EHI_SMALL_QUEUE", &url), ("EHI_LARGE_QUEUE", &url)]);
        let client = FaultyClient::over(sdk().await.http_client().expect("a client"));
        let sdk = sdk().await.into_builder().http_client(SharedHttpClient::from(&client)).build();
        // One patient per chunk.
        let text = "base_url = \"http://localhost:8888\"\nchunk_bytes = 1";
        let settings = Settings::parse(text, |_| None, None).expect("valid settings");
        let platform = Aws::new(sdk, resources, settings, None, Arc::new(SystemClock), Arc::new(OsRandom));
        Self { platform, client }
    }

    /// Exports everything with several workers at once, without faults or in the storm of a seed.
    async fn export(&self, new: NewExport, storm: Option<u64>) -> Exported {
        let job = begin(&self.platform, new).await;
        let met = Arc::<Met>::default();
        self.client.follow(storm.map_or(Plan::Nothing, |seed| Plan::Throttled(THROTTLED, seed)));
        let workers = (0..WORKERS).map(|number| self.work(&job, number as u64, &met, storm.is_some()));
        let (job, _, _) = futures_util::future::select_all(workers.map(Box::pin)).await;
        let (calls, struck) = (self.client.calls(), self.client.struck());
        self.client.follow(Plan::Nothing);
        Exported { job, met, calls, struck }
    }

    /// Runs one worker until the job is no longer active.
    async fn work(&self, job: &Job, number: u64, met: &Arc<Met>, is_stormy: bool) -> Job {
        // The references of its chunks are gathered, and followed in many small parts.
        let worker = match is_stormy {
            true => parts::worker(&self.platform),
            false => export_generator::worker(&self.platform).expect("its ports"),
        };
        let inbox =
            self.platform.inbox(SizeClass::Large, &variable("EHI_TEST_DEAD_LETTERS")).expect("a queue");
        let inbox = Forgetful { inbox, met: met.clone(), is_stormy, received: Notify::new() };
        let begun = Instant::now();
        for step in number.. {
            assert!(begun.elapsed() < PATIENCE, "the job does not end");
            if let Ok(Some(stored)) = self.platform.jobs().expect("the port").get(job.id()).await
                && !stored.job.is_active()
            {
                return stored.job;
            }
            let killed = async {
                inbox.received.notified().await;
                if !is_stormy || !step.is_multiple_of(KILLED_ONE_IN) {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(Duration::from_millis(step * 37 % 400)).await;
            };
            tokio::select! {
                // Calls to the queue fail as well; the loop continues.
                _ = ehi::worker::step(&inbox, &*worker, &NoDeadline) => {}
                () = killed => {
                    met.killed.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
        unreachable!("the loop never ends")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "cargo xtask test deploys the stack that it needs"]
async fn throttling_by_the_emulator_does_not_change_the_export() {
    let world = World::new().await;
    // The second one follows references.
    let kinds: [fn() -> NewExport; 2] = [new_system_export, || new_export(Cohort::Everyone)];
    for (seed, kind) in (0..).zip(kinds) {
        let calm = world.export(kind(), None).await;
        assert!(matches!(calm.job, Job::Complete(_)), "{:?}", calm.job.header().history);
        assert_eq!((calm.struck, calm.met.killed.load(Ordering::SeqCst)), (0, 0));
        let expected = exported(&world.platform, &calm.job).await;
        assert!(expected.len() > 3 * PATIENTS, "{}", expected.len());
        assert_eq!(expected.values().find(|count| **count != 1), None);
        let Exported { job, met, calls, struck } = world.export(kind(), Some(seed)).await;
        assert!(matches!(job, Job::Complete(_)), "seed {seed}: {:?}", job.header().history);
        assert_eq!(exported(&world.platform, &job).await, expected, "seed {seed}");
        let (twice, killed) = (met.twice.load(Ordering::SeqCst), met.killed.load(Ordering::SeqCst));
        assert!(struck * 4 > calls && twice > 2 && killed > 2, "{struck} of {calls}, {twice}, {killed}");
    }
}
