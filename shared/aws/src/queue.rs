//! The queues on SQS: one for each size of worker, and one for dead letters.

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, SendMessageBatchRequestEntry};
use domain::error::{Error, Result};
use domain::ports::queue::{Delivery, Inbox, Queue, TaskGroup};
use domain::request::SizeClass;
use domain::task::Task;
use jiff::SignedDuration;

use crate::calls::failed;

/// The maximum number of entries of one SendMessageBatch (SQS, limits).
const BATCH: usize = 10;
/// The number of times that a batch is sent while SQS fails for some of its entries.
const TRIES: u32 = 4;
/// The maximum time for which SQS hides a message: 12 hours, in seconds.
const MAX_VISIBILITY_SECONDS: i64 = 43_200;

/// The sending end of the queues.
pub(super) struct AwsQueue {
    pub(super) client: Client,
    pub(super) small: String,
    pub(super) large: String,
}

#[async_trait]
impl Queue for AwsQueue {
    async fn send(&self, group: &TaskGroup, tasks: &[Task]) -> Result<()> {
        let id = group_id(group);
        let url = match group.size {
            SizeClass::Small => &self.small,
            SizeClass::Large => &self.large,
        };
        if let [task] = tasks {
            let body = serde_json::to_string(task)?;
            let send = self.client.send_message().queue_url(url).message_body(body);
            send.message_group_id(id).send().await.map_err(failed("SendMessage"))?;
            return Ok(());
        }
        for batch in tasks.chunks(BATCH) {
            let entry = |(index, task): (usize, &Task)| {
                SendMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .message_body(serde_json::to_string(task)?)
                    .message_group_id(&id)
                    .build()
                    .map_err(Error::internal)
            };
            let mut entries = batch.iter().enumerate().map(entry).collect::<Result<Vec<_>>>()?;
            for _ in 0..TRIES {
                let send = self.client.send_message_batch().queue_url(url).set_entries(Some(entries.clone()));
                let sent = send.send().await.map_err(failed("SendMessageBatch"))?;
                // The request may succeed although some entries failed.
                entries.retain(|entry| sent.failed().iter().any(|failed| failed.id() == entry.id()));
                if entries.is_empty() {
                    break;
                }
            }
            if !entries.is_empty() {
                return Err(Error::unavailable(format!("SendMessageBatch left {} messages", entries.len())));
            }
        }
        Ok(())
    }
}

/// Returns the id of a message group: a hash, because a group id has at most 128 characters of ASCII, and because SQS does not
/// encrypt it. SQS delivers messages of a group that occupies many workers after those of groups that occupy few (SQS, fair
/// queues), so that no client waits for all exports of another.
fn group_id(group: &TaskGroup) -> String {
    crypto::digest_of_lines(group.owner.iter().map(String::as_str))
}

/// The receiving end for a host that polls: tests, and workers outside Lambda.
pub struct SqsInbox {
    client: Client,
    url: String,
    dead_letters: String,
}

impl SqsInbox {
    pub(super) fn new(client: Client, url: String, dead_letters: String) -> Self {
        Self { client, url, dead_letters }
    }

    /// Receives one message. With `wait` seconds above 0 this is a long poll, which queries all servers of the queue; a short
    /// poll may miss a message.
    async fn take(&self, url: &str, visibility: SignedDuration, wait: i32) -> Result<Option<Delivery>> {
        let receive = self
            .client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(1)
            .visibility_timeout(seconds(visibility))
            .wait_time_seconds(wait)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let received = receive.send().await.map_err(failed("ReceiveMessage"))?;
        received.messages.unwrap_or_default().first().map(delivery).transpose()
    }

    async fn hide(&self, delivery: &Delivery, duration: SignedDuration) -> Result<()> {
        Visibility::new(self.client.clone()).set(&self.url, &delivery.receipt, duration).await
    }
}

fn seconds(duration: SignedDuration) -> i32 {
    i32::try_from(duration.as_secs().clamp(0, MAX_VISIBILITY_SECONDS)).unwrap_or_default()
}

fn delivery(message: &Message) -> Result<Delivery> {
    let count = message
        .attributes()
        .and_then(|attributes| attributes.get(&MessageSystemAttributeName::ApproximateReceiveCount));
    Ok(Delivery {
        task: serde_json::from_str(message.body().unwrap_or_default()).map_err(Error::reading)?,
        receipt: message.receipt_handle().unwrap_or_default().to_owned(),
        deliveries: count.and_then(|count| count.parse().ok()).unwrap_or(1),
    })
}

#[async_trait]
impl Inbox for SqsInbox {
    async fn receive(&self, visibility: SignedDuration) -> Result<Option<Delivery>> {
        self.take(&self.url, visibility, 1).await
    }

    async fn acknowledge(&self, delivery: &Delivery) -> Result<()> {
        for url in [&self.url, &self.dead_letters] {
            let delete = self.client.delete_message().queue_url(url).receipt_handle(&delivery.receipt);
            if let Err(error) = delete.send().await {
                // A receipt belongs to only one of the queues, and an expired receipt to neither.
                tracing::debug!(error = %failed("DeleteMessage")(error), "a message was not deleted from this queue");
            }
        }
        Ok(())
    }

    async fn release(&self, delivery: &Delivery, delay: SignedDuration) -> Result<()> {
        self.hide(delivery, delay).await
    }

    async fn extend(&self, delivery: &Delivery, visibility: SignedDuration) -> Result<()> {
        self.hide(delivery, visibility).await
    }

    async fn dead(&self) -> Result<Option<Delivery>> {
        self.take(&self.dead_letters, SignedDuration::ZERO, 0).await
    }
}

/// Changes when messages are delivered again. The function that received them in an event uses it.
pub struct Visibility {
    client: Client,
}

impl Visibility {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Hides a message of the queue at `url` for `duration` from now on, at most 12 hours. If this fails, the message is
    /// delivered again at the time that was set before.
    pub async fn set(&self, url: &str, receipt: &str, duration: SignedDuration) -> Result<()> {
        let change = self
            .client
            .change_message_visibility()
            .queue_url(url)
            .receipt_handle(receipt)
            .visibility_timeout(seconds(duration));
        change.send().await.map_err(failed("ChangeMessageVisibility"))?;
        Ok(())
    }
}
