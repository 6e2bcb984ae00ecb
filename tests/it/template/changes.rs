//! The filters of the mappings that read the stream of the jobs table. A change that a filter does not pass causes no event and no mail.

use domain::choices::Choices;
use domain::email::EmailAddress;
use domain::event::JobEvent;
use domain::job::{Job, JobState};
use domain::manifest::ExportTotals;
use domain::notice::Notice;
use domain::retention::Retention;
use domain::states::{AwaitingInput, Queued};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tests::ANNA;
use tests::template::{Template, matches_pattern};

use crate::events::{change, row};

/// The states in which a job is stored for the first time.
const FIRST: [JobState; 2] = [JobState::AwaitingInput, JobState::Queued];

/// The states that a running export enters when it ends. Its metrics are written then, and the alarms of both mappings expect that the
/// functions run.
const ENDS: [JobState; 3] = [JobState::InReview, JobState::Complete, JobState::Failed];

/// Returns whether the filter of a mapping passes a record of the stream.
pub(crate) fn passes(mapping: &str, record: &Value) -> bool {
    let template = Template::load();
    let mapping = template.resources("AWS::Lambda::EventSourceMapping")[mapping];
    let filters = mapping["Properties"]["FilterCriteria"]["Filters"].as_array().expect("filters");
    let patterns = filters.iter().map(|filter| filter["Pattern"].as_str().expect("a pattern"));
    let mut patterns = patterns.map(|pattern| serde_json::from_str::<Value>(pattern).expect("JSON"));
    patterns.any(|pattern| matches_pattern(&pattern, record))
}

/// Returns a job in each state. It is a patient's own copy, and the patient has an address: so the patient gets all mails.
pub(crate) fn jobs() -> Vec<Job> {
    let (now, retention) = (Timestamp::UNIX_EPOCH, Retention::default());
    let Job::Queued(Queued { mut header }) = contract::job(1, ANNA) else { panic!("another state") };
    header.review = true;
    header.request.choices = Some(Choices::default());
    header.patient.as_mut().expect("a patient").email = EmailAddress::parse("anna@example.org");
    let queued = Queued { header: header.clone() };
    let running = queued.clone().begin(now, SignedDuration::ZERO);
    let finished = running.clone().finish(ExportTotals::new(now, String::new()), now, &retention);
    let review = finished.in_review("review").expect("it is reviewed");
    let job = Job::Queued(queued);
    let failed = job.clone().fail("reason", "exception", "task", now, &retention).expect("it can fail");
    let jobs = vec![
        Job::AwaitingInput(AwaitingInput { header }),
        job.clone(),
        Job::Running(running),
        Job::InReview(review.clone()),
        Job::Complete(review.clone().approve(None, "admin", now, &retention)),
        Job::Rejected(review.reject("reason", "admin", now, &retention)),
        Job::Failed(failed),
        Job::Cancelled(job.clone().cancel("app", now).expect("it can be cancelled")),
        Job::Expired(job.expire(now)),
    ];
    let states: Vec<_> = jobs.iter().map(Job::state).collect();
    assert_eq!(states, JobState::ALL);
    jobs
}

fn inserted(job: &Job) -> Value {
    json!({ "eventName": "INSERT", "dynamodb": { "NewImage": row(job), "SequenceNumber": "1" } })
}

/// Calls a check for each change from one state to another: the state before, the job after it, and the record of the stream.
fn each_change(mut check: impl FnMut(JobState, &Job, &Value)) {
    let jobs = jobs();
    for before in &jobs {
        for after in jobs.iter().filter(|after| after.state() != before.state()) {
            check(before.state(), after, &change(before, after));
        }
    }
}

#[test]
fn the_filter_of_events_passes_exactly_the_changes_that_are_published() {
    each_change(|before, job, record| {
        let is_published = JobEvent::of_change(Some(before), job).is_some();
        assert_eq!(passes("AnnounceMapping", record), is_published, "{before:?} -> {:?}", job.state());
    });
    // The filter passes no new job. None of them is published.
    for job in jobs().iter().filter(|job| FIRST.contains(&job.state())) {
        assert_eq!(JobEvent::of_change(None, job), None);
    }
}

#[test]
fn the_filter_of_mails_passes_every_change_that_causes_one() {
    for job in jobs().iter().filter(|job| FIRST.contains(&job.state())) {
        let notice = Notice::of_change(None, job);
        assert_eq!(passes("MailMapping", &inserted(job)), notice.is_some(), "{:?}", job.state());
    }
    each_change(|before, job, record| {
        let (state, is_passed) = (job.state(), passes("MailMapping", record));
        if Notice::of_change(Some(before), job).is_some() {
            assert!(is_passed, "{before:?} -> {state:?} causes a mail");
        } else if is_passed {
            // The state of an export that ends is passed for the alarm. No pattern can say that staff have not restored the job.
            let has_reason = ENDS.contains(&state) || before == JobState::Cancelled;
            assert!(has_reason, "{before:?} -> {state:?} causes no mail");
        }
    });
}

#[test]
fn both_functions_run_when_an_export_ends() {
    each_change(|before, job, record| {
        if before == JobState::Running && ENDS.contains(&job.state()) {
            for mapping in ["AnnounceMapping", "MailMapping"] {
                assert!(passes(mapping, record), "{mapping}: {:?}", job.state());
            }
        }
    });
}

#[test]
fn other_rows_and_removed_jobs_pass_no_filter() {
    let job = &jobs()[4];
    let mut chunk = row(job);
    chunk["part"] = json!({ "S": "chunk#000000.0" });
    let removed =
        json!({ "eventName": "REMOVE", "dynamodb": { "OldImage": row(job), "SequenceNumber": "1" } });
    for mapping in ["AnnounceMapping", "MailMapping"] {
        assert!(passes(mapping, &change(job, job)), "a function decides about a change within a state");
        assert!(!passes(mapping, &removed), "{mapping}");
        for event in ["INSERT", "MODIFY"] {
            let record = json!({ "eventName": event, "dynamodb": { "NewImage": chunk } });
            assert!(!passes(mapping, &record), "{mapping}: {event}");
        }
    }
}
