//! The lock of a bucket during a load of several steps.

use std::sync::atomic::Ordering;

use super::*;

/// Each step is shorter than the time between two renewals.
#[test]
fn a_load_of_many_short_steps_keeps_its_lock() {
    simulated(async {
        let lake = Lake::new().await;
        let long = lake.acquire().await.expect("no other load");
        let sleep = |seconds| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok(())
        };
        for _ in 0..30 {
            long.during(sleep(14)).await.expect("the lock is kept");
            lake.refused().await;
        }
        long.during(sleep(300)).await.expect("the lock is kept");
        lake.refused().await;
        // The time in which nothing renews the lock is longer than its lifetime, but no other load has taken it.
        sleep(61).await.expect("waited");
        long.during(sleep(300)).await.expect("the lock is kept");
        lake.refused().await;
    });
}

/// Work that goes on without a lock could change what another load writes.
#[test]
fn a_step_does_not_begin_after_the_lock_was_lost() {
    simulated(async {
        let lake = Lake::new().await;
        let first = lake.acquire().await.expect("no other load");
        tokio::time::sleep(Duration::from_secs(61)).await;
        let second = lake.acquire().await.expect("the lock has expired");
        let begun = AtomicBool::new(false);
        let work = async {
            begun.store(true, Ordering::Relaxed);
            Ok(())
        };
        let lost = first.during(work).await.expect_err("the lock is lost").to_string();
        assert!(lost.contains("another load has taken the lock"), "{lost}");
        assert!(!begun.load(Ordering::Relaxed));
        second.confirm().await.expect("the other load goes on");
    });
}
