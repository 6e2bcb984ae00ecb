use proptest::prelude::*;

use super::*;

fn read(text: Vec<u8>, block: usize) -> Vec<(u64, Option<Vec<u8>>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut lines = Lines::new(Box::new(MemoryReader::new(text, block)));
        let mut found = Vec::new();
        while let Some(line) = lines.next().await.expect("memory") {
            found.push((line.number, line.text.map(<[u8]>::to_vec)));
        }
        found
    })
}

proptest! {
    #[test]
    fn lines_do_not_depend_on_the_blocks(text in "[a-c \r\n]{0,200}", block in 1usize..50) {
        let expected: Vec<_> = text.split('\n').zip(1..).filter(|(line, _)| !line.trim_ascii().is_empty())
            .map(|(line, number)| (number, Some(line.trim_ascii().as_bytes().to_vec()))).collect();
        prop_assert_eq!(read(text.into_bytes(), block), expected);
    }
}

#[test]
fn a_line_that_is_too_long_is_reported_and_dropped() {
    for end in ["\n{\"b\":1}\n", ""] {
        let mut text = b"{\"a\":1}\n".to_vec();
        text.resize(text.len() + MAX_LINE + 10, b'x');
        text.extend_from_slice(end.as_bytes());
        let mut expected = vec![(1, Some(b"{\"a\":1}".to_vec())), (2, None)];
        if !end.is_empty() {
            expected.push((3, Some(b"{\"b\":1}".to_vec())));
        }
        assert_eq!(read(text, 1 << 20), expected);
    }
}
