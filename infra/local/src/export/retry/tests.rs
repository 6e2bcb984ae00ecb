use super::*;

#[tokio::test]
async fn a_pause_that_is_too_long_ends_the_attempts() {
    let patience = Patience::new(Duration::from_secs(5), ProgressBar::hidden());
    let mut attempts = patience.attempts();
    let trouble = || Trouble {
        failure: Failure::new("busy"),
        kind: Kind::Refused,
        retry_after: pause_until(&u64::MAX.to_string(), SystemClock.now()),
    };
    for _ in 0..2 {
        let trouble = attempts.pause(trouble()).await.expect_err("too long");
        assert_eq!((trouble.failure.to_string().as_str(), trouble.kind), ("busy", Kind::Over));
    }
    let fatal = attempts.pause(Failure::new("full").into()).await.expect_err("fatal");
    assert_eq!((fatal.failure.to_string().as_str(), fatal.kind), ("full", Kind::Fatal));
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let now = "2026-01-02T03:04:05Z".parse().expect("an instant");
    assert_eq!(pause_until("Friday, 02-Jan-26 03:05:05 GMT", now), Some(Duration::from_mins(1)));
    assert_eq!(pause_until(" 7 ", now), Some(Duration::from_secs(7)));
    assert_eq!(pause_until("Fri, 02 Jan 2026 03:05:05 GMT", now), Some(Duration::from_mins(1)));
    assert_eq!(pause_until("Fri, 02 Jan 2026 03:04:00 GMT", now), Some(Duration::ZERO), "a time in the past");
    assert_eq!(pause_until("soon", now), None);
}
