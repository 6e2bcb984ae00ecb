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

#[test]
fn the_attachments_of_the_line_are_found_with_and_without_a_key() {
    let job = JobId::parse("01890a5d-ac96-774b-bcce-b302099a8057").expect("an id");
    let names = ["000000.0-aaaaaaaaaaaaaaaa-x.pdf", "000001.0-bbbbbbbbbbbbbbbb-y.pdf"];
    for query in ["", "?key=0123456789abcdef"] {
        let url =
            |name: &str| format!("https://ehi.example.org/jobs/{job}/download/attachments/{name}{query}");
        let line = format!(
            "{{\"resourceType\":\"Media\",\"content\":[{{\"url\":\"{}\"}},{{\"url\":\"{}\"}}]}}\n",
            url(names[0]),
            url(names[1])
        );
        let mut cut = Cut::new(0);
        cut.take(line.as_bytes()).expect("a short line");
        let found: Vec<_> = cut.attachments(&job).iter().map(RecordAttachment::url_name).collect();
        assert_eq!(found, names, "{query}");
    }
}
