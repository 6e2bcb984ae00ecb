//! The World over a deployment: the functions behind their API, with real queues and a real clock. `cargo xtask
//! test` deploys it to an emulator on this machine and sets variables with its URLs.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use ::http::{Request, StatusCode};
use axum::body::Body;
use domain::ids::JobId;
use http_body_util::BodyExt;
use serde_json::Value;

use crate::{BASE_URL, PASSWORD, TestResponse, settings};

/// The time in which a job must stop running.
const PATIENCE: Duration = Duration::from_mins(2);

/// See the [module](self).
pub struct Deployed {
    url: String,
    client: reqwest::Client,
    /// The paths of the jobs that this World started.
    jobs: Mutex<BTreeSet<String>>,
    staff: tokio::sync::OnceCell<String>,
}

/// The jobs of Worlds that have ended. The next request deletes them: a client may have only some unfinished exports of a patient, and all
/// stories share the deployment.
static LEFT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

impl Drop for Deployed {
    fn drop(&mut self) {
        let jobs = std::mem::take(self.jobs.get_mut().unwrap_or_else(PoisonError::into_inner));
        LEFT.lock().unwrap_or_else(PoisonError::into_inner).extend(jobs);
    }
}

/// Returns a variable that `cargo xtask test` sets.
#[expect(clippy::disallowed_methods, reason = "the URL of the deployment is not a setting of the server")]
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test`"))
}

/// Runs the AWS command line against the deployment's emulator; returns its output.
pub fn aws(arguments: &[&str]) -> Value {
    let mut command = Command::new(variable("EHI_TEST_AWS"));
    // The command line uses an older URL for queues than its environment says, so the URL is an argument.
    command.args(arguments).args(["--output", "json", "--endpoint-url", &variable("AWS_ENDPOINT_URL")]);
    let output = command.output().expect("the AWS command line");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

impl Deployed {
    pub(crate) fn new() -> Self {
        put_settings();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        Self {
            url: variable("EHI_TEST_URL"),
            client: client.build().expect("a client"),
            jobs: Mutex::default(),
            staff: tokio::sync::OnceCell::new(),
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> TestResponse {
        let left = std::mem::take(&mut *LEFT.lock().unwrap_or_else(PoisonError::into_inner));
        for job in left {
            let cookie = self.staff.get_or_init(|| self.sign_in()).await;
            let delete = Request::delete(format!("/admin{job}")).header("cookie", cookie).body(Body::empty());
            // Most of them are deleted already, or have ended.
            self.exchange(delete.expect("a request")).await;
        }
        self.exchange(request).await
    }

    async fn exchange(&self, request: Request<Body>) -> TestResponse {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let response = self
            .client
            .request(parts.method, format!("{}{}", self.url, parts.uri))
            .headers(parts.headers)
            .body(body)
            .send()
            .await
            .expect("the deployment responds");
        let (status, headers) = (response.status(), response.headers().clone());
        let response =
            TestResponse { status, headers, body: response.bytes().await.expect("a body").to_vec() };
        let started = match status {
            StatusCode::ACCEPTED => response.header("content-location"),
            // The form without an app leads to the page of the export.
            StatusCode::SEE_OTHER => response.header("location"),
            _ => "",
        };
        // In every dialect, one of the segments is the id.
        if let Some(path) = started.strip_prefix(BASE_URL)
            && let Some(id) = path.split(['/', '?']).find(|part| JobId::parse(part).is_ok())
        {
            self.jobs.lock().unwrap_or_else(PoisonError::into_inner).insert(format!("/jobs/{id}"));
        }
        response
    }

    /// Waits until the workers have finished every job that this World started.
    pub(crate) async fn work(&self) {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let begun = Instant::now();
        for job in jobs {
            while self.status(&job).await == "requested" {
                assert!(begun.elapsed() < PATIENCE, "{job} does not stop running");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    /// Returns a job's status as staff see it; empty if the job no longer exists.
    async fn status(&self, job: &str) -> String {
        let cookie = self.staff.get_or_init(|| self.sign_in()).await;
        let get = Request::get(format!("/admin{job}")).header("cookie", cookie).body(Body::empty());
        let response = self.exchange(get.expect("a request")).await;
        if response.status == StatusCode::NOT_FOUND {
            return String::new();
        }
        assert_eq!(response.status, StatusCode::OK, "{}", response.text());
        crate::text(&response.json()["status"])
    }

    async fn sign_in(&self) -> String {
        let body = serde_json::json!({ "username": "admin", "password": PASSWORD }).to_string();
        let post = Request::post("/admin/login").header("content-type", "application/json").body(body.into());
        let response = self.exchange(post.expect("a request")).await;
        assert_eq!(response.status, StatusCode::OK, "{}", response.text());
        response.cookie()
    }
}

/// Gives the settings of the tests to the deployment, once and before its first request.
fn put_settings() {
    static PUT: OnceLock<()> = OnceLock::new();
    PUT.get_or_init(|| {
        let put = Command::new(variable("EHI_TEST_AWS"))
            .args([
                "secretsmanager",
                "put-secret-value",
                "--secret-id",
                &variable("EHI_TEST_SETTINGS_SECRET"),
            ])
            .args(["--secret-string", &settings("")])
            .stdout(Stdio::null())
            .status();
        assert!(put.expect("the AWS command line").success());
    });
}
