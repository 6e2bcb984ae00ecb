//! The state directory: it belongs to one process, and its files are for their owner only.

use std::path::Path;

use tests::ANNA;

use super::{Served, ehi, printed, run};

/// A state directory belongs to one process; a second process and cleanup are refused, and cleanup creates no keys.
#[test]
fn a_state_in_use_is_refused_with_its_owner() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path().join("state");
    let nothing = run(ehi().arg("cleanup").arg("--state").arg(&state));
    assert!(
        !nothing.status.success() && printed(&nothing).contains("no state directory"),
        "{}",
        printed(&nothing)
    );
    assert!(!state.exists());
    let server = Served::start(&state);
    let owner = format!("in use by process {}", server.child.id());
    let key = std::fs::read(state.join("bulk-client.json")).expect("a key");
    let second = run(ehi().args(["serve", "--listen", "127.0.0.1:0", "--state"]).arg(&state));
    assert!(!second.status.success() && printed(&second).contains(&owner), "{}", printed(&second));
    let beside = run(ehi().arg("cleanup").arg("--state").arg(&state));
    assert!(!beside.status.success() && printed(&beside).contains(&owner), "{}", printed(&beside));
    assert!(server.stop().is_some());
    std::fs::remove_file(state.join("keys.json")).expect("removed");
    let alone = run(ehi().arg("cleanup").arg("--state").arg(&state));
    assert!(alone.status.success(), "{}", printed(&alone));
    assert!(!state.join("keys.json").exists(), "cleanup signs nothing");
    assert_eq!(std::fs::read(state.join("bulk-client.json")).expect("a key"), key);
    for entry in std::fs::read_dir(&state).expect("the state") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("metadata").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?} is for its owner", entry.file_name());
    }
    assert_eq!(std::fs::metadata(&state).expect("metadata").permissions().mode() & 0o777, 0o700);
}

/// The files of an export are for their owner only, whatever the umask is.
#[tokio::test]
async fn exported_files_are_for_their_owner() {
    use std::os::unix::fs::PermissionsExt as _;

    fn check(path: &Path) -> usize {
        let found = std::fs::symlink_metadata(path).expect("metadata");
        assert_eq!(found.permissions().mode() & 0o077, 0, "{}", path.display());
        if !found.is_dir() {
            return 1;
        }
        let entries = std::fs::read_dir(path).expect("a directory");
        entries.map(|entry| check(&entry.expect("an entry").path())).sum()
    }

    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path().join("state");
    let clock = contract::FixedClock::at("2026-03-01T12:00:00Z".parse().expect("a time"));
    let settings = settings::Settings::parse(&tests::settings("sandbox = true"), |_| None, None);
    let platform = local::Local::open(
        &state,
        &ehi::defaults::sample_records(),
        settings.expect("valid settings"),
        std::sync::Arc::new(clock.clone()),
        std::sync::Arc::new(crypto::OsRandom),
    );
    let world = tests::World::over(platform.expect("a platform"), clock);
    let token = world.token(ANNA).await;
    world.exported(&token, ANNA).await;
    // Two databases with two other files each, the keys, the lock, two packs and the manifest are eleven files.
    assert_eq!(check(&state), 11);
}
