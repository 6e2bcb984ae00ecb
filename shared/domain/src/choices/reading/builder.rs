//! Collects the choices while they are read. It accepts each key once and checks the whole at the end.

use std::collections::BTreeMap;

use crate::choices::reading::Problem;
use crate::choices::{Authorization, Choice, Choices, Day, RecordGroup};
use crate::sensitive::Sensitive;

/// The longest description or note, in bytes.
const MAX_TEXT: usize = 2_000;

/// The fields of one group in a body; `None` for a missing field.
#[derive(Debug, Default)]
pub(super) struct GroupFields {
    pub(super) enabled: Option<bool>,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) notes: Option<String>,
}

/// The fields of one sensitive category in a body; `None` for a missing field.
#[derive(Debug, Default)]
pub(super) struct CategoryFields {
    pub(super) value: Option<bool>,
    pub(super) text: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Builder {
    groups: BTreeMap<RecordGroup, GroupFields>,
    categories: BTreeMap<Sensitive, CategoryFields>,
}

pub(super) fn group_path(key: &str) -> String {
    format!("parameters.{key}")
}

pub(super) fn category_path(key: &str) -> String {
    format!("authorizations.{key}")
}

/// Sets a value. Refuses a second one, because it is not clear which of the two is meant.
pub(super) fn set_once<T>(slot: &mut Option<T>, value: T, path: &str) -> Result<(), Problem> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Problem::at(path, "is given twice")),
    }
}

/// Returns the problem of a description without a boolean `true`.
pub(super) fn text_without_consent(key: &str) -> Problem {
    Problem::at(
        category_path(key),
        "is described but not authorized: a description alone releases nothing; tick its box (in JSON and Parameters: a 'value' of true beside 'text'), or remove the description",
    )
}

impl Builder {
    pub(super) fn group(key: &str) -> Result<RecordGroup, Problem> {
        RecordGroup::parse(key).ok_or_else(|| Problem::at(group_path(key), "is not a group of the record"))
    }

    pub(super) fn category(key: &str) -> Result<Sensitive, Problem> {
        Sensitive::parse(key)
            .ok_or_else(|| Problem::at(category_path(key), "is not a category of sensitive information"))
    }

    /// Returns the fields of a group, for formats that list them one by one.
    pub(super) fn group_fields(&mut self, group: RecordGroup) -> &mut GroupFields {
        self.groups.entry(group).or_default()
    }

    /// Returns the fields of a category, for formats that list them one by one.
    pub(super) fn category_fields(&mut self, category: Sensitive) -> &mut CategoryFields {
        self.categories.entry(category).or_default()
    }

    /// Adds a whole group, for formats that require `enabled`.
    pub(super) fn add_group(&mut self, key: &str, fields: GroupFields) -> Result<(), Problem> {
        if fields.enabled.is_none() {
            return Err(Problem::at(group_path(key), "must have 'enabled', which is true or false"));
        }
        match self.groups.insert(Self::group(key)?, fields) {
            None => Ok(()),
            Some(_) => Err(Problem::at(group_path(key), "is given twice")),
        }
    }

    /// Adds a whole category, for formats that require its value.
    pub(super) fn add_category(&mut self, key: &str, fields: CategoryFields) -> Result<(), Problem> {
        let category = Self::category(key)?;
        if fields.value.is_none() && !has_text(&fields) {
            return Err(Problem::at(category_path(key), "must have a value, which is true or false"));
        }
        match self.categories.insert(category, fields) {
            None => Ok(()),
            Some(_) => Err(Problem::at(category_path(key), "is given twice")),
        }
    }

    pub(super) fn build(self) -> Result<Choices, Problem> {
        let mut choices = Choices::default();
        for (group, fields) in self.groups {
            choices.parameters.insert(group, choice(group.key(), fields)?);
        }
        for (category, fields) in self.categories {
            choices.authorizations.insert(category, authorization(category, fields)?);
        }
        if choices.is_empty() {
            return Err(Problem::at("parameters", "must enable at least one group of the record"));
        }
        Ok(choices)
    }
}

fn has_text(fields: &CategoryFields) -> bool {
    fields.text.as_ref().is_some_and(|text| !text.trim().is_empty())
}

fn choice(key: &str, fields: GroupFields) -> Result<Choice, Problem> {
    let path = group_path(key);
    let day = |text: Option<String>, name: &str, read: fn(&str) -> Option<Day>| match text {
        None => Ok(None),
        Some(text) if text.is_empty() => Ok(None),
        Some(text) => match read(&text) {
            Some(day) => Ok(Some(day)),
            None => Err(Problem::at(format!("{path}.{name}"), "is not a date such as 2026-01-31")),
        },
    };
    let (from, to) = (day(fields.from, "from", Day::first)?, day(fields.to, "to", Day::last)?);
    if from.as_ref().zip(to.as_ref()).is_some_and(|(from, to)| from > to) {
        return Err(Problem::at(path, "has a 'from' after its 'to'"));
    }
    let notes = fields.notes.unwrap_or_default();
    if notes.len() > MAX_TEXT {
        return Err(Problem::at(format!("{path}.notes"), format!("has more than {MAX_TEXT} bytes")));
    }
    Ok(Choice { enabled: fields.enabled.unwrap_or_default(), from, to, notes })
}

fn authorization(category: Sensitive, fields: CategoryFields) -> Result<Authorization, Problem> {
    let path = category_path(category.key());
    let given = fields.value.unwrap_or_default();
    let described = has_text(&fields);
    let description = fields.text.unwrap_or_default().trim().to_owned();
    match described {
        true if !category.has_description() => {
            Err(Problem::at(path, "accepts no description, only true or false"))
        }
        true if !given => Err(text_without_consent(category.key())),
        true if description.len() > MAX_TEXT => {
            Err(Problem::at(format!("{path}.text"), format!("has more than {MAX_TEXT} bytes")))
        }
        _ => Ok(Authorization { given, description }),
    }
}
