//! An HTTP client around the real one of the AWS SDK: counts the calls, and makes some of them fail according to a plan.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::time::Sleep;

use crate::simulated::random::{mixed, strikes};

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The service throttles the call.
    Throttle,
    /// The service returns an internal error.
    ServerError,
    /// The connection breaks before the call arrives.
    Reset,
    /// The call has its effect, but its response is lost.
    LostResponse,
    /// The response breaks in the middle of its body.
    BrokenBody,
    /// The second half of the response's body arrives late.
    SlowBody,
    /// No response ever arrives.
    NoResponse,
    /// The call has its effect, and its response arrives after this time.
    Late(Duration),
}

impl Fault {
    /// The faults that a retry overcomes.
    pub const ALL: [Self; 6] = [
        Self::Throttle,
        Self::ServerError,
        Self::Reset,
        Self::LostResponse,
        Self::BrokenBody,
        Self::SlowBody,
    ];
}

/// The calls that a fault strikes.
#[derive(Debug, Clone, Copy)]
pub enum Plan {
    Nothing,
    /// The call with this number, counted from 0.
    Once(u64, Fault),
    /// Every call.
    Always(Fault),
    /// One call in this number (first value) fails, each with a fault of its own; the second value is the seed.
    OneIn(u64, u64),
    /// This number of every thousand calls (first value) is throttled; the second value is the seed.
    Throttled(u64, u64),
}

/// A client around a real one, which makes calls fail.
#[derive(Debug, Clone)]
pub struct FaultyClient {
    inner: SharedHttpClient,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    plan: Mutex<Plan>,
    calls: AtomicU64,
    struck: AtomicU64,
    /// The number of calls of each operation.
    operations: Mutex<BTreeMap<String, u64>>,
}

impl FaultyClient {
    pub fn over(inner: SharedHttpClient) -> Self {
        let state = State {
            plan: Mutex::new(Plan::Nothing),
            calls: AtomicU64::new(0),
            struck: AtomicU64::new(0),
            operations: Mutex::default(),
        };
        Self { inner, state: Arc::new(state) }
    }

    /// Follows a plan from now on and resets the counts.
    pub fn follow(&self, plan: Plan) {
        *self.state.plan.lock().unwrap_or_else(PoisonError::into_inner) = plan;
        self.state.calls.store(0, Ordering::SeqCst);
        self.state.struck.store(0, Ordering::SeqCst);
        self.state.operations.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Returns the number of calls since the plan was set.
    pub fn calls(&self) -> u64 {
        self.state.calls.load(Ordering::SeqCst)
    }

    /// Returns the number of calls that a fault struck since the plan was set.
    pub fn struck(&self) -> u64 {
        self.state.struck.load(Ordering::SeqCst)
    }

    /// Returns the number of calls of each operation since the plan was set.
    pub fn operations(&self) -> BTreeMap<String, u64> {
        self.state.operations.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl State {
    fn fault(&self) -> Option<Fault> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let fault = match *self.plan.lock().unwrap_or_else(PoisonError::into_inner) {
            Plan::Nothing => None,
            Plan::Once(at, fault) => (call == at).then_some(fault),
            Plan::Always(fault) => Some(fault),
            Plan::OneIn(rate, seed) => {
                let random = mixed(seed.wrapping_mul(1_000_003).wrapping_add(call));
                let kinds = Fault::ALL.len() as u64;
                random
                    .is_multiple_of(rate)
                    .then(|| Fault::ALL[usize::try_from(random / rate % kinds).unwrap_or(0)])
            }
            Plan::Throttled(of_thousand, seed) => strikes(seed, call, of_thousand).then_some(Fault::Throttle),
        };
        if fault.is_some() {
            self.struck.fetch_add(1, Ordering::SeqCst);
        }
        fault
    }
}

/// Returns the name of the operation: the target of a JSON protocol, or derived from the method and query of an S3 request.
fn operation(request: &HttpRequest) -> String {
    if let Some(target) = request.headers().get("x-amz-target") {
        return target.rsplit('.').next().unwrap_or_default().to_owned();
    }
    let query = request.uri().split_once('?').map_or("", |(_, query)| query);
    let parameter = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    match request.method() {
        "GET" if parameter("list-type") => "ListObjectsV2",
        "GET" if parameter("uploads") => "ListMultipartUploads",
        "GET" => "GetObject",
        "HEAD" => "HeadObject",
        "PUT" if parameter("partNumber") => "UploadPart",
        "PUT" => "PutObject",
        "POST" if parameter("uploads") => "CreateMultipartUpload",
        "POST" if parameter("uploadId") => "CompleteMultipartUpload",
        "POST" if parameter("delete") => "DeleteObjects",
        "DELETE" if parameter("uploadId") => "AbortMultipartUpload",
        _ => "other",
    }
    .to_owned()
}

impl HttpClient for FaultyClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { inner, state: self.state.clone() })
    }
}

#[derive(Debug)]
struct Connector {
    inner: SharedHttpConnector,
    state: Arc<State>,
}

fn broken() -> ConnectorError {
    ConnectorError::io(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into())
}

/// Returns the response with which S3 throttles a call.
fn slow_down() -> HttpResponse {
    let body = "<Error><Code>SlowDown</Code><Message>the test caused this</Message></Error>";
    HttpResponse::new(StatusCode::try_from(503).expect("a status"), SdkBody::from(body))
}

/// Returns an error response of the JSON protocols.
fn refusal(status: u16, code: &str) -> HttpResponse {
    let body = format!("{{\"__type\":\"{code}\",\"message\":\"the test caused this\"}}");
    let mut response =
        HttpResponse::new(StatusCode::try_from(status).expect("a status"), SdkBody::from(body.into_bytes()));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    response.headers_mut().insert("x-amzn-errortype", code.to_owned());
    response
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let name = operation(&request);
        let is_s3 = request.headers().get("x-amz-target").is_none();
        *self.state.operations.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
        let fault = self.state.fault();
        let inner = self.inner.clone();
        HttpConnectorFuture::new(async move {
            match fault {
                None => inner.call(request).await,
                Some(Fault::Throttle) if is_s3 => Ok(slow_down()),
                Some(Fault::Throttle) => Ok(refusal(400, "ThrottlingException")),
                Some(Fault::ServerError) => Ok(refusal(500, "InternalServerError")),
                Some(Fault::Reset) => Err(broken()),
                Some(Fault::LostResponse) => {
                    let response = inner.call(request).await?;
                    // The whole response was sent, but the caller does not get it.
                    let _ = response.into_body().collect().await;
                    Err(broken())
                }
                Some(Fault::NoResponse) => std::future::pending().await,
                Some(Fault::Late(after)) => {
                    let response = inner.call(request).await?;
                    tokio::time::sleep(after).await;
                    Ok(response)
                }
                Some(Fault::BrokenBody) => cut(inner.call(request).await?, true).await,
                Some(Fault::SlowBody) => cut(inner.call(request).await?, false).await,
            }
        })
    }
}

/// A body in two halves: the second half arrives late, or never.
struct Halves {
    first: Option<Bytes>,
    second: Option<Bytes>,
    wait: Pin<Box<Sleep>>,
    breaks: bool,
}

async fn cut(response: HttpResponse, breaks: bool) -> Result<HttpResponse, ConnectorError> {
    let (status, headers) = (response.status(), response.headers().clone());
    let whole = response.into_body().collect().await.map_err(|_| broken())?.to_bytes();
    let halves = Halves {
        first: Some(whole.slice(..whole.len() / 2)),
        second: Some(whole.slice(whole.len() / 2..)),
        wait: Box::pin(tokio::time::sleep(Duration::from_millis(30))),
        breaks,
    };
    let mut cut = HttpResponse::new(status, SdkBody::from_body_1_x(halves));
    *cut.headers_mut() = headers;
    Ok(cut)
}

impl Body for Halves {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if self.second.is_some() {
            std::task::ready!(self.wait.as_mut().poll(context));
        }
        let second = self.second.take();
        Poll::Ready(second.map(|second| {
            if self.breaks {
                Err(std::io::ErrorKind::ConnectionReset.into())
            } else {
                Ok(Frame::data(second))
            }
        }))
    }
}

/// Converts the client into the type that the SDK needs.
impl From<&FaultyClient> for SharedHttpClient {
    fn from(client: &FaultyClient) -> Self {
        Self::new(client.clone())
    }
}
