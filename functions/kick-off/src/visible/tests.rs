use serde_json::json;

use super::*;

#[test]
fn one_unreadable_label_makes_all_labels_unreadable() {
    let set = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect::<BTreeSet<_>>();
    let labelled = |code: &str| json!({ "security": [{ "system": "s", "code": code }] });
    let labels = |resource: &Value| labels(resource.as_object()?);
    let found = labels(&json!({ "meta": labelled("a"), "contained": [{ "meta": labelled("b") }, {}] }));
    assert_eq!(found, Some(Labels { own: set(&["a"]), all: set(&["a", "b"]) }));
    assert_eq!(labels(&json!({ "meta": {} })), Some(Labels::default()));
    for unreadable in [
        json!([]),
        json!({ "meta": [] }),
        json!({ "meta": { "security": { "code": "a" } } }),
        json!({ "meta": { "security": ["a"] } }),
        json!({ "meta": { "security": [{ "display": "HIV" }] } }),
        json!({ "meta": { "security": [{ "code": 7 }] } }),
        json!({ "contained": {} }),
        json!({ "contained": [{ "meta": null }] }),
    ] {
        assert_eq!(labels(&unreadable), None, "{unreadable}");
    }
}
