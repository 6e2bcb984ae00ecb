//! The HTTP client of one worker.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use http_body_util::BodyExt;
use tokio::sync::Notify;

use super::request::Call;
use super::response::SimulatedResponse;
use super::{Served, Simulation, Stage, sqs};

/// An HTTP client for the SDK. Clones belong to the same worker.
#[derive(Debug, Clone)]
pub struct Client {
    simulation: Simulation,
    worker: Arc<Worker>,
}

#[derive(Debug)]
struct Worker {
    stage: Mutex<Stage>,
    /// The time at which a fault ends the current work.
    dies_at: Mutex<Option<Duration>>,
    is_dead: AtomicBool,
    died: Notify,
}

impl Client {
    pub fn new(simulation: &Simulation, stage: Stage) -> Self {
        let worker = Worker {
            stage: Mutex::new(stage),
            dies_at: Mutex::default(),
            is_dead: AtomicBool::new(false),
            died: Notify::new(),
        };
        Self { simulation: simulation.clone(), worker: Arc::new(worker) }
    }

    pub fn simulation(&self) -> &Simulation {
        &self.simulation
    }

    /// Sets the stage that the worker begins, and how long the worker lives.
    pub fn begin(&self, stage: Stage, life: Option<Duration>) {
        *self.worker.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
        let now = self.simulation.clock().elapsed();
        *self.worker.dies_at.lock().unwrap_or_else(PoisonError::into_inner) = life.map(|life| now + life);
    }

    pub fn stage(&self) -> Stage {
        *self.worker.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks the worker as dead: neither it nor a task that it started gets a response any more.
    pub fn kill(&self) {
        self.worker.is_dead.store(true, Ordering::SeqCst);
        self.worker.died.notify_one();
    }

    fn is_dead(&self) -> bool {
        self.worker.is_dead.load(Ordering::SeqCst)
    }

    /// Waits until a fault kills the worker.
    pub async fn died(&self) {
        if !self.is_dead() {
            self.worker.died.notified().await;
        }
    }

    /// Returns the response to a request; never returns if the worker is dead.
    async fn send(&self, call: Option<Call>) -> Result<HttpResponse, ConnectorError> {
        let Some(call) = call else {
            return Err(ConnectorError::other("the simulation does not know this request".into(), None));
        };
        loop {
            if self.is_dead() {
                return std::future::pending().await;
            }
            match outside(|| self.serve(&call)) {
                Served::Response(after, response) => {
                    tokio::time::sleep(after).await;
                    if call.operation == "ReceiveMessage"
                        && let Some(wait) = sqs::waits(&call.body, &response)
                    {
                        self.wait_for_messages(wait).await;
                        return Ok(self.last_look(&call));
                    }
                    let sent = response.for_sdk();
                    outside(|| drop((response, call)));
                    return Ok(sent);
                }
                Served::Broken(after) => {
                    tokio::time::sleep(after).await;
                    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
                    return Err(ConnectorError::io(broken.into()));
                }
                Served::Dead => self.kill(),
            }
        }
    }

    fn serve(&self, call: &Call) -> Served {
        let stage = self.stage();
        let now = self.simulation.clock().elapsed();
        let dies_at = *self.worker.dies_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = dies_at.is_some_and(|dies_at| dies_at <= now);
        let served = self.simulation.state().serve(stage, call, now, is_over);
        if call.operation.starts_with("Send") || call.operation.starts_with("Change") {
            self.simulation.arrived().notify_waiters();
        }
        served
    }

    /// Waits until a message arrives, but no longer than `wait`.
    async fn wait_for_messages(&self, wait: Duration) {
        let arrived = self.simulation.arrived().notified();
        let _ = tokio::time::timeout(wait, arrived).await;
    }

    fn last_look(&self, call: &Call) -> HttpResponse {
        match self.serve(call) {
            Served::Response(_, response) => response.for_sdk(),
            Served::Broken(_) | Served::Dead => SimulatedResponse::new(500).for_sdk(),
        }
    }
}

impl HttpClient for Client {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Client {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.clone();
        let known = request.body().bytes().map(|body| outside(|| Call::read(&request, body)));
        match known {
            Some(call) => {
                drop(request);
                HttpConnectorFuture::new(async move { client.send(call).await })
            }
            // The body is a stream.
            None => HttpConnectorFuture::new(async move {
                let (parts, mut body) = request.into_parts_and_body();
                let mut sent = Vec::new();
                while let Some(frame) = body.frame().await {
                    let frame = frame.map_err(|error| ConnectorError::other(error, None))?;
                    // A worker holds only the piece that it sends.
                    outside(|| sent.extend_from_slice(frame.data_ref().map_or(&[][..], |data| &data[..])));
                }
                let call = outside(|| {
                    let call = Call::read(&parts, &sent);
                    drop(sent);
                    call
                });
                client.send(call).await
            }),
        }
    }
}

/// Splits a request into the request and its body.
trait IntoPartsAndBody {
    fn into_parts_and_body(self) -> (HttpRequest, aws_smithy_types::body::SdkBody);
}

impl IntoPartsAndBody for HttpRequest {
    fn into_parts_and_body(mut self) -> (HttpRequest, aws_smithy_types::body::SdkBody) {
        let body = self.take_body();
        (self, body)
    }
}

/// Runs a closure whose memory does not belong to the worker: see [`outside_memory`].
type Outside = fn(&mut dyn FnMut());
static OUTSIDE: OnceLock<Outside> = OnceLock::new();

/// Sets the function through which the memory counter learns what belongs to the simulation.
pub fn outside_memory(outside: Outside) {
    let _ = OUTSIDE.set(outside);
}

pub(crate) fn outside<T>(act: impl FnOnce() -> T) -> T {
    let Some(outside) = OUTSIDE.get() else { return act() };
    let (mut act, mut done) = (Some(act), None);
    outside(&mut || done = act.take().map(|act| act()));
    done.expect("the closure was run")
}
