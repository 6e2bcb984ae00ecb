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
use crate::ports::records::{Area, Records, read_whole};

/// The maximum size of a Group that is read, in bytes.
const MAX_GROUP: usize = 64 * 1024 * 1024;

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
    let mut members = Members::default();
    let (mut open, mut seen) = (vec![group.clone()], BTreeSet::from([group.clone()]));
    while let Some(next) = open.pop() {
        let is_nested = next != *group;
        let read = match read(records, &next).await {
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

async fn read(records: &dyn Records, group: &GroupId) -> Result<Option<Group>> {
    let Some(text) = text(records, group).await? else { return Ok(None) };
    let read = serde_json::from_slice(&text);
    read.map(Some)
        .map_err(|error| Error::damaged(file(group), format!("it is not a Group resource: {error}")))
}

/// Returns whether a member is not marked as inactive and the member's period in the group has not ended.
fn is_active(member: &Member, now: Timestamp) -> bool {
    let ended = member
        .period
        .end
        .as_deref()
        .and_then(|end| Span::of(end.as_bytes()))
        .is_some_and(|end| end.to <= now.as_microsecond());
    !member.inactive && !ended
}
