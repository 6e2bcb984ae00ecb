//! Checks a line and reads the few fields of the resource that the export needs, borrowed from the line.

mod dates;
mod labels;

use std::borrow::Cow;
use std::ops::Range;

use crate::facts::Facts;
use crate::ids::{IdFault, is_fhir_id, is_type_name};
use crate::json::{self, Malformed, Spelling};
use crate::spelling;
use dates::Dates;

/// The type and the id of a resource, and the text in which more of it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head<'a> {
    /// The line in its plain spelling, in which names and values are compared. It is the line itself unless the line has
    /// needless escapes. Functions that read more of the resource read this text; the output is copied from the line.
    pub text: &'a [u8],
    pub resource_type: &'a str,
    /// `None` if the resource has no id, or one that is not a FHIR id.
    pub id: Option<&'a str>,
}

/// The reason why a line is not a resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAResource {
    #[error("the line is not JSON: {0}")]
    Json(#[from] Malformed),
    #[error("the line has no resourceType")]
    NoType,
    /// FHIR and JSON do not define which of the members is valid, so the filter cannot decide about the resource.
    #[error("the line has the member '{0}' more than once in one object")]
    Repeated(String),
}

/// A buffer for the plain spelling of a line that has needless escapes.
#[derive(Debug, Default)]
pub struct Plain(Vec<u8>);

/// Reads a line, or its plain spelling if it has needless escapes.
fn read<'a, T>(
    line: &'a [u8],
    plain: &'a mut Plain,
    read: impl Fn(&'a [u8]) -> Result<(Spelling, T), Malformed>,
) -> Result<(&'a [u8], T), NotAResource> {
    let (mut text, (mut spelling, mut found)) = (line, read(line)?);
    if spelling.has_escapes {
        plain.0 = spelling::plain(line);
        text = &plain.0;
        (spelling, found) = read(text)?;
    }
    match spelling.may_repeat.then(|| spelling::repeated_member(text)).flatten() {
        Some(name) => Err(NotAResource::Repeated(name)),
        None => Ok((text, found)),
    }
}

/// The ranges of the type and the id at the root of a resource.
#[derive(Default)]
struct Identity {
    resource_type: Option<Range<usize>>,
    id: Option<Range<usize>>,
}

impl Identity {
    fn of<'a>(&self, text: &'a [u8]) -> Result<Head<'a>, NotAResource> {
        // Type names and ids contain no character that must be escaped.
        let plain = |value: &Option<Range<usize>>| match json::string(text, value.clone()?)? {
            Cow::Borrowed(plain) => Some(plain),
            Cow::Owned(_) => None,
        };
        let resource_type =
            plain(&self.resource_type).filter(|name| is_type_name(name)).ok_or(NotAResource::NoType)?;
        Ok(Head { text, resource_type, id: plain(&self.id).filter(|id| is_fhir_id(id)) })
    }
}

/// Checks the whole line and reads its head.
pub fn head<'a>(line: &'a [u8], plain: &'a mut Plain) -> Result<Head<'a>, NotAResource> {
    let (text, identity) = read(line, plain, |text| {
        let mut identity = Identity::default();
        let spelling = json::check_object(text, |key, value| match key {
            b"resourceType" => identity.resource_type = Some(value),
            b"id" => identity.id = Some(value),
            _ => {}
        })?;
        Ok((spelling, identity))
    })?;
    identity.of(text)
}

/// Checks the whole line and reads its head and the facts that the filter needs.
pub fn head_and_facts<'a>(
    line: &'a [u8],
    plain: &'a mut Plain,
) -> Result<(Head<'a>, Facts<'a>), NotAResource> {
    let (text, (identity, mut facts)) = read(line, plain, |text| {
        let (mut identity, mut facts, mut dates) = (Identity::default(), Facts::default(), Dates::default());
        let spelling = json::check_object(text, |key, value| match key {
            b"resourceType" => identity.resource_type = Some(value),
            b"id" => identity.id = Some(value),
            b"category" => codes(text, value, &mut facts.categories),
            b"type" => codes(text, value, &mut facts.types),
            b"context" | b"collection" => {
                json::members(text, value, |key, value| dates.record(text, key, value, 0));
            }
            _ if labels::of_member(text, key, &value, &mut facts) => {}
            _ => dates.record(text, key, value, 1),
        })?;
        facts.days = dates.days();
        Ok((spelling, (identity, facts)))
    })?;
    let head = identity.of(text)?;
    facts.resource_type = head.resource_type;
    Ok((head, facts))
}

/// The members at the root of a resource.
#[derive(Debug, Default)]
pub struct Members<'a>(Vec<(&'a [u8], Range<usize>)>);

impl<'a> Members<'a> {
    /// Returns the value of a member.
    pub fn get(&self, name: &[u8]) -> Option<Range<usize>> {
        self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone())
    }

    /// Returns the names and the ranges of the values, in the order of the line.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &Range<usize>)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }
}

/// Checks the whole line and reads its head and its members. The ranges of the members are those of the head's text.
pub fn head_and_members<'a>(
    line: &'a [u8],
    plain: &'a mut Plain,
) -> Result<(Head<'a>, Members<'a>), NotAResource> {
    let (text, members) = object(line, plain)?;
    let identity = Identity { resource_type: members.get(b"resourceType"), id: members.get(b"id") };
    Ok((identity.of(text)?, members))
}

/// Returns the facts about the security labels of a resource, and no others.
pub fn labels<'a>(head: &Head<'a>, members: &Members<'a>) -> Facts<'a> {
    let mut facts = Facts { resource_type: head.resource_type, ..Facts::default() };
    for (key, value) in members.iter() {
        labels::of_member(head.text, key, value, &mut facts);
    }
    facts
}

/// Checks a JSON object of any kind. Returns its plain spelling and its members, whose ranges are those of that text.
pub fn object<'a>(line: &'a [u8], plain: &'a mut Plain) -> Result<(&'a [u8], Members<'a>), NotAResource> {
    read(line, plain, |text| {
        let mut members = Members(Vec::with_capacity(24));
        let spelling = json::check_object(text, |key, value| members.0.push((key, value)))?;
        Ok((spelling, members))
    })
}

/// Returns the fault of the member `id` of a text in its plain spelling; `None` for a FHIR id.
pub fn id_fault(text: &[u8], id: Option<Range<usize>>) -> Option<IdFault> {
    let Some(id) = id else { return Some(IdFault::Missing) };
    json::string(text, id).map_or(Some(IdFault::NoString), |id| IdFault::of(&id))
}

/// Collects the codes of a CodeableConcept, a Coding, a plain code, or a list of them.
fn codes<'a>(text: &'a [u8], value: Range<usize>, found: &mut Vec<Cow<'a, str>>) {
    json::elements(text, value, |concept| {
        if let Some(plain) = json::string(text, concept.clone()) {
            return found.push(plain);
        }
        json::members(text, concept.clone(), |key, value| match key {
            b"coding" => json::elements(text, value, |coding| {
                found.extend(json::member(text, coding, b"code").and_then(|code| json::string(text, code)));
            }),
            b"code" => found.extend(json::string(text, value)),
            _ => {}
        });
    });
}

#[cfg(test)]
mod tests;
