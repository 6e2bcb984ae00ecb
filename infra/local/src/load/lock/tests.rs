use std::path::Path;

use super::*;

#[test]
fn the_refusal_says_what_runs_and_what_to_do() {
    let lake = tempfile::tempdir().expect("a directory");
    let bar = ProgressBar::hidden();
    let first = lock(lake.path(), &bar).expect("locked");
    assert_eq!(first.unlocked(), None);
    let refused = lock(lake.path(), &bar).expect_err("locked").to_string();
    let process = format!("process {} on {}", std::process::id(), host());
    for part in [&*lake.path().to_string_lossy(), "is running (since 20", &process, "also if it is killed"] {
        assert!(refused.contains(part), "{refused} has no {part}");
    }
    drop(first);
    assert!(!lake.path().join(LOCK).exists());
    lock(lake.path(), &bar).expect("the lock has ended");
}

#[test]
fn a_lock_without_a_text_and_a_file_system_without_locks_have_their_sentences() {
    let refused = in_use(Path::new("lake"), "").to_string();
    assert!(refused.starts_with("another load into lake is running (it has just begun), "), "{refused}");
    let warned = unlocked(Path::new("lake"), "Function not implemented");
    assert!(warned.contains("has no locks (Function not implemented)"), "{warned}");
}

#[test]
fn a_lake_that_is_read_is_not_changed_and_a_lake_that_is_changed_is_not_read() {
    let lakes = [tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory")];
    let inputs = lakes.each_ref().map(|lake| lake.path().to_owned());
    let bar = ProgressBar::hidden();
    std::fs::create_dir(inputs[0].join(PATIENTS)).expect("created");
    let reads = || lock_inputs(&inputs, None, &bar);
    // The second input is no lake.
    assert_eq!(reads().expect("locked").len(), 1);
    let both = (reads().expect("locked"), reads().expect("several loads can read"));
    let refused = lock(&inputs[0], &bar).expect_err("it is read").to_string();
    let begin = format!("another load that reads {} is running (since 20", inputs[0].display());
    assert!(refused.starts_with(&begin), "{refused}");
    drop(both);
    for into in &inputs {
        let written = lock(into, &bar).expect("locked");
        let refused = reads().expect_err("it is changed").to_string();
        let begin = format!("another load into {} is running (since 20", into.display());
        assert!(refused.starts_with(&begin), "{refused}");
        lock_inputs(std::slice::from_ref(into), Some(into), &bar).expect("this load has locked it");
        drop(written);
    }
    assert!(inputs.iter().all(|input| !input.join(LOCK).exists()));
}

#[test]
fn a_lake_whose_last_load_was_stopped_during_its_changes_is_not_read() {
    let lake = tempfile::tempdir().expect("a directory");
    let stopped = lake.path().join(".load-stopped");
    std::fs::create_dir(&stopped).expect("created");
    let reads = || lock_inputs(&[lake.path().to_owned()], None, &ProgressBar::hidden());
    assert!(reads().expect("nothing was changed").is_empty(), "it is no lake");
    std::fs::write(stopped.join("changes"), "").expect("written");
    let refused = reads().expect_err("a part of the changes").to_string();
    assert!(refused.contains("was stopped before it had made all of its changes"), "{refused}");
    commit::complete(lake.path()).expect("completed");
    reads().expect("the changes are complete");
}
