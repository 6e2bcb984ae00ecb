use super::*;

/// Returns times by which the lock of another load has expired at once.
fn times() -> Times {
    let renewal = Duration::from_millis(5);
    Times { renewal, lifetime: Duration::ZERO, watch: Duration::from_millis(1), ..Times::default() }
}

/// The sorting of a load runs on another thread, which must have ended before the temporary directory is removed.
#[tokio::test]
async fn work_on_another_thread_is_told_to_stop_and_awaited_if_the_lock_is_lost() {
    let root = tempfile::tempdir().expect("a directory");
    let (files, bar) = (local::files_at(root.path()).expect("a directory"), ProgressBar::hidden());
    let kept = Times { lifetime: Duration::from_mins(1), ..times() };
    let first = Lease::acquire(files.clone(), kept, &bar).await.expect("no other load");
    let second = Lease::acquire(files, times(), &bar).await.expect("the lock has expired");
    let (stop, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (told, done) = (stop.clone(), ended.clone());
    let work = tokio::task::spawn_blocking(move || {
        while !told.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(50));
        done.store(true, Ordering::Relaxed);
        Ok(())
    });
    let lost = first.during_blocking(work, &stop).await.expect_err("the lock is lost").to_string();
    assert!(lost.contains("another load has taken the lock"), "{lost}");
    assert!(ended.load(Ordering::Relaxed), "the work has ended");
    second.confirm().await.expect("the other load goes on");
}

#[test]
fn what_another_machine_wrote_is_shown_without_control_characters() {
    let now = Timestamp::UNIX_EPOCH;
    let host = format!("a\u{1b}[31m\n{}", "b".repeat(200));
    let load = "1".to_owned();
    let holder = Holder { load, process: 7, host, since: now, renewed: now, renewals: 0, has_ended: false };
    let refused = in_use(Some(&holder), Duration::from_secs(9)).to_string();
    assert!(refused.contains("(since 1970-01-01T00:00:00Z, process 7 on a[31mbbb"), "{refused}");
    assert!(!refused.chars().any(char::is_control) && refused.len() < 500, "{refused}");
    assert!(refused.contains("run this load again in 10 seconds"), "{refused}");
}

/// A later version may write more members, and an earlier one may have written fewer.
#[test]
fn the_lock_of_another_version_is_read() {
    let text = r#"{"load":"1","process":7,"host":"h","since":"2026-03-01T12:00:00Z","renewed":"2026-03-01T12:00:05Z","renewals":1,"more":{}}"#;
    let holder = holder_of(text.as_bytes()).expect("a lock");
    assert_eq!((holder.process, holder.has_ended), (7, false));
    assert_eq!(holder_of(b"{}"), None);
}
