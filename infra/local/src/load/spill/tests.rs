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
    let cut = Fields(&[3, 0, 0, 0, 0, 0, 0, 0, b'x']).text();
    assert!(cut.is_err(), "a truncated record is refused");
}
