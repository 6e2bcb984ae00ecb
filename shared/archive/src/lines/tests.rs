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
