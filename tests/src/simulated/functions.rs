//! Lambda: takes messages from a queue and passes each to a worker, like an event source mapping with batches of one.
//!
//! Concurrency starts at [`FIRST`] and rises by [`RISE_A_MINUTE`] up to the mapping's limit. A worker lives in an
//! environment that is reused until it dies; the next environment then has a cold start. The real [`Consumer`] handles each
//! message.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use aws::lambda::messages::{Batch, Consumer, Failures};
use domain::task::Task;
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::task::JoinSet;

use super::clock::at;
use super::request::Service;
use super::sqs::Message;
use super::{Client, Simulation, Stage};

/// The number of messages that are handled at once at first, and its increase per minute (Lambda, scaling of event
/// source mappings for SQS).
const FIRST: usize = 5;
const RISE_A_MINUTE: usize = 300;
/// The time from a message becoming due until its worker starts.
const DELIVERY: Duration = Duration::from_millis(30);
/// The time of a cold start.
const COLD_START: Duration = Duration::from_millis(200);
/// The interval at which [`Functions::run_until`] checks whether the work is done, or can no longer be done.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Creates the consumer of the n-th environment.
pub type Make = Arc<dyn Fn(Client, u64) -> BoxFuture<'static, Arc<Consumer>> + Send + Sync>;

/// A function and its event source mapping.
#[derive(Clone)]
pub struct Function {
    pub queue: &'static str,
    pub concurrency: usize,
    /// The maximum duration of an invocation.
    pub timeout: Duration,
    pub make: Make,
}

/// The totals of a stage's invocations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Invocations {
    pub count: u64,
    pub total: Duration,
    pub longest: Duration,
    /// Invocations that the function's time limit ended.
    pub timed_out: u64,
    /// Invocations whose workers died.
    pub died: u64,
    /// Invocations whose message was not done and is delivered again.
    pub again: u64,
    /// The most bytes that one of them held; 0 if memory is not measured.
    pub peak: u64,
    /// The time at which the last of them ended.
    pub ended: Duration,
}

/// See the [module](self).
pub struct Functions {
    simulation: Simulation,
    function: Function,
    busy: AtomicUsize,
    environments: AtomicUsize,
    /// The number of invocations that started.
    begun: AtomicU64,
    invocations: Mutex<BTreeMap<Stage, Invocations>>,
}

impl Functions {
    pub fn new(simulation: &Simulation, function: Function) -> Arc<Self> {
        Arc::new(Self {
            simulation: simulation.clone(),
            function,
            busy: AtomicUsize::new(0),
            environments: AtomicUsize::new(0),
            begun: AtomicU64::new(0),
            invocations: Mutex::default(),
        })
    }

    /// Runs workers until `done` returns true. Returns an error if no work is left and `done` is still false.
    pub async fn run_until(self: &Arc<Self>, done: impl Fn(&Simulation) -> bool) -> Result<(), String> {
        let mut slots = JoinSet::new();
        for number in 0..self.function.concurrency {
            let functions = self.clone();
            slots.spawn(async move { functions.slot(number).await });
        }
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if done(&self.simulation) && self.busy.load(Ordering::SeqCst) == 0 {
                slots.shutdown().await;
                return Ok(());
            }
            let is_idle = self.busy.load(Ordering::SeqCst) == 0;
            if is_idle && self.simulation.messages(self.function.queue).is_empty() && !done(&self.simulation)
            {
                slots.shutdown().await;
                return Err("no message is left, but the work is not done".to_owned());
            }
        }
    }

    /// Returns the totals of the invocations, by stage.
    pub fn invocations(&self) -> BTreeMap<Stage, Invocations> {
        self.invocations.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the number of environments that were started.
    pub fn environments(&self) -> usize {
        self.environments.load(Ordering::SeqCst)
    }

    async fn slot(&self, number: usize) {
        if let Some(late) = number.checked_sub(FIRST) {
            tokio::time::sleep(
                Duration::from_mins(1) / u32::try_from(RISE_A_MINUTE).unwrap_or(1)
                    * u32::try_from(late).unwrap_or(0),
            )
            .await;
        }
        let mut environment = None;
        loop {
            let message = self.next_message().await;
            self.busy.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(DELIVERY).await;
            let (client, consumer) = match environment.take() {
                Some(known) => known,
                None => self.begin().await,
            };
            if self.invoke(&client, &consumer, &message).await {
                environment = Some((client, consumer));
            }
            self.busy.fetch_sub(1, Ordering::SeqCst);
        }
    }

    async fn begin(&self) -> (Client, Arc<Consumer>) {
        let number = self.environments.fetch_add(1, Ordering::SeqCst);
        let client = Client::new(&self.simulation, Stage::Delivery);
        tokio::time::sleep(COLD_START).await;
        let consumer = (self.function.make)(client.clone(), number as u64).await;
        (client, consumer)
    }

    async fn next_message(&self) -> Message {
        loop {
            let now = self.simulation.clock().elapsed();
            let arrived = self.simulation.arrived().notified();
            let due = {
                let mut state = self.simulation.state();
                if let Some(message) = state.sqs.take(self.function.queue, None, now) {
                    state.meter.count(Stage::Delivery, Service::Sqs, "ReceiveMessage", 1);
                    return message;
                }
                state.sqs.next_due(self.function.queue)
            };
            match due {
                Some(due) => {
                    tokio::select! {
                        () = arrived => {}
                        () = tokio::time::sleep_until(self.simulation.clock().instant(due)) => {}
                    }
                }
                None => arrived.await,
            }
        }
    }

    /// Handles a message in an environment; returns whether the environment still exists.
    async fn invoke(&self, client: &Client, consumer: &Arc<Consumer>, message: &Message) -> bool {
        let task: Task = serde_json::from_str(&message.body).expect("a task");
        let stage = match &task {
            Task::Plan { .. } => Stage::Plan,
            Task::Chunk { .. } => Stage::Chunk,
            Task::Finish { .. } | Task::Zip { .. } => Stage::Finish,
        };
        let number = self.begun.fetch_add(1, Ordering::SeqCst);
        client.begin(stage, self.simulation.life(number));
        let started = self.simulation.clock().elapsed();
        let (consumer, event) = (consumer.clone(), event(self.function.queue, message));
        let ends = at(started + self.function.timeout);
        let mut work = Watched::new(Box::pin(async move { consumer.batch(event, ends).await }));
        let mut outcome = Invocations { count: 1, ..Invocations::default() };
        let settled = tokio::select! {
            settled = &mut work => Some(settled),
            () = client.died() => {
                outcome.died = 1;
                None
            }
            () = tokio::time::sleep(self.function.timeout) => {
                outcome.timed_out = 1;
                client.kill();
                None
            }
        };
        outcome.peak = work.peak;
        drop(work);
        let now = self.simulation.clock().elapsed();
        let took = now.saturating_sub(started);
        (outcome.total, outcome.longest, outcome.ended) = (took, took, now);
        let is_done = settled.as_ref().is_some_and(is_done);
        outcome.again = u64::from(settled.is_some() && !is_done);
        self.note(stage, outcome);
        if is_done {
            let mut state = self.simulation.state();
            state.meter.count(Stage::Delivery, Service::Sqs, "DeleteMessage", 1);
            state.sqs.delete(self.function.queue, &message.receipt());
        }
        settled.is_some()
    }

    fn note(&self, stage: Stage, one: Invocations) {
        let mut invocations = self.invocations.lock().unwrap_or_else(PoisonError::into_inner);
        let all = invocations.entry(stage).or_default();
        all.count += one.count;
        all.total += one.total;
        all.longest = all.longest.max(one.longest);
        all.timed_out += one.timed_out;
        all.died += one.died;
        all.again += one.again;
        all.peak = all.peak.max(one.peak);
        all.ended = all.ended.max(one.ended);
    }
}

/// Returns an event with one message, in the format of Lambda.
fn event(queue: &str, message: &Message) -> Batch {
    let event = json!({ "Records": [{
        "messageId": message.id.to_string(),
        "receiptHandle": message.receipt(),
        "body": message.body,
        "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{queue}"),
        "attributes": {
            "ApproximateReceiveCount": message.deliveries.to_string(),
            "SentTimestamp": at(message.sent_at).as_millisecond().to_string(),
        },
    }] });
    serde_json::from_value(event).expect("an event")
}

/// Returns whether no message must be delivered again.
fn is_done(failures: &Failures) -> bool {
    serde_json::to_value(failures).is_ok_and(|failures| failures["batchItemFailures"] == json!([]))
}

/// Runs a closure; returns the change of the bytes in use, and the maximum in use meanwhile.
type Measure = fn(&mut dyn FnMut()) -> (i64, u64);
static MEASURE: OnceLock<Measure> = OnceLock::new();

/// Sets the function that measures the memory of invocations.
pub fn measure_memory(measure: Measure) {
    let _ = MEASURE.set(measure);
}

/// A future whose memory is measured while it is polled.
struct Watched<T> {
    inner: BoxFuture<'static, T>,
    held: i64,
    peak: u64,
}

impl<T> Watched<T> {
    fn new(inner: BoxFuture<'static, T>) -> Self {
        Self { inner, held: 0, peak: 0 }
    }
}

impl<T> Future for Watched<T> {
    type Output = T;

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(measure) = MEASURE.get() else { return self.inner.as_mut().poll(context) };
        let mut polled = Poll::Pending;
        let (held, peak) = measure(&mut || polled = self.inner.as_mut().poll(context));
        let most = self.held.saturating_add_unsigned(peak);
        self.peak = self.peak.max(u64::try_from(most).unwrap_or_default());
        self.held += held;
        polled
    }
}
