use contract::SeededRandom;
use futures_util::FutureExt;

use super::*;

#[tokio::test]
async fn only_the_right_password_of_a_known_user_is_accepted() {
    let limits = Limits::default();
    let known = hash("a long password", &SeededRandom::new(1)).expect("a hash");
    for (password, hash, right) in [
        ("a long password", Some(known.as_str()), true),
        ("another password", Some(&known), false),
        ("a long password", None, false),
        ("a long password", Some("no hash"), false),
    ] {
        let turn = turn(&limits).await.expect("a turn");
        let found = turn.find(&["no password", password], hash).await.expect("verified");
        assert_eq!(found, right.then_some(password), "{password} {hash:?}");
    }
}

#[tokio::test]
async fn a_cancelled_request_keeps_its_turn_until_its_hash_is_made() {
    let (sender, submitted) = mpsc::channel::<Work>();
    let hashers: &Hashers = Box::leak(Box::new(Hashers {
        turns: Semaphore::new(1),
        waiting: AtomicU64::new(0),
        work: Mutex::new(sender),
    }));
    let permit = hashers.turns.acquire().await.expect("a permit");
    let mut verified = Box::pin(Turn { hashers, permit }.find(&["a long password"], None));
    assert!(verified.as_mut().now_or_never().is_none());
    drop(verified);
    assert_eq!(hashers.turns.available_permits(), 0);
    submitted.try_recv().expect("the hash")();
    assert_eq!(hashers.turns.available_permits(), 1);
}

#[test]
fn requests_beyond_the_limit_of_waiting_ones_are_refused() {
    let waiting = AtomicU64::new(0);
    let first = Waiter::begin(&waiting, 1).expect("room");
    assert!(matches!(Waiter::begin(&waiting, 1), Err(Error::Throttled { .. })));
    drop(first);
    assert!(Waiter::begin(&waiting, 1).is_ok());
    assert_eq!(waiting.load(Ordering::Relaxed), 0);
}
