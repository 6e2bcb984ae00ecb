//! Reads the choices from JSON: `{"parameters": {KEY: {"enabled", "from", "to", "notes"}}, "authorizations": {KEY:
//! {"value", "text"}}}`. The members `name` and `group` are accepted and ignored, because a job's JSON has them as well.

use serde_json::{Map, Value};

use crate::choices::Choices;
use crate::choices::reading::builder::{
    Builder, CategoryFields, GroupFields, category_path, group_path, text_without_consent,
};
use crate::choices::reading::{Problem, from_parameters};

/// Reads choices from JSON, or from a Parameters resource if the object has a `resourceType`.
pub fn from_json(value: &Value) -> Result<Choices, Problem> {
    let object = value.as_object().ok_or_else(|| Problem::of_body("is not a JSON object"))?;
    if object.contains_key("resourceType") {
        return from_parameters(value)?.ok_or_else(|| Problem::of_body("has no choices"));
    }
    let mut builder = Builder::default();
    for (name, value) in object {
        match name.as_str() {
            "parameters" => {
                for (key, value) in members(name, value)? {
                    builder.add_group(key, group(key, value)?)?;
                }
            }
            "authorizations" => {
                for (key, value) in members(name, value)? {
                    builder.add_category(key, category(key, value)?)?;
                }
            }
            _ => return Err(Problem::at(name, "is not a field of the choices")),
        }
    }
    builder.build()
}

fn members<'v>(path: &str, value: &'v Value) -> Result<&'v Map<String, Value>, Problem> {
    value.as_object().ok_or_else(|| Problem::at(path, "is not a JSON object"))
}

fn group(key: &str, value: &Value) -> Result<GroupFields, Problem> {
    Builder::group(key)?;
    let path = group_path(key);
    let mut fields = GroupFields::default();
    for (name, value) in members(&path, value)? {
        let path = format!("{path}.{name}");
        match name.as_str() {
            "enabled" => fields.enabled = Some(flag(&path, value)?),
            "from" => fields.from = text(&path, value)?,
            "to" => fields.to = text(&path, value)?,
            "notes" => fields.notes = text(&path, value)?,
            "name" | "group" => {}
            _ => return Err(Problem::at(path, "is not a field of a group")),
        }
    }
    Ok(fields)
}

fn category(key: &str, value: &Value) -> Result<CategoryFields, Problem> {
    let category = Builder::category(key)?;
    let path = category_path(key);
    let mut fields = CategoryFields::default();
    if let Value::Bool(given) = value {
        fields.value = Some(*given);
        return Ok(fields);
    }
    for (name, value) in members(&path, value)? {
        match (name.as_str(), value) {
            // Clients of ehi-server send an empty text if the category is not authorized.
            ("value", Value::String(text)) if text.is_empty() && category.has_description() => {
                fields.value = Some(false);
            }
            ("value", Value::String(_)) if category.has_description() => {
                return Err(text_without_consent(key));
            }
            ("value", value) => fields.value = Some(flag(&path, value)?),
            ("text", value) => fields.text = text(&format!("{path}.text"), value)?,
            ("name", _) => {}
            _ => return Err(Problem::at(format!("{path}.{name}"), "is not a field of an authorization")),
        }
    }
    Ok(fields)
}

fn flag(path: &str, value: &Value) -> Result<bool, Problem> {
    value.as_bool().ok_or_else(|| Problem::at(path, "must be true or false"))
}

fn text(path: &str, value: &Value) -> Result<Option<String>, Problem> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(Problem::at(path, "must be a text")),
    }
}
