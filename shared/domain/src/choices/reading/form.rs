//! Reads the choices from the fields of an HTML form: `parameters.KEY.FIELD`, `authorizations.KEY` and
//! `authorizations.KEY.text`.

use crate::choices::Choices;
use crate::choices::reading::Problem;
use crate::choices::reading::builder::{Builder, set_once, text_without_consent};
use crate::sensitive::Sensitive;

/// Reads the fields of a form. The fields named in `others` are not choices and are ignored.
pub fn from_form(fields: &[(String, String)], others: &[&str]) -> Result<Choices, Problem> {
    let mut builder = Builder::default();
    for (path, value) in fields.iter().filter(|(path, _)| !others.contains(&path.as_str())) {
        let parts: Vec<&str> = path.split('.').collect();
        match parts[..] {
            ["parameters", key, field] => {
                let group = builder.group_fields(Builder::group(key)?);
                match field {
                    "enabled" => set_once(&mut group.enabled, ticked(path, value)?, path)?,
                    "from" => set_once(&mut group.from, value.clone(), path)?,
                    "to" => set_once(&mut group.to, value.clone(), path)?,
                    "notes" => set_once(&mut group.notes, value.clone(), path)?,
                    _ => return Err(Problem::at(path, "is not a field of the form")),
                }
            }
            ["authorizations", key] => {
                let category = Builder::category(key)?;
                let given = consent(category, path, value)?;
                set_once(&mut builder.category_fields(category).value, given, path)?;
            }
            ["authorizations", key, "text"] => {
                let category = builder.category_fields(Builder::category(key)?);
                set_once(&mut category.text, value.clone(), path)?;
            }
            _ => return Err(Problem::at(path, "is not a field of the form")),
        }
    }
    builder.build()
}

/// Reads a checkbox. Browsers send `on` if it is ticked, and no field if it is not.
fn ticked(path: &str, value: &str) -> Result<bool, Problem> {
    match value {
        "on" | "true" => Ok(true),
        "" | "false" => Ok(false),
        _ => Err(Problem::at(path, "must be on, true or false")),
    }
}

fn consent(category: Sensitive, path: &str, value: &str) -> Result<bool, Problem> {
    match ticked(path, value) {
        Err(_) if category.has_description() => Err(text_without_consent(category.key())),
        ticked => ticked,
    }
}
