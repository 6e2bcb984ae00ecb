//! Messages of a queue on Lambda. Each message is handled while it is hidden from other workers, and then settled.

use std::sync::Arc;
use std::time::Duration;

use domain::clock::Clock;
use domain::error::{Error, Result};
use domain::ports::queue::{Deadline, Delivery, Settled, Worker};
use domain::task::Task;
use jiff::{SignedDuration, Timestamp};
use platform::hidden::hidden_during;
use platform::telemetry::{self, Metric};
use serde::{Deserialize, Serialize};

use crate::Visibility;

/// The number of deliveries after which a message that cannot be read is dropped.
const UNREADABLE_DELIVERIES: u32 = 10;

/// The used fields of an event of SQS (Lambda, using Lambda with Amazon SQS). In the types of aws_lambda_events every
/// field is optional.
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

/// The messages that must be delivered again (Lambda, partial batch responses).
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

/// The deadline of an invocation. It leaves enough time to finish current writes.
struct InvocationDeadline {
    near: Timestamp,
}

impl Deadline for InvocationDeadline {
    fn is_near(&self, now: Timestamp) -> bool {
        now >= self.near
    }
}

/// The part of an invocation's time that is reserved to stop after a patient and to record the results.
const MARGIN: SignedDuration = SignedDuration::from_mins(2);
/// The part of an invocation's time that is reserved to settle a message even if the work hangs. To record the reason
/// takes two calls with all their attempts, and to release the message takes one.
const LAST_SECONDS: Duration = Duration::from_secs(20);

/// Handles the messages of an event.
pub struct Consumer {
    pub worker: Arc<dyn Worker>,
    pub visibility: Visibility,
    /// The URLs of the queues from which the messages come.
    pub queues: Vec<String>,
    pub clock: Arc<dyn Clock>,
    /// Whether the messages are dead letters, whose jobs fail.
    pub takes_dead_letters: bool,
    /// The time for which a message stays hidden after its worker has stopped without settling it. The visibility
    /// time-out of the queue is longer, because Lambda requires it to be longer than the function's time-out.
    pub hidden: SignedDuration,
}

impl Consumer {
    /// Handles all messages in turn. The invocation ends at `ends`. Returns the messages that must be delivered again.
    pub async fn batch(&self, batch: Batch, ends: Timestamp) -> Failures {
        let mut failures = Vec::new();
        for message in batch.records {
            if !self.message(&message, ends).await {
                failures.push(Failure { item_identifier: message.id });
            }
        }
        Failures { batch_item_failures: failures }
    }

    /// Returns whether the message is settled.
    async fn message(&self, message: &Message, ends: Timestamp) -> bool {
        let started = self.clock.now();
        let age_ms = message.sent_at().map_or(0, |sent| self.clock.elapsed(sent));
        let task = match serde_json::from_str::<Task>(&message.body) {
            Ok(task) => task,
            Err(error) => {
                // A newer version of the server may have sent it, which can still read it. Cleanup sends the task again if it is lost.
                let error = Error::reading(error);
                let cause = error.causes();
                let (message, deliveries) = (&message.id, message.deliveries());
                let is_given_up = self.takes_dead_letters || deliveries >= UNREADABLE_DELIVERIES;
                if is_given_up {
                    tracing::error!(message.id = %message, deliveries, error = %error, cause, "a message of the queue cannot be read and is dropped");
                } else {
                    tracing::warn!(message.id = %message, deliveries, error = %error, cause, "a message of the queue cannot be read; it is tried again");
                }
                return is_given_up;
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
        // Calls to a hanging store time out earlier. So the task itself takes too long, and would at every attempt.
        handled.unwrap_or_else(|_| Err(Error::internal("the task took longer than an invocation may")))
    }

    async fn bury(&self, delivery: &Delivery, message: &Message) -> bool {
        match self.worker.bury(&delivery.task, &delivery_diagnostics(delivery, message)).await {
            Ok(()) => true,
            Err(problem) => {
                tracing::error!(job.id = %delivery.task.job(), error = %problem, cause = problem.causes(), "a dead letter could not be settled and stays in its queue");
                false
            }
        }
    }

    /// Releases the message, so that it is delivered again after the pause and not at the end of its visibility
    /// time-out.
    async fn release(&self, message: &Message, pause: SignedDuration) {
        let Some(url) = self.queue_of(message) else { return };
        if let Err(error) = self.visibility.set(url, &message.receipt_handle, pause).await {
            tracing::warn!(error = %error, cause = error.causes(), "a message could not be released; it is delivered again later");
        }
    }

    /// Returns the URL of the queue from which a message comes.
    fn queue_of(&self, message: &Message) -> Option<&str> {
        let name = message.event_source_arn.rsplit(':').next()?;
        self.queues.iter().map(String::as_str).find(|url| url.rsplit('/').next() == Some(name))
    }
}

/// Describes the deliveries of a message, for the job's history.
fn delivery_diagnostics(delivery: &Delivery, message: &Message) -> String {
    let sent = message.sent_at().map_or_else(|| "at an unknown time".to_owned(), |at| at.to_string());
    format!("{}, message {} sent {sent}", delivery.diagnostics(), message.id)
}
