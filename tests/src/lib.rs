//! The World: a complete server, with which a test needs only a few lines. It runs in memory with a clock that stands still, on the
//! simulated AWS, or as a deployment.

pub mod browser;
pub mod deployed;
mod described;
pub mod emulated;
pub mod exports;
mod failure;
pub mod faults;
#[cfg(feature = "aws")]
pub mod faulty_client;
pub mod fuzz;
pub mod hooked;
mod http;
pub mod lake;
mod launch;
pub mod ledger;
pub mod links;
pub mod mail_server;
pub mod many;
pub mod packs;
pub mod parts;
pub mod service;
#[cfg(feature = "aws")]
pub mod simulated;
pub mod stories;
#[cfg(feature = "aws")]
pub mod template;
mod texts;

use self::deployed::Deployed;
pub use self::failure::{Failure, Result};
pub use self::http::{Call, TestResponse};
pub use self::launch::Launch;
#[cfg(feature = "aws")]
use self::simulated::Record;
#[cfg(feature = "aws")]
use self::simulated::account::{Account, Setup};
pub use self::texts::settings;
pub use both_hosts::{both_hosts, in_browser};
pub use inventory;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::http::{Method, Request, StatusCode};
use axum::Router;
use axum::body::Body;
use contract::{FixedClock, SeededRandom};
use domain::ports::queue::{NoDeadline, Worker};
use jiff::SignedDuration;
use local::Local;
use platform::Platform;
use serde_json::Value;
use settings::Settings;
use web::host::host;

pub const BASE_URL: &str = "http://localhost:8888";
pub const ANNA: &str = "anna-lindqvist";
pub const BRUNO: &str = "bruno-keller";
pub const PASSWORD: &str = "correct horse battery";

/// See the [module](self).
pub struct World {
    host: Host,
}

enum Host {
    Here(Box<Here>),
    Deployed(Deployed),
    #[cfg(feature = "aws")]
    Simulated(Box<Account>),
}

/// The server in memory.
struct Here {
    platform: Local,
    clock: FixedClock,
    app: Router,
    worker: Arc<dyn Worker>,
    /// The exports whose ledger was already checked.
    checked: ledger::Checked,
}

impl World {
    /// Returns a sandbox with the sample patients.
    pub fn new() -> Self {
        Self::with("sandbox = true", &ehi::defaults::sample_records())
    }

    /// Returns a World with additional settings and other records.
    pub fn with(more: &str, records: &Path) -> Self {
        Self::at(BASE_URL, more, records)
    }

    /// Returns a World at another base URL.
    pub fn at(base_url: &str, more: &str, records: &Path) -> Self {
        Self::of(&settings(more).replacen(BASE_URL, base_url, 1), records)
    }

    /// Returns a World with the text of all settings.
    pub fn of(text: &str, records: &Path) -> Self {
        let settings = Settings::parse(text, |_| None, None).expect("valid settings");
        let clock = FixedClock::at("2026-03-01T12:00:00Z".parse().expect("a time"));
        let random = Arc::new(SeededRandom::new(7));
        let platform =
            Local::in_memory(records, settings, Arc::new(clock.clone()), random).expect("a platform");
        Self::over(platform, clock)
    }

    pub fn over(platform: Local, clock: FixedClock) -> Self {
        let app = host(ehi::server::routers(&platform).expect("its ports"), platform.context());
        let worker = export_generator::worker(&platform).expect("its ports");
        let checked = ledger::Checked::default();
        Self { host: Host::Here(Box::new(Here { platform, clock, app, worker, checked })) }
    }

    /// Returns the World with workers that do their work in many small parts ([`parts`]).
    pub fn in_parts(self) -> Self {
        self.in_parts_of(parts::small())
    }

    /// Does the same with parts of these sizes.
    pub fn in_parts_of(mut self, sizes: export_generator::Sizes) -> Self {
        if let Host::Here(here) = &mut self.host {
            here.worker = parts::worker_of(&here.platform, sizes);
        }
        self
    }

    /// Returns a World with the text of all settings, whose store of files has links, as a bucket has.
    pub fn with_links(text: &str, records: &Path) -> Self {
        let mut world = Self::of(text, records);
        if let Host::Here(here) = &mut world.host {
            let hooked =
                hooked::Hooked { inner: Arc::new(here.platform.clone()), hook: Arc::new(links::Links) };
            here.app = host(ehi::server::routers(&hooked).expect("its ports"), hooked.context());
        }
        world
    }

    /// Returns a World over the deployment, with the settings of [`World::new`].
    pub fn deployed() -> Self {
        Self { host: Host::Deployed(Deployed::new()) }
    }

    fn here(&self) -> &Here {
        match &self.host {
            Host::Here(here) => here,
            _ => panic!("this story is for the process in memory"),
        }
    }

    /// Returns a World with the functions of the template on the simulated AWS; `record` collects the AWS calls of each function. It is
    /// created inside [`simulated::run`].
    #[cfg(feature = "aws")]
    pub fn simulated(setup: Setup, record: &Record) -> Self {
        let account = Account::new(setup, &ehi::defaults::sample_records(), record);
        Self { host: Host::Simulated(Box::new(account)) }
    }

    #[cfg(feature = "aws")]
    pub fn account(&self) -> &Account {
        match &self.host {
            Host::Simulated(account) => account,
            _ => panic!("this story is for the simulated AWS"),
        }
    }

    pub fn platform(&self) -> &Local {
        &self.here().platform
    }

    pub fn clock(&self) -> &FixedClock {
        &self.here().clock
    }

    pub async fn send(&self, request: Request<Body>) -> TestResponse {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = match &self.host {
            Host::Here(here) => TestResponse::of(here.app.clone(), request).await,
            Host::Deployed(deployed) => deployed.send(request).await,
            #[cfg(feature = "aws")]
            Host::Simulated(account) => account.send(request).await,
        };
        response.check_ledger();
        described::check(&method, &path, &response);
        response
    }

    /// Returns the time in seconds since 1970: the World's own, or the deployment's.
    pub fn now(&self) -> i64 {
        use domain::clock::{Clock, SystemClock};

        match &self.host {
            Host::Here(here) => here.clock.now().as_second(),
            Host::Deployed(_) => SystemClock.now().as_second(),
            #[cfg(feature = "aws")]
            Host::Simulated(account) => account.now(),
        }
    }

    /// Returns a request that the test completes and sends.
    pub fn request(&self, method: Method, path: &str) -> Call<'_> {
        let path = path.strip_prefix(BASE_URL).unwrap_or(path).to_owned();
        Call::new(self, method, path)
    }

    pub fn get(&self, path: &str) -> Call<'_> {
        self.request(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> Call<'_> {
        self.request(Method::POST, path)
    }

    /// Moves the clock forward.
    pub fn advance(&self, seconds: i64) {
        self.clock().advance(SignedDuration::from_secs(seconds));
    }

    /// Lets the workers finish all work that is due, and checks the ledgers of the exports.
    pub async fn work(&self) {
        let here = match &self.host {
            Host::Here(here) => here,
            Host::Deployed(deployed) => return deployed.work().await,
            #[cfg(feature = "aws")]
            Host::Simulated(account) => return account.work().await,
        };
        let inbox = here.platform.inbox();
        while ehi::worker::step(&*inbox, &*here.worker, &NoDeadline).await.expect("the queue responds") {}
        ledger::check_all(&here.platform, &here.checked).await;
    }

    /// Lets the workers do one task; returns false if none is due.
    pub async fn step(&self) -> bool {
        let here = self.here();
        ehi::worker::step(&*here.platform.inbox(), &*here.worker, &NoDeadline)
            .await
            .expect("the queue responds")
    }

    /// Sends the mails to patients that are due.
    pub async fn mail(&self) {
        let mails = ehi::mails::Mails::of(self.platform()).expect("a mail server");
        while let Some(mails) = &mails
            && mails.step().await.expect("the database responds")
        {}
    }

    pub async fn clean(&self) {
        cleanup::run(Arc::new(self.platform().clone())).await.expect("cleanup");
    }

    /// Signs in as a patient and agrees, as `client`; returns the token response.
    pub async fn tokens(&self, client: &str, patient: &str) -> Value {
        let launch = Launch::new(client);
        let code = self.code(&launch, patient).await;
        let response = self.redeem(&launch, &code).await;
        assert_eq!(response.status, StatusCode::OK, "{}", response.text());
        response.json()
    }

    /// Returns an access token of the app `app`.
    pub async fn token(&self, patient: &str) -> String {
        text(&self.tokens("app", patient).await["access_token"])
    }

    /// Follows the steps from `/auth/authorize` to the code.
    pub async fn code(&self, launch: &Launch, patient: &str) -> String {
        let login = self.get(&launch.authorize()).send().await.location();
        let request = parameter(&login, "request").expect("a request");
        let picked = self
            .post("/patient-login")
            .form(&[("request", request.as_str()), ("patient", patient)])
            .send()
            .await;
        assert_eq!(picked.status, StatusCode::SEE_OTHER, "{}", picked.text());
        let agreed = self
            .post("/authorize-app")
            .cookie(&picked)
            .form(&[("request", request.as_str()), ("decision", "allow")]);
        let back = agreed.send().await.location();
        parameter(&back, "code").expect("a code")
    }

    /// Signs a patient in on the way to a page of the server; the response has the cookie, and redirects to the page.
    pub async fn sign_patient_in(&self, patient: &str, page: &str) -> TestResponse {
        self.post("/patient-login").form(&[("next", page), ("patient", patient)]).send().await
    }

    pub async fn redeem(&self, launch: &Launch, code: &str) -> TestResponse {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &launch.redirect_uri),
            ("client_id", &launch.client),
            ("code_verifier", &launch.verifier),
        ];
        self.post("/auth/token").form(&fields).send().await
    }

    /// Starts an export; returns the path of its job.
    pub async fn kick_off(&self, token: &str, prefix: &str, patient: &str) -> String {
        let response =
            self.post(&format!("{prefix}/fhir/Patient/{patient}/$ehi-export")).bearer(token).send().await;
        assert_eq!(response.status, StatusCode::ACCEPTED, "{}", response.text());
        response.job()
    }

    /// Runs an export without form and review to its end; returns the path of its job.
    pub async fn exported(&self, token: &str, patient: &str) -> String {
        let job = self.kick_off(token, "/auto-approve/no-form", patient).await;
        self.work().await;
        job
    }

    /// Follows the link to a form; returns the response that begins its session, and the page.
    pub async fn open_form(&self, link: &str) -> (TestResponse, TestResponse) {
        let entered = self.get(link).send().await;
        let page = self.get(&entered.location()).cookie(&entered).send().await;
        (entered, page)
    }

    pub async fn status(&self, token: &str, job: &str) -> TestResponse {
        self.get(&format!("{job}/status")).bearer(token).send().await
    }

    /// Signs a staff member in; returns the response with the cookie.
    pub async fn staff(&self) -> TestResponse {
        let fields = [("username", "admin"), ("password", PASSWORD)];
        let response = self.post("/admin/login").form(&fields).send().await;
        assert_eq!(response.status, StatusCode::OK, "{}", response.text());
        response
    }

    /// Returns every resource of a complete export; the URLs of attachments are unchanged.
    pub async fn resources(&self, token: &str, job: &str) -> Vec<Value> {
        let manifest = self.status(token, job).await;
        assert_eq!(manifest.status, StatusCode::OK, "{}", manifest.text());
        let mut resources = Vec::new();
        for file in manifest.json()["output"].as_array().expect("output") {
            let response = self.get(&text(&file["url"])).bearer(token).send().await;
            assert_eq!(response.status, StatusCode::OK);
            let lines = response.lines();
            assert_eq!(file["count"], lines.len(), "{file}");
            assert!(lines.iter().all(|line| line["resourceType"] == file["type"]), "{file}");
            resources.extend(lines);
        }
        resources
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the URL of `/auth/authorize` with these fields.
pub fn authorize_path(fields: &[(&str, String)]) -> String {
    let mut url = url::Url::parse(&format!("{BASE_URL}/auth/authorize")).expect("a URL");
    url.query_pairs_mut().extend_pairs(fields);
    url.into()
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// Returns a field of a URL's query.
pub fn parameter(url: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(url).expect("a URL");
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Returns the lines of a patient's record as they are stored.
pub fn stored_lines(records: &Path, patient: &str) -> Vec<Value> {
    let directory = records.join("Patient").join(patient);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)
        .expect("a patient")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "ndjson"));
    paths.iter().flat_map(|path| json_lines(path)).collect()
}

pub fn json_lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("a file");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Returns `Type/id`.
pub fn reference(resource: &Value) -> String {
    format!("{}/{}", text(&resource["resourceType"]), text(&resource["id"]))
}
