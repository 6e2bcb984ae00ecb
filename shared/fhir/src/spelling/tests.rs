use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::json::check_object;

#[test]
fn only_required_escapes_stay() {
    for (text, expected) in [
        (r#"{"a":"x\/y"}"#, r#"{"a":"x/y"}"#),
        (r#"{"m\u0065ta":"\u0048IV"}"#, r#"{"meta":"HIV"}"#),
        (r#"{"a":"\u0022\u005c\u005C\u000a\u0001\u00e9"}"#, "{\"a\":\"\\\"\\\\\\\\\\n\\u0001\u{e9}\"}"),
        (
            r#"{"a":"\ud83d\uDE00 \uD83D \ude00 \ud83d\ud83d\ude00"}"#,
            "{\"a\":\"\u{1f600} \\ud83d \\ude00 \\ud83d\u{1f600}\"}",
        ),
        (r#"{"a":"\\u0041\\\/"}"#, r#"{"a":"\\u0041\\/"}"#),
    ] {
        let spelling = check_object(text.as_bytes(), |_, _| {}).expect("JSON");
        assert!(spelling.has_escapes, "{text}");
        let plain = plain(text.as_bytes());
        assert_eq!(String::from_utf8_lossy(&plain), expected);
        check_object(&plain, |_, _| {}).expect("still JSON");
    }
    let plainly = br#"{"a":"\"\\\n"}"#;
    assert!(!check_object(plainly, |_, _| {}).expect("JSON").has_escapes);
}

#[test]
fn repeated_members_are_found_at_any_depth() {
    let many = (0..200).map(|number| format!("\"n{number}\":{{}},")).collect::<Vec<_>>().concat();
    let deep = format!("{}{{\"a\":1,\"a\":2}}{}", "{\"x\":".repeat(40), "}".repeat(40));
    for (text, repeated) in [
        (r#"{"a":1,"b":{"a":2},"c":[{"a":1},{"a":2}]}"#.to_owned(), None),
        (r#"{"a":1,"b":2,"a":3}"#.to_owned(), Some("a")),
        (r#"{"b":[[{"c":{"x":1,"y":2,"x":3}}]]}"#.to_owned(), Some("x")),
        (r#"{"b":{"":1},"":2,"c":{"":3,"":4}}"#.to_owned(), Some("")),
        (r#"{"a":1,"b":1,"a":1}"#.to_owned(), Some("a")),
        (r#"{"":1,"":1}"#.to_owned(), Some("")),
        (r#"{"effectiveDateTime":1,"effectivePeriod":2,"effectiveInstant":3}"#.to_owned(), None),
        (format!("{{{many}\"n7\":1}}"), Some("n7")),
        (format!("{{{many}\"last\":1}}"), None),
        (deep, Some("a")),
    ] {
        let spelling = check_object(text.as_bytes(), |_, _| {}).expect("JSON");
        assert!(spelling.may_repeat || repeated.is_none(), "{text}");
        assert_eq!(repeated_member(text.as_bytes()).as_deref(), repeated, "{text}");
    }
}

#[derive(Debug, Clone)]
enum Tree {
    Leaf,
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

fn tree() -> impl Strategy<Value = Tree> {
    Just(Tree::Leaf).prop_recursive(5, 60, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Tree::List),
            prop::collection::vec(("[a-c]{0,3}", inner), 0..8).prop_map(Tree::Object),
        ]
    })
}

fn written(tree: &Tree, repeats: &mut bool) -> String {
    match tree {
        Tree::Leaf => "1".to_owned(),
        Tree::List(list) => {
            format!("[{}]", list.iter().map(|tree| written(tree, repeats)).collect::<Vec<_>>().join(","))
        }
        Tree::Object(members) => {
            let names: HashSet<_> = members.iter().map(|(name, _)| name).collect();
            *repeats |= names.len() < members.len();
            let members = members.iter().map(|(name, tree)| format!("\"{name}\":{}", written(tree, repeats)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
    }
}

proptest! {
    #[test]
    fn repeated_members_are_reported_if_and_only_if_there_are_any(tree in tree()) {
        let mut repeats = false;
        let text = format!("{{\"root\":{}}}", written(&tree, &mut repeats));
        let spelling = check_object(text.as_bytes(), |_, _| {}).expect("JSON");
        prop_assert_eq!(repeated_member(text.as_bytes()).is_some(), repeats);
        // `may_repeat` is exact for objects of this size and depth.
        prop_assert_eq!(spelling.may_repeat, repeats, "{}", text);
    }

    #[test]
    fn decoding_escapes_does_not_change_the_meaning(units in prop::collection::vec(any::<u16>(), 0..12)) {
        let escaped = units.iter().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>().concat();
        let text = format!("{{\"{escaped}\":\"{escaped}\"}}");
        let plain = plain(text.as_bytes());
        check_object(&plain, |_, _| {}).expect("still JSON");
        // A parser refuses halves of surrogate pairs.
        if let Ok(value) = serde_json::from_str::<Value>(&text) {
            prop_assert_eq!(&serde_json::from_slice::<Value>(&plain).expect("JSON"), &value);
            prop_assert_eq!(String::from_utf8(plain).expect("UTF-8"), value.to_string());
        }
    }
}
