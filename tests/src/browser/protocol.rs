//! Sends commands to Chromium and receives its events, by the DevTools protocol: JSON over one WebSocket.
//!
//! The protocol is read without types: newer versions of Chromium add fields and values every few weeks, and none of them
//! may break a test.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

/// The time that Chromium has for a command or an event. While other builds run, a page takes seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// An event that Chromium reported.
#[derive(Clone)]
pub(super) struct Event {
    /// The page of the event.
    pub(super) session: String,
    pub(super) method: String,
    pub(super) params: Value,
}

type Reply = Result<Value, String>;
type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Reply>>>>;

/// A connection to a running Chromium.
pub(super) struct Connection {
    next: AtomicU64,
    commands: mpsc::UnboundedSender<String>,
    waiting: Waiting,
    /// Every event since the connection began.
    events: watch::Receiver<Vec<Event>>,
    tasks: [JoinHandle<()>; 2],
}

impl Connection {
    pub(super) async fn open(url: &str) -> Self {
        let (socket, _) = tokio_tungstenite::connect_async(url).await.expect("Chromium accepts connections");
        let (mut sink, mut stream) = socket.split();
        let (commands, mut queued) = mpsc::unbounded_channel::<String>();
        let (reported, events) = watch::channel(Vec::new());
        let waiting = Waiting::default();
        let writer = tokio::spawn(async move {
            while let Some(command) = queued.recv().await {
                if sink.send(Message::text(command)).await.is_err() {
                    return;
                }
            }
        });
        let waiting_reader = waiting.clone();
        let reader = tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                if let Ok(message) = serde_json::from_slice(&message.into_data()) {
                    dispatch(message, &waiting_reader, &reported);
                }
            }
            // Waiting callers learn that the connection ended.
            lock(&waiting_reader).clear();
        });
        Self { next: AtomicU64::new(1), commands, waiting, events, tasks: [writer, reader] }
    }

    /// Sends a command to a page, or to the browser if `session` is empty; returns its result.
    pub(super) async fn call(&self, session: &str, method: &str, params: Value) -> Reply {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut command = json!({ "id": id, "method": method, "params": params });
        if !session.is_empty() {
            command["sessionId"] = session.into();
        }
        let (sender, reply) = oneshot::channel();
        lock(&self.waiting).insert(id, sender);
        self.commands.send(command.to_string()).map_err(|_| "Chromium is gone".to_owned())?;
        match tokio::time::timeout(PATIENCE, reply).await {
            Ok(Ok(reply)) => reply.map_err(|problem| format!("{method}: {problem}")),
            Ok(Err(_)) => Err(format!("{method}: Chromium ended the connection")),
            Err(_) => Err(format!("{method}: no reply in {} s", PATIENCE.as_secs())),
        }
    }

    /// Returns the number of events so far. A later [`Connection::event`] waits for events after them.
    pub(super) fn event_count(&self) -> usize {
        self.events.borrow().len()
    }

    /// Waits for an event of a page after the first `after` events; `None` if it does not arrive in time.
    pub(super) async fn event(&self, after: usize, session: &str, method: &str) -> Option<Event> {
        let mut events = self.events.clone();
        let is_wanted = |event: &&Event| event.session == session && event.method == method;
        let arrived = events.wait_for(|events| events[after..].iter().any(|event| is_wanted(&event)));
        let events = tokio::time::timeout(PATIENCE, arrived).await.ok()?.ok()?;
        events[after..].iter().find(is_wanted).cloned()
    }

    /// Returns the events of a page after the first `after` events.
    pub(super) fn events_of(&self, session: &str, after: usize) -> Vec<Event> {
        let events = self.events.borrow();
        events[after..].iter().filter(|event| event.session == session).cloned().collect()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Reply>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes a reply to the caller that waits for it; every other message is an event.
fn dispatch(mut message: Value, waiting: &Waiting, events: &watch::Sender<Vec<Event>>) {
    let Some(id) = message["id"].as_u64() else {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (session, method) = (text(&message["sessionId"]), text(&message["method"]));
        let event = Event { session, method, params: message["params"].take() };
        events.send_modify(|events| events.push(event));
        return;
    };
    let reply = match message.get("error") {
        Some(error) => Err(error["message"].to_string()),
        None => Ok(message["result"].take()),
    };
    if let Some(sender) = lock(waiting).remove(&id) {
        let _ = sender.send(reply);
    }
}
