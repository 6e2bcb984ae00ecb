//! Property tests of valid choices in every format, and of damaged bodies.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::choices::Day;
use crate::choices::reading::*;

fn any_day() -> impl Strategy<Value = Day> {
    (1900..2100_u16, 1..=12_u8, 1..=28_u8)
        .prop_map(|(year, month, day)| Day::first(&format!("{year}-{month:02}-{day:02}")).expect("a day"))
}

/// Generates choices that a patient can make: at least one group, and no description without consent.
fn any_choices() -> impl Strategy<Value = Choices> {
    let choice = (any::<bool>(), prop::option::of((any_day(), any_day())), "\\PC{0,8}").prop_map(
        |(enabled, days, notes)| {
            let (from, to) =
                days.map(|(one, other)| (one.clone().min(other.clone()), one.max(other))).unzip();
            Choice { enabled, from, to, notes }
        },
    );
    let groups = prop::collection::btree_map(prop::sample::select(&RecordGroup::ALL[..]), choice, 1..10);
    let given = prop::collection::btree_map(
        prop::sample::select(&Sensitive::ALL[..]),
        (any::<bool>(), "\\PC{0,8}"),
        0..8,
    );
    (groups, given).prop_filter_map("a group is enabled", |(parameters, given)| {
        let authorization = |(category, (given, text)): (Sensitive, (bool, String))| {
            let described = given && category.has_description();
            let description = if described { text.trim().to_owned() } else { String::new() };
            (category, Authorization { given, description })
        };
        let authorizations = given.into_iter().map(authorization).collect();
        Some(Choices { parameters, authorizations }).filter(|choices| !choices.is_empty())
    })
}

/// Returns the choices in the format of a job's JSON.
fn to_json(choices: &Choices) -> Value {
    let groups = choices.parameters.iter().map(|(group, choice)| {
        let value = json!({
            "name": group.name(), "group": group.part(), "enabled": choice.enabled,
            "from": choice.from, "to": choice.to, "notes": choice.notes,
        });
        (group.key().to_owned(), value)
    });
    let categories = choices.authorizations.iter().map(|(category, authorization)| {
        let mut value = json!({ "name": category.name(), "value": authorization.given });
        if category.has_description() {
            value["text"] = json!(authorization.description);
        }
        (category.key().to_owned(), value)
    });
    json!({
        "parameters": groups.collect::<serde_json::Map<_, _>>(),
        "authorizations": categories.collect::<serde_json::Map<_, _>>(),
    })
}

fn to_form(choices: &Choices) -> Vec<(String, String)> {
    let mut form = Vec::new();
    for (group, choice) in &choices.parameters {
        let mut add = |name: &str, value: &str| {
            form.push((format!("parameters.{}.{name}", group.key()), value.to_owned()));
        };
        if choice.enabled {
            add("enabled", "on");
        }
        add("from", choice.from.as_ref().map_or("", Day::as_str));
        add("to", choice.to.as_ref().map_or("", Day::as_str));
        add("notes", &choice.notes);
    }
    for (category, authorization) in &choices.authorizations {
        let path = format!("authorizations.{}", category.key());
        form.push((path.clone(), authorization.given.to_string()));
        if category.has_description() {
            form.push((format!("{path}.text"), authorization.description.clone()));
        }
    }
    form
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "(enabled|value|labs|genetic|on|true|2020|)".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let name = "(name|part|parameter|value|valueBoolean|valueString|enabled|genetic|hiv|labs|text)";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Returns the number of nodes of a tree.
fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(nodes).sum(),
        Value::Object(members) => members.values().map(nodes).sum(),
        _ => 0,
    }
}

/// Replaces the node with the index `at` by `other`.
fn replace(value: &mut Value, at: &mut usize, other: &Value) {
    if *at == 0 {
        *value = other.clone();
        *at = usize::MAX;
        return;
    }
    *at -= 1;
    let children: Vec<&mut Value> = match value {
        Value::Array(list) => list.iter_mut().collect(),
        Value::Object(members) => members.values_mut().collect(),
        _ => return,
    };
    for child in children {
        if *at == usize::MAX {
            return;
        }
        replace(child, at, other);
    }
}

proptest! {
    /// Choices that are written in a format are read from it as the same choices.
    #[test]
    fn choices_survive_every_format(choices in any_choices()) {
        prop_assert_eq!(from_parameters(&to_parameters(&choices)), Ok(Some(choices.clone())));
        prop_assert_eq!(from_json(&to_json(&choices)), Ok(choices.clone()));
        prop_assert_eq!(from_form(&to_form(&choices), &[]), Ok(choices));
    }

    /// If any JSON replaces one node of a valid body, the body is refused or authorizes nothing more than before, unless
    /// the new node itself authorizes something.
    #[test]
    fn a_damaged_body_authorizes_nothing_more(choices in any_choices(), at: prop::sample::Index, other in any_json()) {
        // The new node is a flag, or the name of a category in the place of another one.
        let adds = ["true", "genetic"].iter().any(|word| other.to_string().contains(word));
        for valid in [to_parameters(&choices), to_json(&choices)] {
            let mut damaged = valid.clone();
            replace(&mut damaged, &mut at.index(nodes(&valid)), &other);
            if let Ok(read) = from_json(&damaged) {
                prop_assert!(!read.is_empty());
                prop_assert!(adds || read.authorizes_beyond(&choices).is_none(), "{}", damaged);
            }
        }
    }
}
