//! The members of a group, and of the groups inside it.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};

use fhir::date::Span;
use fhir::references::OwnBases;
use jiff::Timestamp;
use serde::Deserialize;

use super::{MAX_GROUP, Outline, file, text, text_up_to};
use crate::error::{Error, Result};
use crate::ids::{GroupId, PatientId};
use crate::ports::records::Records;
use crate::selection::Selection;
use crate::selector::Selector;

/// The limits of a function with little memory, for a group and all groups in it together.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The bytes of their texts.
    pub bytes: usize,
    /// Their members, also inactive ones.
    pub members: usize,
}

impl Limits {
    pub const NONE: Self = Self { bytes: usize::MAX, members: usize::MAX };

    /// Subtracts a group. Returns [`Error::TooLarge`] if it has more than is left.
    fn take(&mut self, bytes: usize, members: usize) -> Result<()> {
        let left = self.bytes.checked_sub(bytes).zip(self.members.checked_sub(members));
        (self.bytes, self.members) = left.ok_or_else(too_large)?;
        Ok(())
    }
}

pub(super) fn too_large() -> Error {
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

impl Member {
    /// Returns whether the member is not marked as inactive, and its period in the group has begun and has not ended.
    fn is_active(&self, now: Timestamp) -> bool {
        let span = |end: &Option<String>| end.as_deref().and_then(|end| Span::of(end.as_bytes()));
        let (start, end) = (span(&self.period.start), span(&self.period.end));
        let begins_later = start.is_some_and(|start| start.from > now.as_microsecond());
        let has_ended = end.is_some_and(|end| end.to <= now.as_microsecond());
        !self.inactive && !begins_later && !has_ended
    }

    fn joined(&self) -> Option<Timestamp> {
        let start = Span::of(self.period.start.as_deref()?.as_bytes())?;
        Timestamp::from_microsecond(start.from).ok()
    }
}

/// The active members of a group and of the groups in it.
#[derive(Debug, Default)]
pub struct Members {
    /// The patients, with the time at which each joined, if a group has it. A member of a group inside the group has joined
    /// when both memberships had begun. If a patient is a member in several ways, the latest time counts.
    pub patients: BTreeMap<PatientId, Option<Timestamp>>,
    /// References to members who cannot be patients of this server, as the group has them.
    pub unknown: BTreeSet<String>,
    /// Groups inside the group that are missing or cannot be exported, and groups that do not list all their members.
    pub problems: Vec<String>,
}

impl Members {
    /// Returns the ids of the patients, and the other members, each on a line, in a stable order.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        let patients = self.patients.keys().map(PatientId::as_str);
        let others = self.unknown.iter().chain(&self.problems).map(String::as_str);
        patients.chain(["/"]).chain(others)
    }

    fn add(&mut self, patient: PatientId, joined: Option<Timestamp>) {
        let known = self.patients.entry(patient).or_insert(joined);
        *known = (*known).max(joined);
    }
}

/// The active members that one group lists, with the times at which they joined it.
#[derive(Default)]
struct Listed {
    patients: Vec<(PatientId, Option<Timestamp>)>,
    groups: Vec<(GroupId, Option<Timestamp>)>,
}

/// A group inside another one.
struct Nested {
    /// When the group joined the outermost one.
    joined: Option<Timestamp>,
    listed: Listed,
}

/// Reads the members of groups.
pub struct Reader<'r> {
    pub records: &'r dyn Records,
    pub now: Timestamp,
    /// Recognizes references to patients of this server.
    pub own: &'r OwnBases,
    /// The limits of the token. For it, groups that it does not cover do not exist. `None` covers all groups.
    pub access: Option<&'r Selection>,
    pub limits: Limits,
}

impl Reader<'_> {
    /// Returns the active members of a group and of the groups inside it; `None` if there is no such group. Returns
    /// [`Error::Damaged`] if the group cannot be read, [`Error::NotSupported`] if its members cannot be determined, and
    /// [`Error::TooLarge`] if the group, and the groups in it, are beyond the limits. A group inside it that cannot be read
    /// is one of the problems.
    pub async fn members(&self, group: &GroupId) -> Result<Option<Members>> {
        let (mut members, mut limits) = (Members::default(), self.limits);
        let Some(outer) = self.listed(group, &mut members, &mut limits).await? else { return Ok(None) };
        for (patient, joined) in outer.patients {
            members.add(patient, joined);
        }
        let mut nested: BTreeMap<GroupId, Nested> = BTreeMap::new();
        let mut open = outer.groups;
        while let Some((next, joined)) = open.pop() {
            // A group that is a member of itself adds nothing.
            if next == *group {
                continue;
            }
            let known = match nested.entry(next) {
                Entry::Occupied(known) if known.get().joined >= joined => continue,
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let listed = self.nested(group, new.key(), &mut members, &mut limits).await?;
                    new.insert(Nested { joined, listed })
                }
            };
            known.joined = joined;
            open.extend(known.listed.groups.iter().map(|(id, start)| (id.clone(), joined.max(*start))));
        }
        for Nested { joined, listed } in nested.into_values() {
            for (patient, start) in listed.patients {
                members.add(patient, joined.max(start));
            }
        }
        Ok(Some(members))
    }

    /// Returns what a group inside another one lists: nothing if it cannot be read, which is one of the problems.
    async fn nested(
        &self,
        outer: &GroupId,
        group: &GroupId,
        members: &mut Members,
        limits: &mut Limits,
    ) -> Result<Listed> {
        let problem = match self.listed(group, members, limits).await {
            Ok(Some(listed)) => return Ok(listed),
            Ok(None) => format!("Group/{group}, a member of Group/{outer}, does not exist"),
            Err(error @ (Error::Damaged(_) | Error::NotSupported(_))) => {
                format!("a member of Group/{outer}: {error}")
            }
            Err(error) => return Err(error),
        };
        members.problems.push(problem);
        Ok(Listed::default())
    }

    /// Returns the members that a group lists; `None` if there is no such group. Adds those who cannot be patients.
    async fn listed(
        &self,
        group: &GroupId,
        members: &mut Members,
        limits: &mut Limits,
    ) -> Result<Option<Listed>> {
        let text = match limits.bytes < MAX_GROUP {
            true => text_up_to(self.records, group, limits.bytes).await?,
            false => text(self.records, group).await?,
        };
        let Some(text) = text.filter(|text| self.is_visible(text)) else { return Ok(None) };
        let damaged = |error: serde_json::Error| {
            Error::damaged(file(group), format!("it is not a Group resource: {error}"))
        };
        // Counting the members takes no memory, and reading them does.
        let outline: Outline = serde_json::from_slice(&text).map_err(damaged)?;
        limits.take(text.len(), outline.members())?;
        if let Some(refusal) = outline.refusal(group) {
            return Err(refusal);
        }
        members.problems.extend(outline.shortfall(group));
        let read: Group = serde_json::from_slice(&text).map_err(damaged)?;
        let mut listed = Listed::default();
        for (number, member) in
            read.member.iter().enumerate().filter(|(_, member)| member.is_active(self.now))
        {
            let Some(text) = member.entity.reference.as_deref() else {
                members.unknown.insert(format!("Group/{group} member[{number}], which has no reference"));
                continue;
            };
            let reference = self.own.parse(text);
            let id = |resource_type| {
                reference.filter(|of| of.resource_type == resource_type).map(|reference| reference.id)
            };
            if let Some(Ok(patient)) = id("Patient").map(PatientId::parse) {
                listed.patients.push((patient, member.joined()));
            } else if let Some(Ok(nested)) = id("Group").map(GroupId::parse) {
                listed.groups.push((nested, member.joined()));
            } else {
                members.unknown.insert(text.to_owned());
            }
        }
        Ok(Some(listed))
    }

    fn is_visible(&self, text: &[u8]) -> bool {
        self.access.is_none_or(|access| Selector::new(access, self.now).reaches_group(text))
    }

    /// Checks that a group exists, and that its members can be determined. They are not read.
    pub async fn check(&self, group: &GroupId) -> Result<Option<()>> {
        let text = text(self.records, group).await?;
        let Some(text) = text.filter(|text| self.is_visible(text)) else { return Ok(None) };
        match serde_json::from_slice::<Outline>(&text) {
            Ok(outline) => outline.refusal(group).map_or(Ok(Some(())), Err),
            Err(error) => Err(Error::damaged(file(group), format!("it is not a Group resource: {error}"))),
        }
    }
}
