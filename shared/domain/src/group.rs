//! Reads the members of groups (FHIR R4, Group; Bulk Data 3.0, Group export).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use fhir::date::Span;
use fhir::references::OwnBases;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::ids::{GroupId, PatientId};
use crate::ports::records::{Area, Records, read_up_to, read_whole};

/// The maximum size of a Group that is read, in bytes.
const MAX_GROUP: usize = 64 * 1024 * 1024;

/// The limits of a function with little memory, for a group and all groups in it together.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The bytes of their texts.
    pub bytes: usize,
    /// Their members, also inactive ones.
    pub members: usize,
}

impl Limits {
    const NONE: Self = Self { bytes: usize::MAX, members: usize::MAX };

    /// Subtracts a group. Returns [`Error::TooLarge`] if it has more than is left.
    fn take(&mut self, bytes: usize, members: usize) -> Result<()> {
        let left = self.bytes.checked_sub(bytes).zip(self.members.checked_sub(members));
        (self.bytes, self.members) = left.ok_or_else(too_large)?;
        Ok(())
    }
}

fn too_large() -> Error {
    Error::TooLarge("the group has too many members to be counted here".to_owned())
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    member: Vec<Member>,
}

#[derive(Deserialize)]
struct Member {
    #[serde(default)]
    entity: Entity,
    #[serde(default)]
    inactive: bool,
    #[serde(default)]
    period: Period,
}

#[derive(Default, Deserialize)]
struct Entity {
    reference: Option<String>,
}

#[derive(Default, Deserialize)]
struct Period {
    start: Option<String>,
    end: Option<String>,
}

/// Returns the path of a group's file below the root of the record store.
fn file(group: &GroupId) -> String {
    format!("{}/{group}.json", Area::Groups.directory())
}

/// Returns the text of a Group resource; `None` if there is no such group.
pub async fn text(records: &dyn Records, group: &GroupId) -> Result<Option<Vec<u8>>> {
    match records.open_area(Area::Groups, &format!("{group}.json")).await {
        Ok(reader) => read_whole(&file(group), reader, MAX_GROUP).await.map(Some),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns whether there is such a group. Its resource, which can be large, is not read.
pub async fn exists(records: &dyn Records, group: &GroupId) -> Result<bool> {
    match records.open_area(Area::Groups, &format!("{group}.json")).await {
        Ok(_) => Ok(true),
        Err(Error::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A Group whose members are only counted.
#[derive(Deserialize)]
struct Counted {
    #[serde(default)]
    member: Vec<IgnoredAny>,
}

/// The name of a Group, and the number of its members. It takes no memory for all else.
#[derive(Debug, Deserialize)]
pub struct Named {
    pub name: Option<String>,
    #[serde(default)]
    member: Vec<IgnoredAny>,
}

impl Named {
    /// Returns the number of members, as the Group has them.
    pub fn members(&self) -> usize {
        self.member.len()
    }
}

/// A Group without its members. There can be hundreds of thousands of them, so they are counted and not kept in memory.
#[derive(Debug)]
pub struct Described {
    /// All members of the resource except `member`.
    pub resource: Map<String, Value>,
    /// The number of members; `None` if the resource has no `member`.
    pub members: Option<usize>,
}

impl<'de> Deserialize<'de> for Described {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DescribedVisitor)
    }
}

struct DescribedVisitor;

impl<'de> Visitor<'de> for DescribedVisitor {
    type Value = Described;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a Group resource")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Described, A::Error> {
        let mut described = Described { resource: Map::new(), members: None };
        while let Some(name) = map.next_key::<String>()? {
            if name == "member" {
                described.members = Some(map.next_value::<Vec<IgnoredAny>>()?.len());
            } else {
                described.resource.insert(name, map.next_value()?);
            }
        }
        Ok(described)
    }
}

/// The active members of a group and of the groups in it.
#[derive(Debug, Default)]
pub struct Members {
    /// The patients, with the time at which each joined, if a group has it; the latest time if several groups have one.
    pub patients: BTreeMap<PatientId, Option<Timestamp>>,
    /// References to members who cannot be patients of this server, as the group has them.
    pub unknown: BTreeSet<String>,
    /// Groups inside the group that are missing or cannot be read.
    pub problems: Vec<String>,
}

impl Members {
    /// Returns the ids of the patients, and the other members, each on a line, in a stable order.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        let patients = self.patients.keys().map(PatientId::as_str);
        let others = self.unknown.iter().chain(&self.problems).map(String::as_str);
        patients.chain(["/"]).chain(others)
    }

    /// Adds a member; returns its id if it is a group.
    fn add(&mut self, member: &Member, place: &str, own: &OwnBases) -> Option<GroupId> {
        let Some(text) = member.entity.reference.as_deref() else {
            self.unknown.insert(format!("{place}, which has no reference"));
            return None;
        };
        let reference = own.parse(text);
        let patient = reference
            .filter(|reference| reference.resource_type == "Patient")
            .and_then(|reference| PatientId::parse(reference.id).ok());
        if let Some(patient) = patient {
            let start = member.period.start.as_deref().and_then(|start| Span::of(start.as_bytes()));
            let joined = start.and_then(|start| Timestamp::from_microsecond(start.from).ok());
            let known = self.patients.entry(patient).or_insert(joined);
            *known = (*known).max(joined);
            return None;
        }
        let group = reference
            .filter(|reference| reference.resource_type == "Group")
            .and_then(|reference| GroupId::parse(reference.id).ok());
        if group.is_none() {
            self.unknown.insert(text.to_owned());
        }
        group
    }
}

/// Returns the active members of a group and of the groups inside it; `None` if there is no such group. Returns
/// [`Error::Damaged`] if the group cannot be read; a group inside it that cannot be read is one of the problems. `own`
/// recognizes references to patients of this server.
pub async fn members(
    records: &dyn Records,
    group: &GroupId,
    now: Timestamp,
    own: &OwnBases,
) -> Result<Option<Members>> {
    members_within(records, group, now, own, Limits::NONE).await
}

/// The same within limits. Returns [`Error::TooLarge`] if the group, and the groups in it, have more.
pub async fn members_within(
    records: &dyn Records,
    group: &GroupId,
    now: Timestamp,
    own: &OwnBases,
    mut limits: Limits,
) -> Result<Option<Members>> {
    let mut members = Members::default();
    let (mut open, mut seen) = (vec![group.clone()], BTreeSet::from([group.clone()]));
    while let Some(next) = open.pop() {
        let is_nested = next != *group;
        let read = match read(records, &next, &mut limits).await {
            Ok(Some(read)) => read,
            Ok(None) if is_nested => {
                members.problems.push(format!("Group/{next}, a member of Group/{group}, does not exist"));
                continue;
            }
            Ok(None) => return Ok(None),
            Err(Error::Damaged(damage)) if is_nested => {
                members.problems.push(format!("a member of Group/{group}: {damage}"));
                continue;
            }
            Err(error) => return Err(error),
        };
        for (number, member) in read.member.iter().enumerate().filter(|(_, member)| is_active(member, now)) {
            let place = format!("Group/{next} member[{number}]");
            let nested = members.add(member, &place, own).filter(|id| seen.insert(id.clone()));
            open.extend(nested);
        }
    }
    Ok(Some(members))
}

async fn read(records: &dyn Records, group: &GroupId, limits: &mut Limits) -> Result<Option<Group>> {
    let text = match limits.bytes < MAX_GROUP {
        true => text_up_to(records, group, limits.bytes).await?,
        false => text(records, group).await?,
    };
    let Some(text) = text else { return Ok(None) };
    let damaged = |error: serde_json::Error| {
        Error::damaged(file(group), format!("it is not a Group resource: {error}"))
    };
    // Counting the members takes no memory, and reading them does.
    let counted: Counted = serde_json::from_slice(&text).map_err(damaged)?;
    limits.take(text.len(), counted.member.len())?;
    serde_json::from_slice(&text).map(Some).map_err(damaged)
}

async fn text_up_to(records: &dyn Records, group: &GroupId, limit: usize) -> Result<Option<Vec<u8>>> {
    match records.open_area(Area::Groups, &format!("{group}.json")).await {
        Ok(reader) => read_up_to(reader, limit).await?.map(Some).ok_or_else(too_large),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns whether a member is not marked as inactive, and the member's period in the group has begun and has not ended.
fn is_active(member: &Member, now: Timestamp) -> bool {
    let span = |end: &Option<String>| end.as_deref().and_then(|end| Span::of(end.as_bytes()));
    let (start, end) = (span(&member.period.start), span(&member.period.end));
    let begins_later = start.is_some_and(|start| start.from > now.as_microsecond());
    let has_ended = end.is_some_and(|end| end.to <= now.as_microsecond());
    !member.inactive && !begins_later && !has_ended
}
