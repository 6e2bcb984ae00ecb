//! The cold start of every Lambda function: it connects the platform, creates the router or worker, and serves.
//!
//! If a setting is missing, a worker does not start, and one line names the setting. A function that serves requests
//! returns 503 to all of them and logs the same line.

pub mod changes;
pub mod mails;
pub mod messages;
mod served;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use axum::Router;
use crypto::OsRandom;
use domain::clock::{Clock, SystemClock};
use domain::error::Result;
use domain::ports::events::Events;
use domain::ports::queue::Worker;
use jiff::Timestamp;
use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};
use lambda_runtime::{LambdaEvent, service_fn};
use platform::Platform;
use platform::hidden::VISIBILITY;
use platform::telemetry::{self, Deployment, Metric};
use security::address::PeerAddress;
use serde_json::Value;
use settings::log_filter;
use settings::resources::Resources;
use tokio::time::Instant;
use tower::ServiceExt;
use web::host::{RespondBy, host};

use self::changes::{Announcer, Changes};
use self::mails::{MailServer, Mails};
use self::messages::{Batch, Consumer};
use self::served::{App, Connect};
use crate::{Aws, Caller, sdk_of_function};

pub use lambda_http::Error;

/// Serves a function's router on the Lambda runtime. While a secret or a setting is missing, it is read again later, and
/// every request gets 503. `router` takes [`Aws`] itself and not any [`Platform`], so that the program contains only the
/// clients of the ports that the function uses.
pub async fn serve(router: fn(&Aws) -> Result<Router>) -> Result<(), Error> {
    serve_after(|_| Box::pin(async { Ok(()) }), router).await
}

/// Like [`serve`], for the one function that records changes of the settings in the audit trail.
pub async fn serve_and_record_settings(router: fn(&Aws) -> Result<Router>) -> Result<(), Error> {
    let record = |aws: &Aws| {
        let (log, settings) = (aws.audit(), aws.settings());
        let recorded = async move { platform::audit::record_settings(&*log?, &settings).await };
        Box::pin(recorded) as Before
    };
    serve_after(record, router).await
}

/// What a function does before its router is created.
type Before = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

async fn serve_after(before: fn(&Aws) -> Before, router: fn(&Aws) -> Result<Router>) -> Result<(), Error> {
    let sdk = sdk_and_log(Caller::Request).await;
    let connection = Connection { before, router, sdk, resources: resources() };
    let app = App::start(connection, clock(), random()).await;
    let app = &app;
    lambda_http::run(service_fn(move |request: Request| async move {
        let request = with_time(with_address(request));
        match app.router().await.oneshot(request).await {
            Ok(response) => Ok::<_, Error>(response),
            Err(never) => match never {},
        }
    }))
    .await
}

/// Adds the caller's address to the request, where [`host`] reads it. The address is that of API Gateway; headers are not
/// trusted.
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

/// The maximum time for a request. Together with a cold start it is shorter than the 30 seconds that API Gateway waits.
const LONGEST_REQUEST: Duration = Duration::from_secs(20);
/// The part of the invocation's time that is reserved for sending the response.
const SENDING: Duration = Duration::from_secs(2);

/// Returns the time at which the response to a request that arrives now must be ready. `left` is the remaining time of
/// the invocation.
pub fn respond_by(left: Duration) -> RespondBy {
    RespondBy(Instant::now() + LONGEST_REQUEST.min(left.saturating_sub(SENDING)))
}

/// Adds the deadline of the request to the request, where [`host`] reads it.
fn with_time(mut request: Request) -> Request {
    let ends = request.lambda_context_ref().and_then(|context| Timestamp::try_from(context.deadline()).ok());
    let left = ends.map_or(Duration::MAX, |ends| {
        Duration::try_from(ends.duration_since(SystemClock.now())).unwrap_or_default()
    });
    request.extensions_mut().insert(respond_by(left));
    request
}

/// Runs a scheduled function on the Lambda runtime.
pub async fn schedule<F>(run: fn(Arc<Aws>) -> F) -> Result<(), Error>
where
    F: Future<Output = Result<()>>,
{
    let aws = Arc::new(started(Aws::without_secrets(
        sdk_and_log(Caller::Worker).await,
        resources(),
        clock(),
        random(),
    ))?);
    // Missing variables are reported at the start, not at the first run.
    started(aws.jobs())?;
    started(aws.files())?;
    started(aws.queue())?;
    started(aws.expiring())?;
    started(aws.audit())?;
    let handler = |_: LambdaEvent<Value>| async { run(aws.clone()).await.map_err(logged) };
    lambda_runtime::run(service_fn(handler)).await
}

/// Runs a queue worker on the Lambda runtime. If `EHI_DEAD_LETTERS` is set, the messages are dead letters,
/// and their jobs fail.
pub async fn consume(worker: fn(&Aws) -> Result<Arc<dyn Worker>>) -> Result<(), Error> {
    let resources = resources();
    let aws = started(Aws::without_secrets(
        sdk_and_log(Caller::Worker).await,
        resources.clone(),
        clock(),
        random(),
    ))?;
    let consumer = Consumer {
        worker: started(worker(&aws))?,
        visibility: aws.visibility(),
        queues: ["EHI_SMALL_QUEUE", "EHI_LARGE_QUEUE"]
            .into_iter()
            .filter_map(|name| resources.get(name).map(str::to_owned))
            .collect(),
        clock: clock(),
        takes_dead_letters: resources.flag("EHI_DEAD_LETTERS"),
        hidden: VISIBILITY,
    };
    let consumer = &consumer;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Batch>| async move {
        let ends = Timestamp::try_from(event.context.deadline()).unwrap_or_else(|_| consumer.clock.now());
        Ok::<_, Error>(Box::pin(consumer.batch(event.payload, ends)).await)
    }))
    .await
}

/// Returns the event bus of a deployment.
pub type Bus = fn(&SdkConfig, &Resources) -> Result<Arc<dyn Events>>;

/// Runs a function that reads changes of jobs from the stream of the table of jobs. If it has an event bus, it publishes
/// them as events; otherwise it sends mails to patients.
pub async fn announce(bus: Bus, server: MailServer) -> Result<(), Error> {
    let (sdk, resources) = (sdk_and_log(Caller::Worker).await, resources());
    if resources.get("EHI_EVENT_BUS").is_none() {
        return mail_patients(Mails { sdk, resources, clock: clock(), random: random(), server }).await;
    }
    let settings =
        Aws::without_secrets(sdk.clone(), resources.clone(), clock(), random()).map_err(refusal)?.settings();
    let announcer = Announcer {
        events: bus(&sdk, &resources).map_err(refusal)?,
        source: settings.base_url.clone(),
        stage: deployment(&resources).stage,
    };
    let announcer = &announcer;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Changes>| async move {
        announcer.announce(&event.payload).await.map_err(logged)
    }))
    .await
}

async fn mail_patients(mails: Mails) -> Result<(), Error> {
    let mails = &mails;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Changes>| async move {
        mails.send(&event.payload).await.map_err(logged)
    }))
    .await
}

/// Returns the names of this deployment, of which an account may have several.
fn deployment(resources: &Resources) -> Deployment {
    let name = |variable| resources.get(variable).unwrap_or("none").to_owned();
    Deployment { stage: name("EHI_STAGE"), stack: name("EHI_STACK") }
}

async fn sdk_and_log(caller: Caller) -> SdkConfig {
    let filter = log_filter(telemetry::ON_LAMBDA);
    telemetry::for_machines(&filter, deployment(&resources()));
    // In a test, panics keep their usual format.
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() {
        telemetry::panics_as_lines();
    }
    telemetry::metrics(&[(Metric::ColdStarts, 1)]);
    sdk_of_function(caller).await
}

fn resources() -> Arc<Resources> {
    Arc::new(Resources::load())
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

fn random() -> Arc<OsRandom> {
    Arc::new(OsRandom)
}

fn started<T>(connected: Result<T>) -> Result<T, Error> {
    connected.map_err(refusal)
}

/// Returns the reason why a function does not start, with its cause, in one line.
fn refusal(error: domain::error::Error) -> Error {
    let cause = error.causes();
    let text = if cause.is_empty() { error.to_string() } else { format!("{error}: {cause}") };
    format!("the function cannot start: {text}").into()
}

fn logged(error: domain::error::Error) -> Error {
    tracing::error!(error = %error, cause = error.causes(), "the run failed");
    error.into()
}

/// Creates a function's router from its secrets.
struct Connection {
    before: fn(&Aws) -> Before,
    router: fn(&Aws) -> Result<Router>,
    sdk: SdkConfig,
    resources: Arc<Resources>,
}

impl Connect for Connection {
    async fn connect(&self, known: Option<&str>) -> Result<Option<(Router, String)>> {
        let (sdk, resources) = (self.sdk.clone(), self.resources.clone());
        let Some((platform, version)) = Aws::connect(sdk, resources, clock(), random(), known).await? else {
            return Ok(None);
        };
        (self.before)(&platform).await?;
        let app = host((self.router)(&platform)?, platform.context());
        for warning in platform.settings().warnings() {
            tracing::warn!("{warning}");
        }
        Ok(Some((app, version)))
    }
}
