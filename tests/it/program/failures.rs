//! Failures: the program names what is wrong, in one clear line.

use tests::ANNA;

use super::{ehi, printed, run};

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
