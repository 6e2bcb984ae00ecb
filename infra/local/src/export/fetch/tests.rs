use super::*;

#[test]
fn long_lines_are_counted_and_not_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("file");
    for (text, shown, lines) in [
        ("", vec![], Lines { count: 0, long: 0 }),
        ("a\n\n \nb", vec!["a", "b"], Lines { count: 2, long: 0 }),
        ("1234\n12345\n123456\n1\n", vec!["1234", "12345", "1"], Lines { count: 4, long: 1 }),
        ("1\n123456", vec!["1"], Lines { count: 2, long: 1 }),
        ("12345", vec!["12345"], Lines { count: 1, long: 0 }),
    ] {
        std::fs::write(&path, text).expect("written");
        let mut found = Vec::new();
        let read = read_lines(&path, 5, |line| found.push(String::from_utf8_lossy(line).into_owned()));
        assert_eq!((read.expect("read"), found), (lines, shown.into_iter().map(str::to_owned).collect()));
    }
}
