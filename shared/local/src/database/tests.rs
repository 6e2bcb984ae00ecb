use super::*;
use crate::schema::STATE;

/// The durability of [`Database::write`] depends on the settings of SQLite before each transaction.
#[tokio::test]
async fn only_a_lasting_commit_waits_for_the_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let database = Database::open(&directory.path().join("state.sqlite"), STATE).expect("opened");
    for lasts in [true, false, false, true, true, false, true] {
        let synchronous = database.write_lasting(lasts, |transaction| {
            transaction.query_row("PRAGMA synchronous", [], |row| row.get::<_, u8>(0)).map_err(sql)
        });
        // FULL and NORMAL.
        assert_eq!(synchronous.await.expect("committed"), if lasts { 2 } else { 1 });
    }
}

#[test]
fn a_database_of_a_newer_version_is_refused_with_an_error_of_one_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("state.sqlite");
    drop(Database::open(&path, STATE).expect("opened"));
    let newer = Connection::open(&path).expect("a database");
    newer.pragma_update(None, "user_version", 99).expect("a version");
    drop(newer);
    let refused = Database::open(&path, STATE).err().expect("refused").to_string();
    assert!(refused.contains("newer version of this program"), "{refused}");
    assert!(refused.contains("state.sqlite") && !refused.contains('\n'), "{refused}");
}

#[test]
fn opening_a_damaged_database_reports_the_damage_and_advises_a_backup() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("state.sqlite");
    std::fs::write(&path, [b'x'; 8192]).expect("written");
    let refused = Database::open(&path, STATE).err().expect("refused").to_string();
    assert!(refused.contains("state.sqlite: the database is damaged"), "{refused}");
    assert!(refused.contains("backup"), "{refused}");
}

#[test]
fn damage_that_is_found_after_opening_is_a_defect() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("state.sqlite");
    drop(Database::open(&path, STATE).expect("opened"));
    // Damages every page except the first, which is read when the database is opened.
    let length = std::fs::metadata(&path).expect("a file").len();
    let damaged = vec![b'x'; usize::try_from(length).expect("a length") - 4096];
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("opened");
    std::os::unix::fs::FileExt::write_all_at(&file, &damaged, 4096).expect("written");
    let database = Database::open(&path, STATE).expect("opened");
    let read = database.read(|connection| {
        connection.query_row("SELECT count(*) FROM messages", [], |row| row.get::<_, i64>(0))
    });
    let error = read.expect_err("refused");
    assert_eq!(error.kind(), domain::error::Kind::Defect, "{error}");
    assert!(error.causes().contains("damaged"), "{}", error.causes());
}
