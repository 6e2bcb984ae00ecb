//! A resource as people read it: its main fields, and all fields as paths and values. A resource may have any shape, so
//! long values and long lists are cut.

use serde_json::Value;
use web::pages::job::FieldRow;

/// The maximum number of fields in a table.
const MAX_FIELDS: usize = 500;
/// The maximum number of characters of a value in the table.
const MAX_VALUE: usize = 1_000;
/// The maximum number of characters of a value in a list.
const MAX_CELL: usize = 200;

/// The members with the date of a resource; the first one that it has counts.
const DATES: [&str; 22] = [
    "effectiveDateTime",
    "effectivePeriod",
    "effectiveInstant",
    "occurrenceDateTime",
    "occurrencePeriod",
    "performedDateTime",
    "performedPeriod",
    "onsetDateTime",
    "onsetPeriod",
    "authoredOn",
    "recordedDate",
    "assertedDate",
    "period",
    "billablePeriod",
    "servicedDate",
    "started",
    "date",
    "created",
    "issued",
    "sent",
    "recorded",
    "birthDate",
];
/// The members that name what a resource is about; the first one that it has counts.
const TEXTS: [&str; 12] = [
    "code",
    "medicationCodeableConcept",
    "vaccineCode",
    "name",
    "title",
    "description",
    "type",
    "category",
    "class",
    "serviceType",
    "text",
    "issue",
];
/// The members with the state of a resource; the first one that it has counts.
const STATUSES: [&str; 4] = ["status", "clinicalStatus", "verificationStatus", "lifecycleStatus"];

/// The main fields of a resource; a field that it does not have is empty.
pub(super) struct Main {
    pub(super) date: String,
    pub(super) text: String,
    pub(super) value: String,
    pub(super) status: String,
}

impl Main {
    pub(super) fn of(resource: &Value) -> Self {
        let first = |names: &[&str]| {
            let found = names.iter().find_map(|name| words_of(resource.get(name)?));
            shorten(&found.unwrap_or_default(), MAX_CELL).0
        };
        let value = resource.as_object().and_then(|members| {
            members.iter().find(|(name, _)| name.starts_with("value")).and_then(|(_, value)| words_of(value))
        });
        Self {
            date: first(&DATES),
            text: first(&TEXTS),
            value: shorten(&value.unwrap_or_default(), MAX_CELL).0,
            status: first(&STATUSES),
        }
    }

    /// Returns the fields that are not empty, with the keys of their names in the catalogue.
    pub(super) fn rows(self) -> Vec<FieldRow> {
        let fields = [
            ("rows-date", self.date),
            ("rows-text", self.text),
            ("rows-value", self.value),
            ("rows-status", self.status),
        ];
        let is_there = |(_, value): &(&str, String)| !value.is_empty();
        let row = |(name, value): (&str, String)| FieldRow { name: name.to_owned(), value };
        fields.into_iter().filter(is_there).map(row).collect()
    }
}

/// Returns the text of a value of a FHIR data type: of a code its text, of a quantity its value and unit, of a period its days, of a
/// HumanName the name.
fn words_of(value: &Value) -> Option<String> {
    let text = |value: &Value, name: &str| value.get(name).and_then(scalar);
    match value {
        Value::Array(elements) => words_of(elements.first()?),
        Value::Object(_) => text(value, "text")
            .or_else(|| words_of(value.get("coding")?))
            .or_else(|| text(value, "display"))
            .or_else(|| {
                let unit = text(value, "unit").or_else(|| text(value, "code")).unwrap_or_default();
                Some(format!("{} {unit}", text(value, "value")?).trim_end().to_owned())
            })
            .or_else(|| text(value, "code"))
            .or_else(|| match (text(value, "start"), text(value, "end")) {
                (Some(start), Some(end)) => Some(format!("{start} – {end}")),
                (start, end) => start.or(end),
            })
            .or_else(|| {
                let given = value.get("given").and_then(words_of).unwrap_or_default();
                Some(format!("{given} {}", text(value, "family")?).trim_start().to_owned())
            })
            .or_else(|| text(value, "div").map(|_| String::new()))
            .or_else(|| text(value, "reference"))
            .or_else(|| text(value, "diagnostics"))
            .filter(|found| !found.is_empty()),
        Value::Null => None,
        Value::Bool(_) | Value::Number(_) | Value::String(_) => scalar(value),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns all fields of a resource, in its order, and whether something was cut.
pub(super) fn all(resource: &Value) -> (Vec<FieldRow>, bool) {
    let (mut rows, mut is_cut) = (Vec::new(), false);
    flatten(resource, String::new(), &mut rows, &mut is_cut);
    (rows, is_cut)
}

fn flatten(value: &Value, path: String, rows: &mut Vec<FieldRow>, is_cut: &mut bool) {
    if rows.len() >= MAX_FIELDS {
        *is_cut = true;
        return;
    }
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(member, path, rows, is_cut);
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                flatten(element, format!("{path}[{index}]"), rows, is_cut);
            }
        }
        other => {
            let (value, was_cut) = shorten(&scalar(other).unwrap_or_default(), MAX_VALUE);
            *is_cut |= was_cut;
            rows.push(FieldRow { name: shorten(&path, MAX_CELL).0, value });
        }
    }
}

/// Returns the first characters of a text, and whether there are more.
pub(super) fn shorten(text: &str, characters: usize) -> (String, bool) {
    match text.char_indices().nth(characters) {
        Some((end, _)) => (format!("{}…", &text[..end]), true),
        None => (text.to_owned(), false),
    }
}

#[cfg(test)]
mod tests;
