//! Messages of a queue on Lambda: each is worked on, kept from others meanwhile, and settled.

use std::sync::Arc;
use std::time::Duration;

use domain::clock::Clock;
use domain::error::Result;
use domain::ports::queue::{Deadline, Delivery, Settled, Worker};
use domain::task::Task;
use jiff::{SignedDuration, Timestamp};
use platform::hidden::hidden_during;
use platform::telemetry::{self, Metric};
use serde::{Deserialize, Serialize};

use crate::Visibility;

/// An event of SQS (Lambda, using Lambda with Amazon SQS).
#[derive(Deserialize)]
pub struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    #[serde(rename = "messageId")]
    id: String,
    receipt_handle: String,
    body: String,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: String,
    attributes: Attributes,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attributes {
    approximate_receive_count: String,
    /// Milliseconds since 1970.
    sent_timestamp: String,
}

/// The messages that must come back.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failures {
    batch_item_failures: Vec<Failure>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

impl Message {
    fn delivery(&self, task: Task) -> Delivery {
        let deliveries = self.deliveries();
        Delivery { task, receipt: self.receipt_handle.clone(), deliveries }
    }

    fn deliveries(&self) -> u32 {
        self.attributes.approximate_receive_count.parse().unwrap_or(1)
    }

    fn sent_at(&self) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.attributes.sent_timestamp.parse().ok()?).ok()
    }
}

/// The end of an invocation, with room to finish what is being written.
struct InvocationDeadline {
    near: Timestamp,
}

impl Deadline for InvocationDeadline {
    fn is_near(&self, now: Timestamp) -> bool {
        now >= self.near
    }
}

/// Kept back of an invocation's time, to stop at a patient boundary and record what there is.
const MARGIN: SignedDuration = SignedDuration::from_mins(2);
/// Kept back to give a message up in good order, however the work hangs: noting why is two calls with all their tries, and
/// releasing the message is one.
const LAST_SECONDS: Duration = Duration::from_secs(20);

/// Works on the messages of an event.
pub struct Consumer {
    pub worker: Arc<dyn Worker>,
    pub visibility: Visibility,
    /// The URLs of the queues that messages come from.
    pub queues: Vec<String>,
    pub clock: Arc<dyn Clock>,
    pub takes_dead_letters: bool,
    /// How long a message stays hidden when its worker is not heard of any more. The queue's own time is longer than the
    /// function may run, because Lambda wants it so.
    pub hidden: SignedDuration,
}

impl Consumer {
    /// Works on all messages in turn; the invocation ends at `ends`. Returns those that must come back.
    pub async fn batch(&self, batch: Batch, ends: Timestamp) -> Failures {
        let mut failures = Vec::new();
        for message in batch.records {
            if !self.message(&message, ends).await {
                failures.push(Failure { item_identifier: message.id });
            }
        }
        Failures { batch_item_failures: failures }
    }

    /// Whether the message is settled.
    async fn message(&self, message: &Message, ends: Timestamp) -> bool {
        let started = self.clock.now();
        let age_ms = message.sent_at().map_or(0, |sent| self.clock.elapsed(sent));
        let task = match serde_json::from_str::<Task>(&message.body) {
            Ok(task) => task,
            Err(error) => {
                // Its tries end in the dead letters, where it is told of once more and dropped.
                let (message, deliveries) = (&message.id, message.deliveries());
                tracing::error!(message.id = %message, deliveries, error = %error, "a message that cannot be read");
                return self.takes_dead_letters;
            }
        };
        let delivery = message.delivery(task);
        telemetry::at_work(&delivery.task.key());
        let done = if self.takes_dead_letters {
            self.bury(&delivery, message).await
        } else {
            telemetry::metrics(&[(Metric::QueueAge, age_ms)]);
            self.work(&delivery, message, ends).await
        };
        let task = &delivery.task;
        let duration_ms = self.clock.elapsed(started);
        let (task, job) = (task.name(), task.job());
        tracing::info!(job.id = %job, task, message.id = %message.id, deliveries = message.deliveries(), queue.age_ms = age_ms, duration_ms, done, "task");
        done
    }

    async fn work(&self, delivery: &Delivery, message: &Message, ends: Timestamp) -> bool {
        let work = async {
            match self.worker.admit(delivery).await {
                Some(settled) => settled,
                None => {
                    let handled = self.handle(&delivery.task, ends).await;
                    self.worker.settle(delivery, handled).await
                }
            }
        };
        let settled = match self.queue_of(message) {
            Some(url) => {
                let hide = || self.visibility.set(url, &message.receipt_handle, self.hidden);
                hidden_during(work, Duration::ZERO, hide).await
            }
            None => work.await,
        };
        match settled {
            Settled::Done => true,
            Settled::Again(pause) => {
                self.release(message, pause).await;
                false
            }
        }
    }

    async fn handle(&self, task: &Task, ends: Timestamp) -> Result<()> {
        let left = ends.duration_since(self.clock.now());
        let deadline = InvocationDeadline { near: ends - MARGIN.min(left / 3) };
        let longest = Duration::try_from(left).unwrap_or_default().saturating_sub(LAST_SECONDS);
        let handled = tokio::time::timeout(longest, self.worker.handle(task, &deadline)).await;
        // A store that hangs ends its calls earlier; what takes longer than that takes too long every time.
        handled.unwrap_or_else(|_| Err(domain::error::Error::internal("the invocation's time was over")))
    }

    async fn bury(&self, delivery: &Delivery, message: &Message) -> bool {
        match self.worker.bury(&delivery.task, &story(delivery, message)).await {
            Ok(()) => true,
            Err(problem) => {
                tracing::warn!(job.id = %delivery.task.job(), error = %problem, cause = problem.causes(), "a dead letter stays");
                false
            }
        }
    }

    /// Has the message back after the pause instead of at the end of its visibility.
    async fn release(&self, message: &Message, pause: SignedDuration) {
        let Some(url) = self.queue_of(message) else { return };
        if let Err(error) = self.visibility.set(url, &message.receipt_handle, pause).await {
            tracing::warn!(error = %error, cause = error.causes(), "a message comes back late");
        }
    }

    /// The URL of the queue that a message is from.
    fn queue_of(&self, message: &Message) -> Option<&str> {
        let name = message.event_source_arn.rsplit(':').next()?;
        self.queues.iter().map(String::as_str).find(|url| url.rsplit('/').next() == Some(name))
    }
}

/// What became of a message, for the job's history.
fn story(delivery: &Delivery, message: &Message) -> String {
    let sent = message.sent_at().map_or_else(|| "at an unknown time".to_owned(), |at| at.to_string());
    format!("{}, message {} sent {sent}", delivery.story(), message.id)
}
