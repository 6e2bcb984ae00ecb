use serde_json::{Value, json};

use super::*;

fn refused(group: &Value) -> Option<String> {
    let outline: Outline = serde_json::from_value(group.clone()).expect("a Group");
    outline.refusal(&GroupId::parse("g").expect("an id")).map(|error| error.to_string())
}

#[test]
fn a_group_that_does_not_list_its_members_is_refused() {
    let member = json!([{ "entity": { "reference": "Patient/p" } }]);
    let modifier = json!([{ "url": "http://x/not", "valueBoolean": true }]);
    let filter = json!([{ "url": "http://hl7.org/fhir/uv/bulkdata/StructureDefinition/member-filter" }]);
    for (group, reason) in [
        (json!({ "actual": false, "characteristic": [{}] }), "by criteria"),
        (json!({ "actual": false, "member": member }), "by criteria"),
        (json!({ "membership": "definitional" }), "by criteria"),
        (json!({ "membership": "conceptual", "member": member }), "by criteria"),
        (json!({ "actual": true, "quantity": 5000 }), "a quantity of 5000 and no list"),
        (json!({ "actual": true, "characteristic": [{}] }), "characteristics and no list"),
        (json!({ "actual": true, "member": member, "modifierExtension": filter }), "(member-filter)"),
        (json!({ "actual": true, "member": member, "modifierExtension": modifier }), "'http://x/not'"),
        (json!({ "member": [{}, { "modifierExtension": modifier }] }), "one of its members has"),
    ] {
        let text = refused(&group).unwrap_or_else(|| panic!("{group} is not refused"));
        assert!(text.contains(reason) && text.contains("Group/g"), "{text}");
    }
}

#[test]
fn a_group_with_a_list_of_members_or_without_any_is_not_refused() {
    let member = json!([{ "entity": { "reference": "Patient/p" } }]);
    for group in [
        json!({}),
        json!({ "actual": true, "quantity": 0 }),
        json!({ "actual": true, "quantity": 7, "member": member, "characteristic": [{}] }),
        json!({ "membership": "enumerated", "member": member }),
        json!({ "actual": true, "modifierExtension": [], "extension": [{ "url": "http://x/not" }] }),
    ] {
        assert_eq!(refused(&group), None, "{group}");
    }
}

#[test]
fn a_group_says_if_it_counts_more_members_than_it_lists() {
    let group = GroupId::parse("g").expect("an id");
    let shortfall = |quantity: u64| {
        let outline = json!({ "quantity": quantity, "member": [{}, {}] });
        serde_json::from_value::<Outline>(outline).expect("a Group").shortfall(&group)
    };
    assert_eq!((shortfall(1), shortfall(2)), (None, None));
    assert!(shortfall(3).expect("a text").contains("a quantity of 3 and lists 2 members"));
}

#[test]
fn the_beginning_of_a_group_has_what_stands_before_its_end() {
    let members = r#"{"entity":{"reference":"Patient/p"}},"#.repeat(100);
    let group = format!(
        r#"{{"id":"g","extension":[{{"a":[1]}}],"name":"Diabetes","actual":true,"member":[{members}{{}}]}}"#
    );
    let (whole, is_whole) = Outline::of_head(group.as_bytes()).expect("a Group");
    assert_eq!((whole.name.as_deref(), whole.members(), is_whole), (Some("Diabetes"), 101, true));
    let at = group.find("member").expect("members");
    for (length, name, members) in
        [(0, None, 0), (20, None, 0), (at, Some("Diabetes"), 0), (at + 400, Some("Diabetes"), 10)]
    {
        let (head, is_whole) = Outline::of_head(&group.as_bytes()[..length]).expect("a beginning");
        assert_eq!(
            (head.name.as_deref(), head.members(), is_whole, head.is_refused()),
            (name, members, false, false)
        );
    }
    // Every beginning is one, at any byte.
    for length in 0..group.len() {
        assert!(!Outline::of_head(&group.as_bytes()[..length]).expect("a beginning").1, "{length}");
    }
    let refused = Outline::of_head(br#"{"actual":false,"name":"Anybody","member":["#).expect("a beginning").0;
    assert!(refused.is_refused());
    for wrong in ["[1]", "{\"name\":7}", "{\"member\":{}}", "{} {}", "text"] {
        assert!(Outline::of_head(wrong.as_bytes()).is_err(), "{wrong}");
    }
}
