use serde_json::json;

use super::*;

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
