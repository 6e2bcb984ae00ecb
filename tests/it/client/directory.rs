//! The output directory: two runs at once, and a crash while the last export is moved.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde_json::json;

use super::server::{Shared, lock, start};
use super::{PATIENTS, command, export, names, note};
use crate::program::printed;

const COMPLETE: [&str; 3] = [".ehi-export.json", "Patient.ndjson", "manifest.json"];
const LOCK: &str = ".ehi-export.lock";

/// Runs a command that must end soon, and stops it otherwise.
async fn ended(mut command: Command) -> Output {
    let mut child = command.stderr(Stdio::piped()).spawn().expect("the program runs");
    for _ in 0..600 {
        if child.try_wait().expect("a child").is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let _ = child.kill();
    child.wait_with_output().expect("it has ended")
}

/// Waits until an export asks for its status.
async fn asked(script: &Shared) {
    let before = lock(script).status_requests;
    while lock(script).status_requests == before {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_in_the_same_directory_is_refused() -> tests::Result {
    let (script, base) = start().await;
    let out = tempfile::tempdir()?;
    lock(&script).runs = true;
    let mut first = command(&base, out.path(), &[]).stderr(Stdio::piped()).spawn()?;
    asked(&script).await;
    for more in [&[][..], &["--type", "Patient"]] {
        let second = ended(command(&base, out.path(), more)).await;
        let sentence = format!(
            "{} is in use by another export (process {}): wait until it has ended, or choose another directory",
            out.path().display(),
            first.id()
        );
        assert!(!second.status.success(), "{more:?}");
        assert!(
            printed(&second).contains(&sentence) && printed(&second).lines().count() == 1,
            "{}",
            printed(&second)
        );
    }
    assert_eq!(lock(&script).kick_offs.len(), 1, "the second run starts no export");
    // A killed run leaves its lock file, which nobody holds.
    first.kill()?;
    first.wait()?;
    assert_eq!(names(out.path()), [".ehi-export.json", LOCK]);
    let mut interrupted = command(&base, out.path(), &[]).stderr(Stdio::piped()).spawn()?;
    asked(&script).await;
    let stopped = Command::new("kill").args(["-TERM", &interrupted.id().to_string()]).status();
    assert!(stopped.expect("kill is there").success());
    interrupted.wait()?;
    assert_eq!(names(out.path()), [".ehi-export.json"]);
    lock(&script).runs = false;
    let last = export(&base, out.path(), &[]).await;
    assert!(last.status.success(), "{}", printed(&last));
    assert_eq!((names(out.path()), lock(&script).kick_offs.len()), (COMPLETE.map(str::to_owned).to_vec(), 1));
    Ok(())
}

/// The second state is of an earlier version, which did not note the move.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_while_the_last_export_is_moved_loses_no_file() -> tests::Result {
    for is_noted in [true, false] {
        let (script, base) = start().await;
        let out = tempfile::tempdir()?;
        lock(&script).files.push(("Claim.ndjson".to_owned(), "{\"resourceType\":\"Claim\"}\n".to_owned()));
        assert!(export(&base, out.path(), &[]).await.status.success());
        let earlier = out.path().join(".earlier");
        std::fs::create_dir(&earlier)?;
        std::fs::rename(out.path().join("Claim.ndjson"), earlier.join("Claim.ndjson"))?;
        if is_noted {
            let mut text = note(out.path());
            text["retired"] = json!({ "files": text["files"], "is_kept": true });
            (text["files"], text["complete"]) = (json!([]), json!(false));
            std::fs::write(out.path().join(".ehi-export.json"), text.to_string())?;
        }
        // The next export does not succeed, so the last complete one must stay.
        for _ in 0..2 {
            lock(&script).replies.push_back(StatusCode::UNAUTHORIZED.into_response());
            let failed = export(&base, out.path(), &[]).await;
            assert!(!failed.status.success(), "{}", printed(&failed));
            assert_eq!(names(&earlier), ["Claim.ndjson", "Patient.ndjson", "manifest.json"], "{is_noted}");
            assert_eq!(std::fs::read_to_string(earlier.join("Patient.ndjson"))?, PATIENTS);
            assert_eq!(names(out.path()), [".earlier", ".ehi-export.json"]);
            assert_eq!(note(out.path())["retired"], json!(null));
        }
        lock(&script).files.pop();
        let last = export(&base, out.path(), &[]).await;
        assert!(last.status.success(), "{}", printed(&last));
        assert_eq!(names(out.path()), COMPLETE);
    }
    Ok(())
}
