use super::*;

/// Stops after each number of changes, and completes them: the result is always the same.
#[test]
fn changes_are_completed_wherever_they_were_stopped() {
    for stopped_after in 0..=5 {
        let lake = tempfile::tempdir().expect("a directory");
        let path = |name: &str| lake.path().join(name);
        let write = |name: &str, text: &str| {
            std::fs::create_dir_all(path(name).parent().expect("a directory")).expect("created");
            std::fs::write(path(name), text).expect("written");
        };
        for (name, text) in [("p1/records", "damaged"), ("p1/other", "old"), ("p2/records", "old")] {
            write(name, text);
        }
        let temporary = path(&format!("{TEMPORARY}x"));
        std::fs::create_dir(&temporary).expect("created");
        let changes = Changes::new(&temporary, true).expect("a list");
        let new = [changes.new_file().expect("a path"), changes.new_file().expect("a path")];
        for (new, text) in new.iter().zip(["new 1", "new 3"]) {
            std::fs::write(new, text).expect("written");
        }
        let all = [
            [path("p1/records"), path("p1/records.damaged"), new[0].clone()],
            [new[0].clone(), path("p1/records"), PathBuf::new()],
            [path("p1/other"), PathBuf::new(), PathBuf::new()],
            [path("p2/records"), PathBuf::new(), PathBuf::new()],
            [new[1].clone(), path("p3/records"), PathBuf::new()],
        ];
        changes.set_aside(&all[0][0], &all[0][1], Some(&new[0])).expect("listed");
        changes.place(&new[0], &all[1][1]).expect("listed");
        changes.remove(&all[2][0]).expect("listed");
        changes.remove(&all[3][0]).expect("listed");
        changes.remove(&path("p2")).expect("listed");
        changes.place(&new[1], &all[4][1]).expect("listed");
        drop(changes);
        std::fs::rename(temporary.join("changes.part"), temporary.join(LIST)).expect("renamed");
        for [from, to, before] in &all[..stopped_after] {
            change(from, to, before).expect("made");
        }
        assert_eq!(complete(lake.path()).expect("completed"), 1);
        assert_eq!(complete(lake.path()).expect("completed"), 0);
        let read = |name: &str| std::fs::read_to_string(path(name)).ok();
        let found = ["p1/records", "p1/records.damaged", "p1/other", "p3/records"].map(read);
        let expected = [Some("new 1"), Some("damaged"), None, Some("new 3")];
        assert_eq!(found, expected.map(|text| text.map(str::to_owned)), "{stopped_after}");
        assert!(!path("p2").exists() && !temporary.exists());
    }
}

/// A file cannot replace a directory that has files, whoever runs the test.
#[test]
fn a_change_that_fails_is_made_later_with_the_files_that_were_kept() {
    let lake = tempfile::tempdir().expect("a directory");
    let path = |name: &str| lake.path().join(name);
    for (name, text) in [("p1/records", "old"), ("p2/records/obstacle", "a file"), ("p3/records", "moves")] {
        std::fs::create_dir_all(path(name).parent().expect("a directory")).expect("created");
        std::fs::write(path(name), text).expect("written");
    }
    let temporary = path(&format!("{TEMPORARY}x"));
    std::fs::create_dir(&temporary).expect("created");
    let changes = Changes::new(&temporary, true).expect("a list");
    for (name, text) in [("p1/records", "new"), ("p2/records", "moved")] {
        let new = changes.new_file().expect("a path");
        std::fs::write(&new, text).expect("written");
        changes.place(&new, &path(name)).expect("listed");
    }
    changes.remove(&path("p3/records")).expect("listed");
    assert!(!is_listed(&temporary));
    let failure = changes.make().expect_err("the target is a directory");
    assert!(failure.to_string().starts_with(&path("p2/records").display().to_string()), "{failure}");
    let read = |name: &str| std::fs::read_to_string(path(name)).ok();
    for _ in 0..2 {
        assert!(is_listed(&temporary));
        let found = ["p1/records", &format!("{TEMPORARY}x/new-0/1"), "p3/records"].map(read);
        assert_eq!(found, ["new", "moved", "moves"].map(|text| Some(text.to_owned())));
        assert!(complete(lake.path()).is_err(), "the obstacle is still there");
    }
    std::fs::remove_dir_all(path("p2/records")).expect("removed");
    assert_eq!(complete(lake.path()).expect("completed"), 1);
    assert_eq!(
        ["p1/records", "p2/records", "p3/records"].map(read),
        [Some("new".to_owned()), Some("moved".to_owned()), None]
    );
    assert!(!temporary.exists());
}

/// After a power cut, the next load renames the files of a complete list. So all of them are on the disk before there is such a list.
#[test]
fn new_files_are_on_the_disk_before_the_list_is_complete() {
    let lake = tempfile::tempdir().expect("a directory");
    for is_written in [false, true] {
        let temporary = lake.path().join(format!("{TEMPORARY}{is_written}"));
        std::fs::create_dir(&temporary).expect("created");
        let changes = Changes::new(&temporary, true).expect("a list");
        let new = changes.new_file().expect("a path");
        std::fs::write(&new, "new").expect("written");
        changes.place(&new, &lake.path().join("records")).expect("listed");
        let mut synced = None;
        let made = changes.make_after(|directory| {
            let list = std::fs::read(directory.join("changes.part")).expect("the list");
            synced = Some((list.ends_with(b"records\0\0"), new.exists(), is_listed(directory)));
            sync_file_system(directory)?;
            if is_written { Ok(()) } else { Err(ErrorKind::StorageFull.into()) }
        });
        assert_eq!(synced, Some((true, true, false)));
        let found = (made.is_ok(), is_listed(&temporary), lake.path().join("records").exists());
        assert_eq!(found, (is_written, is_written, is_written));
    }
}
