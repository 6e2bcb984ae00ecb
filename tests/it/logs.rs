//! The program's log at the default level: a line for each request and each action of staff.

use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use http::StatusCode;
use serde_json::Value;
use tests::{ANNA, PASSWORD};

use crate::program::{Served, ehi};

/// Captures the log of this thread until it is dropped.
pub(crate) struct Captured {
    text: Arc<Mutex<Vec<u8>>>,
    _subscriber: tracing::subscriber::DefaultGuard,
}

impl Captured {
    pub(crate) fn start() -> Self {
        // With only one subscriber, `tracing` asks the subscriber of the thread that reaches a log line first. A thread
        // without one would then switch the line off for all threads.
        static SECOND: OnceLock<tracing::Dispatch> = OnceLock::new();
        SECOND.get_or_init(|| {
            tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(std::io::sink).finish())
        });
        let text = Arc::<Mutex<Vec<u8>>>::default();
        let writer = text.clone();
        let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || Captured::writer(&writer));
        Self { text, _subscriber: tracing::subscriber::set_default(log.finish()) }
    }

    fn writer(text: &Arc<Mutex<Vec<u8>>>) -> impl std::io::Write + use<> {
        struct Appends(Arc<Mutex<Vec<u8>>>);
        impl std::io::Write for Appends {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().expect("no panic").extend_from_slice(bytes);
                Ok(bytes.len())
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        Appends(text.clone())
    }

    /// Returns the lines that contain a text.
    pub(crate) fn with(&self, text: &str) -> Vec<String> {
        let log = String::from_utf8_lossy(&self.text.lock().expect("no panic")).into_owned();
        log.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }
}

/// Runs the program with this setting at the default log level; returns its log.
fn logged(setting: &str) -> String {
    let state = tempfile::tempdir().expect("a directory");
    let config = state.path().join("settings.toml");
    let settings = tests::settings(&format!("sandbox = true\n{setting}"));
    let settings = settings.replacen("base_url", "documentation_url", 1);
    std::fs::write(&config, settings).expect("written");
    let mut command: Command = ehi();
    command.env_remove("EHI_LOG");
    let server = Served::start_as(command, state.path(), &["--config", config.to_str().expect("a path")]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = reqwest::Client::new();
        let url = |path: &str| format!("{}{path}", server.base);
        let unknown = "01a1fb95-ab0a-7a46-aeea-001492bd7651";
        let refused = client.get(url(&format!("/fhir/r4/$export-status/{unknown}"))).send().await;
        assert_eq!(refused.expect("a response").status(), StatusCode::UNAUTHORIZED);
        let portal = format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id=app");
        client.get(url(&portal)).send().await.expect("a response");
        let fields = [("username", "admin"), ("password", PASSWORD)];
        let staff = client.post(url("/admin/login")).form(&fields).send().await.expect("a response");
        assert_eq!(staff.status(), StatusCode::OK);
        let cookie =
            staff.headers()["set-cookie"].to_str().expect("text").split(';').next().unwrap_or_default();
        let left =
            client.get(url("/admin/logout")).header("cookie", cookie).send().await.expect("a response");
        assert_eq!(left.status(), StatusCode::OK);
    });
    let log = server.stop().expect("the program exits successfully");
    // The log starts after the greeting, which ends with this line if it has nothing to suggest.
    log.split_once("patients are picked instead of signing in").expect("a greeting").1.to_owned()
}

#[test]
fn each_request_and_each_action_of_staff_has_a_line() {
    let log = logged("");
    assert!(!log.contains('\u{1b}'), "no colours in a file: {log}");
    assert!(log.contains("/fhir/r4/$export-status/{job}"), "{log}");
    assert!(log.contains("/fhir/Patient/{patient}/$ehi-export/customize"), "{log}");
    for action in ["signed in", "signed out"] {
        assert!(log.lines().any(|line| line.contains(action) && line.contains("admin")), "{action}: {log}");
    }
    for secret in [ANNA, PASSWORD, "sid="] {
        assert!(!log.contains(secret), "the log has {secret}: {log}");
    }
}

#[test]
fn each_line_of_the_json_log_is_an_object() {
    let log = logged("log_format = \"json\"");
    let lines: Vec<Value> = log
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    let route =
        |line: &Value| line["http.route"] == "/fhir/r4/$export-status/{job}" && line["http.status"] == 401;
    assert!(lines.iter().any(route), "{log}");
    assert!(lines.iter().any(|line| line["staff"] == "admin" && line["action"] == "signed in"), "{log}");
}

#[test]
fn files_beside_the_records_that_no_export_reads_are_named_at_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let make = |name: &str| std::fs::create_dir(directory.path().join(name)).expect("a directory");
    for name in ["Patient", "shared", "Group", "deleted", ".load-x"] {
        make(name);
    }
    let log = Captured::start();
    let start = || drop(tests::World::with("sandbox = true", directory.path()));
    start();
    assert_eq!(log.with("never exported"), Vec::<String>::new());
    for number in 0..12 {
        make(&format!("old{number:02}"));
    }
    std::fs::write(directory.path().join("Observation.ndjson"), "").expect("written");
    start();
    let lines = log.with("never exported");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("Observation.ndjson, old00,") && lines[0].contains("ehi load"), "{lines:?}");
    assert!(lines[0].contains("old08") && !lines[0].contains("old09"), "ten are named: {lines:?}");
    assert!(lines[0].contains("more=3") && !lines[0].contains(".load-x"), "{lines:?}");
}

/// One search for a job's id finds the request that started it.
#[tokio::test]
async fn the_request_that_starts_an_export_names_its_job() {
    let log = Captured::start();
    let world = tests::World::new();
    let job = world.kick_off(&world.token(ANNA).await, "", ANNA).await;
    let lines = log.with("/fhir/Patient/{patient}/$ehi-export");
    let id = job.trim_start_matches("/jobs/");
    assert!(lines.iter().any(|line| line.contains(id) && line.contains("202")), "{lines:?}");
}
