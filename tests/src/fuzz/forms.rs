//! Fuzzes the EHI form in its three formats: a choice or an authorization is read only if the body states it.

use domain::choices::reading::{from_form, from_json, from_parameters, to_parameters};
use domain::choices::{Choices, RecordGroup};
use domain::sensitive::Sensitive;
use serde_json::{Value, json};

use super::Source;

/// Reads a body in one of the formats, generated or directly from the bytes.
pub(super) fn form(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    match source.below(4) {
        0 => {
            let Ok(value) = serde_json::from_slice::<Value>(source.rest()) else { return };
            of_json(&value);
            let _ = from_parameters(&value);
        }
        1 => of_form(&mut source),
        2 => of_parameters(&mut source),
        _ => {
            let value = generated(&mut source);
            of_json(&value);
        }
    }
}

fn of_json(value: &Value) {
    let Ok(choices) = from_json(value) else { return };
    for category in Sensitive::ALL {
        let authorization = &value["authorizations"][category.key()];
        let given = authorization == &json!(true) || authorization["value"] == json!(true);
        assert_eq!(choices.authorizes(category), given, "{value}");
    }
    for group in RecordGroup::ALL {
        let enabled = value["parameters"][group.key()]["enabled"] == json!(true);
        assert_eq!(choices.choice(group).is_some_and(|choice| choice.enabled), enabled, "{value}");
    }
    assert_round_trip(&choices);
}

/// Checks that the choices are the same after they are written as a Parameters resource and read again.
fn assert_round_trip(choices: &Choices) {
    let parameters = to_parameters(choices);
    let back = from_parameters(&parameters).expect("the resource can be read");
    assert_eq!(back.as_ref(), Some(choices), "{parameters}");
}

fn of_form(source: &mut Source<'_>) {
    let mut fields = Vec::new();
    while !source.is_empty() && fields.len() < 40 {
        let name = match source.below(8) {
            0 => source.text(),
            1..4 => {
                let group = source.pick(&RecordGroup::ALL).key();
                format!(
                    "parameters.{group}.{}",
                    source.pick(&["enabled", "enabled", "enabled", "from", "to", "notes", "x"])
                )
            }
            _ => format!(
                "authorizations.{}{}",
                source.pick(&Sensitive::ALL).key(),
                source.pick(&["", "", "", ".text", ".x"])
            ),
        };
        let value = source.pick(&["on", "true", "false", "", "no, do not", "2020-01-01", "1"]);
        fields.push((name, value.to_owned()));
    }
    let Ok(choices) = from_form(&fields, &["code"]) else { return };
    let is_on = |name: String| {
        fields.iter().any(|(known, value)| *known == name && matches!(value.as_str(), "on" | "true"))
    };
    for category in Sensitive::ALL {
        assert_eq!(
            choices.authorizes(category),
            is_on(format!("authorizations.{}", category.key())),
            "{fields:?}"
        );
    }
    for group in RecordGroup::ALL {
        let enabled = is_on(format!("parameters.{}.enabled", group.key()));
        assert_eq!(choices.choice(group).is_some_and(|choice| choice.enabled), enabled, "{fields:?}");
    }
    assert_round_trip(&choices);
}

fn of_parameters(source: &mut Source<'_>) {
    let categories: Vec<_> = (0..source.below(6))
        .map(|_| {
            let name = source.pick(&Sensitive::ALL).key();
            let value = source.pick(&["valueBoolean", "valueBoolean", "valueString", "valueCode"]);
            match source.below(3) {
                0 => json!({ "name": name, value: true }),
                1 => json!({ "name": name, "part": [{ "name": "value", value: true }, { "name": "text", "valueString": source.text() }] }),
                _ => json!({ "name": name, value: source.pick(&["no", "true", "yes"]) }),
            }
        })
        .collect();
    let groups = json!([{ "name": "labs", "part": [{ "name": "enabled", "valueBoolean": true }] }]);
    let body = json!({ "resourceType": "Parameters", "parameter": [
        { "name": "parameters", "part": groups }, { "name": "authorizations", "part": categories },
    ] });
    let Ok(Some(choices)) = from_parameters(&body) else { return };
    for category in Sensitive::ALL {
        let given = categories.iter().any(|part| {
            part["name"] == category.key()
                && (part["valueBoolean"] == json!(true) || part["part"][0]["valueBoolean"] == json!(true))
        });
        assert_eq!(choices.authorizes(category), given, "{body}");
    }
    assert_round_trip(&choices);
}

fn generated(source: &mut Source<'_>) -> Value {
    let mut value = json!({ "parameters": {}, "authorizations": {} });
    for _ in 0..source.below(6) {
        let group = source.pick(&RecordGroup::ALL).key();
        let fields = match source.below(6) {
            0 => json!({ "enabled": source.text() }),
            1 => json!({ "enabled": true, "from": source.pick(&["2020", "2020-02-30", "x"]), "to": "2021" }),
            2 => json!(true),
            _ => json!({ "enabled": source.once_in(2), "notes": source.text() }),
        };
        value["parameters"][group] = fields;
    }
    for _ in 0..source.below(6) {
        let category = source.pick(&Sensitive::ALL).key();
        value["authorizations"][category] = match source.below(6) {
            0 => json!({ "value": source.text() }),
            1 => json!({ "value": true, "text": source.text() }),
            2 => json!({ "text": source.text() }),
            3 => json!({ "value": 1 }),
            _ => json!({ "value": source.once_in(2) }),
        };
    }
    value
}
