use contract::job;
use domain::chunk::Progress;
use domain::header::JobHeader;
use domain::states::{AwaitingInput, Queued};

use super::*;

const WEEK: i64 = 7 * 24 * 3_600;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).expect("a time")
}

fn header(seconds: i64) -> JobHeader {
    let Job::Queued(Queued { header }) = job(seconds, "ann") else { panic!("another state") };
    header
}

fn held(job: Job, progress: Progress) -> Held {
    let since = job.header().created_at;
    let stored = Some(StoredJob { job, version: 1, progress });
    Held { since, stored, unfinished: SignedDuration::from_secs(WEEK) }
}

fn awaiting(seconds: i64) -> Held {
    held(Job::AwaitingInput(AwaitingInput { header: header(seconds) }), Progress::default())
}

fn queued(seconds: i64) -> Held {
    held(job(seconds, "ann"), Progress::default())
}

/// Returns an export that began at second 0 and has read a share of its bytes.
fn running(bytes_done: u64) -> Held {
    let running = Queued { header: header(0) }.begin(at(0), SignedDuration::ZERO);
    let progress = Progress { plan_complete: true, bytes_planned: 1_000, bytes_done, ..Progress::default() };
    held(Job::Running(running), progress)
}

fn refused(held: &[Held], now: i64) -> (u64, String) {
    let error = refusal("2 exports", held, &header(0).owner, at(now));
    let Error::TooMany { text, retry_after } = error else { panic!("{error}") };
    (retry_after, text)
}

#[test]
fn the_wait_is_that_of_the_first_slot_that_will_be_free() {
    let starting = Held { since: at(0), stored: None, unfinished: SignedDuration::from_secs(WEEK) };
    for (held, now, expected) in [
        (vec![awaiting(0)], 600, 3_000),
        (vec![awaiting(300), awaiting(0)], 600, 3_000),
        (vec![awaiting(0)], 3_599, 1),
        // Something was entered in this form.
        (vec![awaiting(0)], 5_000, MAX_WAIT),
        (vec![awaiting(0)], WEEK - 10, 10),
        (vec![running(250)], 100, 300),
        (vec![running(250), awaiting(0)], 3_500, 100),
        (vec![running(0)], 100, UNKNOWN),
        (vec![queued(0)], 100, UNKNOWN),
        (vec![starting], 20, 40),
        (Vec::new(), 0, UNKNOWN),
    ] {
        assert_eq!(refused(&held, now).0, expected, "{now}");
    }
}

#[test]
fn a_refusal_names_the_jobs_that_the_client_can_cancel() {
    let mut foreign = header(1);
    foreign.owner.subject = Some("another user".to_owned());
    let foreign = held(Job::AwaitingInput(AwaitingInput { header: foreign }), Progress::default());
    let (_, text) = refused(&[queued(3), awaiting(2), foreign], 100);
    let [two, three] = [2, 3].map(|seconds| job(seconds, "ann").id().to_string());
    let expected = format!("DELETE /jobs/{{job}}/status: {two} (awaiting-input), {three} (queued)");
    assert!(text.ends_with(&expected), "{text}");
    let many: Vec<_> = (0..30).map(queued).collect();
    let (_, text) = refused(&many, 100);
    assert!(text.ends_with(", and 20 more") && text.matches("(queued)").count() == MAX_NAMED, "{text}");
    assert!(refused(&[], 0).1.ends_with("cancel one of them"));
}

#[test]
fn only_an_export_that_waits_for_its_form_may_give_way() {
    for (held, expected) in [(running(0), None), (queued(0), None), (awaiting(0), Some(at(3_600)))] {
        assert_eq!(abandoned_at(&held.stored.expect("a job").job), expected);
    }
}
