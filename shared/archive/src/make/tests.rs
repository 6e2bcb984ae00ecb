use super::*;

#[test]
fn the_facts_of_a_file_are_those_of_its_lines() {
    let mut facts = Facts::default();
    for line in [
        &br#"{"date":"2020-05-01T10:00:00Z"}"#[..],
        br#"{"date":"2019"}"#,
        br#"{"status":"final"}"#,
        b"not JSON",
        br#"{"date":"2021-01-01"}"#,
    ] {
        add(&mut facts, line);
    }
    assert_eq!((facts.count, facts.days), (5, Some(("2019".to_owned(), "2021-01-01".to_owned()))));
}
