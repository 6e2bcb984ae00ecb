use proptest::prelude::*;

use jiff::SignedDuration;

use super::*;
use crate::ids::{ClientId, JobId};
use crate::owner::Owner;
use crate::rejection::{RejectionReason, TypedReason};
use crate::request::{Base, Cohort, ExportRequest, OutputOptions};
use crate::selection::Selection;

fn awaiting(review: bool) -> Job {
    let id = JobId::parse("01a1fb95-ab0a-7a46-aeea-001492bd7651").expect("an id");
    Job::AwaitingInput(AwaitingInput {
        header: JobHeader {
            id,
            owner: Owner::new(ClientId::parse("app").expect("an id"), None, None, "app"),
            patient: None,
            request: ExportRequest {
                url: String::new(),
                base: Base::Fhir,
                cohort: Cohort::Everyone,
                confirmed_members: None,
                choices: None,
                receiver: None,
                selection: None,
                output: OutputOptions::default(),
            },
            review,
            created_at: Timestamp::UNIX_EPOCH,
            changed_at: Timestamp::UNIX_EPOCH,
            history: Vec::new(),
            request_id: None,
            by_patient: false,
            language: None,
            attachments: Vec::new(),
        },
    })
}

fn summary(at: Timestamp) -> ExportTotals {
    ExportTotals { pages: 1, ..ExportTotals::new(at, String::new()) }
}

/// Returns a job in review.
pub(crate) fn in_review() -> InReview {
    let now = Timestamp::UNIX_EPOCH;
    let Job::AwaitingInput(job) = awaiting(true) else { panic!("another state") };
    let running = job.customize(Choices::default(), "patient", now).begin(now, SignedDuration::ZERO);
    let finished = running.finish(summary(now), now, &Retention::default());
    finished.in_review("review").expect("it is reviewed")
}

/// Tries one of the moves. A move that the state does not allow leaves the job unchanged.
fn tried(job: Job, action: u8, now: Timestamp) -> Job {
    let retention = Retention::default();
    let before = job.clone();
    match (action, job) {
        (0, Job::AwaitingInput(state)) => Job::Queued(state.customize(Choices::default(), "patient", now)),
        (1, Job::Queued(state)) => Job::Running(state.begin(now, SignedDuration::ZERO)),
        (2, Job::Running(state)) => state.finish(summary(now), now, &retention),
        (3, job) => job
            .in_review("approve")
            .map_or(before, |state| Job::Complete(state.approve(None, "admin", now, &retention))),
        (4, job) => job
            .in_review("reject")
            .map_or(before, |state| Job::Rejected(state.reject("no", "admin", now, &retention))),
        (5, job) => job.cancel("app", now).map_or(before, Job::Cancelled),
        (6, job) => job.fail("broken", "exception", "task plan", now, &retention).map_or(before, Job::Failed),
        (7, job) if job.is_expired(now, &retention) => Job::Expired(job.expire(now)),
        (8, job) => job.take_back("the patient", now).map_or(before, Job::Cancelled),
        (_, job) => job,
    }
}

/// Returns whether a move may lead from one state to the other, by the diagram in `states.rs`.
fn allowed(from: JobState, to: JobState) -> bool {
    use JobState::{
        AwaitingInput, Cancelled, Complete, Expired, Failed, InReview, Queued, Rejected, Running,
    };

    match (from, to) {
        (Cancelled | Expired, _) => false,
        (AwaitingInput, Queued)
        | (Queued, Running)
        | (Running, InReview | Complete)
        | (InReview, Complete | Rejected)
        | (AwaitingInput | Queued | Running, Failed)
        | (_, Cancelled | Expired) => true,
        _ => false,
    }
}

proptest! {
    #[test]
    fn every_sequence_of_moves_follows_the_diagram(review: bool, actions in prop::collection::vec((0u8..9, 0i64..40), 0..20)) {
        let mut job = awaiting(review);
        let mut now = Timestamp::UNIX_EPOCH;
        for (action, days) in actions {
            now += SignedDuration::from_hours(24 * days);
            let (before, history) = (job.state(), job.header().history.clone());
            job = tried(job, action, now);
            let added = job.header().history.len() - history.len();
            prop_assert!(job.header().history.starts_with(&history), "history is only appended");
            if job.state() == before {
                prop_assert_eq!(added, 0);
            } else {
                prop_assert!(allowed(before, job.state()), "{:?} to {:?}", before, job.state());
                prop_assert_eq!((added, job.header().changed_at), (1, now));
                prop_assert!(review || job.state() != JobState::InReview);
                prop_assert!(!review || (before, job.state()) != (JobState::Running, JobState::Complete));
            }
            let text = serde_json::to_string(&job).expect("JSON");
            prop_assert_eq!(serde_json::from_str::<Job>(&text).expect("the same"), job.clone());
        }
    }
}

/// Rejections that were stored before the reason had parts have one text.
#[test]
fn a_rejection_of_an_earlier_version_can_be_read() {
    let now = Timestamp::UNIX_EPOCH;
    let rejected = in_review().reject("asked twice", "admin", now, &Retention::default());
    let mut stored = serde_json::to_value(&rejected).expect("JSON");
    let members = stored.as_object_mut().expect("an object");
    assert!(!members.contains_key("chosen") && !members.contains_key("typed"), "{members:?}");
    members.remove("dismissed");
    assert_eq!(serde_json::from_value::<Rejected>(stored).expect("a rejection"), rejected);
    let typed = Some(TypedReason { text: "Llame.".to_owned(), language: "es".to_owned() });
    let with_parts = Rejected { chosen: Some(RejectionReason::Harm), typed, ..rejected };
    let stored = serde_json::to_value(&with_parts).expect("JSON");
    assert_eq!((&stored["chosen"], &stored["typed"]["language"]), (&"harm".into(), &"es".into()));
    assert_eq!(serde_json::from_value::<Rejected>(stored).expect("a rejection"), with_parts);
}

/// A bulk export has every change before its begin. Only its `transactionTime` is earlier by the delay of the records.
#[test]
fn a_delay_of_the_records_changes_only_the_transaction_time() {
    let (now, delay) =
        (Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24), SignedDuration::from_mins(90));
    for (selection, expected) in [(None, now), (Some(Selection::default()), now - delay)] {
        let Job::AwaitingInput(AwaitingInput { mut header }) = awaiting(false) else {
            panic!("another state")
        };
        header.request.selection = selection;
        let running = Queued { header }.begin(now, delay);
        assert_eq!((running.transaction_time, running.changed_until()), (expected, now));
        // Jobs of earlier versions have no time at which they began.
        let before = Running { began_at: None, ..running };
        assert_eq!(before.changed_until(), expected);
    }
}

/// Entries of earlier versions have the patient as the actor for choices of apps too.
#[test]
fn the_history_says_who_made_the_choices() {
    let (now, choices) = (Timestamp::UNIX_EPOCH, Choices::default());
    let Job::AwaitingInput(job) = awaiting(true) else { panic!("another state") };
    for (actor, by) in [
        (HistoryEntry::PATIENT, ChosenBy::Patient),
        (HistoryEntry::LINK_HOLDER, ChosenBy::Patient),
        ("app", ChosenBy::App),
        ("admin", ChosenBy::Staff),
    ] {
        let queued = job.clone().customize(choices.clone(), actor, now);
        assert_eq!((queued.header.chosen_by(), queued.header.topics_chosen_by()), (by, by), "{actor}");
        let changed = queued.choose_again(choices.clone(), "app", now).expect("a form");
        assert_eq!(
            (changed.header.chosen_by(), changed.header.topics_chosen_by()),
            (ChosenBy::Staff, by),
            "a member of staff may have the name of an app"
        );
    }
    let header = |choices: Option<Choices>, language: Option<&str>| {
        let mut header = job.header.clone();
        header.request.choices = choices;
        JobHeader { language: language.map(str::to_owned), ..header }
    };
    assert_eq!(
        header(Some(choices.clone()), Some("es")).chosen_by(),
        ChosenBy::Patient,
        "a form without a job"
    );
    assert_eq!(header(Some(choices), None).chosen_by(), ChosenBy::App, "with the request");
    assert_eq!(header(None, None).chosen_by(), ChosenBy::Patient);
}
