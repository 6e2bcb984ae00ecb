use serde_json::json;

use super::*;

fn preparing(copied: u64) -> Preparation {
    let mut checkpoint = Checkpoint::default();
    checkpoint.position.copied = copied;
    Preparation {
        contents: "contents".to_owned(),
        run: "run".to_owned(),
        bytes: 1_000,
        texts: serde_json::from_value(json!({
            "language": "en", "title": "", "modified": "2026-01-02T03:04:05", "documentationUrl": "",
            "overrides": [["en", "key", "text"]],
        }))
        .expect("texts"),
        changed_at: Timestamp::UNIX_EPOCH,
        progress: Progress::Preparing(checkpoint),
        trouble: Trouble::default(),
        waiting: None,
    }
}

#[test]
fn the_progress_ends_only_when_the_zip_is_ready() {
    for (copied, percent) in [(0, 0), (9, 0), (10, 1), (999, 99), (1_000, 99)] {
        assert_eq!(preparing(copied).percent(), percent);
    }
    assert_eq!(preparing(5).after(Progress::Ready, Timestamp::UNIX_EPOCH).percent(), 100);
}

#[test]
fn a_zip_without_any_change_is_asked_for_again() {
    let preparing = preparing(10);
    let at = |minutes: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
    assert!(preparing.is_under_way(at(0)) && preparing.is_under_way(at(19)));
    assert!(!preparing.is_under_way(at(20)));
    assert!(!preparing.after(Progress::Failed, at(0)).is_under_way(at(0)));
}

#[test]
fn a_state_is_read_as_it_was_written() {
    let at = Timestamp::UNIX_EPOCH;
    let first = preparing(10);
    for state in [first.after(Progress::Ready, at), first.after(Progress::Failed, at), first] {
        let json = serde_json::to_string(&state).expect("JSON");
        assert_eq!(serde_json::from_str::<Preparation>(&json).expect("a state"), state, "{json}");
    }
}

#[test]
fn the_segments_of_each_run_have_a_prefix_of_their_own_and_those_of_an_earlier_version_stay_where_they_are() {
    let job = JobId::parse("019ca945-0a00-762e-933a-885bbebc0590").expect("an id");
    let place = ZipPlace::new(&job, Language::of_tag("en").expect("a language"));
    let all = place.all_segments();
    assert_eq!(place.segments(""), all);
    assert_eq!(place.segments("a"), format!("{all}a/"));
}
