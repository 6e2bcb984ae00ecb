//! Messages of workers on Lambda: a worker that died is replaced, the result of a worker is obeyed, and large
//! exports share the workers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws::lambda::messages::{Batch, Consumer};
use aws::{Aws, SqsInbox, sdk};
use crypto::OsRandom;
use domain::clock::{Clock, Random, SystemClock};
use domain::error::Result;
use domain::ports::queue::{Deadline, Delivery, Inbox, Settled, TaskGroup, Worker};
use domain::request::SizeClass;
use domain::task::Task;
use jiff::{SignedDuration, Timestamp};
use platform::Platform;
use serde_json::json;
use settings::Settings;
use settings::resources::Resources;
use tests::deployed::{aws, variable};

/// The visibility timeout of the queue: longer than the function may run.
const OF_THE_QUEUE: SignedDuration = SignedDuration::from_mins(16);
/// Far longer than a message takes to come back, and far shorter than [`OF_THE_QUEUE`].
const SOON: Duration = Duration::from_secs(30);

/// A worker that works for a fixed time and then has a fixed result.
struct Fixed {
    works: Duration,
    settled: Settled,
}

#[async_trait::async_trait]
impl Worker for Fixed {
    async fn handle(&self, _: &Task, _: &dyn Deadline) -> Result<()> {
        tokio::time::sleep(self.works).await;
        Ok(())
    }

    async fn admit(&self, _: &Delivery) -> Option<Settled> {
        None
    }

    async fn settle(&self, _: &Delivery, _: Result<()>) -> Settled {
        self.settled
    }

    async fn bury(&self, _: &Task, _: &str) -> Result<()> {
        Ok(())
    }
}

/// A queue of the test's own.
struct Queue {
    url: String,
    platform: Aws,
}

impl Queue {
    async fn new() -> Self {
        let name = format!("takeover-{}", OsRandom.attempt());
        let created = aws(&["sqs", "create-queue", "--queue-name", &name]);
        let url = tests::text(&created["QueueUrl"]);
        let resources = Resources::of(|name| name.ends_with("_QUEUE").then(|| url.clone()));
        let settings =
            Settings::parse("base_url = \"http://localhost:8888\"", |_| None, None).expect("settings");
        let (clock, random) = (Arc::new(SystemClock), Arc::new(OsRandom));
        let platform = Aws::new(sdk().await, Arc::new(resources), settings, None, clock, random);
        Self { url, platform }
    }

    fn inbox(&self) -> SqsInbox {
        self.platform.inbox(SizeClass::Large, &variable("EHI_TEST_DEAD_LETTERS")).expect("a queue")
    }

    /// Sends a task; returns it as the event that Lambda passes to the function.
    async fn delivered(&self) -> Batch {
        let task = Task::Finish { job: OsRandom.job(SystemClock.now()) };
        self.platform
            .queue()
            .expect("the port")
            .send(&TaskGroup { size: SizeClass::Large, owner: Vec::new() }, std::slice::from_ref(&task))
            .await
            .expect("sent");
        let delivery = self.inbox().receive(OF_THE_QUEUE).await.expect("a response").expect("a task");
        assert_eq!(delivery.task, task);
        let name = self.url.rsplit('/').next().expect("a name");
        let record = json!({
            "messageId": "one",
            "receiptHandle": delivery.receipt,
            "body": serde_json::to_string(&task).expect("JSON"),
            "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{name}"),
            "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1700000000000" },
        });
        serde_json::from_value(json!({ "Records": [record] })).expect("an event")
    }

    fn consumer(&self, worker: Fixed, hidden: i64) -> Consumer {
        Consumer {
            worker: Arc::new(worker),
            visibility: self.platform.visibility(),
            queues: vec![self.url.clone()],
            clock: Arc::new(SystemClock),
            takes_dead_letters: false,
            hidden: SignedDuration::from_secs(hidden),
        }
    }

    /// Returns the time until the message is delivered again.
    async fn again(&self) -> Duration {
        let begun = Instant::now();
        while self.inbox().receive(OF_THE_QUEUE).await.expect("a response").is_none() {
            assert!(begun.elapsed() < SOON, "the message does not come back");
        }
        begun.elapsed()
    }
}

/// Returns the end of an invocation with the maximum duration of Lambda.
fn end() -> Timestamp {
    SystemClock.now() + SignedDuration::from_mins(15)
}

#[tokio::test]
#[ignore = "cargo xtask test deploys the stack that it needs"]
async fn a_killed_worker_is_replaced_long_before_the_queues_own_timeout() {
    let queue = Queue::new().await;
    let batch = queue.delivered().await;
    let consumer = queue.consumer(Fixed { works: Duration::from_mins(10), settled: Settled::Done }, 4);
    // The worker is dropped in the middle of its work, like with its process.
    let killed = tokio::time::timeout(Duration::from_secs(1), consumer.batch(batch, end())).await;
    assert!(killed.is_err(), "the worker was still working");
    queue.again().await;
}

#[tokio::test]
#[ignore = "cargo xtask test deploys the stack that it needs"]
async fn a_postponed_task_comes_back_after_the_delay_of_its_worker() -> tests::Result {
    let queue = Queue::new().await;
    let batch = queue.delivered().await;
    // The worker ends while the call that hides the message still runs; the delay of the worker has priority.
    let worker = Fixed { works: Duration::ZERO, settled: Settled::Again(SignedDuration::from_secs(2)) };
    let failures = queue.consumer(worker, 900).batch(batch, end()).await;
    assert_eq!(serde_json::to_value(&failures)?["batchItemFailures"][0]["itemIdentifier"], "one");
    queue.again().await;
    Ok(())
}

#[tokio::test]
#[ignore = "cargo xtask test deploys the stack that it needs"]
async fn a_task_that_is_done_stays_hidden_until_lambda_deletes_it() -> tests::Result {
    let queue = Queue::new().await;
    let batch = queue.delivered().await;
    let worker = Fixed { works: Duration::from_millis(100), settled: Settled::Done };
    let failures = queue.consumer(worker, 900).batch(batch, end()).await;
    assert_eq!(serde_json::to_value(&failures)?, json!({ "batchItemFailures": [] }));
    assert_eq!(queue.inbox().receive(OF_THE_QUEUE).await?, None);
    Ok(())
}

/// The group of a message is that of its sender, one by one and in batches.
#[tokio::test]
#[ignore = "cargo xtask test deploys the stack that it needs"]
async fn exports_share_the_workers_by_client() -> tests::Result {
    let queue = Queue::new().await;
    let task = || Task::Finish { job: OsRandom.job(SystemClock.now()) };
    let group = |size, client: &str| TaskGroup { size, owner: vec![String::new(), client.to_owned()] };
    let sender = queue.platform.queue().expect("the port");
    sender.send(&group(SizeClass::Large, "one"), &[task()]).await.expect("sent");
    sender.send(&group(SizeClass::Large, "one"), &[task(), task()]).await.expect("sent");
    sender.send(&group(SizeClass::Small, "two"), &[task()]).await.expect("sent");
    let mut groups = Vec::new();
    while groups.len() < 4 {
        let received = aws(&[
            "sqs",
            "receive-message",
            "--queue-url",
            &queue.url,
            "--max-number-of-messages",
            "10",
            "--message-system-attribute-names",
            "MessageGroupId",
        ]);
        let messages = received["Messages"].as_array().expect("messages");
        groups.extend(messages.iter().map(|message| tests::text(&message["Attributes"]["MessageGroupId"])));
    }
    groups.sort();
    let mut expected = ["one", "one", "one", "two"].map(|client| crypto::digest_of_lines(["", client]));
    expected.sort();
    assert_eq!(groups, expected);
    Ok(())
}

#[tokio::test]
#[ignore = "cargo xtask test deploys the stack that it needs"]
async fn a_message_that_cannot_be_read_is_dropped_after_ten_deliveries() -> tests::Result {
    let queue = Queue::new().await;
    let consumer = queue.consumer(Fixed { works: Duration::ZERO, settled: Settled::Done }, 900);
    for (deliveries, failed) in [(1, 1), (9, 1), (10, 0), (11, 0)] {
        let record = json!({
            "messageId": "one",
            "receiptHandle": "none",
            "body": "{\"a task of a later version\":1}",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:other",
            "attributes": { "ApproximateReceiveCount": deliveries.to_string(), "SentTimestamp": "1700000000000" },
        });
        let batch = serde_json::from_value(json!({ "Records": [record] }))?;
        let failures = serde_json::to_value(consumer.batch(batch, end()).await)?;
        assert_eq!(failures["batchItemFailures"].as_array().map(Vec::len), Some(failed), "{deliveries}");
    }
    Ok(())
}
