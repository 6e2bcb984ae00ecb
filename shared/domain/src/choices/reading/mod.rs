//! Reads the form's choices from their three formats (contract, section 1): JSON ([`from_json`]), a Parameters resource
//! ([`from_parameters`]) and the fields of an HTML form ([`from_form`]).
//!
//! # What counts as consent
//!
//! A sensitive category is released only if its boolean is true. The categories `genetic` and `other` also have a
//! description, which is free text: "no", "none" and "n/a" are descriptions too, so a text is never consent. A
//! description without the boolean is an error at its field, because the author's intention is not clear.
//!
//! | | authorized | authorized and described | not authorized |
//! |---|---|---|---|
//! | JSON | `"genetic": {"value": true}` | `{"value": true, "text": "BRCA1"}` | `{"value": false}`, or absent |
//! | Parameters | `valueBoolean: true` | parts `value` (valueBoolean) and `text` (valueString) | `valueBoolean: false`, or absent |
//! | form | `authorizations.genetic=on` | and `authorizations.genetic.text=BRCA1` | absent |
//!
//! A text in the place of the boolean (`"value": "BRCA1"`, `valueString`) is refused. An empty text is read as `false`,
//! because ehi-server sends it for "not authorized".
//!
//! # What is refused
//!
//! Everything that differs from the table is refused: an unknown key or member, a key that is given twice, a value of
//! another type, an element with a value and parts, a group without `enabled`, a text that is not a date, and `from` after
//! `to`. A body that enables no group is refused too, because its export would have almost nothing and look complete.

mod builder;
mod form;
mod object;
mod parameters;

use std::collections::BTreeMap;
use std::fmt;

use crate::choices::{Authorization, Choice, Choices, RecordGroup};
use crate::error::Error;
use crate::sensitive::Sensitive;

pub use self::form::from_form;
pub use self::object::from_json;
pub use self::parameters::{from_parameters, to_parameters};

/// A fault in the choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The name of the field in the form, such as `parameters.labs.from`; `None` if the whole body is wrong.
    pub field: Option<String>,
    /// A sentence without its subject, which is the field or the body.
    pub what: String,
}

impl Problem {
    fn of_body(what: &str) -> Self {
        Self { field: None, what: what.to_owned() }
    }

    fn at(field: impl Into<String>, what: impl Into<String>) -> Self {
        let field = field.into().chars().filter(|character| !character.is_control()).take(100).collect();
        Self { field: Some(field), what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(formatter, "'{field}' {}", self.what),
            None => write!(formatter, "the body {}", self.what),
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::invalid(problem.to_string())
    }
}

/// Returns every group with its choice and every category with its authorization, for pages and the job's JSON. Missing
/// groups are disabled, and missing categories are not authorized.
pub fn complete(
    choices: Option<&Choices>,
) -> (BTreeMap<RecordGroup, Choice>, BTreeMap<Sensitive, Authorization>) {
    let choice = |group| choices.and_then(|choices| choices.choice(group).cloned()).unwrap_or_default();
    let authorization = |category| {
        choices.and_then(|choices| choices.authorizations.get(&category).cloned()).unwrap_or_default()
    };
    (
        RecordGroup::ALL.into_iter().map(|group| (group, choice(group))).collect(),
        Sensitive::ALL.into_iter().map(|category| (category, authorization(category))).collect(),
    )
}

#[cfg(test)]
mod tests;
