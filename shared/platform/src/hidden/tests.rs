use std::sync::Mutex;

use domain::error::Error;

use super::*;

/// The events, with their times in seconds.
#[derive(Default)]
struct Seen(Mutex<Vec<(u64, &'static str)>>);

impl Seen {
    fn record(&self, begun: Instant, what: &'static str) {
        self.0.lock().expect("a list").push((begun.elapsed().as_secs(), what));
    }

    fn all(self) -> Vec<(u64, &'static str)> {
        self.0.into_inner().expect("a list")
    }
}

/// Works for this many seconds, with calls of `hide` that take `call` seconds.
async fn worked(seconds: u64, first: Duration, call: u64, succeeds: bool) -> Vec<(u64, &'static str)> {
    let (seen, begun) = (Seen::default(), Instant::now());
    let work = async {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        seen.record(begun, "done");
    };
    let hide = || async {
        tokio::time::sleep(Duration::from_secs(call)).await;
        seen.record(begun, "hidden");
        if succeeds { Ok(()) } else { Err(Error::unavailable("no queue")) }
    };
    hidden_during(work, first, hide).await;
    seen.record(begun, "settled");
    seen.all()
}

#[tokio::test(start_paused = true)]
async fn a_task_is_hidden_at_once_and_at_every_heartbeat_until_it_is_done() {
    let seen = worked(70, Duration::ZERO, 0, true).await;
    assert_eq!(seen, [(0, "hidden"), (30, "hidden"), (60, "hidden"), (70, "done"), (70, "settled")]);
    // If the queue has hidden the task for the same time, the first call is not needed.
    let seen = worked(70, HEARTBEAT, 0, true).await;
    assert_eq!(seen, [(30, "hidden"), (60, "hidden"), (70, "done"), (70, "settled")]);
    assert_eq!(worked(29, HEARTBEAT, 0, true).await, [(29, "done"), (29, "settled")]);
}

#[tokio::test(start_paused = true)]
async fn a_pending_call_ends_before_the_task_is_settled() {
    let seen = worked(31, Duration::ZERO, 9, true).await;
    assert_eq!(seen, [(9, "hidden"), (31, "done"), (39, "hidden"), (39, "settled")]);
}

#[tokio::test(start_paused = true)]
async fn calls_that_hang_or_fail_neither_delay_the_work_nor_pile_up() {
    let seen = worked(100, Duration::ZERO, 45, false).await;
    assert_eq!(seen, [(45, "hidden"), (90, "hidden"), (100, "done"), (135, "hidden"), (135, "settled")]);
}

#[test]
fn a_dead_worker_is_replaced_within_two_minutes() {
    // Lambda polls a queue for at most 20 seconds at a time.
    let longest = VISIBILITY.as_secs() + 20;
    assert!(longest < 120 && VISIBILITY.as_secs() >= 3 * i64::try_from(HEARTBEAT.as_secs()).expect("few"));
}
