//! The World on the simulated AWS: each function of `template.yaml` with its own HTTP client and the variables that the
//! template gives it, behind the template's routes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::http::Request;
use aws::lambda::messages::Consumer;
use aws::{Aws, Caller};
use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use axum::Router;
use axum::body::Body;
use domain::clock::Clock;
use domain::error::Result;
use domain::ids::JobId;
use futures_util::FutureExt;
use platform::Platform;
use platform::hidden::VISIBILITY;
use settings::Settings;
use settings::resources::Resources;
use tokio::sync::OnceCell;
use web::host::host;

use super::functions::{Function, Functions};
use super::names::{AUDIT_TABLE, FILES_BUCKET, GRANTS_TABLE, JOBS_TABLE, LAKE_BUCKET};
use super::platform::{queue_url, random, sdk_over};
use super::recorder::{Record, Recorder};
use super::sqs::{DEAD_LETTERS, LARGE_QUEUE, SMALL_QUEUE};
use super::{Client, Simulation, Stage};
use crate::TestResponse;
use crate::template::{Deployed, Routes, Template};

/// The functions that take messages, and their queues.
const WORKERS: [(&str, &str); 3] = [
    (SMALL_QUEUE, "SmallGeneratorFunction"),
    (LARGE_QUEUE, "LargeGeneratorFunction"),
    (DEAD_LETTERS, "DeadLettersFunction"),
];

/// Returns the template as it is deployed in the simulated account.
pub fn deployed(parameters: &[(&str, &str)]) -> Deployed {
    let names = [
        ("JobsTable", JOBS_TABLE.to_owned()),
        ("GrantsTable", GRANTS_TABLE.to_owned()),
        ("AuditTable", AUDIT_TABLE.to_owned()),
        ("SmallQueue", queue_url(SMALL_QUEUE)),
        ("LargeQueue", queue_url(LARGE_QUEUE)),
        ("DeadLetterQueue", queue_url(DEAD_LETTERS)),
        ("FilesBucket", FILES_BUCKET.to_owned()),
        ("RecordsBucket", LAKE_BUCKET.to_owned()),
    ];
    let ours = [("Sandbox", "true"), ("SandboxInPublic", "true"), ("BaseUrl", crate::BASE_URL)];
    Deployed::new(Template::load(), &[&ours, parameters].concat(), &names)
}

/// The differences of a deployment from that of the other stories.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setup {
    /// Additional lines of the settings file.
    pub settings: &'static str,
    /// Parameters of the template.
    pub parameters: &'static [(&'static str, &'static str)],
}

/// A function that serves requests. It is started by its first request, as on Lambda.
struct App {
    router: fn(&(dyn Platform + 'static)) -> Result<Router>,
    /// The seed of its random values.
    number: u64,
    started: OnceCell<Router>,
}

/// See the [module](self).
pub struct Account {
    simulation: Simulation,
    deployed: Deployed,
    routes: Routes,
    /// The functions that serve requests, by their logical id.
    apps: BTreeMap<String, App>,
    record: Record,
    settings: Arc<str>,
    /// The number of workers' environments that were started: each has random values of its own.
    environments: Arc<AtomicU64>,
    /// The number of requests of clients and browsers.
    requests: AtomicU64,
}

impl Account {
    /// Deploys the template over these records. It is called inside [`run`](super::run).
    pub fn new(setup: Setup, records: &Path, record: &Record) -> Self {
        let deployed = deployed(setup.parameters);
        let functions = deployed.template().functions();
        let app = |(number, (name, _, router)): (u64, ehi::server::Function)| {
            let (id, _) = functions.iter().find(|(_, (binary, _))| *binary == name).expect("a function");
            ((*id).to_owned(), App { router, number, started: OnceCell::new() })
        };
        let apps = (1..).zip(ehi::server::FUNCTIONS).map(app).collect();
        let account = Self {
            simulation: Simulation::new(),
            routes: deployed.template().routes(),
            deployed,
            apps,
            record: record.clone(),
            settings: crate::settings(&format!("sandbox = true\n{}", setup.settings)).into(),
            environments: Arc::default(),
            requests: AtomicU64::new(0),
        };
        for key in crate::lake::files(records) {
            let bytes = std::fs::read(records.join(&key)).expect("a file");
            account.simulation.store(&format!("lake/{key}"), bytes);
        }
        account
    }

    pub fn simulation(&self) -> &Simulation {
        &self.simulation
    }

    /// Starts a function that serves requests.
    async fn start(&self, id: &str, app: &App) -> Router {
        let function = self.function(id);
        let sdk = function.sdk(Client::new(&self.simulation, Stage::Outside), Caller::Request).await;
        let clock = Arc::new(self.simulation.clock());
        let connected = Aws::connect(sdk, function.resources.clone(), clock, random(app.number), None);
        let (platform, _) = Box::pin(connected).await.expect("it starts").expect("a first connection");
        let router = (app.router)(&platform).unwrap_or_else(|error| panic!("{id}: {error}"));
        host(router, platform.context())
    }

    fn function(&self, id: &str) -> Environment {
        let globals = &self.deployed.template().document()["Globals"]["Function"]["Environment"]["Variables"];
        let (_, function) = self.deployed.template().functions()[id];
        let own = &function["Properties"]["Environment"]["Variables"];
        let variables = [globals, own].into_iter().flat_map(|variables| {
            let variables = self.deployed.evaluate(variables);
            let variables = variables.as_object().expect("variables").clone();
            variables.into_iter().map(|(name, value)| (name, value.as_str().expect("text").to_owned()))
        });
        let variables: BTreeMap<_, _> = variables.collect();
        Environment {
            id: id.to_owned(),
            resources: Arc::new(Resources::of(|name| variables.get(name).cloned())),
            timeout: Duration::from_secs(function["Properties"]["Timeout"].as_u64().expect("seconds")),
            variables,
            record: self.record.clone(),
            settings: self.settings.clone(),
        }
    }

    /// Returns the number of requests of clients and browsers until now.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> TestResponse {
        self.requests.fetch_add(1, Ordering::SeqCst);
        // API Gateway decodes the path before it matches it.
        let path = request.uri().path().replace("%24", "$");
        let function = self.routes.function(request.method().as_str(), &path);
        let app = self.apps.get(function).unwrap_or_else(|| panic!("{path} reaches {function}"));
        let started = app.started.get_or_init(|| Box::pin(self.start(function, app))).await;
        TestResponse::of(started.clone(), request).await
    }

    pub(crate) fn now(&self) -> i64 {
        self.simulation.clock().now().as_second()
    }

    /// Lets workers handle all messages, including dead letters, until the queues are empty.
    pub(crate) async fn work(&self) {
        loop {
            let full = WORKERS.iter().find(|(queue, _)| !self.simulation.messages(queue).is_empty());
            let Some((queue, function)) = full else { return };
            let worker = Functions::new(&self.simulation, self.worker(queue, function));
            let is_empty = |simulation: &Simulation| simulation.messages(queue).is_empty();
            worker.run_until(is_empty).await.expect("the queue is emptied");
        }
    }

    fn worker(&self, queue: &'static str, id: &str) -> Function {
        let environment = Arc::new(self.function(id));
        let timeout = environment.timeout;
        let begun = self.environments.clone();
        let make = move |client: Client, _: u64| {
            let (environment, number) = (environment.clone(), begun.fetch_add(1, Ordering::SeqCst));
            async move { environment.consumer(client, number).await }.boxed()
        };
        Function { queue, concurrency: 2, timeout, make: Arc::new(make) }
    }

    /// Runs cleanup once.
    pub async fn clean(&self) {
        let environment = self.function("CleanupFunction");
        let number = self.environments.fetch_add(1, Ordering::SeqCst);
        let platform = environment.platform(Client::new(&self.simulation, Stage::Outside), number).await;
        cleanup::run(Arc::new(platform)).await.expect("cleanup");
    }

    /// Lets time pass.
    pub async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Stores what a worker that died leaves behind: a file that no manifest names, and an upload that is not completed.
    pub fn leave_orphans(&self, job: &JobId) {
        let key = format!("exports/{job}/left/Patient.ndjson");
        let mut state = self.simulation.state();
        let bucket = state.s3.bucket_mut(FILES_BUCKET).expect("the bucket of files");
        bucket.store(&key, "{}".into(), None);
        bucket.leave_upload(&key);
    }

    /// Returns whether the bucket of files has objects or uploads of a job.
    pub fn has_files(&self, job: &JobId) -> bool {
        let prefix = format!("exports/{job}/");
        self.simulation.has_open_uploads() || !self.simulation.files_below(&prefix).is_empty()
    }

    /// Removes all messages of exports from their queues and returns them.
    pub fn lose_messages(&self) -> Vec<String> {
        let now = self.simulation.clock().elapsed();
        let mut state = self.simulation.state();
        let mut lost = Vec::new();
        for queue in [SMALL_QUEUE, LARGE_QUEUE] {
            while let Some(message) = state.sqs.take(queue, None, now) {
                state.sqs.delete(queue, &message.receipt());
                lost.push(message.body);
            }
        }
        lost
    }

    /// Moves all messages to the dead letters, as after the maximum number of deliveries.
    pub fn move_to_dead_letters(&self) {
        let now = self.simulation.clock().elapsed();
        for body in self.lose_messages() {
            self.simulation.state().sqs.send(DEAD_LETTERS, body, now, now).expect("the queue exists");
        }
    }

    /// Returns the SDK configuration and the resources of a function, as `aws::lambda` passes them on.
    pub async fn configuration(&self, id: &str) -> (SdkConfig, Arc<Resources>) {
        let environment = self.function(id);
        let sdk = environment.sdk(Client::new(&self.simulation, Stage::Outside), Caller::Worker).await;
        (sdk, environment.resources)
    }
}

/// A function with the variables from the template.
struct Environment {
    id: String,
    variables: BTreeMap<String, String>,
    resources: Arc<Resources>,
    timeout: Duration,
    record: Record,
    settings: Arc<str>,
}

impl Environment {
    async fn sdk(&self, client: Client, caller: Caller) -> SdkConfig {
        let (function, record, settings) = (self.id.clone(), self.record.clone(), self.settings.clone());
        sdk_over(SharedHttpClient::new(Recorder { function, client, record, settings }), caller).await
    }

    /// Returns the platform of a function that has no secrets.
    async fn platform(&self, client: Client, number: u64) -> Aws {
        let clock = Arc::new(client.simulation().clock());
        let settings = Settings::parse("", |name| self.variables.get(name).cloned(), None);
        let settings = settings.unwrap_or_else(|wrong| panic!("{}: {:?}", self.id, wrong.0));
        Aws::new(
            self.sdk(client, Caller::Worker).await,
            self.resources.clone(),
            settings,
            None,
            clock,
            random(100 + number),
        )
    }

    async fn consumer(&self, client: Client, number: u64) -> Arc<Consumer> {
        let platform = self.platform(client, number).await;
        let worker = export_generator::worker(&platform);
        let worker = worker.unwrap_or_else(|error| panic!("{}: {error}", self.id));
        Arc::new(Consumer {
            worker,
            visibility: platform.visibility(),
            queues: ["EHI_SMALL_QUEUE", "EHI_LARGE_QUEUE"]
                .into_iter()
                .filter_map(|name| self.resources.get(name).map(str::to_owned))
                .collect(),
            clock: platform.clock(),
            takes_dead_letters: self.resources.flag("EHI_DEAD_LETTERS"),
            hidden: VISIBILITY,
        })
    }
}
