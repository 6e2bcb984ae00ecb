//! The main fields of a resource for people: the date, what it is about, and the value or the state.

use serde_json::Value;

/// See the [module](self). A field that the resource does not have is empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// In the format of FHIR.
    pub(crate) date: String,
    pub(crate) what: String,
    pub(crate) value: String,
    pub(crate) id: String,
}

/// The maximum number of characters in a cell; the file has the whole text.
const MAX_CELL: usize = 300;

const DATES: [&str; 22] = [
    "/effectiveDateTime",
    "/effectivePeriod/start",
    "/effectiveInstant",
    "/performedDateTime",
    "/performedPeriod/start",
    "/occurrenceDateTime",
    "/occurrencePeriod/start",
    "/period/start",
    "/billablePeriod/start",
    "/authoredOn",
    "/onsetDateTime",
    "/recordedDate",
    "/started",
    "/startDate",
    "/date",
    "/issued",
    "/servicedDate",
    "/created",
    "/recorded",
    "/start",
    "/whenHandedOver",
    "/birthDate",
];

const SUBJECTS: [&str; 16] = [
    "code",
    "vaccineCode",
    "medicationCodeableConcept",
    "medicationReference",
    "title",
    "type",
    "serviceType",
    "class",
    "description",
    "name",
    "deviceName",
    "category",
    "activity",
    "target",
    "contentType",
    "diagnostics",
];

const VALUES: [&str; 14] = [
    "valueQuantity",
    "valueCodeableConcept",
    "valueString",
    "valueBoolean",
    "valueInteger",
    "valueDateTime",
    "conclusion",
    "total",
    "dosageInstruction",
    "clinicalStatus",
    "severity",
    "lifecycleStatus",
    "status",
    "gender",
];

impl Row {
    pub(crate) fn of(resource: &Value) -> Self {
        let first = |keys: &[&str]| {
            let mut found =
                keys.iter().filter_map(|key| resource.get(key)).filter_map(|value| shown(value, 0));
            shorten(&found.next().unwrap_or_default())
        };
        Self {
            date: date(resource).unwrap_or_default().to_owned(),
            what: first(&SUBJECTS),
            value: first(&VALUES),
            id: shorten(resource["id"].as_str().unwrap_or_default()),
        }
    }
}

/// Returns the date of a resource, in the format of FHIR.
pub(crate) fn date(resource: &Value) -> Option<&str> {
    DATES.iter().find_map(|path| resource.pointer(path)?.as_str())
}

/// Returns a date or a part of one in the format of FHIR, without the time of day.
pub(crate) fn day(date: &str) -> &str {
    date.split('T').next().unwrap_or_default()
}

/// Returns the text of a value of FHIR: of a string, a concept, a quantity, a name, a reference, or of the first of several.
fn shown(value: &Value, depth: u8) -> Option<String> {
    const DEEPEST: u8 = 3;
    if depth > DEEPEST {
        return None;
    }
    let text = |key: &str| value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    match value {
        Value::String(text) => (!text.is_empty()).then(|| text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(all) => all.iter().find_map(|one| shown(one, depth + 1)),
        Value::Object(members) => {
            if let Some(number) = members.get("value").filter(|number| number.is_number()) {
                let unit = text("unit").or(text("code")).or(text("currency")).unwrap_or_default();
                return Some(format!("{number} {unit}").trim_end().to_owned());
            }
            let given = members.get("given").and_then(Value::as_array).into_iter().flatten();
            let given = given.filter_map(Value::as_str);
            let name: Vec<_> = given.chain(text("family")).collect();
            let plain = ["text", "display"].into_iter().find_map(text).map(str::to_owned);
            plain
                .or_else(|| (!name.is_empty()).then(|| name.join(" ")))
                .or_else(|| shown(members.get("coding")?, depth + 1))
                .or_else(|| ["code", "reference", "name"].into_iter().find_map(text).map(str::to_owned))
        }
        Value::Null => None,
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_CELL) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
