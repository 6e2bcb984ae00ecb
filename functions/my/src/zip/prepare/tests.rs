use domain::task::Task;
use jiff::SignedDuration;
use words::{Language, Words};

use super::*;

/// The page would show the key of a message that does not exist.
#[test]
fn every_state_has_its_words_in_each_language() {
    let all = [Shown::None, Shown::Preparing(1), Shown::Stale, Shown::Ready, Shown::Failed];
    for language in Language::all() {
        let words = Words { language, ..Words::default() };
        for shown in all {
            for key in ["state", "next"] {
                let key = format!("my-zip-{key}-{}", shown.name());
                assert!(words.has(&key), "{}: no message {key}", language.tag());
            }
        }
    }
}

/// An earlier version wrote the state and the task, without the name of a request.
#[test]
fn a_zip_that_nobody_works_on_can_be_asked_for_again() {
    let json = serde_json::json!({
        "contents": "", "bytes": 10, "changedAt": "1970-01-01T00:00:00Z",
        "texts": { "language": "en", "title": "", "modified": "2026-01-02T03:04:05", "documentationUrl": "", "overrides": [] },
        "progress": { "state": "preparing", "position": { "next": 1, "facts": {}, "copied": 5 },
                      "written": { "bytes": 1, "entries": 1, "directory": 1, "sums": 1 }, "segments": [], "isWhole": false },
    });
    let preparation: Preparation = serde_json::from_value(json).expect("a state");
    let at = |minutes: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
    assert_eq!(Shown::of(Some(&preparation), at(1)), Shown::Preparing(50));
    assert_eq!(Shown::of(Some(&preparation), at(60)), Shown::Stale);
    assert_eq!(Shown::of(None, at(1)), Shown::None);
    let task =
        serde_json::json!({ "task": "zip", "job": "019ca945-0a00-762e-933a-885bbebc0590", "language": "en" });
    let task: Task = serde_json::from_value(task).expect("a task");
    assert!(matches!(task, Task::Zip { run, .. } if run == preparation.run));
}
