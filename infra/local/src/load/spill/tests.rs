use super::*;

#[test]
fn resources_are_read_in_the_order_of_the_lake() {
    let directory = tempfile::tempdir().expect("a directory");
    let stream = Stream::new(directory.path(), "texts", 1);
    let mut writer = Writer::new(&stream);
    let resources = [
        ("b", "Claim", "2"),
        ("b", "Patient", "b"),
        ("a", "Claim", "3"),
        ("b", "Claim", "10"),
        ("", "Group", "g"),
    ];
    for (number, (home, resource_type, id)) in (0_u64..).zip(resources) {
        let head = Head {
            number,
            home: home.as_bytes(),
            resource_type: resource_type.as_bytes(),
            id: id.as_bytes(),
        };
        writer.push(number, |buffer| put_resource(buffer, &head, id.as_bytes())).expect("written");
    }
    writer.finish().expect("written");
    let expected = [("", "g"), ("a", "3"), ("b", "b"), ("b", "10")];
    let file = File::open(directory.path().join("texts-0")).expect("a file");
    for mut texts in [stream.texts(0).expect("read"), Texts::scan(Source::File(file)).expect("read")] {
        texts.sort(|number| number == 0);
        let mut found = Vec::new();
        let shown = texts.each(|head, text| {
            let text_of = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert_eq!(head.id, text);
            found.push((text_of(head.home), text_of(text)));
            Ok(())
        });
        shown.expect("read");
        let found: Vec<_> = found.iter().map(|(home, id)| (home.as_str(), id.as_str())).collect();
        assert_eq!(found, expected);
    }
    assert_eq!(
        stream.read(0).expect("read").len() + 5 * FRAME,
        usize::try_from(stream.bytes(0)).expect("small")
    );
    let cut = Fields(&[3, 0, 0, 0, 0, 0, 0, 0, b'x']).text();
    assert!(cut.is_err(), "a truncated record is refused");
}

/// Returns the numbers of a partition, each with the hash of its record.
fn numbers(stream: &Stream, index: usize, offset: u64) -> (Vec<(u64, u64)>, u64) {
    let (mut found, mut records) = (Vec::new(), stream.records(index, offset).expect("open"));
    while let Some((hash, mut fields)) = records.next().expect("read") {
        found.push((hash, fields.number().expect("a number")));
    }
    (found, records.offset())
}

#[test]
fn records_are_read_one_by_one_also_from_the_middle() {
    let directory = tempfile::tempdir().expect("a directory");
    let stream = Stream::new(directory.path(), "numbers", 2);
    let push = |range: std::ops::Range<u64>| {
        let mut writer = Writer::new(&stream);
        for number in range {
            writer.push(number, |buffer| put_number(buffer, number * 10)).expect("written");
        }
        writer.finish().expect("written");
    };
    assert_eq!(numbers(&stream, 0, 0), (Vec::new(), 0), "there is no file yet");
    push(0..5);
    let (first, end) = numbers(&stream, 0, 0);
    assert_eq!(first, [(0, 0), (2, 20), (4, 40)]);
    push(5..8);
    assert_eq!(numbers(&stream, 0, end).0, [(6, 60)]);
    std::fs::write(directory.path().join("numbers-1"), [0; FRAME + 3]).expect("written");
    assert!(stream.read(1).is_err(), "a part of a frame is refused");
}
