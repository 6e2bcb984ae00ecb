use super::*;

#[test]
fn a_line_is_cut_out_of_a_stream_with_pieces_of_any_size() {
    let lines = [
        "{\"resourceType\":\"A\",\"id\":\"1\"}\n",
        "{\"resourceType\":\"B\",\"id\":\"2\"}\n",
        "{\"resourceType\":\"C\"}\n",
    ];
    let whole = lines.concat();
    for (number, at) in [0, lines[0].len(), lines[0].len() + lines[1].len()].into_iter().enumerate() {
        for size in 1..=whole.len() {
            let mut cut = Cut::new(at as u64);
            let mut kept = Vec::new();
            for piece in whole.as_bytes().chunks(size) {
                kept.extend(cut.take(piece).expect("short lines"));
            }
            let others: String = lines
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != number)
                .map(|(_, line)| *line)
                .collect();
            assert_eq!(String::from_utf8(kept).expect("text"), others, "{number} {size}");
            let Redacted::Resource { resource_type, .. } = cut.finish().expect("a resource") else {
                panic!("a document")
            };
            assert_eq!(resource_type, ["A", "B", "C"][number]);
        }
    }
    for at in [1, 5, lines[0].len() - 1, whole.len(), whole.len() + 1] {
        let mut cut = Cut::new(at as u64);
        cut.take(whole.as_bytes()).expect("short lines");
        assert!(cut.finish().is_err(), "{at}");
    }
}
