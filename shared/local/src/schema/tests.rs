use rusqlite::Connection;

use super::*;
use crate::database::Database;

#[test]
fn a_database_without_a_version_is_updated() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("state.sqlite");
    let old = Connection::open(&path).expect("a database");
    old.execute_batch(SCHEMA).expect("the first version");
    old.execute("INSERT INTO messages (body, due_at) VALUES ('{}', 7)", []).expect("a message");
    drop(old);
    for _ in 0..2 {
        let database = Database::open(&path, STATE).expect("opened");
        let kept = database.read(|connection| {
            connection.query_row("SELECT due_at + hidden_at FROM messages", [], |row| row.get::<_, i64>(0))
        });
        assert_eq!(kept.expect("a row"), 7);
    }
}
