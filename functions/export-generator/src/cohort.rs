//! Resolves the patients of an export, and iterates over them.

use std::collections::{BTreeSet, VecDeque};

use crypto::digest_of_lines;
use domain::chunk::Work;
use domain::error::{Error, Result};
use domain::group::{Limits, Reader};
use domain::ids::PatientId;
use domain::ports::records::{Entries, Entry, Member, Records};
use domain::request::{Cohort, ExportRequest};

use crate::Generator;

/// The maximum number of patients whose files are listed at once.
const LISTED_AT_ONCE: usize = 500;
/// The maximum number of members without a record that are named, and of characters of each name. Further members are
/// only counted.
const MAX_NAMED: usize = 1_000;
const MAX_NAME: usize = 100;
/// The maximum size of all these names in JSON.
const MAX_NAMED_BYTES: usize = 150_000;
/// The maximum number of unreadable nested groups that are named.
const MAX_NAMED_GROUPS: usize = 100;

/// A cohort with known members.
pub(crate) enum ResolvedCohort {
    Everyone,
    /// In the order of their ids. `new_members` joined after `_since` and get all of their data.
    Patients {
        patients: Vec<PatientId>,
        new_members: BTreeSet<PatientId>,
        /// Members of a group who have no record on this server.
        absent: Option<Work>,
    },
}

impl Generator {
    /// Resolves the cohort. The members of a group are those at this moment.
    pub(crate) async fn resolve_cohort(&self, request: &ExportRequest) -> Result<ResolvedCohort> {
        match &request.cohort {
            Cohort::Everyone => Ok(ResolvedCohort::Everyone),
            Cohort::Patients(patients) => {
                let patients = patients.clone();
                Ok(ResolvedCohort::Patients { patients, new_members: BTreeSet::new(), absent: None })
            }
            Cohort::Group(group) => {
                let (now, own) = (self.clock.now(), self.settings.own_bases());
                let access = request.selection.as_ref();
                let records = &*self.records;
                let reader = Reader { records, now, own: &own, access, limits: Limits::NONE };
                let members = reader.members(group).await?;
                let members = members.ok_or(Error::NotFound("the group is no longer in the record store"))?;
                if let Some(confirmed) = &request.confirmed_members
                    && *confirmed != digest_of_lines(members.lines())
                {
                    let changed = "the members of the group have changed since its export was confirmed; start the export again";
                    return Err(Error::invalid(changed));
                }
                let since = request.selection.as_ref().and_then(|selection| selection.since);
                let new_members = match since.filter(|_| self.settings.whole_record_of_new_members) {
                    Some(since) => members
                        .patients
                        .iter()
                        .filter(|(_, joined)| joined.is_some_and(|joined| joined > since))
                        .map(|(patient, _)| patient.clone())
                        .collect(),
                    None => BTreeSet::new(),
                };
                let absent = absent(members.unknown, members.problems);
                Ok(ResolvedCohort::Patients {
                    patients: members.patients.into_keys().collect(),
                    new_members,
                    absent,
                })
            }
        }
    }
}

/// Returns the chunk that names the absent members. Its row stays below the 400 kB limit of a DynamoDB item, even if
/// each character takes six bytes in JSON.
fn absent(unknown: BTreeSet<String>, mut problems: Vec<String>) -> Option<Work> {
    if unknown.is_empty() && problems.is_empty() {
        return None;
    }
    let all = unknown.len();
    let mut left = MAX_NAMED_BYTES;
    let shortened = |text: String| text.chars().take(MAX_NAME).collect::<String>();
    let fits = |name: &String| {
        let bytes = serde_json::to_string(name).map_or(usize::MAX, |json| json.len());
        left.checked_sub(bytes).map(|rest| left = rest).is_some()
    };
    let members: Vec<_> = unknown.into_iter().take(MAX_NAMED).map(shortened).take_while(fits).collect();
    problems.truncate(MAX_NAMED_GROUPS);
    let more = (all - members.len()) as u64;
    Some(Work::Absent { members, more, problems })
}

/// Iterates over the members of a cohort, with the size of each record.
pub(crate) enum Walk<'l> {
    Everyone(Box<dyn Entries>),
    Patients {
        /// Patients whose sizes are not known yet.
        left: &'l [PatientId],
        ready: VecDeque<Member>,
    },
}

impl<'l> Walk<'l> {
    /// Starts with the first member after `after`.
    pub(crate) fn of(cohort: &'l ResolvedCohort, after: Option<&PatientId>, records: &dyn Records) -> Self {
        match cohort {
            ResolvedCohort::Everyone => Self::Everyone(records.entries(after)),
            ResolvedCohort::Patients { patients, .. } => {
                let from = patients.partition_point(|patient| after.is_some_and(|after| patient <= after));
                Self::Patients { left: &patients[from..], ready: VecDeque::new() }
            }
        }
    }

    pub(crate) async fn next(&mut self, records: &dyn Records) -> Result<Option<Entry>> {
        match self {
            Self::Everyone(entries) => entries.next().await,
            Self::Patients { left, ready } => {
                if ready.is_empty() && !left.is_empty() {
                    let some = &left[..left.len().min(LISTED_AT_ONCE)];
                    let parts = records.parts_of(some).await?;
                    // A patient who was removed since the kick-off is returned without files: the chunk reports that.
                    let member = |(patient, parts): (&PatientId, &_)| Member::of(patient.clone(), parts);
                    ready.extend(some.iter().zip(&parts).map(member));
                    *left = &left[parts.len()..];
                }
                Ok(ready.pop_front().map(Entry::Patient))
            }
        }
    }
}

#[cfg(test)]
mod tests;
