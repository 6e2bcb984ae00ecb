//! Exports of one patient: one command leaves a verified export, and continues an interrupted one.

use std::path::Path;

use serde_json::Value;
use tests::{ANNA, json_lines};

use super::{Served, ehi, printed, run};
use crate::client::names;

fn lines_below(directory: &Path) -> usize {
    let files =
        std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "ndjson"))
        .map(|path| json_lines(&path).len())
        .sum()
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
    assert_ne!(jobs[1], jobs[2], "after a complete export a new job starts");
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
