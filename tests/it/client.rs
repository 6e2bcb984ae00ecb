//! `ehi export` with a server that breaks connections, refuses requests, gives no hashes and forgets jobs.

mod contents;
mod directory;
mod elsewhere;
mod files;
mod jobs;
mod replies;
mod server;

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use self::server::{lock, serve, start};
use crate::program::{ehi, printed, run};

const PATIENTS: &str =
    "{\"resourceType\":\"Patient\",\"id\":\"a\"}\n{\"resourceType\":\"Patient\",\"id\":\"b\"}\n";

fn command(base: &str, out: &Path, more: &[&str]) -> Command {
    let mut command = ehi();
    command.args(["export", "--bulk", "--server", base, "--out"]).arg(out).args(more);
    command
}

async fn export(base: &str, out: &Path, more: &[&str]) -> Output {
    let mut command = command(base, out, more);
    tokio::task::spawn_blocking(move || command.output().expect("the program runs")).await.expect("no panic")
}

pub(crate) fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).expect("a file").permissions()) & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn only_verified_files_are_reported_as_verified_and_files_are_private() -> tests::Result {
    let (script, base) = start().await;
    let parent = tempfile::tempdir()?;
    let out = parent.path().join("out");
    let output = export(&base, &out, &[]).await;
    assert!(output.status.success(), "{}", printed(&output));
    let verified = "1 file by number of lines only, because the server gives no hash and no size for them";
    assert_eq!(printed(&output).lines().last(), Some(verified));
    assert_eq!(std::fs::read_to_string(out.join("Patient.ndjson"))?, PATIENTS);
    assert_eq!((mode(&out), mode(&out.join("Patient.ndjson"))), (0o700, 0o600));
    assert_eq!(mode(&out.join("manifest.json")), 0o600);
    // The number of lines is verified nevertheless.
    lock(&script).files[0].1.push_str("{\"resourceType\":\"Patient\",\"id\":\"c\"}\n");
    let again = export(&base, &out, &[]).await;
    assert!(again.status.success(), "{}", printed(&again));
    assert_eq!(
        std::fs::read_to_string(out.join("Patient.ndjson"))?.lines().count(),
        3,
        "an old file must not be reused"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_directory_is_replaced_by_the_same_export_and_refused_to_another() -> tests::Result {
    let (script, base) = start().await;
    let parent = tempfile::tempdir()?;
    let out = parent.path().join("out");
    lock(&script).files.push(("Claim.ndjson".to_owned(), "{\"resourceType\":\"Claim\"}\n".to_owned()));
    assert!(export(&base, &out, &[]).await.status.success());
    assert_eq!(names(&out), [".ehi-export.json", "Claim.ndjson", "Patient.ndjson", "manifest.json"]);
    let narrower = export(&base, &out, &["--type", "Patient"]).await;
    assert!(!narrower.status.success());
    assert!(
        printed(&narrower).contains("holds another export ($export of http://127."),
        "{}",
        printed(&narrower)
    );
    assert_eq!(lock(&script).kick_offs.len(), 1, "no export was started");
    lock(&script).files.pop();
    assert!(export(&base, &out, &[]).await.status.success());
    assert_eq!(names(&out), [".ehi-export.json", "Patient.ndjson", "manifest.json"], "no stale file is left");
    {
        let script = lock(&script);
        assert_eq!(script.kick_offs.len(), 2);
        assert_ne!(script.kick_offs[0], script.kick_offs[1], "a new job has a new key");
    }
    let strange = parent.path().join("strange");
    std::fs::create_dir(&strange)?;
    std::fs::write(strange.join("thesis.txt"), "mine")?;
    let refused = export(&base, &strange, &[]).await;
    assert!(
        !refused.status.success() && printed(&refused).contains("do not belong"),
        "{}",
        printed(&refused)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn transient_errors_are_retried_and_a_broken_download_continues() -> tests::Result {
    let (script, base) = start().await;
    let out = tempfile::tempdir()?;
    let transient = json!({ "resourceType": "OperationOutcome", "issue": [{ "severity": "error", "code": "transient" }] });
    lock(&script).statuses = VecDeque::from([
        (StatusCode::SERVICE_UNAVAILABLE, Value::Null),
        (StatusCode::TOO_MANY_REQUESTS, Value::Null),
        (StatusCode::INTERNAL_SERVER_ERROR, transient),
        (StatusCode::BAD_GATEWAY, Value::Null),
        (StatusCode::ACCEPTED, Value::Null),
    ]);
    lock(&script).broken_downloads = 1;
    let output = export(&base, out.path(), &[]).await;
    assert!(output.status.success(), "{}", printed(&output));
    assert_eq!(std::fs::read_to_string(out.path().join("Patient.ndjson"))?, PATIENTS);
    let script = lock(&script);
    assert_eq!((script.kick_offs.len(), script.status_requests), (1, 6));
    assert_eq!(
        script.ranges,
        [format!("bytes={}-", PATIENTS.len() / 2)],
        "only the missing bytes are requested"
    );
    Ok(())
}

/// Returns the note of a directory.
fn note(out: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(out.join(".ehi-export.json")).expect("a note")).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_export_continues_and_a_forgotten_one_starts_anew() -> tests::Result {
    let (script, base) = start().await;
    let out = tempfile::tempdir()?;
    let status_url = format!("{}/status/1", base.trim_end_matches("/fhir"));
    // The client gives up at once; the next run continues the same job and starts no new one.
    lock(&script).statuses = VecDeque::from([(StatusCode::SERVICE_UNAVAILABLE, Value::Null)]);
    let impatient = export(&base, out.path(), &["--retry-for", "0"]).await;
    assert!(
        !impatient.status.success() && printed(&impatient).contains(&status_url),
        "{}",
        printed(&impatient)
    );
    assert!(printed(&impatient).contains("the same command again to resume it"), "{}", printed(&impatient));
    assert!(export(&base, out.path(), &[]).await.status.success());
    assert_eq!(lock(&script).kick_offs.len(), 1);
    // If the server has forgotten the job, the client starts a new one.
    let mut text = note(out.path());
    text["complete"] = Value::Bool(false);
    std::fs::write(out.path().join(".ehi-export.json"), text.to_string())?;
    lock(&script).statuses = VecDeque::from([(StatusCode::NOT_FOUND, Value::Null)]);
    assert!(export(&base, out.path(), &[]).await.status.success());
    assert_eq!(lock(&script).kick_offs.len(), 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_waits_for_a_server_that_is_unreachable_while_polling() -> tests::Result {
    let (script, base) = start().await;
    let out = tempfile::tempdir()?;
    // No process listens on this port until the client has been refused once.
    let reserved = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = reserved.local_addr()?;
    drop(reserved);
    lock(&script).status_at = Some(address);
    let mut child = command(&base, out.path(), &[]).stderr(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let refused = tokio::task::spawn_blocking(move || {
        let line = lines.by_ref().map_while(Result::ok).find(|line| line.contains("trying again"));
        (line, lines)
    });
    let (line, mut lines) = refused.await.expect("no panic");
    assert!(line.is_some_and(|line| line.contains("cannot be reached")));
    serve(&script, TcpListener::bind(address).await.expect("the port"));
    let done = tokio::task::spawn_blocking(move || {
        let rest: Vec<_> = lines.by_ref().map_while(Result::ok).collect();
        (child.wait().expect("it ends"), rest)
    });
    let (status, rest) = done.await.expect("no panic");
    assert!(status.success(), "{rest:?}");
    Ok(())
}

/// Returns a lake whose export takes a while.
fn large_lake() -> tempfile::TempDir {
    let lake = tempfile::tempdir().expect("a directory");
    ehi::sample::write(60, 1, lake.path(), &indicatif::ProgressBar::hidden()).expect("a sample");
    lake
}

#[test]
fn an_interrupted_local_export_leaves_no_records_behind() -> tests::Result {
    let (lake, parent) = (large_lake(), tempfile::tempdir()?);
    let (temporary, out) = (parent.path().join("tmp"), parent.path().join("out"));
    std::fs::create_dir(&temporary)?;
    for signal in ["-TERM", "-INT"] {
        let mut command = ehi();
        command.args(["export", "--bulk", "--records"]).arg(lake.path()).arg("--out").arg(&out);
        let mut child = command.env("TMPDIR", &temporary).stderr(Stdio::piped()).spawn()?;
        let records = || -> Vec<PathBuf> {
            let entries = std::fs::read_dir(&temporary).expect("a directory");
            entries.map(|entry| entry.expect("an entry").path()).collect()
        };
        while records().is_empty() && child.try_wait().expect("a child").is_none() {
            std::thread::yield_now();
        }
        let killed = Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(killed.expect("kill is there").success());
        let mut text = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut text)?;
        let status = child.wait()?;
        assert!(!status.success() && text.contains("interrupted"), "{status}: {text}");
        assert_eq!(records(), Vec::<PathBuf>::new(), "{signal}");
    }
    Ok(())
}

/// Exports from a directory without records, which are loaded as soon as the export waits for them.
fn export_of_an_empty_directory(directory: &Path, arguments: &[&str], waits: &str) -> tests::Result {
    let input = directory.join("Patient.ndjson");
    std::fs::write(&input, "{\"resourceType\":\"Patient\",\"id\":\"a\"}\n")?;
    let records = directory.join("records");
    std::fs::create_dir(&records)?;
    let mut command = ehi();
    command.arg("export").args(arguments).arg("--records").arg(&records);
    command.arg("--out").arg(directory.join("out")).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let first = lines.next().expect("a line");
    assert!(
        first.contains("has no directory 'Patient'") && first.contains("ehi load INPUT --into"),
        "{first}"
    );
    assert!(lines.any(|line| line.contains(waits)), "{arguments:?}");
    let loaded = run(ehi().arg("load").arg(&input).arg("--into").arg(&records));
    assert!(loaded.status.success(), "{}", printed(&loaded));
    let rest: Vec<_> = lines.collect();
    assert!(child.wait()?.success(), "{rest:?}");
    assert!(rest.iter().any(|line| line.starts_with("Exported 1 resources")), "{rest:?}");
    Ok(())
}

/// Records may be loaded while an export waits for them. The export tells the user so.
#[test]
fn an_export_of_an_empty_directory_waits_and_tells_the_user_what_to_do() -> tests::Result {
    let directories = [tempfile::tempdir()?, tempfile::tempdir()?];
    // Both exports wait for seconds, so they run at the same time.
    std::thread::scope(|threads| {
        let of_patient = threads.spawn(|| {
            let arguments = ["--patient", "a"];
            let done = export_of_an_empty_directory(directories[0].path(), &arguments, "trying again in");
            done.map_err(|problem| format!("{problem:?}"))
        });
        let waits = "status from the server: waiting for the store since";
        let of_all = export_of_an_empty_directory(directories[1].path(), &["--bulk"], waits);
        assert_eq!(of_patient.join().expect("no panic"), Ok(()));
        of_all
    })
}

#[test]
fn a_server_without_records_tells_the_user_what_to_do() -> tests::Result {
    let directory = tempfile::tempdir()?;
    let state = directory.path().join("state");
    let empty = directory.path().join("empty");
    std::fs::create_dir(&empty)?;
    let mut command = ehi();
    command.env_remove("EHI_LOG").args(["serve", "--listen", "127.0.0.1:0", "--state"]).arg(&state);
    command.arg("--records").arg(&empty).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let first = lines.next().expect("a line");
    assert!(
        first.contains("WARN") && first.contains("no directory 'Patient'") && first.contains("ehi load"),
        "{first}"
    );
    child.kill()?;
    child.wait()?;
    Ok(())
}
