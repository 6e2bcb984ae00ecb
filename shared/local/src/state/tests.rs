use std::os::unix::fs::PermissionsExt as _;

use crypto::OsRandom;

use super::*;

#[test]
fn a_directory_in_use_is_refused_with_its_owner() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path().join("state");
    let first = open(&state).expect("free");
    let refused = open(&state).expect_err("in use").to_string();
    assert!(refused.contains(&format!("in use by process {}", std::process::id())), "{refused}");
    drop(first);
    open(&state).expect("free again");
}

#[test]
fn damaged_keys_are_reported_and_never_replaced() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("keys.json");
    keys(&path, &OsRandom).expect("made");
    keys(&path, &OsRandom).expect("read");
    assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
    let whole = std::fs::read(&path).expect("a file");
    for text in [&b""[..], b"{}", &whole[..whole.len() / 2]] {
        std::fs::write(&path, text).expect("written");
        let refused = keys(&path, &OsRandom).err().expect("damaged").to_string();
        assert!(refused.contains("is empty or damaged"), "{refused}");
        assert_eq!(std::fs::read(&path).expect("a file"), text);
    }
}

#[test]
fn files_of_an_earlier_version_become_private() {
    let directory = tempfile::tempdir().expect("a directory");
    let database = directory.path().join("state.sqlite");
    std::fs::write(&database, b"").expect("written");
    std::fs::set_permissions(&database, std::fs::Permissions::from_mode(0o644)).expect("open");
    open(directory.path()).expect("free");
    assert_eq!(std::fs::metadata(&database).expect("a file").permissions().mode() & 0o777, 0o600);
}
