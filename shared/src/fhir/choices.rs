//! Reads the form's choices from its three shapes: JSON, urlencoded fields, a Parameters resource
//! (contract, section 1). Whatever is wrong is answered by name.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::choices::{Authorization, Choice, Choices, Day, RecordGroup, Sensitive};
use crate::error::{Error, Result};

/// The longest text in a field.
const MAX_TEXT: usize = 2_000;

/// Reads `{"parameters": {KEY: {...}}, "authorizations": {KEY: {"value": ...}}}`, or a Parameters resource.
pub fn from_json(value: &Value) -> Result<Choices> {
    let object = value.as_object().ok_or_else(|| Error::invalid("the body is not a JSON object"))?;
    if object.contains_key("resourceType") {
        return from_parameters(value);
    }
    let mut choices = Choices::default();
    for (key, value) in object {
        let fields = value.as_object().ok_or_else(|| wrong(key, "is not an object"))?;
        match key.as_str() {
            "parameters" => {
                for (key, fields) in fields {
                    let group = group(key)?;
                    let fields = fields.as_object().ok_or_else(|| wrong(key, "is not an object"))?;
                    let choice = choices.parameters.entry(group).or_default();
                    for (name, value) in fields {
                        set(choice, key, name, Field::of_json(value))?;
                    }
                }
            }
            "authorizations" => {
                for (key, fields) in fields {
                    let category = category(key)?;
                    // Clients send back what a job's JSON showed them, names and all.
                    let value = fields.get("value").unwrap_or(fields);
                    choices.authorizations.insert(category, authorization(category, &Field::of_json(value))?);
                }
            }
            _ => return Err(Error::invalid(format!("unknown field '{}'", shown(key)))),
        }
    }
    checked(choices)
}

/// Reads a Parameters resource: `parameters` and `authorizations`, each with a part per key.
pub fn from_parameters(resource: &Value) -> Result<Choices> {
    if resource["resourceType"] != "Parameters" {
        return Err(Error::invalid("the body is not a Parameters resource"));
    }
    let mut choices = Choices::default();
    for parameter in list(&resource["parameter"])? {
        let name = parameter["name"].as_str().unwrap_or_default();
        for part in list(&parameter["part"])? {
            let key = part["name"].as_str().unwrap_or_default();
            match name {
                "parameters" => {
                    let choice = choices.parameters.entry(group(key)?).or_default();
                    for field in list(&part["part"])? {
                        let field_name = field["name"].as_str().unwrap_or_default();
                        set(choice, key, field_name, Field::of_fhir(key, field)?)?;
                    }
                }
                "authorizations" => {
                    let category = category(key)?;
                    choices
                        .authorizations
                        .insert(category, authorization(category, &Field::of_fhir(key, part)?)?);
                }
                _ => {}
            }
        }
        if !matches!(name, "parameters" | "authorizations") {
            return Err(Error::invalid(format!("unknown parameter '{}'", shown(name))));
        }
    }
    checked(choices)
}

/// Reads the form's fields: `parameters.KEY.FIELD` and `authorizations.KEY`. Fields that `own` names are passed over.
pub fn from_form(fields: &[(String, String)], own: &[&str]) -> Result<Choices> {
    let mut choices = Choices::default();
    for (name, value) in fields.iter().filter(|(name, _)| !own.contains(&name.as_str())) {
        let parts: Vec<&str> = name.split('.').collect();
        match parts[..] {
            ["parameters", key, field] => {
                let choice = choices.parameters.entry(group(key)?).or_default();
                set(choice, key, field, Field::of_form(value))?;
            }
            ["authorizations", key] => {
                let category = category(key)?;
                choices.authorizations.insert(category, authorization(category, &Field::of_form(value))?);
            }
            _ => return Err(Error::invalid(format!("unknown field '{}'", shown(name)))),
        }
    }
    checked(choices)
}

/// The choices as a Parameters resource, for the form that posts to the kick-off.
pub fn to_parameters(choices: &Choices) -> Value {
    use serde_json::json;

    let groups = choices.parameters.iter().map(|(group, choice)| {
        let mut part = vec![json!({ "name": "enabled", "valueBoolean": choice.enabled })];
        part.extend(choice.from.as_ref().map(|day| json!({ "name": "from", "valueDate": day.as_str() })));
        part.extend(choice.to.as_ref().map(|day| json!({ "name": "to", "valueDate": day.as_str() })));
        if !choice.notes.is_empty() {
            part.push(json!({ "name": "notes", "valueString": choice.notes }));
        }
        json!({ "name": group.key(), "part": part })
    });
    let categories = choices.authorizations.iter().map(|(category, given)| match given {
        Authorization::Flag(given) => json!({ "name": category.key(), "valueBoolean": given }),
        Authorization::Text(text) => json!({ "name": category.key(), "valueString": text }),
    });
    json!({
        "resourceType": "Parameters",
        "parameter": [
            { "name": "parameters", "part": groups.collect::<Vec<_>>() },
            { "name": "authorizations", "part": categories.collect::<Vec<_>>() },
        ],
    })
}

/// A value in one of the three shapes.
enum Field {
    Flag(bool),
    Text(String),
    Null,
    Other,
}

impl Field {
    fn of_json(value: &Value) -> Self {
        match value {
            Value::Bool(flag) => Self::Flag(*flag),
            Value::String(text) => Self::Text(text.clone()),
            Value::Null => Self::Null,
            _ => Self::Other,
        }
    }

    fn of_fhir(key: &str, parameter: &Value) -> Result<Self> {
        let values =
            parameter.as_object().into_iter().flatten().filter(|(name, _)| name.starts_with("value"));
        let values: Vec<_> = values.collect();
        match values[..] {
            [] => Ok(Self::Null),
            [(name, Value::Bool(flag))] if name == "valueBoolean" => Ok(Self::Flag(*flag)),
            [(name, Value::String(text))]
                if matches!(name.as_str(), "valueDate" | "valueDateTime" | "valueString") =>
            {
                Ok(Self::Text(text.clone()))
            }
            _ => Err(wrong(key, "has a value of the wrong type")),
        }
    }

    /// Check boxes send `on` or `true`, empty inputs nothing.
    fn of_form(value: &str) -> Self {
        match value {
            "on" | "true" => Self::Flag(true),
            "false" => Self::Flag(false),
            "" => Self::Null,
            text => Self::Text(text.to_owned()),
        }
    }
}

fn set(choice: &mut Choice, key: &str, name: &str, field: Field) -> Result<()> {
    match (name, field) {
        ("enabled", Field::Flag(flag)) => choice.enabled = flag,
        ("enabled", Field::Null) => choice.enabled = false,
        // What a job's JSON shows beside the choices may come back.
        ("name" | "group", _) | ("from" | "to" | "notes", Field::Null) => {}
        ("from" | "to", Field::Text(text)) if text.is_empty() => {}
        ("from", Field::Text(text)) => {
            choice.from =
                Some(Day::first(&text).ok_or_else(|| wrong(key, "has a 'from' that is not a date"))?);
        }
        ("to", Field::Text(text)) => {
            choice.to = Some(Day::last(&text).ok_or_else(|| wrong(key, "has a 'to' that is not a date"))?);
        }
        ("notes", Field::Text(text)) if text.len() <= MAX_TEXT => choice.notes = text,
        ("notes", Field::Text(_)) => return Err(wrong(key, "has notes of over 2000 bytes")),
        ("enabled" | "from" | "to" | "notes", _) => {
            return Err(wrong(key, &format!("has a value of the wrong type in '{name}'")));
        }
        _ => return Err(Error::invalid(format!("unknown field '{}' of '{key}'", shown(name)))),
    }
    Ok(())
}

fn authorization(category: Sensitive, field: &Field) -> Result<Authorization> {
    match field {
        Field::Null => Ok(Authorization::none(category)),
        Field::Flag(given) if category.is_text() => {
            Ok(Authorization::Text(if *given { "authorized".to_owned() } else { String::new() }))
        }
        Field::Flag(given) => Ok(Authorization::Flag(*given)),
        Field::Text(text) if category.is_text() && text.len() <= MAX_TEXT => {
            Ok(Authorization::Text(text.clone()))
        }
        Field::Text(_) | Field::Other => Err(wrong(category.key(), "has a value of the wrong type")),
    }
}

fn checked(choices: Choices) -> Result<Choices> {
    for (group, choice) in &choices.parameters {
        if let (Some(from), Some(to)) = (&choice.from, &choice.to)
            && from > to
        {
            return Err(wrong(group.key(), "has a 'from' after its 'to'"));
        }
    }
    Ok(choices)
}

fn group(key: &str) -> Result<RecordGroup> {
    RecordGroup::parse(key).ok_or_else(|| Error::invalid(format!("unknown parameter '{}'", shown(key))))
}

fn category(key: &str) -> Result<Sensitive> {
    Sensitive::parse(key).ok_or_else(|| Error::invalid(format!("unknown authorization '{}'", shown(key))))
}

fn list(value: &Value) -> Result<&[Value]> {
    match value {
        Value::Null => Ok(&[]),
        Value::Array(list) => Ok(list),
        _ => Err(Error::invalid("'parameter' and 'part' must be lists")),
    }
}

fn wrong(key: &str, what: &str) -> Error {
    Error::invalid(format!("'{}' {what}", shown(key)))
}

/// As much of a caller's text as an answer repeats.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

/// An empty form's keys, for pages and job JSON: every group and category with its present choice.
pub fn complete(
    choices: Option<&Choices>,
) -> (BTreeMap<RecordGroup, Choice>, BTreeMap<Sensitive, Authorization>) {
    let choice = |group| choices.and_then(|choices| choices.choice(group).cloned()).unwrap_or_default();
    let given = |category| {
        let known = choices.and_then(|choices| choices.authorizations.get(&category).cloned());
        known.unwrap_or_else(|| Authorization::none(category))
    };
    (
        RecordGroup::ALL.into_iter().map(|group| (group, choice(group))).collect(),
        Sensitive::ALL.into_iter().map(|category| (category, given(category))).collect(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_three_shapes_mean_the_same() {
        let from_json = from_json(&json!({
            "parameters": { "labs": { "enabled": true, "from": "2020", "to": "2020-06", "notes": "n" } },
            "authorizations": { "hiv": { "value": true }, "genetic": { "value": "GG" } },
        }))
        .expect("valid");
        let fields = [
            ("parameters.labs.enabled", "on"),
            ("parameters.labs.from", "2020-01-01"),
            ("parameters.labs.to", "2020-06-30"),
            ("parameters.labs.notes", "n"),
            ("authorizations.hiv", "on"),
            ("authorizations.genetic", "GG"),
            ("code", "own"),
        ];
        let fields: Vec<_> = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(from_form(&fields, &["code"]).expect("valid"), from_json);
        assert_eq!(from_parameters(&to_parameters(&from_json)).expect("valid"), from_json);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, named) in [
            (json!({"parameters": {"lab": {}}}), "lab"),
            (json!({"parameters": {"labs": {"since": 1}}}), "since"),
            (json!({"parameters": {"labs": {"from": "noon"}}}), "from"),
            (json!({"parameters": {"labs": {"enabled": "x"}}}), "enabled"),
            (json!({"parameters": {"labs": {"from": "2021", "to": "2020"}}}), "labs"),
            (json!({"authorizations": {"hi": {"value": true}}}), "hi"),
            (json!({"authorizations": {"hiv": {"value": 3}}}), "hiv"),
            (json!({"more": {}}), "more"),
            (
                json!({"resourceType": "Parameters", "parameter": [{"name": "_since", "valueInstant": "x"}]}),
                "_since",
            ),
            (json!({"resourceType": "Patient"}), "Parameters"),
        ] {
            let error = from_json(&body).expect_err("refused");
            assert!(
                matches!(error, Error::Invalid(_)) && error.to_string().contains(named),
                "{body}: {error}"
            );
        }
    }
}
