use super::*;

#[test]
fn lines_are_found_in_pieces_of_any_size() {
    let text = b"{\"a\":1}\n\n{\"b\":2}\n";
    for size in 1..=text.len() {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for piece in text.chunks(size) {
            lines.feed(piece, |line| found.push(String::from_utf8_lossy(line).into_owned()));
        }
        assert_eq!(found, ["{\"a\":1}", "{\"b\":2}"], "pieces of {size} bytes");
    }
}

#[test]
fn the_days_of_a_type_are_the_first_and_the_last() {
    let mut facts = Facts::default();
    for line in [
        &br#"{"date":"2020-05-01T10:00:00Z"}"#[..],
        br#"{"date":"2019"}"#,
        br#"{"status":"final"}"#,
        b"not JSON",
        br#"{"date":"2021-01-01"}"#,
    ] {
        facts.add(line);
    }
    assert_eq!((facts.count, facts.days), (5, Some(("2019".to_owned(), "2021-01-01".to_owned()))));
}
