use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn walk(text: &[u8]) -> Option<Vec<(String, Value)>> {
    let mut found = Vec::new();
    check_object(text, |key, value| {
        let key = String::from_utf8(key.to_vec()).expect("checked before");
        found.push((key, serde_json::from_slice(&text[value]).expect("a whole value")));
    })
    .ok()?;
    Some(found)
}

#[test]
fn members_are_found_after_white_space() {
    let text = b" \n{ \"a\" : {\"b\":1} } ";
    assert_eq!(member(text, 0..text.len(), b"a").map(|value| &text[value]), Some(&b"{\"b\":1}"[..]));
}

#[test]
fn text_that_is_not_a_json_object_is_refused() {
    for text in [
        "",
        "{",
        "}",
        "[]",
        "null",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":[1,]}",
        "{\"a\":[1}",
        "{\"a\":{]}",
        "{\"a\":1}x",
        "{a:1}",
        "{\"a\":tru}",
        "{\"a\":+1}",
        "{\"a\":\"",
        "{\"a\" 1}",
        "{\"resourceType\":\"Patient\",\"id\":\"cut o",
    ] {
        assert_eq!(walk(text.as_bytes()), None, "{text}");
    }
    assert_eq!(walk(b"{\"a\":\"\xff\"}"), None);
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    assert_eq!(walk(deep.as_bytes()), None);
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1_000_000..1_000_000_i32).prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
        ".{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,12}", inner, 0..6).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn every_member_of_an_object_is_visited(object in prop::collection::btree_map("[a-zA-Z]{1,12}", json(), 0..8), pretty: bool) {
        let value: Value = object.into_iter().collect();
        let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.expect("JSON");
        let found: Value = walk(&text).expect("valid").into_iter().collect();
        prop_assert_eq!(found, value);
    }

    #[test]
    fn the_check_accepts_nothing_that_a_parser_refuses(text in "[{}\\[\\],:\"a1.\\\\ntrue e-]{0,24}") {
        let text = format!("{{\"a\":{text}}}");
        if walk(text.as_bytes()).is_some() {
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{}", text);
        }
    }

    #[test]
    fn elements_are_those_of_the_array(array in prop::collection::vec(json(), 0..6)) {
        let text = serde_json::to_vec(&array).expect("JSON");
        let mut found = Vec::new();
        elements(&text, 0..text.len(), |range| found.push(serde_json::from_slice::<Value>(&text[range]).expect("a value")));
        prop_assert_eq!(found, array);
    }
}
