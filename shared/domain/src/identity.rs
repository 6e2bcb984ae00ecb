//! Reads the details by which staff know a patient from a Patient resource: name, birth date, sex and identifiers.

use std::ops::Range;

use fhir::date::Span;
use fhir::json;
use jiff::Timestamp;

use crate::email::EmailAddress;
use crate::ids::PatientId;
use crate::patient_summary::{MAX_IDENTIFIERS, PatientIdentifier, PatientSummary, Sex};

/// The maximum number of characters of a name. A longer name is cut.
const MAX_NAME: usize = 120;
/// The maximum number of characters of an identifier, and of its type. An identifier with a longer value is left out,
/// because a part of it would be a different identifier.
const MAX_VALUE: usize = 100;
const MAX_KIND: usize = 40;

/// The identifiers that are left out of jobs and pages, by the code of their type (HL7, table 0203): social security,
/// driver's licence, passport and tax numbers. They are not needed to find a record.
const LEFT_OUT: [&str; 4] = ["SS", "DL", "PPN", "TAX"];
/// The systems of these identifiers, also as the object identifiers of HL7's registry: social security numbers, old
/// Medicare numbers (which contain one), driver's licences of the states, and passports. States and countries have systems of
/// their own, so some of these are prefixes, which end with `.` or `-`.
const LEFT_OUT_SYSTEMS: [&str; 8] = [
    "http://hl7.org/fhir/sid/us-ssn",
    "2.16.840.1.113883.4.1",
    "http://hl7.org/fhir/sid/us-medicare",
    "2.16.840.1.113883.4.572",
    "2.16.840.1.113883.4.3.",
    "http://hl7.org/fhir/sid/passport-",
    "http://standardhealthrecord.org/fhir/StructureDefinition/passportNumber",
    "2.16.840.1.113883.4.330.",
];

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
        _ => {}
    });
    each_identifier(line, |known| {
        if summary.identifiers.len() < MAX_IDENTIFIERS && is_whole(&known) {
            summary.identifiers.push(known);
        }
    });
    if summary.name.is_empty() {
        summary.name = summary.id.to_string();
    }
    summary
}

/// Passes each identifier of a Patient to a function, except for those whose kinds are left out. The text is that of
/// [`of_resource`].
pub fn each_identifier(line: &[u8], mut take: impl FnMut(PatientIdentifier)) {
    json::members(line, 0..line.len(), |key, value| {
        if key == b"identifier" {
            json::elements(line, value, |value| {
                if let Some(known) = identifier(line, value) {
                    take(known);
                }
            });
        }
    });
}

/// Returns whether the value of an identifier was not cut.
pub fn is_whole(known: &PatientIdentifier) -> bool {
    known.value.chars().count() <= MAX_VALUE
}

/// Returns the id of the Patient that replaces this one (FHIR R4, `Patient.link` of the type `replaced-by`). `line` is the text of the
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

/// Returns the patient's own address for mails, from the text of the Patient resource, which is valid JSON: of the
/// addresses that are in use at `now`, the one with the lowest rank; the first, if several have it.
pub fn email(line: &[u8], now: Timestamp) -> Option<EmailAddress> {
    let mut best: Option<(u64, EmailAddress)> = None;
    json::elements(line, json::member(line, 0..line.len(), b"telecom")?, |contact| {
        if let Some((rank, address)) = ranked_email(line, contact, now)
            && best.as_ref().is_none_or(|(lowest, _)| rank < *lowest)
        {
            best = Some((rank, address));
        }
    });
    best.map(|(_, address)| address)
}

/// Returns the address of a ContactPoint that is in use, and its rank. One without a rank comes last.
fn ranked_email(line: &[u8], contact: Range<usize>, now: Timestamp) -> Option<(u64, EmailAddress)> {
    let text = |key: &[u8]| {
        json::member(line, contact.clone(), key).and_then(|value| json::string(line, value)).map(String::from)
    };
    let is_in_use = text(b"use").as_deref() != Some("old") && !has_other_period(line, &contact, now);
    if text(b"system").as_deref() != Some("email") || !is_in_use {
        return None;
    }
    let rank = json::member(line, contact.clone(), b"rank");
    let rank = rank.and_then(|rank| std::str::from_utf8(&line[rank]).ok()?.trim().parse().ok());
    Some((rank.unwrap_or(u64::MAX), EmailAddress::parse(text(b"value")?.trim_matches(' '))?))
}

/// Returns whether the period of a ContactPoint has ended, has not begun, or cannot be read.
fn has_other_period(line: &[u8], contact: &Range<usize>, now: Timestamp) -> bool {
    let Some(period) = json::member(line, contact.clone(), b"period") else { return false };
    let end = |key: &[u8]| {
        let value = json::member(line, period.clone(), key)?;
        Some(json::string(line, value).and_then(|date| Span::of(date.as_bytes())))
    };
    let is_before = |start: Option<Span>| start.is_none_or(|start| now.as_microsecond() < start.from);
    let is_after = |last: Option<Span>| last.is_none_or(|last| last.to <= now.as_microsecond());
    end(b"start").is_some_and(is_before) || end(b"end").is_some_and(is_after)
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

/// Returns an identifier, with a value that is cut after one character more than it may have; `None` if it has no value, or
/// if identifiers of its kind are left out.
fn identifier(line: &[u8], identifier: Range<usize>) -> Option<PatientIdentifier> {
    let (mut kind, mut text, mut found, mut is_left_out) = (None, None, None, false);
    json::members(line, identifier, |key, value| match key {
        b"value" => found = json::string(line, value),
        b"system" => {
            is_left_out |= json::string(line, value).is_some_and(|system| is_system_left_out(&system));
        }
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
    let is_known = !value.is_empty() && !is_left_out;
    let kind = kind.or(text).map(|kind| plain(&kind, MAX_KIND)).unwrap_or_default();
    is_known.then_some(PatientIdentifier { kind, value })
}

/// Returns whether identifiers of a system are left out. A system that is an object identifier may be written with and
/// without `urn:oid:`, and all systems in any case.
fn is_system_left_out(system: &str) -> bool {
    let system = system.trim().trim_end_matches('/').to_ascii_lowercase();
    let system = system.strip_prefix("urn:oid:").unwrap_or(&system).replacen("https://", "http://", 1);
    LEFT_OUT_SYSTEMS.into_iter().any(|known| {
        let known = known.to_ascii_lowercase();
        if known.ends_with(['.', '-']) { system.starts_with(&known) } else { system == known }
    })
}

/// Returns the first characters of a text, without control characters.
fn plain(text: &str, limit: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(limit).collect()
}

#[cfg(test)]
mod tests;
