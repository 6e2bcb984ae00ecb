//! The whole server: the merged routers, the workers and the hourly cleanup.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use domain::error::Result;
use domain::ports::expiring::ExpiringStore;
use domain::ports::jobs::{self, JobQuery};
use domain::ports::queue::Worker;
use futures_util::TryStreamExt;
use jiff::SignedDuration;
use local::{Local, LocalQueue};
use platform::Platform;
use settings::{Settings, log_filter};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use web::host::host;
use web::routes::Route;

use crate::mails::Mails;
use crate::worker::{Shutdown, step};
use crate::{Failure, connections};

/// The interval of the cleanup.
const CLEANUP: std::time::Duration = std::time::Duration::from_hours(1);
/// The interval at which expired entries are removed. It is short, because strangers can cause entries such as the requests of apps.
const SWEEP: std::time::Duration = std::time::Duration::from_mins(5);

/// Starts logging. The log has a line for each request, each action of staff and each step of an export.
pub fn log(settings: &Settings) -> Result<(), Failure> {
    let filter = log_filter(platform::telemetry::ON_ONE_MACHINE);
    if !platform::telemetry::is_filter(&filter) {
        return Err(Failure::new(format!(
            "EHI_LOG: '{filter}' is not a filter; use one such as info or info,request=warn"
        )));
    }
    platform::telemetry::on_one_machine(&filter, settings.log_format);
    Ok(())
}

/// The signals SIGTERM and SIGINT (Ctrl-C). After this value is created, they no longer end the process.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub fn new() -> Result<Self, Failure> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one of the signals.
    pub async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// A function behind HTTP: its name, the declarations of its routes, and its router.
pub type Function = (&'static str, fn() -> Vec<Route>, fn(&(dyn Platform + 'static)) -> Result<Router>);

/// The functions behind HTTP.
pub const FUNCTIONS: [Function; 8] = [
    ("kick-off", kick_off::routes, kick_off::router),
    ("customize", customize::routes, customize::router),
    ("status", status::routes, status::router),
    ("download", download::routes, download::router),
    ("my", my::routes, my::router),
    ("admin", admin::routes, admin::router),
    ("authorize", authorize::routes, authorize::router),
    ("metadata", metadata::routes, metadata::router),
];

/// Returns the declared routes of all functions, each with the name of its function.
pub fn routes() -> Vec<(&'static str, Route)> {
    let of = |(function, routes, _): &Function| {
        let function = *function;
        routes().into_iter().map(move |route| (function, route)).collect::<Vec<_>>()
    };
    FUNCTIONS.iter().flat_map(of).collect()
}

/// Returns the merged routers of all functions, without the layers of the host.
pub fn routers(platform: &(dyn Platform + 'static)) -> Result<Router> {
    FUNCTIONS.iter().try_fold(Router::new(), |merged, (_, _, router)| Ok(merged.merge(router(platform)?)))
}

/// A running server.
pub struct Server {
    pub address: SocketAddr,
    shutdown: Shutdown,
    serving: JoinHandle<()>,
    background: Vec<JoinHandle<()>>,
    /// The time in which workers must finish their current patient.
    patience: std::time::Duration,
}

impl Server {
    /// Starts serving. Unfinished jobs of an earlier process continue.
    pub async fn start(platform: Local, listener: TcpListener, workers: usize) -> Result<Self, Failure> {
        let address = listener.local_addr()?;
        let shutdown = Shutdown::default();
        for warning in platform.settings().warnings() {
            tracing::warn!("{warning}");
        }
        platform::audit::record_settings(&*platform.audit(), &platform.settings()).await?;
        resume(&platform).await?;
        let app = host(routers(&platform)?, platform.context());
        let limits = Arc::new(platform.settings().limits.clone());
        let patience = std::time::Duration::from_secs(limits.stop_seconds);
        let serving = tokio::spawn(connections::serve(listener, app, limits, shutdown.clone()));
        let worker = export_generator::worker(&platform)?;
        let mut background: Vec<_> = (0..workers)
            .map(|_| tokio::spawn(work(worker.clone(), platform.inbox(), shutdown.clone())))
            .collect();
        if let Some(mails) = Mails::of(&platform)? {
            background.push(tokio::spawn(mails.send_until(shutdown.clone())));
        }
        background.push(tokio::spawn(sweep(platform.expiring(), shutdown.clone())));
        background.push(tokio::spawn(clean(Arc::new(platform), shutdown.clone())));
        Ok(Self { address, shutdown, serving, background, patience })
    }

    /// Stops the server. Open requests are finished, and workers stop after the current patient; the next start continues their tasks.
    /// Requests and workers that need longer than `stop_seconds` are aborted. This is safe, because clients can resume downloads, and every
    /// task may run twice.
    pub async fn stop(self) -> Result<(), Failure> {
        self.shutdown.begin();
        let served = self.serving.await;
        let until = tokio::time::Instant::now() + self.patience;
        for mut task in self.background {
            if tokio::time::timeout_at(until, &mut task).await.is_err() {
                task.abort();
            }
        }
        served.map_err(|error| Failure::new(error.to_string()))
    }
}

/// Enqueues the tasks of unfinished jobs again, because an earlier process may not have enqueued them.
pub async fn resume(platform: &Local) -> Result<()> {
    use domain::job::JobState;

    let (jobs, queue) = (platform.jobs(), platform.queue());
    let query =
        JobQuery { states: vec![JobState::Queued, JobState::Running], count: 100, ..JobQuery::default() };
    let mut unfinished = jobs::all(&*jobs, query);
    while let Some(stored) = unfinished.try_next().await? {
        tracing::info!(job.id = %stored.job.id(), "job resumed");
        platform::exports::resume(&stored.job, &*queue).await?;
    }
    Ok(())
}

async fn work(worker: Arc<dyn Worker>, inbox: Arc<LocalQueue>, shutdown: Shutdown) {
    while !shutdown.has_begun() {
        match step(&*inbox, &*worker, &shutdown).await {
            Ok(true) => {}
            Ok(false) => tokio::select! {
                waited = inbox.wait() => if let Err(error) = waited { pause(&error).await },
                () = shutdown.begun() => {}
            },
            Err(error) => pause(&error).await,
        }
    }
}

/// Logs that the queue does not respond, and waits a second before the next attempt.
async fn pause(error: &domain::error::Error) {
    tracing::error!(error = %error, cause = error.causes(), "the queue does not respond");
    tokio::time::sleep(SignedDuration::from_secs(1).unsigned_abs()).await;
}

async fn clean(platform: Arc<Local>, shutdown: Shutdown) {
    loop {
        if let Err(error) = cleanup::run(platform.clone()).await {
            tracing::error!(error = %error, cause = error.causes(), "cleanup failed");
        }
        tokio::select! {
            () = tokio::time::sleep(CLEANUP) => {}
            () = shutdown.begun() => return,
        }
    }
}

async fn sweep(expiring: Arc<dyn ExpiringStore>, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(SWEEP) => {}
            () = shutdown.begun() => return,
        }
        if let Err(error) = expiring.sweep().await {
            tracing::error!(error = %error, cause = error.causes(), "expired entries cannot be removed");
        }
    }
}
