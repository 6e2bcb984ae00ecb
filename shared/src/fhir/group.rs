//! Groups: who is in them (FHIR R4, Group; Bulk Data 3.0, Group export).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Deserialize;

use super::date::Span;
use super::references;
use crate::domain::ids::{GroupId, PatientId};
use crate::error::{Error, Result};
use crate::ports::records::{Area, Records, read_whole};

pub const NO_GROUP: Error = Error::NotFound("there is no such group");

/// The largest Group that is read.
const MAX_GROUP: usize = 64 * 1024 * 1024;

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    member: Vec<Member>,
}

#[derive(Deserialize)]
struct Member {
    entity: Entity,
    #[serde(default)]
    inactive: bool,
    #[serde(default)]
    period: Period,
}

#[derive(Deserialize)]
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

/// The active members of a group and of the groups in it, each once, in the order of their ids, with the time each
/// joined where the group says so; the latest, when several do. `None` when there is no such group.
pub async fn members(
    records: &dyn Records,
    group: &GroupId,
    now: Timestamp,
) -> Result<Option<BTreeMap<PatientId, Option<Timestamp>>>> {
    let mut members = BTreeMap::new();
    let (mut open, mut seen) = (vec![group.clone()], BTreeSet::from([group.clone()]));
    while let Some(next) = open.pop() {
        let Some(text) = text(records, &next).await? else {
            if next == *group {
                return Ok(None);
            }
            continue;
        };
        let read: Group = serde_json::from_slice(&text)
            .map_err(|error| Error::damaged(file(&next), format!("it is no Group resource: {error}")))?;
        for member in read.member.into_iter().filter(|member| is_active(member, now)) {
            let Some(reference) = member.entity.reference.as_deref().and_then(references::parse) else {
                continue;
            };
            match reference.resource_type {
                "Patient" => {
                    let Ok(patient) = PatientId::parse(reference.id) else { continue };
                    let joined =
                        member.period.start.as_deref().and_then(|start| {
                            Timestamp::from_microsecond(Span::of(start.as_bytes())?.from).ok()
                        });
                    let known = members.entry(patient).or_insert(joined);
                    *known = (*known).max(joined);
                }
                "Group" => {
                    let nested = GroupId::parse(reference.id).ok().filter(|id| seen.insert(id.clone()));
                    open.extend(nested);
                }
                _ => {}
            }
        }
    }
    Ok(Some(members))
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
