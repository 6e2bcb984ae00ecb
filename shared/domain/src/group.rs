//! Groups: who is in them (FHIR R4, Group; Bulk Data 3.0, Group export).

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

/// The largest Group that is read.
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

/// The file of a group below the root of the lake.
fn file(group: &GroupId) -> String {
    format!("{}/{group}.json", Area::Groups.directory())
}

/// The text of a Group resource; `None` when there is no such group.
pub async fn text(records: &dyn Records, group: &GroupId) -> Result<Option<Vec<u8>>> {
    match records.open_area(Area::Groups, &format!("{group}.json")).await {
        Ok(reader) => read_whole(&file(group), reader, MAX_GROUP).await.map(Some),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A Group without its members, who may be hundreds of thousands: they are checked and counted, and not kept.
#[derive(Debug)]
pub struct Described {
    /// Everything but `member`.
    pub resource: Map<String, Value>,
    /// How many members the resource lists.
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
    /// In the order of their ids, each once, with the time each joined where the group says so; the latest, when several
    /// do.
    pub patients: BTreeMap<PatientId, Option<Timestamp>>,
    /// Members who cannot be patients of this server, each once, as the group refers to them.
    pub unknown: BTreeSet<String>,
    /// Groups in the group that are missing or cannot be read.
    pub problems: Vec<String>,
}

impl Members {
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

/// The active members of a group and of the groups in it; `None` when there is no such group. [`Error::Damaged`] where
/// it cannot be read; a group in it that cannot be read is among the problems. `own` tells our patients from others'.
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
    read.map(Some).map_err(|error| Error::damaged(file(group), format!("it is no Group resource: {error}")))
}

/// A member who is not said to be inactive, and whose time in the group is not over.
fn is_active(member: &Member, now: Timestamp) -> bool {
    let ended = member
        .period
        .end
        .as_deref()
        .and_then(|end| Span::of(end.as_bytes()))
        .is_some_and(|end| end.to <= now.as_microsecond());
    !member.inactive && !ended
}
