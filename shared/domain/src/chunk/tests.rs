use serde_json::json;

use super::*;
use crate::error::{Error, Kind};
use crate::task::Task;

#[test]
fn the_work_of_an_earlier_version_is_read_and_written_as_it_was() {
    let relist = Work::Relist { to: 7, from: 0, runs: Vec::new() };
    for (stored, work) in [
        (json!("supporting"), Work::Supporting),
        (json!("groups"), Work::Groups),
        (json!({ "relist": { "to": 7 } }), relist),
    ] {
        assert_eq!(serde_json::from_value::<Work>(stored.clone()).expect("work"), work);
        assert_eq!(serde_json::to_value(work).expect("JSON"), stored);
    }
}

#[test]
fn the_rest_of_a_work_covers_what_the_work_covers() {
    let rest = Work::Relist { to: 7, from: 3, runs: vec!["run".to_owned()] };
    for rest in [Work::Follow { from: "checkpoint".to_owned() }, Work::GroupsAfter("a.json".to_owned()), rest]
    {
        let stored = serde_json::to_value(&rest).expect("JSON");
        assert_eq!(serde_json::from_value::<Work>(stored).expect("work"), rest);
        let whole = match rest {
            Work::Follow { .. } => Work::Supporting,
            Work::GroupsAfter(_) => Work::Groups,
            _ => Work::Relist { to: 7, from: 0, runs: Vec::new() },
        };
        assert_eq!(rest.covered(), whole.covered());
    }
}

/// Functions of the version before and of a new version run at the same time while traffic is shifted.
#[test]
fn work_and_tasks_of_a_newer_version_are_no_defect() {
    let chunk = |work: &serde_json::Value| json!({ "id": "000001.0", "work": work, "bytes": 0 }).to_string();
    let read = |text: &str| serde_json::from_str::<Chunk>(text).map_err(|error| Error::reading(error).kind());
    assert!(read(&chunk(&json!("supporting"))).is_ok());
    assert_eq!(read(&chunk(&json!({ "teleport": { "to": 1 } }))), Err(Kind::Newer));
    assert_eq!(read(&chunk(&json!("teleport"))), Err(Kind::Newer));
    assert_eq!(read(&chunk(&json!({ "follow": {} }))), Err(Kind::Defect), "a field is missing");
    assert_eq!(read("{"), Err(Kind::Defect));
    let task = serde_json::from_str::<Task>(r#"{ "task": "teleport", "job": "1" }"#).expect_err("unknown");
    assert_eq!(Error::reading(task).kind(), Kind::Newer);
    let shown = Error::reading(serde_json::from_str::<Work>("\"teleport\"").expect_err("unknown"));
    assert!(shown.to_string().contains("newer version") && shown.causes().contains("teleport"), "{shown}");
}
