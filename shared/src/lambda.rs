//! The cold start of every Lambda: connect the platform, make the router or worker, serve.
//!
//! A function that lacks a setting refuses to start with one line that names it.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use jiff::{SignedDuration, Timestamp};
use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};
use lambda_runtime::{Context, LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower::ServiceExt;

use crate::adapters::aws::{Aws, Releases, sdk};
use crate::clock::{Clock, SystemClock, SystemIds};
use crate::config::{log_filter, resources::Resources};
use crate::domain::task::Task;
use crate::error::Result;
use crate::http::host::host;
use crate::platform::Platform;
use crate::ports::queue::{Deadline, Delivery, Settled, Worker};
use crate::security::address::PeerAddress;
use crate::telemetry::{self, Metric};

pub use lambda_http::Error;

/// Serves a function's router on the Lambda runtime.
pub async fn serve(router: fn(&dyn Platform) -> Router) -> Result<(), Error> {
    let platform = started(Aws::connect(sdk_and_log().await, resources(), clock(), ids()).await)?;
    let app = App { router, served: RwLock::new(Served::of(router, platform).map_err(refusal)?) };
    let app = &app;
    lambda_http::run(service_fn(move |request: Request| async move {
        match app.current().await.oneshot(with_address(request)).await {
            Ok(response) => Ok::<_, Error>(response),
            Err(never) => match never {},
        }
    }))
    .await
}

/// Puts the caller's address where [`host`] looks for it. API Gateway vouches for it; no header is believed.
fn with_address(mut request: Request) -> Request {
    let source = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref(),
        _ => None,
    };
    if let Some(address) = source.and_then(|text| text.parse().ok()) {
        request.extensions_mut().insert(PeerAddress(address));
    }
    request
}

/// Runs a scheduled function on the Lambda runtime.
pub async fn schedule<F>(run: fn(Arc<dyn Platform>) -> F) -> Result<(), Error>
where
    F: Future<Output = Result<()>>,
{
    let aws = Arc::new(started(Aws::without_secrets(sdk_and_log().await, resources(), clock(), ids()))?);
    // Every port is asked for once, so that what is missing is known now and not in an hour.
    let _ = (aws.jobs(), aws.files(), aws.queue(), aws.grants());
    aws.check().map_err(refusal)?;
    let handler = |_: LambdaEvent<Value>| async { run(aws.clone()).await.map_err(logged) };
    lambda_runtime::run(service_fn(handler)).await
}

/// Runs a queue worker on the Lambda runtime. With `EHI_DEAD_LETTERS` the messages are those that failed too often,
/// and their jobs fail.
pub async fn consume(worker: fn(&dyn Platform) -> Arc<dyn Worker>) -> Result<(), Error> {
    let resources = resources();
    let aws = started(Aws::without_secrets(sdk_and_log().await, resources.clone(), clock(), ids()))?;
    let consumer = Consumer {
        worker: worker(&aws),
        releases: aws.releases(),
        queues: ["EHI_SMALL_QUEUE", "EHI_LARGE_QUEUE"].map(|name| resources.get(name).map(str::to_owned)),
        clock: clock(),
        takes_dead_letters: resources.flag("EHI_DEAD_LETTERS"),
    };
    aws.check().map_err(refusal)?;
    let consumer = &consumer;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Batch>| async move {
        Ok::<_, Error>(Box::pin(consumer.batch(event.payload, &event.context)).await)
    }))
    .await
}

async fn sdk_and_log() -> aws_config::SdkConfig {
    let filter = log_filter("warn,shared=info,export_generator=info,cleanup=info,admin=info,request=info");
    telemetry::for_machines(&filter, resources().get("EHI_STAGE").unwrap_or("none"));
    telemetry::metrics(&[(Metric::ColdStarts, 1)]);
    sdk().await
}

fn resources() -> Arc<Resources> {
    Arc::new(Resources::load())
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

fn ids() -> Arc<SystemIds> {
    Arc::new(SystemIds)
}

fn started<T>(connected: Result<T>) -> Result<T, Error> {
    connected.map_err(refusal)
}

/// Why a function does not start: one line, with its cause.
fn refusal(error: crate::error::Error) -> Error {
    let cause = error.causes();
    let text = if cause.is_empty() { error.to_string() } else { format!("{error}: {cause}") };
    format!("the function cannot start: {text}").into()
}

fn logged(error: crate::error::Error) -> Error {
    tracing::error!(error = %error, cause = error.causes(), "a scheduled run failed");
    error.into()
}

/// A router over the platform that it was made of.
struct Served {
    platform: Arc<Aws>,
    app: Router,
}

impl Served {
    fn of(router: fn(&dyn Platform) -> Router, platform: Aws) -> Result<Self> {
        let app = host(router(&platform), &platform);
        platform.check()?;
        Ok(Self { platform: Arc::new(platform), app })
    }
}

/// What is served, made anew when its secrets are old.
struct App {
    router: fn(&dyn Platform) -> Router,
    served: RwLock<Served>,
}

impl App {
    async fn current(&self) -> Router {
        let platform = self.served.read().unwrap_or_else(PoisonError::into_inner).platform.clone();
        match platform.refreshed().await {
            Ok(None) => {}
            Ok(Some(fresh)) => match Served::of(self.router, fresh) {
                Ok(served) => *self.served.write().unwrap_or_else(PoisonError::into_inner) = served,
                Err(error) => tracing::error!(error = %error, "new settings are not used"),
            },
            // What was read before is good enough to go on with.
            Err(error) => {
                tracing::error!(error = %error, cause = error.causes(), "secrets cannot be read; the old ones are used");
            }
        }
        self.served.read().unwrap_or_else(PoisonError::into_inner).app.clone()
    }
}

/// An event of SQS (Lambda, using Lambda with Amazon SQS).
#[derive(Deserialize)]
struct Batch {
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
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failures {
    batch_item_failures: Vec<Failure>,
}

#[derive(Serialize)]
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
/// Kept back to give a message up in good order, however the work hangs.
const LAST_SECONDS: Duration = Duration::from_secs(5);

struct Consumer {
    worker: Arc<dyn Worker>,
    releases: Releases,
    queues: [Option<String>; 2],
    clock: Arc<dyn Clock>,
    takes_dead_letters: bool,
}

impl Consumer {
    async fn batch(&self, batch: Batch, context: &Context) -> Failures {
        let mut failures = Vec::new();
        for message in batch.records {
            if !self.message(&message, context).await {
                failures.push(Failure { item_identifier: message.id });
            }
        }
        Failures { batch_item_failures: failures }
    }

    /// Whether the message is settled.
    async fn message(&self, message: &Message, context: &Context) -> bool {
        let started = self.clock.now();
        let age_ms = message.sent_at().map_or(0, |sent| self.clock.since(sent));
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
        let done = if self.takes_dead_letters {
            self.bury(&delivery, message).await
        } else {
            telemetry::metrics(&[(Metric::QueueAge, age_ms)]);
            self.work(&delivery, message, context).await
        };
        let task = &delivery.task;
        let duration_ms = self.clock.since(started);
        let (task, job) = (task.name(), task.job());
        tracing::info!(job.id = %job, task, message.id = %message.id, deliveries = message.deliveries(), queue.age_ms = age_ms, duration_ms, done, "task");
        done
    }

    async fn work(&self, delivery: &Delivery, message: &Message, context: &Context) -> bool {
        let settled = match self.worker.admit(delivery).await {
            Some(settled) => settled,
            None => {
                let handled = self.handle(&delivery.task, context).await;
                self.worker.settle(delivery, handled).await
            }
        };
        match settled {
            Settled::Done => true,
            Settled::Again(pause) => {
                self.release(message, pause).await;
                false
            }
        }
    }

    async fn handle(&self, task: &Task, context: &Context) -> Result<()> {
        let now = self.clock.now();
        let end = Timestamp::try_from(context.deadline()).unwrap_or(now);
        let left = end.duration_since(now);
        let deadline = InvocationDeadline { near: end - MARGIN.min(left / 3) };
        let longest = Duration::try_from(left).unwrap_or_default().saturating_sub(LAST_SECONDS);
        let handled = tokio::time::timeout(longest, self.worker.handle(task, &deadline)).await;
        // A store that hangs ends its calls earlier; what takes longer than that takes too long every time.
        handled.unwrap_or_else(|_| Err(crate::error::Error::internal("the invocation's time was over")))
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
        let name = message.event_source_arn.rsplit(':').next().unwrap_or_default();
        let own = self.queues.iter().flatten().find(|url| url.rsplit('/').next() == Some(name));
        if let Some(url) = own {
            self.releases.release(url, &message.receipt_handle, pause).await;
        }
    }
}

/// What became of a message, for the job's history.
fn story(delivery: &Delivery, message: &Message) -> String {
    let sent = message.sent_at().map_or_else(|| "at an unknown time".to_owned(), |at| at.to_string());
    format!("{}, message {} sent {sent}", delivery.story(), message.id)
}
