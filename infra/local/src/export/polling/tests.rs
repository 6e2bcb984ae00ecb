use super::*;

#[expect(clippy::unnecessary_wraps, reason = "a header may be absent")]
fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

#[test]
fn only_the_first_pauses_are_short_and_only_if_the_server_requests_no_longer_one() {
    let quick = Duration::from_millis(50);
    let mut polling = Polling::new(quick, Duration::from_mins(2));
    for requested in [None, seconds(0), seconds(1)].into_iter().cycle().take(18) {
        assert_eq!(polling.pause(requested), quick);
    }
    assert_eq!(polling.pause(seconds(30)), Duration::from_secs(30), "also at the beginning");
    assert_eq!(polling.pause(None), quick);
    for (requested, pause) in
        [(None, 1), (seconds(0), 1), (seconds(1), 1), (seconds(7), 7), (seconds(18_000), 120)]
    {
        assert_eq!(polling.pause(requested), Duration::from_secs(pause), "{requested:?}");
    }
}
