//! SQS: messages that are hidden while a worker handles them, and that are delivered again otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::random::strikes;
use super::response::SimulatedResponse;

#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: u64,
    pub(crate) body: String,
    pub(crate) sent_at: Duration,
    pub(crate) deliveries: u32,
    group: Option<String>,
    visible_at: Duration,
}

impl Message {
    /// Returns the receipt handle of this delivery.
    pub(crate) fn receipt(&self) -> String {
        format!("{}-{}", self.id, self.deliveries)
    }
}

#[derive(Debug, Clone)]
struct Queue {
    visibility: Duration,
    /// The queue to which a message moves after this number of deliveries.
    dead_letters: Option<(&'static str, u32)>,
    messages: BTreeMap<u64, Message>,
    by_time: BTreeSet<(Duration, u64)>,
}

/// The number of deliveries in a thousand that are duplicated, and the seed that selects them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Duplicates {
    pub(crate) seed: u64,
    pub(crate) of_thousand: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Sqs {
    queues: BTreeMap<&'static str, Queue>,
    sent: u64,
    delivered: u64,
    pub(crate) duplicates: Duplicates,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Request {
    queue_url: String,
    message_body: Option<String>,
    message_group_id: Option<String>,
    delay_seconds: Option<u64>,
    entries: Option<Vec<Entry>>,
    receipt_handle: Option<String>,
    visibility_timeout: Option<u64>,
    max_number_of_messages: Option<usize>,
    wait_time_seconds: Option<u64>,
    message_system_attribute_names: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Entry {
    id: String,
    message_body: Option<String>,
    message_group_id: Option<String>,
    receipt_handle: Option<String>,
}

impl Sqs {
    /// Creates the queues of `template.yaml`.
    pub(crate) fn new() -> Self {
        let queue = |seconds, dead_letters| Queue {
            visibility: Duration::from_secs(seconds),
            dead_letters,
            messages: BTreeMap::new(),
            by_time: BTreeSet::new(),
        };
        let dead = Some((DEAD_LETTERS, MAX_RECEIVES));
        Self {
            queues: BTreeMap::from([
                (SMALL_QUEUE, queue(360, dead)),
                (LARGE_QUEUE, queue(960, dead)),
                (DEAD_LETTERS, queue(120, None)),
            ]),
            sent: 0,
            delivered: 0,
            duplicates: Duplicates::default(),
        }
    }

    pub(crate) fn call(&mut self, operation: &str, body: &[u8], now: Duration) -> SimulatedResponse {
        let request: Request = match serde_json::from_slice(body) {
            Ok(request) => request,
            Err(error) => return refused("InvalidParameterValue", &error.to_string()),
        };
        let Some((name, _)) =
            request.queue_url.rsplit('/').next().and_then(|name| self.queues.get_key_value(name))
        else {
            return refused("QueueDoesNotExist", "the queue does not exist");
        };
        let name = *name;
        let done = match operation {
            "SendMessage" => self.send_one(name, &request, now),
            "SendMessageBatch" => self.each(name, &request, now, Self::send_entry),
            "DeleteMessage" => request.receipt_handle.as_deref().and_then(|receipt| {
                self.delete(name, receipt)?;
                Some(json!({}))
            }),
            "DeleteMessageBatch" => self.each(name, &request, now, |sqs, name, entry, _| {
                sqs.delete(name, entry.receipt_handle.as_deref()?)
            }),
            "ChangeMessageVisibility" => request.receipt_handle.as_deref().and_then(|receipt| {
                self.hide(name, receipt, now, Duration::from_secs(request.visibility_timeout?))?;
                Some(json!({}))
            }),
            "ReceiveMessage" => Some(self.receive(name, &request, now)),
            _ => None,
        };
        match done {
            Some(body) => SimulatedResponse::json(200, &body),
            None => {
                refused("ReceiptHandleIsInvalid", "there is no such message, or the request is incomplete")
            }
        }
    }

    fn send_one(&mut self, name: &str, request: &Request, now: Duration) -> Option<Value> {
        let at = now + Duration::from_secs(request.delay_seconds.unwrap_or_default());
        let id = self.send(name, request.message_body.clone()?, now, at)?;
        self.set_group(name, id, request.message_group_id.clone());
        Some(json!({ "MessageId": id.to_string(), "MD5OfMessageBody": "" }))
    }

    fn send_entry(&mut self, name: &str, entry: &Entry, now: Duration) -> Option<()> {
        let id = self.send(name, entry.message_body.clone()?, now, now)?;
        self.set_group(name, id, entry.message_group_id.clone());
        Some(())
    }

    fn set_group(&mut self, name: &str, id: u64, group: Option<String>) {
        if let Some(message) = self.queues.get_mut(name).and_then(|queue| queue.messages.get_mut(&id)) {
            message.group = group;
        }
    }

    /// Runs an action for each entry of a batch.
    fn each(
        &mut self,
        name: &str,
        request: &Request,
        now: Duration,
        act: impl Fn(&mut Self, &str, &Entry, Duration) -> Option<()>,
    ) -> Option<Value> {
        let entries = request.entries.as_ref().filter(|entries| (1..=10).contains(&entries.len()))?;
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for entry in entries {
            match act(self, name, entry, now) {
                Some(()) => done.push(json!({ "Id": entry.id, "MessageId": "m", "MD5OfMessageBody": "" })),
                None => failed.push(json!({ "Id": entry.id, "Code": "InternalError", "SenderFault": false })),
            }
        }
        Some(json!({ "Successful": done, "Failed": failed }))
    }

    pub(crate) fn send(
        &mut self,
        name: &str,
        body: String,
        sent_at: Duration,
        visible_at: Duration,
    ) -> Option<u64> {
        self.sent += 1;
        let id = self.sent;
        let queue = self.queues.get_mut(name)?;
        queue.by_time.insert((visible_at, id));
        queue.messages.insert(id, Message { id, body, sent_at, deliveries: 0, group: None, visible_at });
        Some(id)
    }

    fn receive(&mut self, name: &'static str, request: &Request, now: Duration) -> Value {
        let _ = (&request.wait_time_seconds, &request.message_system_attribute_names);
        let visibility = request.visibility_timeout.map(Duration::from_secs);
        let most = request.max_number_of_messages.unwrap_or(1).clamp(1, 10);
        let mut messages = Vec::new();
        while messages.len() < most
            && let Some(message) = self.take(name, visibility, now)
        {
            messages.push(json!({
                "MessageId": message.id.to_string(),
                "ReceiptHandle": message.receipt(),
                "Body": message.body,
                "MD5OfBody": "",
                "Attributes": {
                    "ApproximateReceiveCount": message.deliveries.to_string(),
                    "SentTimestamp": message.sent_at.as_millis().to_string(),
                },
            }));
        }
        json!({ "Messages": messages })
    }

    /// Returns the next due message and hides it; for the queue's own visibility time if none is given.
    pub(crate) fn take(
        &mut self,
        name: &str,
        visibility: Option<Duration>,
        now: Duration,
    ) -> Option<Message> {
        loop {
            let queue = self.queues.get_mut(name)?;
            let (at, id) = queue.by_time.first().copied().filter(|(at, _)| *at <= now)?;
            queue.by_time.remove(&(at, id));
            let message = queue.messages.get_mut(&id)?;
            if let Some((dead, most)) = queue.dead_letters
                && message.deliveries >= most
            {
                let message = queue.messages.remove(&id)?;
                let moved = self.send(dead, message.body, now, now)?;
                // The number of deliveries moves with the message.
                if let Some(moved) =
                    self.queues.get_mut(dead).and_then(|queue| queue.messages.get_mut(&moved))
                {
                    moved.deliveries = message.deliveries;
                }
                continue;
            }
            message.deliveries += 1;
            self.delivered += 1;
            message.visible_at = now + visibility.unwrap_or(queue.visibility);
            if strikes(self.duplicates.seed, self.delivered, self.duplicates.of_thousand) {
                // Another worker receives the message as well, a moment later.
                message.visible_at = now + Duration::from_millis(50);
            }
            queue.by_time.insert((message.visible_at, id));
            return Some(message.clone());
        }
    }

    fn delivered<'q>(&'q mut self, name: &str, receipt: &str) -> Option<(&'q mut Queue, u64, bool)> {
        let (id, deliveries) = receipt.split_once('-')?;
        let (id, deliveries): (u64, u32) = (id.parse().ok()?, deliveries.parse().ok()?);
        let queue = self.queues.get_mut(name)?;
        let is_latest = queue.messages.get(&id).is_some_and(|message| message.deliveries == deliveries);
        Some((queue, id, is_latest))
    }

    /// Deletes a message. A call with an old receipt succeeds but deletes nothing.
    pub(crate) fn delete(&mut self, name: &str, receipt: &str) -> Option<()> {
        let (queue, id, is_latest) = self.delivered(name, receipt)?;
        if is_latest && let Some(message) = queue.messages.remove(&id) {
            queue.by_time.remove(&(message.visible_at, id));
        }
        Some(())
    }

    /// Hides a message from now on for `visibility`; zero makes it visible.
    pub(crate) fn hide(
        &mut self,
        name: &str,
        receipt: &str,
        now: Duration,
        visibility: Duration,
    ) -> Option<()> {
        let (queue, id, is_latest) = self.delivered(name, receipt)?;
        let message = queue.messages.get_mut(&id).filter(|_| is_latest)?;
        queue.by_time.remove(&(message.visible_at, id));
        message.visible_at = now + visibility;
        queue.by_time.insert((message.visible_at, id));
        Some(())
    }

    /// Returns the time at which the next message of a queue is due.
    pub(crate) fn next_due(&self, name: &str) -> Option<Duration> {
        self.queues.get(name)?.by_time.first().map(|(at, _)| *at)
    }

    /// Returns the bodies of a queue's messages, visible or hidden.
    pub(crate) fn bodies(&self, name: &str) -> Vec<String> {
        let messages = self.queues.get(name).into_iter().flat_map(|queue| queue.messages.values());
        messages.map(|message| message.body.clone()).collect()
    }

    /// Returns the groups of a queue's messages, visible or hidden.
    pub(crate) fn groups(&self, name: &str) -> Vec<Option<String>> {
        let messages = self.queues.get(name).into_iter().flat_map(|queue| queue.messages.values());
        messages.map(|message| message.group.clone()).collect()
    }
}

/// Returns how long a receive waits, if it found no message and asked to wait.
pub(crate) fn waits(body: &[u8], response: &SimulatedResponse) -> Option<Duration> {
    let request: Request = serde_json::from_slice(body).ok()?;
    let found: Value = serde_json::from_slice(&response.body).ok()?;
    let is_empty = found["Messages"].as_array().is_some_and(Vec::is_empty);
    request.wait_time_seconds.filter(|seconds| *seconds > 0 && is_empty).map(Duration::from_secs)
}

pub(crate) const SMALL_QUEUE: &str = "small";
pub(crate) const LARGE_QUEUE: &str = "large";
pub(crate) const DEAD_LETTERS: &str = "dead-letters";
/// The maximum of SQS, which `template.yaml` uses.
const MAX_RECEIVES: u32 = 1_000;

fn refused(code: &str, message: &str) -> SimulatedResponse {
    SimulatedResponse::json(
        400,
        &json!({ "__type": format!("com.amazonaws.sqs#{code}"), "message": message }),
    )
}
