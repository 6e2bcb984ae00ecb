use std::os::unix::fs::symlink;

use super::*;

fn mode_of(path: &Path) -> u32 {
    std::fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

/// Another user may create the lock as a name of a file that only this user can write.
#[test]
fn a_lock_that_is_a_name_of_another_file_is_refused_and_changes_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let (other, lock) = (directory.path().join("other"), directory.path().join("lock"));
    std::fs::write(&other, "kept").expect("written");
    std::fs::set_permissions(&other, Permissions::from_mode(0o600)).expect("changed");
    let make: [fn(&Path, &Path) -> std::io::Result<()>; 3] = [
        |other, lock| symlink(other, lock),
        |other, lock| std::fs::hard_link(other, lock),
        |_, lock| std::fs::create_dir(lock),
    ];
    for (number, make) in make.into_iter().enumerate() {
        make(&other, &lock).expect("created");
        let refused = FileLock::attempt(&lock, 0o666, "text").expect_err("refused").to_string();
        assert!(
            refused.contains("lock: this is the name of a lock, but it is a link"),
            "{number}: {refused}"
        );
        assert_eq!(std::fs::read_to_string(&other).expect("read"), "kept", "{number}");
        assert_eq!(mode_of(&other), 0o600, "{number}");
        let _ = std::fs::remove_file(&lock).or_else(|_| std::fs::remove_dir(&lock));
    }
    symlink(directory.path().join("missing"), &lock).expect("created");
    FileLock::attempt(&lock, 0o666, "text").expect_err("refused");
    assert!(!directory.path().join("missing").exists());
}

#[test]
fn only_the_process_that_creates_the_lock_sets_its_mode() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("lock");
    let lock = FileLock::attempt(&path, 0o666, "text").expect("locked");
    assert!(matches!(lock, Attempt::Locked(_)), "{lock:?}");
    assert_eq!(mode_of(&path), 0o666);
    drop(lock);
    // A process that was killed leaves its lock.
    std::fs::write(&path, "a longer text of the last holder").expect("written");
    std::fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("changed");
    let lock = FileLock::attempt(&path, 0o666, "text").expect("locked");
    assert!(matches!(lock, Attempt::Locked(_)), "{lock:?}");
    assert_eq!((mode_of(&path), std::fs::read_to_string(&path).expect("read")), (0o640, "text\n".to_owned()));
    drop(lock);
    assert!(!path.exists());
}

fn locked(attempt: Result<Attempt, Failure>) -> FileLock {
    match attempt {
        Ok(Attempt::Locked(lock)) => lock,
        other => panic!("{other:?}"),
    }
}

fn in_use(attempt: Result<Attempt, Failure>) -> String {
    match attempt {
        Ok(Attempt::InUse(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn shared_locks_exclude_only_the_other_kind_and_the_last_one_removes_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("lock");
    let first = locked(FileLock::attempt_shared(&path, 0o600, "first"));
    let second = locked(FileLock::attempt_shared(&path, 0o600, "second"));
    assert_eq!(in_use(FileLock::attempt(&path, 0o600, "alone")), "second");
    drop(first);
    assert_eq!(in_use(FileLock::attempt(&path, 0o600, "alone")), "second");
    drop(second);
    assert!(!path.exists());
    let alone = locked(FileLock::attempt(&path, 0o600, "alone"));
    assert_eq!(in_use(FileLock::attempt_shared(&path, 0o600, "third")), "alone");
    drop(alone);
    assert!(!path.exists());
}

/// The files of the kernel are such a directory for each user.
#[cfg(target_os = "linux")]
#[test]
fn a_directory_in_which_no_file_can_be_created_is_read_without_a_lock() {
    let path = Path::new("/sys/kernel/ehi.lock");
    let lock = locked(FileLock::attempt_shared(path, 0o600, "text"));
    assert!(lock.file.is_none(), "{lock:?}");
    FileLock::attempt(path, 0o600, "text").expect_err("no lock");
}

/// Somebody removes the file by hand while it is locked, so that another process creates and locks a new one.
#[test]
fn the_file_of_another_lock_is_not_removed() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("lock");
    let first = locked(FileLock::attempt(&path, 0o666, "first"));
    std::fs::remove_file(&path).expect("removed by hand");
    let second = locked(FileLock::attempt(&path, 0o666, "second"));
    drop(first);
    let third = FileLock::attempt(&path, 0o666, "third").expect("an attempt");
    assert!(matches!(third, Attempt::InUse(_)), "{third:?}");
    drop(second);
    assert!(!path.exists());
}
