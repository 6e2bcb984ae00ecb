use proptest::prelude::*;

use super::*;

fn name(text: &str) -> FileName {
    FileName::parse(text).expect("a name")
}

#[test]
fn rows_of_versions_without_packs_are_read() {
    let old: Location = serde_json::from_str("\"exports/a/references.txt\"").expect("a key");
    assert_eq!(old, Location::object("exports/a/references.txt".to_owned()));
    let packed = Location {
        key: "exports/a/pack".to_owned(),
        place: Some(PackRange { offset: 1, length: 2, gzip: true }),
    };
    for location in [old, packed] {
        let text = serde_json::to_string(&location).expect("JSON");
        assert_eq!(serde_json::from_str::<Location>(&text).expect("a location"), location, "{text}");
    }
    let plain = serde_json::to_string(&PackRange { offset: 1, length: 2, gzip: false }).expect("JSON");
    assert_eq!(plain, "{\"offset\":1,\"length\":2}");
}

#[test]
fn bytes_that_are_not_an_index_are_refused_with_the_reason() {
    for (text, expected) in [
        ("", NoIndex::Unreadable),
        ("{}", NoIndex::Unreadable),
        ("[[\"a\",0]]", NoIndex::Unreadable),
        ("[[\"../a\",0,1]]", NoIndex::Unreadable),
        ("[[\".a\",0,1]]", NoIndex::Unreadable),
        ("[[\"a\",-1,1]]", NoIndex::Unreadable),
        ("[[\"a\",0,1]] x", NoIndex::Unreadable),
        ("[[\"b\",0,1],[\"a\",1,1]]", NoIndex::Order),
        ("[[\"a\",0,1],[\"a\",1,1]]", NoIndex::Order),
        ("[[\"a\",0,11]]", NoIndex::Outside),
        ("[[\"a\",11,0]]", NoIndex::Outside),
        ("[[\"a\",18446744073709551615,1]]", NoIndex::Outside),
    ] {
        assert_eq!(Index::parse(text.as_bytes(), 10), Err(expected), "{text}");
    }
    let many: Vec<_> = (0..=MAX_ATTACHMENTS).map(|number| (name(&format!("{number:05}")), 0, 1)).collect();
    let bytes = Index::new(many).to_bytes().expect("JSON");
    assert_eq!(Index::parse(&bytes, 10), Err(NoIndex::TooMany));
}

#[test]
fn the_largest_index_is_within_its_limit() {
    let longest = |number: usize| name(&format!("{number:0160}"));
    let entries = (0..MAX_ATTACHMENTS).map(|number| (longest(number), u64::MAX / 2, u64::MAX / 2));
    let bytes = Index::new(entries.collect()).to_bytes().expect("JSON");
    assert!(bytes.len() as u64 <= MAX_INDEX, "{}", bytes.len());
}

proptest! {
    #[test]
    fn an_index_finds_what_was_put_into_it(names in prop::collection::btree_set("[a-z]{1,3}", 0..20), other in "[a-z]{1,3}") {
        let entries: Vec<_> = names.iter().zip(0_u64..).map(|(text, number)| (name(text), number * 10, number)).collect();
        let end = names.len() as u64 * 11;
        let index = Index::parse(&Index::new(entries.clone()).to_bytes().expect("JSON"), end).expect("an index");
        for (name, offset, length) in entries {
            prop_assert_eq!(index.find(&name), Some(PackRange { offset, length, gzip: false }));
        }
        prop_assert_eq!(index.find(&name(&other)).is_some(), names.contains(&other));
    }
}
