//! Reads and writes the choices as a FHIR Parameters resource (contract, section 1): a parameter `parameters` with a part
//! for each group, which has the parts `enabled`, `from`, `to` and `notes`, and a parameter `authorizations` with a part
//! for each category.

use serde_json::{Map, Value, json};

use crate::choices::Choices;
use crate::choices::reading::Problem;
use crate::choices::reading::builder::{
    Builder, CategoryFields, GroupFields, category_path, group_path, set_once, text_without_consent,
};
use crate::sensitive::Sensitive;

/// Members of the resource that are accepted; all but `parameter` are ignored.
const OF_RESOURCE: [&str; 5] = ["resourceType", "id", "meta", "language", "parameter"];

/// Reads a Parameters resource; `None` if it has no parameters.
pub fn from_parameters(resource: &Value) -> Result<Option<Choices>, Problem> {
    let object = resource
        .as_object()
        .filter(|object| object.get("resourceType").and_then(Value::as_str) == Some("Parameters"));
    let object = object.ok_or_else(|| Problem::of_body("is not a Parameters resource"))?;
    if let Some(name) = object.keys().find(|name| !OF_RESOURCE.contains(&name.as_str())) {
        return Err(Problem::at(name, "is not a member that this operation accepts"));
    }
    let list = match object.get("parameter") {
        None => return Ok(None),
        Some(value) => list("parameter", value)?,
    };
    if list.is_empty() {
        return Ok(None);
    }
    let mut builder = Builder::default();
    let mut seen: Vec<&str> = Vec::new();
    for value in list {
        let parameter = Element::read("parameter", value)?;
        if !matches!(parameter.name, "parameters" | "authorizations") {
            return Err(Problem::at(parameter.name, "is not a parameter of this operation"));
        }
        if seen.contains(&parameter.name) {
            return Err(Problem::at(parameter.name, "is given twice"));
        }
        seen.push(parameter.name);
        for value in parameter.parts(parameter.name)? {
            let part = Element::read(parameter.name, value)?;
            match parameter.name {
                "parameters" => builder.add_group(part.name, group(&part)?)?,
                _ => builder.add_category(part.name, category(&part)?)?,
            }
        }
    }
    builder.build().map(Some)
}

/// Writes the choices as a Parameters resource that [`from_parameters`] reads.
pub fn to_parameters(choices: &Choices) -> Value {
    let groups = choices.parameters.iter().map(|(group, choice)| {
        let mut part = vec![json!({ "name": "enabled", "valueBoolean": choice.enabled })];
        part.extend(choice.from.as_ref().map(|day| json!({ "name": "from", "valueDate": day.as_str() })));
        part.extend(choice.to.as_ref().map(|day| json!({ "name": "to", "valueDate": day.as_str() })));
        if !choice.notes.is_empty() {
            part.push(json!({ "name": "notes", "valueString": choice.notes }));
        }
        json!({ "name": group.key(), "part": part })
    });
    let categories = choices.authorizations.iter().map(|(category, authorization)| {
        if !authorization.given || authorization.description.is_empty() {
            return json!({ "name": category.key(), "valueBoolean": authorization.given });
        }
        json!({ "name": category.key(), "part": [
            { "name": "value", "valueBoolean": true },
            { "name": "text", "valueString": authorization.description },
        ]})
    });
    let (groups, categories): (Vec<_>, Vec<_>) = (groups.collect(), categories.collect());
    let mut parameter = vec![json!({ "name": "parameters", "part": groups })];
    if !categories.is_empty() {
        parameter.push(json!({ "name": "authorizations", "part": categories }));
    }
    json!({ "resourceType": "Parameters", "parameter": parameter })
}

/// A `parameter` or a `part`: a name with one value or with parts.
struct Element<'v> {
    name: &'v str,
    value: Option<(&'v str, &'v Value)>,
    part: Option<&'v Value>,
}

impl<'v> Element<'v> {
    /// Reads an element below `path` and refuses every unknown member.
    fn read(path: &str, value: &'v Value) -> Result<Self, Problem> {
        let object: &Map<String, Value> =
            value.as_object().ok_or_else(|| Problem::at(path, "has an entry that is not a JSON object"))?;
        let name = object.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| Problem::at(path, "has an entry without a 'name'"))?;
        let mut element = Self { name, value: None, part: None };
        for (member, value) in object {
            match member.as_str() {
                "name" | "id" => {}
                "part" => element.part = Some(value),
                member if member.starts_with("value") => {
                    if element.value.replace((member, value)).is_some() {
                        return Err(Problem::at(format!("{path}.{name}"), "has more than one value"));
                    }
                }
                member => {
                    return Err(Problem::at(
                        format!("{path}.{name}"),
                        format!("has the unknown member '{member}'"),
                    ));
                }
            }
        }
        if element.value.is_some() && element.part.is_some() {
            return Err(Problem::at(format!("{path}.{name}"), "has both a value and parts"));
        }
        Ok(element)
    }

    /// Returns the parts of an element that has no value.
    fn parts(&self, path: &str) -> Result<&'v [Value], Problem> {
        match (self.part, self.value) {
            (Some(parts), None) => list(path, parts),
            (_, Some((member, _))) => Err(Problem::at(path, format!("must have parts and no {member}"))),
            (None, None) => Err(Problem::at(path, "must have parts")),
        }
    }

    fn boolean(&self, path: &str) -> Result<bool, Problem> {
        match self.value {
            Some(("valueBoolean", Value::Bool(flag))) => Ok(*flag),
            _ => Err(Problem::at(path, "must have a valueBoolean, which is true or false")),
        }
    }

    fn date(&self, path: &str) -> Result<String, Problem> {
        match self.value {
            Some(("valueDate", Value::String(text))) if matches!(text.len(), 4 | 7 | 10) => Ok(text.clone()),
            Some(("valueDateTime", Value::String(text))) if !text.is_empty() => Ok(text.clone()),
            Some(("valueDate" | "valueDateTime", _)) => {
                Err(Problem::at(path, "is not a date such as 2026-01-31"))
            }
            _ => Err(Problem::at(path, "must have a valueDate or valueDateTime")),
        }
    }

    fn string(&self, path: &str) -> Result<String, Problem> {
        match self.value {
            Some(("valueString", Value::String(text))) => Ok(text.clone()),
            _ => Err(Problem::at(path, "must have a valueString")),
        }
    }
}

fn list<'v>(path: &str, value: &'v Value) -> Result<&'v [Value], Problem> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| Problem::at(path, "must be a list"))
}

fn group(part: &Element<'_>) -> Result<GroupFields, Problem> {
    Builder::group(part.name)?;
    let path = group_path(part.name);
    let mut fields = GroupFields::default();
    for value in part.parts(&path)? {
        let field = Element::read(&path, value)?;
        let path = format!("{path}.{}", field.name);
        match field.name {
            "enabled" => set_once(&mut fields.enabled, field.boolean(&path)?, &path)?,
            "from" => set_once(&mut fields.from, field.date(&path)?, &path)?,
            "to" => set_once(&mut fields.to, field.date(&path)?, &path)?,
            "notes" => set_once(&mut fields.notes, field.string(&path)?, &path)?,
            _ => return Err(Problem::at(path, "is not a field of a group")),
        }
    }
    Ok(fields)
}

fn category(part: &Element<'_>) -> Result<CategoryFields, Problem> {
    let category: Sensitive = Builder::category(part.name)?;
    let path = category_path(part.name);
    let mut fields = CategoryFields::default();
    match part.value {
        // Clients of ehi-server send an empty text if the category is not authorized.
        Some(("valueString", Value::String(text))) if category.has_description() && text.is_empty() => {
            fields.value = Some(false);
        }
        Some(("valueString", _)) if category.has_description() => {
            return Err(text_without_consent(part.name));
        }
        Some(_) => fields.value = Some(part.boolean(&path)?),
        None => {
            for value in part.parts(&path)? {
                let field = Element::read(&path, value)?;
                let path = format!("{path}.{}", field.name);
                match field.name {
                    "value" => set_once(&mut fields.value, field.boolean(&path)?, &path)?,
                    "text" => set_once(&mut fields.text, field.string(&path)?, &path)?,
                    _ => return Err(Problem::at(path, "is not a field of an authorization")),
                }
            }
        }
    }
    Ok(fields)
}
