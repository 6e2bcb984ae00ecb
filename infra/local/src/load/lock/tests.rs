use std::path::Path;

use super::*;

#[test]
fn the_refusal_says_what_runs_and_what_to_do() {
    let lake = tempfile::tempdir().expect("a directory");
    let bar = ProgressBar::hidden();
    let first = lock(lake.path(), &bar).expect("locked");
    assert_eq!(first.unsupported(), None);
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
