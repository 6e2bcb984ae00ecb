//! The `ehi` program, run as a process of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use serde_json::{Value, json};
use tests::{ANNA, json_lines};

use crate::client::names;
use crate::house::root;

/// Returns a command for the program, built like these tests.
pub(crate) fn ehi() -> Command {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let program = BUILT.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--workspace", "--all-features", "--bin", "ehi"]).current_dir(root());
        assert!(build.status().expect("cargo").success(), "the program builds");
        let test = std::env::current_exe().expect("this test");
        test.ancestors().nth(2).expect("the target directory").join("ehi")
    });
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}

pub(crate) fn run(command: &mut Command) -> Output {
    command.output().expect("the program runs")
}

pub(crate) fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn lines_below(directory: &Path) -> usize {
    let files =
        std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "ndjson"))
        .map(|path| json_lines(&path).len())
        .sum()
}

/// A server that is stopped with the test.
pub(crate) struct Served {
    pub(crate) child: Child,
    pub(crate) base: String,
    /// The log of the server. It arrives when the process has ended, which closes its end of the pipe.
    log: Receiver<String>,
}

impl Served {
    fn start(state: &Path) -> Self {
        Self::start_with(state, &[])
    }

    fn start_with(state: &Path, more: &[&str]) -> Self {
        Self::start_as(ehi(), state, more)
    }

    /// Starts a server; `command` is the program, or a command that starts it.
    pub(crate) fn start_as(mut command: Command, state: &Path, more: &[&str]) -> Self {
        command.args(["serve", "--listen", "127.0.0.1:0", "--state"]).arg(state).args(more);
        command.stderr(Stdio::piped());
        if command.get_envs().all(|(name, _)| name != "EHI_LOG") {
            command.env("EHI_LOG", "trace,hyper=off,hyper_util=off");
        }
        let mut child = command.spawn().expect("started");
        let mut greeting = BufReader::new(child.stderr.take().expect("piped")).lines();
        let line = greeting
            .by_ref()
            .map_while(Result::ok)
            .find(|line| line.starts_with("The export server is at"))
            .expect("a greeting");
        let base = line.split_whitespace().last().expect("an address").to_owned();
        // The output must be read, because a full pipe blocks the program.
        let (logged, log) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            logged.send(greeting.map_while(Result::ok).collect::<Vec<_>>().join("\n"))
        });
        Self { child, base, log }
    }

    /// Stops the server with SIGTERM; returns its log if it exited successfully.
    pub(crate) fn stop(mut self) -> Option<String> {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(killed.expect("kill is there").success());
        let Ok(log) = self.log.recv_timeout(Duration::from_mins(1)) else {
            let _ = self.child.kill();
            return None;
        };
        self.child.wait().expect("a child").success().then_some(log)
    }
}

#[test]
fn a_refused_export_does_not_keep_its_directory() {
    let out = tempfile::tempdir().expect("a directory");
    let export = |group: &str| {
        let mut command = ehi();
        command.args(["export", "--bulk", "--type", "Patient", "--group", group, "--out"]).arg(out.path());
        run(&mut command)
    };
    let refused = export("nogroup");
    assert!(!refused.status.success() && printed(&refused).contains("404"), "{}", printed(&refused));
    let corrected = export("everyone");
    assert!(corrected.status.success(), "{}", printed(&corrected));
    let other = export("nogroup");
    assert!(
        !other.status.success() && printed(&other).contains("holds another export"),
        "{}",
        printed(&other)
    );
}

#[test]
fn one_command_leaves_a_verified_export() {
    let out = tempfile::tempdir().expect("a directory");
    let output = run(ehi().args(["export", "--patient", ANNA, "--out"]).arg(out.path()));
    assert!(output.status.success(), "{}", printed(&output));
    assert!(printed(&output).contains("Exported 98 resources"), "{}", printed(&output));
    // The server hashes its files, so none is verified by its size alone.
    let files = names(out.path()).iter().filter(|name| name.ends_with(".ndjson")).count();
    let verified = format!("{files} files verified by SHA-256; 8 attachments verified by SHA-1");
    assert_eq!(printed(&output).lines().last(), Some(verified.as_str()));
    assert_eq!(lines_below(out.path()), 98);
    assert_eq!(std::fs::read_dir(out.path().join("attachments")).expect("attachments").count(), 8);
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(out.path().join("manifest.json")).expect("a manifest"))
            .expect("JSON");
    assert_eq!(manifest["requiresAccessToken"], true);
    let left = names(out.path());
    assert!(
        left.iter()
            .all(|name| ["ndjson", "json", "attachments"]
                .contains(&name.rsplit('.').next().unwrap_or_default())),
        "{left:?}"
    );
}

#[test]
fn an_export_from_a_server_continues_after_a_broken_download() {
    let (state, out) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let server = Served::start(state.path());
    let base = format!("{}/fhir", server.base);
    let export = || {
        run(ehi()
            .args(["export", "--patient", ANNA, "--server", &base, "--full", "--auto-approve"])
            .args(["--retry-for", "0", "--out"])
            .arg(out.path()))
    };
    let note = out.path().join(".ehi-export.json");
    let mut jobs = Vec::new();
    for cut in [false, true, false] {
        if cut {
            // An interrupted run leaves half of one file, and broken content under the name of another file.
            let mut text: Value =
                serde_json::from_slice(&std::fs::read(&note).expect("a note")).expect("JSON");
            text["complete"] = Value::Bool(false);
            std::fs::write(&note, text.to_string()).expect("written");
            let observations = out.path().join("Observation.ndjson");
            std::fs::write(out.path().join("Patient.ndjson"), "not what it should be").expect("written");
            std::fs::rename(&observations, observations.with_extension("ndjson.part")).expect("renamed");
        }
        let output = export();
        assert!(output.status.success(), "{}", printed(&output));
        assert_eq!(lines_below(out.path()), 98);
        let text: Value = serde_json::from_slice(&std::fs::read(&note).expect("a note")).expect("JSON");
        jobs.push(text["status"].clone());
        assert_eq!(std::fs::read_dir(out.path().join("attachments")).expect("attachments").count(), 8);
    }
    assert_eq!(jobs[0], jobs[1], "an interrupted export continues");
    assert_ne!(jobs[1], jobs[2], "a complete export starts anew");
    let whole = server.stop().expect("SIGTERM stops the server successfully");
    let (_, log) = whole.split_once("--out out-all").expect("the greeting, which suggests a patient");
    assert!(log.contains("$ehi-export") && log.contains("export finished"), "{log}");
    for secret in ["Lindqvist", ANNA, "eyJ", "Observation", "refresh_token="] {
        assert!(!log.contains(secret), "the log has {secret}: {log}");
    }
    let output = export();
    assert!(!output.status.success());
    assert_eq!(printed(&output).lines().count(), 1, "{}", printed(&output));
}

#[test]
fn a_failure_is_reported_in_one_clear_line() {
    let out = tempfile::tempdir().expect("a directory");
    for (arguments, named) in [
        (vec!["export", "--patient", "nobody"], "no such patient"),
        (vec!["export", "--patient", "../x"], "--patient"),
        (vec!["export", "--patient", ANNA, "--server", "nonsense"], "--server"),
        (vec!["export", "--patient", ANNA, "--records", "/nowhere/at/all"], "/nowhere/at/all"),
    ] {
        let output = run(ehi().args(&arguments).arg("--out").arg(out.path().join("x")));
        assert!(!output.status.success(), "{arguments:?}");
        assert!(
            printed(&output).contains(named) && printed(&output).trim().lines().count() == 1,
            "{arguments:?}: {}",
            printed(&output)
        );
    }
    let output = run(ehi()
        .args(["serve", "--listen", "127.0.0.1:0", "--records", "/nowhere/at/all", "--state"])
        .arg(out.path()));
    assert!(!output.status.success() && printed(&output).contains("/nowhere/at/all"), "{}", printed(&output));
    let output = run(ehi()
        .args(["serve", "--listen", "127.0.0.1:0", "--base-url", "https://ehi.example.org", "--state"])
        .arg(out.path()));
    assert!(!output.status.success() && printed(&output).contains("sandbox"), "{}", printed(&output));
}

#[test]
fn the_loader_reports_and_exits_1() {
    let directory = tempfile::tempdir().expect("a directory");
    let input = directory.path().join("Patient.ndjson");
    std::fs::write(&input, "{\"resourceType\":\"Patient\",\"id\":\"a\"}\nnonsense\n").expect("written");
    let output = run(ehi().arg("load").arg(&input).arg("--into").arg(directory.path().join("lake")));
    assert_eq!(output.status.code(), Some(1));
    assert!(printed(&output).contains("Patient.ndjson:2:"), "{}", printed(&output));
    assert!(directory.path().join("lake/Patient/a/records.ndjson").exists());
}

#[test]
fn a_bulk_export_is_downloaded_in_parallel_verified_and_repaired() {
    let out = tempfile::tempdir().expect("a directory");
    let export = || {
        let mut command = ehi();
        command.args(["export", "--bulk", "--type", "Patient,Observation,DocumentReference", "--out"]);
        command.arg(out.path());
        command
    };
    let first = run(&mut export());
    assert!(first.status.success(), "{}", printed(&first));
    let first_words = printed(&first);
    let verified = first_words.lines().last().unwrap_or_default();
    assert!(verified.contains("verified by SHA-256") && !verified.contains("only"), "{first_words}");
    let patients = json_lines(&out.path().join("Patient.ndjson"));
    assert_eq!(patients.len(), 4);
    let observations = json_lines(&out.path().join("Observation.ndjson")).len();
    let attachments = std::fs::read_dir(out.path().join("attachments")).expect("attachments").count();
    assert!(observations > 50 && attachments > 5, "{observations}, {attachments}");
    assert!(!out.path().join("Condition.ndjson").exists());
    // The broken file is downloaded again.
    std::fs::write(out.path().join("Patient.ndjson"), "broken").expect("written");
    assert!(run(&mut export()).status.success());
    assert_eq!(json_lines(&out.path().join("Patient.ndjson")), patients);
    let refused =
        run(ehi().args(["export", "--bulk", "--group", "nobody", "--out"]).arg(out.path().join("x")));
    assert!(
        !refused.status.success() && printed(&refused).contains("no such group"),
        "{}",
        printed(&refused)
    );
}

#[test]
fn a_registered_service_gets_its_token() {
    let directory = tempfile::tempdir().expect("a directory");
    let (config, key) = (directory.path().join("settings.toml"), directory.path().join("key.json"));
    let add = |id: &str, more: &[&str]| {
        let mut command = ehi();
        command.args(["client", "add", "--scopes", "system/Patient.rs", "--id", id, "--config"]).arg(&config);
        run(command.args(more))
    };
    let added = add("registry", &["--make-key", key.to_str().expect("a path")]);
    assert!(added.status.success(), "{}", printed(&added));
    let before = std::fs::read_to_string(&config).expect("settings");
    // Other clients look for the key that signs, and servers for the key that verifies.
    let private = std::fs::read_to_string(&key).expect("a key");
    let private: Value = serde_json::from_str(&private).expect("a JWK");
    assert_eq!((&private["key_ops"], private["d"].is_string()), (&json!(["sign"]), true));
    assert!(before.contains(r#"\"key_ops\":[\"verify\"]"#) && !before.contains(r#"\"d\":"#), "{before}");
    for (id, more) in
        [("registry", &[][..]), ("other", &["--jwks-url", "http://example.org/jwks"]), ("no spaces", &[])]
    {
        assert!(!add(id, more).status.success(), "{id} {more:?}");
        assert_eq!(std::fs::read_to_string(&config).expect("settings"), before, "nothing is written");
    }
    let useless = add("useless", &[]);
    assert!(printed(&useless).contains("the client could not get a token"), "{}", printed(&useless));
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&key).expect("a key").permissions());
    assert_eq!(mode & 0o777, 0o600, "the key is for its owner only");
    let state = tempfile::tempdir().expect("a directory");
    let server = Served::start_with(state.path(), &["--config", config.to_str().expect("a path")]);
    let base = format!("{}/fhir", server.base);
    let token = |id: &str| {
        let mut command = ehi();
        command.args(["client", "token", "--id", id, "--scope", "system/*.rs", "--server", &base, "--key"]);
        run(command.arg(&key))
    };
    let token_of = token("registry");
    assert!(token_of.status.success(), "{}", printed(&token_of));
    assert_eq!(String::from_utf8_lossy(&token_of.stdout).split('.').count(), 3);
    assert!(!token("somebody").status.success());
    assert!(server.stop().is_some(), "the server exits successfully");
}

/// A state directory belongs to one process; a second process and cleanup are refused, and cleanup creates no keys.
#[test]
fn a_state_in_use_is_refused_with_its_owner() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path().join("state");
    let nothing = run(ehi().arg("cleanup").arg("--state").arg(&state));
    assert!(
        !nothing.status.success() && printed(&nothing).contains("no state directory"),
        "{}",
        printed(&nothing)
    );
    assert!(!state.exists());
    let server = Served::start(&state);
    let owner = format!("in use by process {}", server.child.id());
    let key = std::fs::read(state.join("bulk-client.json")).expect("a key");
    let second = run(ehi().args(["serve", "--listen", "127.0.0.1:0", "--state"]).arg(&state));
    assert!(!second.status.success() && printed(&second).contains(&owner), "{}", printed(&second));
    let beside = run(ehi().arg("cleanup").arg("--state").arg(&state));
    assert!(!beside.status.success() && printed(&beside).contains(&owner), "{}", printed(&beside));
    assert!(server.stop().is_some());
    std::fs::remove_file(state.join("keys.json")).expect("removed");
    let alone = run(ehi().arg("cleanup").arg("--state").arg(&state));
    assert!(alone.status.success(), "{}", printed(&alone));
    assert!(!state.join("keys.json").exists(), "cleanup signs nothing");
    assert_eq!(std::fs::read(state.join("bulk-client.json")).expect("a key"), key);
    for entry in std::fs::read_dir(&state).expect("the state") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("metadata").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?} is for its owner", entry.file_name());
    }
    assert_eq!(std::fs::metadata(&state).expect("metadata").permissions().mode() & 0o777, 0o700);
}

#[test]
fn zero_workers_and_missing_records_are_refused_in_one_sentence() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path().join("state");
    let none = run(ehi().args(["serve", "--workers", "0", "--listen", "127.0.0.1:0", "--state"]).arg(&state));
    assert!(
        !none.status.success() && printed(&none).contains("--workers 0: without a worker, exports never run"),
        "{}",
        printed(&none)
    );
    let serve = run(ehi()
        .args(["serve", "--listen", "127.0.0.1:0", "--records", "/nowhere/at/all", "--state"])
        .arg(&state));
    assert!(
        !serve.status.success() && printed(&serve).contains("/nowhere/at/all does not exist"),
        "{}",
        printed(&serve)
    );
    assert!(!state.exists(), "no state is created");
    let export = run(ehi()
        .args(["export", "--patient", ANNA, "--records", "/nowhere/at/all", "--out"])
        .arg(directory.path().join("out")));
    assert!(
        !export.status.success() && printed(&export).contains("/nowhere/at/all does not exist"),
        "{}",
        printed(&export)
    );
}

/// The files of an export are for their owner only, whatever the umask is.
#[tokio::test]
async fn exported_files_are_for_their_owner() {
    use std::os::unix::fs::PermissionsExt as _;

    fn check(path: &Path) -> usize {
        let found = std::fs::symlink_metadata(path).expect("metadata");
        assert_eq!(found.permissions().mode() & 0o077, 0, "{}", path.display());
        if !found.is_dir() {
            return 1;
        }
        let entries = std::fs::read_dir(path).expect("a directory");
        entries.map(|entry| check(&entry.expect("an entry").path())).sum()
    }

    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path().join("state");
    let clock = contract::FixedClock::at("2026-03-01T12:00:00Z".parse().expect("a time"));
    let settings = settings::Settings::parse(&tests::settings("sandbox = true"), |_| None, None);
    let platform = local::Local::open(
        &state,
        &ehi::defaults::sample_records(),
        settings.expect("valid settings"),
        std::sync::Arc::new(clock.clone()),
        std::sync::Arc::new(crypto::OsRandom),
    );
    let world = tests::World::over(platform.expect("a platform"), clock);
    let token = world.token(ANNA).await;
    world.exported(&token, ANNA).await;
    // Two databases with two other files each, the keys, the lock, two packs and the manifest are eleven files.
    assert_eq!(check(&state), 11);
}
