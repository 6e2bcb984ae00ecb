//! Reads the details by which staff know a patient from a Patient resource: name, birth date, sex and identifiers.

use std::ops::Range;

use fhir::date::Span;
use fhir::json;

use crate::ids::PatientId;
use crate::job::{MAX_IDENTIFIERS, PatientIdentifier, PatientSummary, Sex};

/// The maximum number of characters of a name. A longer name is cut.
const MAX_NAME: usize = 120;
/// The maximum number of characters of an identifier, and of its type. An identifier with a longer value is left out,
/// because a part of it would be a different identifier.
const MAX_VALUE: usize = 100;
const MAX_KIND: usize = 40;

/// The identifiers that are left out of jobs and pages, by the code of their type (HL7, table 0203): social security,
/// driver's licence, passport and tax numbers. They are not needed to find a record.
const LEFT_OUT: [&str; 4] = ["SS", "DL", "PPN", "TAX"];
/// The system of social security numbers (FHIR R4, identifier registry).
const US_SSN: &str = "http://hl7.org/fhir/sid/us-ssn";

/// Returns the summary of a patient from the text of the Patient resource, which is valid JSON. If it has no name, the
/// id is used.
pub fn of_resource(id: PatientId, line: &[u8]) -> PatientSummary {
    let mut summary = PatientSummary::new(id, String::new());
    json::members(line, 0..line.len(), |key, value| match key {
        b"name" if summary.name.is_empty() => summary.name = name(line, value).unwrap_or_default(),
        b"birthDate" => summary.birth_date = json::string(line, value).and_then(|date| birth_date(&date)),
        b"gender" => {
            let code = json::string(line, value);
            summary.sex = Sex::ALL.into_iter().find(|sex| code.as_deref() == Some(sex.code()));
        }
        b"identifier" => json::elements(line, value, |value| {
            if summary.identifiers.len() < MAX_IDENTIFIERS {
                summary.identifiers.extend(identifier(line, value));
            }
        }),
        _ => {}
    });
    if summary.name.is_empty() {
        summary.name = summary.id.to_string();
    }
    summary
}

/// The id of the Patient that replaces this one (FHIR R4, `Patient.link` of the type `replaced-by`), of the text of the
/// Patient resource, which is checked JSON.
pub fn replaced_by(line: &[u8]) -> Option<String> {
    let mut found = None;
    json::elements(line, json::member(line, 0..line.len(), b"link")?, |link| {
        let kind = json::member(line, link.clone(), b"type").and_then(|kind| json::string(line, kind));
        let other = json::member(line, link, b"other")
            .and_then(|other| json::member(line, other, b"reference"))
            .and_then(|reference| json::string(line, reference));
        let id = other.as_deref().and_then(|other| other.strip_prefix("Patient/"));
        let id =
            id.filter(|_| kind.as_deref() == Some("replaced-by")).and_then(|id| PatientId::parse(id).ok());
        found = found.take().or(id);
    });
    found.map(|id| id.to_string())
}

/// Returns the given and family names of the first HumanName that has any, or else its text.
fn name(line: &[u8], names: Range<usize>) -> Option<String> {
    let mut found = None;
    json::elements(line, names, |name| {
        let (mut given, mut family, mut text) = (Vec::new(), None, None);
        json::members(line, name, |key, value| match key {
            b"given" => json::elements(line, value, |value| given.extend(json::string(line, value))),
            b"family" => family = json::string(line, value),
            b"text" => text = json::string(line, value),
            _ => {}
        });
        given.extend(family);
        let joined = given.join(" ");
        let full = if joined.is_empty() { text.map(std::borrow::Cow::into_owned) } else { Some(joined) };
        found = found.take().or(full);
    });
    found.map(|name| plain(&name, MAX_NAME))
}

/// Returns a FHIR date without a time; `None` for any other text.
fn birth_date(text: &str) -> Option<String> {
    let is_date = matches!(text.len(), 4 | 7 | 10) && Span::of(text.as_bytes()).is_some();
    is_date.then(|| text.to_owned())
}

/// Returns an identifier; `None` if it has no value, or if identifiers of its kind are left out.
fn identifier(line: &[u8], identifier: Range<usize>) -> Option<PatientIdentifier> {
    let (mut kind, mut text, mut found, mut is_left_out) = (None, None, None, false);
    json::members(line, identifier, |key, value| match key {
        b"value" => found = json::string(line, value),
        b"system" => is_left_out |= json::string(line, value).as_deref() == Some(US_SSN),
        b"type" => json::members(line, value, |key, value| match key {
            b"text" => text = json::string(line, value),
            b"coding" => json::elements(line, value, |coding| {
                let code = json::member(line, coding, b"code").and_then(|code| json::string(line, code));
                is_left_out |= code.as_deref().is_some_and(|code| LEFT_OUT.contains(&code));
                kind = kind.take().or(code);
            }),
            _ => {}
        }),
        _ => {}
    });
    let value = plain(&found?, MAX_VALUE + 1);
    let is_short = (1..=MAX_VALUE).contains(&value.chars().count());
    let kind = kind.or(text).map(|kind| plain(&kind, MAX_KIND)).unwrap_or_default();
    (is_short && !is_left_out).then_some(PatientIdentifier { kind, value })
}

/// Returns the first characters of a text, without control characters.
fn plain(text: &str, limit: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> PatientSummary {
        of_resource(PatientId::parse("p").expect("an id"), text.as_bytes())
    }

    #[test]
    fn given_names_come_before_the_family_name() {
        let name = |text: &str| of(text).name;
        assert_eq!(
            name(r#"{"name":[{"given":["Ana","B."],"family":"O'Neil"},{"text":"x"}]}"#),
            "Ana B. O'Neil"
        );
        assert_eq!(name(r#"{"name":[{"text":"J\u00f8rgen"}]}"#), "Jørgen");
        assert_eq!((name("{}"), name(r#"{"name":[]}"#)), ("p".to_owned(), "p".to_owned()));
        assert_eq!(name(&format!(r#"{{"name":[{{"text":"{}"}}]}}"#, "é".repeat(500))), "é".repeat(120));
    }

    #[test]
    fn birth_date_and_sex_are_read_if_they_are_what_fhir_allows() {
        let summary = of(r#"{"birthDate":"1980-03-14","gender":"female"}"#);
        assert_eq!((summary.birth_date.as_deref(), summary.sex), (Some("1980-03-14"), Some(Sex::Female)));
        assert_eq!(of(r#"{"birthDate":"1980"}"#).birth_date.as_deref(), Some("1980"));
        for wrong in [r#""1980-02-30""#, r#""14.3.1980""#, "1980", "null", r#""1980-03-14T00:00:00Z""#] {
            let summary = of(&format!(r#"{{"birthDate":{wrong},"gender":{wrong}}}"#));
            assert_eq!((summary.birth_date, summary.sex), (None, None), "{wrong}");
        }
    }

    #[test]
    fn identifiers_are_limited_and_government_numbers_are_left_out() {
        let text = r#"{"identifier":[
            {"type":{"coding":[{"code":"MR"}],"text":"Medical record number"},"value":"A-1"},
            {"type":{"text":"Card"},"value":"2"},
            {"value":"3"},
            {"system":"http://hl7.org/fhir/sid/us-ssn","value":"999-00-1111"},
            {"type":{"coding":[{"code":"DL"}]},"value":"S999"},
            {"type":{"coding":[{"code":"MR"}]}},
            {"value":""}]}"#;
        let found: Vec<_> =
            of(text).identifiers.into_iter().map(|known| format!("{}={}", known.kind, known.value)).collect();
        assert_eq!(found, ["MR=A-1", "Card=2", "=3"]);
        let many: Vec<_> = (0..50).map(|number| format!(r#"{{"value":"{number}"}}"#)).collect();
        assert_eq!(
            of(&format!(r#"{{"identifier":[{}]}}"#, many.join(","))).identifiers.len(),
            MAX_IDENTIFIERS
        );
        let long = |length: usize| of(&format!(r#"{{"identifier":[{{"value":"{}"}}]}}"#, "1".repeat(length)));
        assert_eq!((long(100).identifiers.len(), long(101).identifiers.len()), (1, 0));
    }

    #[test]
    fn a_merged_record_names_the_one_that_replaces_it() {
        let link = |kind: &str, other: &str| {
            replaced_by(
                format!(r#"{{"link":[{{"other":{{"reference":"{other}"}},"type":"{kind}"}}]}}"#).as_bytes(),
            )
        };
        assert_eq!(link("replaced-by", "Patient/b").as_deref(), Some("b"));
        for (kind, other) in
            [("seealso", "Patient/b"), ("replaced-by", "RelatedPerson/b"), ("replaced-by", "Patient/b c")]
        {
            assert_eq!(link(kind, other), None, "{kind} {other}");
        }
        assert_eq!(replaced_by(br#"{"link":{}}"#), None);
    }

    #[test]
    fn a_summary_of_an_earlier_version_is_read() {
        let stored: PatientSummary = serde_json::from_str(r#"{"id":"p","name":"A"}"#).expect("a summary");
        assert_eq!(stored, PatientSummary::new(PatientId::parse("p").expect("an id"), "A"));
        assert_eq!(serde_json::to_string(&stored).expect("JSON"), r#"{"id":"p","name":"A"}"#);
    }
}
