//! The few fields of a resource that the engine reads, borrowed from its line.

use std::ops::Range;

use super::json::{self, Malformed};
use crate::domain::filter::{Days, Facts};
use crate::domain::ids::{is_fhir_id, is_type_name};

/// The head of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head<'a> {
    pub resource_type: &'a str,
    pub id: Option<&'a str>,
}

/// Why a line is no resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAResource {
    #[error("the line is not JSON: {0}")]
    Json(#[from] Malformed),
    #[error("the line has no resourceType")]
    NoType,
}

/// Checks the whole line and reads its head.
pub fn head(line: &[u8]) -> Result<Head<'_>, NotAResource> {
    let (head, _) = read(line, |_, _| {})?;
    Ok(head)
}

/// Checks the whole line and reads its head and what the filter looks at.
pub fn head_and_facts(line: &[u8]) -> Result<(Head<'_>, Facts<'_>), NotAResource> {
    let mut facts = Facts::default();
    let mut dates = Dates::default();
    let (head, meta) = read(line, |key, value| match key {
        b"category" => codes(line, value, &mut facts.categories),
        b"type" => codes(line, value, &mut facts.types),
        b"context" => json::members(line, value, |key, value| dates.see(line, key, value, 0)),
        _ => dates.see(line, key, value, 1),
    })?;
    if let Some(meta) = meta {
        json::members(line, meta, |key, value| {
            if key == b"security" {
                json::elements(line, value, |coding| code(line, coding, &mut facts.labels));
            }
        });
    }
    facts.resource_type = head.resource_type;
    facts.days = dates.days();
    Ok((head, facts))
}

/// The members at the root of a resource.
#[derive(Debug, Default)]
pub struct Members<'a>(Vec<(&'a [u8], Range<usize>)>);

impl<'a> Members<'a> {
    /// The value of a member.
    pub fn get(&self, name: &[u8]) -> Option<Range<usize>> {
        self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone())
    }

    /// In the order of the line.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &Range<usize>)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }
}

/// Checks the whole line and reads its head and where its members are.
pub fn head_and_members(line: &[u8]) -> Result<(Head<'_>, Members<'_>), NotAResource> {
    let mut members = Members(Vec::with_capacity(24));
    json::check_object(line, |key, value| members.0.push((key, value)))?;
    let text = |name: &[u8]| members.get(name).and_then(|value| json::plain_string(line, value));
    let resource_type =
        text(b"resourceType").filter(|text| is_type_name(text)).ok_or(NotAResource::NoType)?;
    let id = text(b"id").filter(|text| is_fhir_id(text));
    Ok((Head { resource_type, id }, members))
}

fn read(
    line: &[u8],
    mut visit: impl FnMut(&[u8], Range<usize>),
) -> Result<(Head<'_>, Option<Range<usize>>), NotAResource> {
    let mut resource_type = None;
    let mut id = None;
    let mut meta = None;
    json::check_object(line, |key, value| match key {
        b"resourceType" => resource_type = json::plain_string(line, value).filter(|text| is_type_name(text)),
        b"id" => id = json::plain_string(line, value).filter(|text| is_fhir_id(text)),
        b"meta" => meta = Some(value),
        _ => visit(key, value),
    })?;
    let resource_type = resource_type.ok_or(NotAResource::NoType)?;
    Ok((Head { resource_type, id }, meta))
}

/// The codes of a CodeableConcept, a Coding or a list of either; a plain code as well.
fn codes<'a>(line: &'a [u8], value: Range<usize>, found: &mut Vec<&'a str>) {
    json::elements(line, value, |concept| {
        if let Some(plain) = json::plain_string(line, concept.clone()) {
            return found.push(plain);
        }
        json::members(line, concept.clone(), |key, value| match key {
            b"coding" => json::elements(line, value, |coding| code(line, coding, found)),
            b"code" => found.extend(json::plain_string(line, value)),
            _ => {}
        });
    });
}

fn code<'a>(line: &'a [u8], coding: Range<usize>, found: &mut Vec<&'a str>) {
    json::members(line, coding, |key, value| {
        if key == b"code" {
            found.extend(json::plain_string(line, value));
        }
    });
}

/// The elements that say when something was, the most telling first. Their names are the same
/// thing in every type that has them. Those of `context` (DocumentReference) come before all others.
const DATES: [&[u8]; 22] = [
    b"period",
    b"performedPeriod",
    b"performedDateTime",
    b"effectivePeriod",
    b"effectiveDateTime",
    b"effectiveInstant",
    b"billablePeriod",
    b"occurrencePeriod",
    b"occurrenceDateTime",
    b"servicedPeriod",
    b"onsetPeriod",
    b"onsetDateTime",
    b"started",
    b"startDate",
    b"authoredOn",
    b"authored",
    b"recordedDate",
    b"createdPeriod",
    b"createdDateTime",
    b"date",
    b"created",
    b"issued",
];

#[derive(Default)]
struct Dates {
    best: Option<(usize, Days)>,
    /// A condition lasts from its onset to its abatement.
    is_onset: bool,
    abated: Option<Days>,
}

impl Dates {
    fn see(&mut self, line: &[u8], key: &[u8], value: Range<usize>, level: usize) {
        if key == b"abatementDateTime" {
            self.abated = day(line, value);
            return;
        }
        // Only keys of these lengths can be dates; most members are none.
        if !(4..=18).contains(&key.len()) {
            return;
        }
        let Some(rank) = DATES.iter().position(|name| *name == key) else { return };
        let rank = rank + level * DATES.len();
        if self.best.is_some_and(|(best, _)| best <= rank) {
            return;
        }
        let days = if line.get(value.start) == Some(&b'{') { period(line, value) } else { day(line, value) };
        if let Some(days) = days {
            self.best = Some((rank, days));
            self.is_onset = key == b"onsetDateTime";
        }
    }

    fn days(self) -> Option<Days> {
        let (_, mut days) = self.best?;
        if self.is_onset {
            days.last = self.abated.map_or(Days::LATEST, |abated| abated.last);
        }
        Some(days)
    }
}

fn day(line: &[u8], value: Range<usize>) -> Option<Days> {
    json::plain_string(line, value).and_then(|text| Days::of(text.as_bytes()))
}

fn period(line: &[u8], value: Range<usize>) -> Option<Days> {
    let mut days = Days { first: Days::EARLIEST, last: Days::LATEST };
    let mut bounded = false;
    json::members(line, value, |key, value| {
        let Some(at) = day(line, value) else { return };
        match key {
            b"start" => (days.first, bounded) = (at.first, true),
            b"end" => (days.last, bounded) = (at.last, true),
            _ => {}
        }
    });
    bounded.then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(line: &str) -> Option<(String, String)> {
        let (_, facts) = head_and_facts(line.as_bytes()).expect("a resource");
        let text = |bytes: [u8; 10]| String::from_utf8(bytes.to_vec()).expect("ASCII");
        facts.days.map(|days| (text(days.first), text(days.last)))
    }

    #[test]
    fn the_type_is_the_top_level_one_wherever_it_stands() {
        let line =
            br#"{"contained":[{"resourceType":"Practitioner","id":"x"}],"id":"a","resourceType":"Claim"}"#;
        assert_eq!(head(line), Ok(Head { resource_type: "Claim", id: Some("a") }));
        assert_eq!(head(br#"{"contained":[{"resourceType":"Practitioner"}]}"#), Err(NotAResource::NoType));
        assert_eq!(head(br#"{"resourceType":"../x"}"#), Err(NotAResource::NoType));
        assert_eq!(head(br#"{"resourceType":7}"#), Err(NotAResource::NoType));
    }

    #[test]
    fn facts_are_codes_labels_and_days() {
        let line =
            br#"{"resourceType":"Observation","meta":{"security":[{"system":"s","code":"HIV"},{"code":"R"}]},
            "category":[{"coding":[{"code":"laboratory"}]}],"code":{"coding":[{"code":"not this"}]},
            "issued":"2021-01-01T00:00:00Z","effectiveDateTime":"2020-05-06T01:02:03Z"}"#;
        let (_, facts) = head_and_facts(line).expect("a resource");
        assert_eq!(facts.labels, ["HIV", "R"]);
        assert_eq!(facts.categories, ["laboratory"]);
        assert_eq!(facts.days, Some(Days { first: *b"2020-05-06", last: *b"2020-05-06" }));
    }

    #[test]
    fn periods_and_conditions_last() {
        let pair = |first: &str, last: &str| Some((first.to_owned(), last.to_owned()));
        assert_eq!(
            days(r#"{"resourceType":"Encounter","period":{"start":"2020-01-02T03:04:05Z"}}"#),
            pair("2020-01-02", "9999-12-31")
        );
        assert_eq!(days(r#"{"resourceType":"Encounter","period":{}}"#), None);
        assert_eq!(
            days(r#"{"resourceType":"Condition","recordedDate":"2019","onsetDateTime":"2018-03"}"#),
            pair("2018-03-01", "9999-12-31")
        );
        assert_eq!(
            days(
                r#"{"resourceType":"Condition","abatementDateTime":"2018-04-05","onsetDateTime":"2018-03-01"}"#
            ),
            pair("2018-03-01", "2018-04-05")
        );
        assert_eq!(
            days(
                r#"{"resourceType":"DocumentReference","date":"2022-01-01T00:00:00Z","context":{"period":{"start":"2020-01-01","end":"2020-02"}}}"#
            ),
            pair("2020-01-01", "2020-02-31")
        );
        assert_eq!(days(r#"{"resourceType":"Patient","birthDate":"1970-01-01"}"#), None);
    }
}
