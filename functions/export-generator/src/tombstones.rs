//! Reads the deletions of some patients, or of no patient. With `_since` they are listed, and a deleted resource is
//! never in the output as well (Bulk Data 3.0, `deleted`).
//!
//! A deletion says that a resource is no longer in the record of its patient. If the record of another patient has a
//! resource with the same key, that one is exported, and the deletion is not listed. If another chunk reads that record, a stage
//! of Finish compares the two ([`crate::relist`]).

use std::collections::{BTreeSet, HashMap, HashSet};

use domain::error::Result;
use domain::filter::Filter;
use domain::ids::PatientId;
use domain::ports::files::Files;
use domain::ports::records::Records;
use domain::states::Running;

use crate::deleted_keys::DeletedKeys;
use crate::deletions::{Deletion, DeletionReader};
use crate::sorted::Sorted;

/// The deletion of a resource from one record.
struct Tombstone {
    /// The patient's id; `None` if the resource belonged to no patient.
    of: Option<String>,
    /// The time in microseconds.
    at: i64,
}

/// Deleted resources.
#[derive(Default)]
pub(crate) struct Tombstones {
    /// By `Type/id`: nearly always one.
    deleted: HashMap<String, Vec<Tombstone>>,
    /// The keys of resources that exist, again or in another record. Their deletions are not listed.
    existing: HashSet<String>,
    /// The deleted resources of each patient.
    of_patients: HashMap<String, Vec<String>>,
    /// The deletions that other chunks may list.
    others: DeletedKeys,
}

impl Tombstones {
    /// Reads the deletions of these patients within the export's time range; `None` stands for resources of no patient.
    pub(crate) async fn read(
        records: &dyn Records,
        files: &dyn Files,
        running: &Running,
        filter: &Filter<'_>,
        wanted: &BTreeSet<Option<&str>>,
    ) -> Result<Self> {
        let mut tombstones = Self::default();
        let Some(selector) = filter.since() else { return Ok(tombstones) };
        if let Some(prefix) = &running.sorted_deletions {
            for mut lines in Sorted::open(files, prefix).await?.of(wanted).await? {
                while let Some(deletion) = lines.next().await? {
                    tombstones.add(deletion, wanted);
                }
            }
            tombstones.others = DeletedKeys::read(files, prefix).await?;
            return Ok(tombstones);
        }
        let mut reader = DeletionReader::new(records, selector).await?;
        while let Some(deletion) = reader.next().await? {
            tombstones.add(deletion, wanted);
        }
        Ok(tombstones)
    }

    fn add(&mut self, deletion: Deletion, wanted: &BTreeSet<Option<&str>>) {
        let Deletion { of, key, at } = deletion;
        if !wanted.contains(&of.as_deref()) {
            self.others.add(&key);
            return;
        }
        let known = self.deleted.entry(key.clone()).or_default();
        if let Some(known) = known.iter_mut().find(|known| known.of == of) {
            known.at = known.at.max(at);
            return;
        }
        known.push(Tombstone { of: of.clone(), at });
        if let Some(patient) = of {
            self.of_patients.entry(patient).or_default().push(key);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.deleted.is_empty() && self.others.is_empty()
    }

    /// Returns whether another chunk may list the resource as deleted.
    pub(crate) fn may_be_listed_elsewhere(&self, key: &str) -> bool {
        self.others.may_have(key)
    }

    /// Returns whether a line of a patient's record was deleted. A resource that changed after its deletion exists
    /// again.
    pub(crate) fn covers(&mut self, of: Option<&PatientId>, key: &str, changed: Option<i64>) -> bool {
        let Some(deleted) = self.deleted.get(key) else { return false };
        let of = of.map(PatientId::as_str);
        let own = deleted.iter().find(|tombstone| tombstone.of.as_deref() == of);
        let is_deleted = own.is_some_and(|own| changed.is_none_or(|changed| changed <= own.at));
        if !is_deleted && !self.existing.contains(key) {
            self.existing.insert(key.to_owned());
        }
        is_deleted
    }

    pub(crate) fn has_patient(&self, patient: &PatientId) -> bool {
        self.of_patients.contains_key(patient.as_str())
    }

    /// Returns the deletions of these patients that are listed. Called when the records of all of them are read.
    pub(crate) fn listed(&self, patients: &[PatientId], filter: &Filter<'_>) -> Vec<String> {
        let keys = patients.iter().filter_map(|patient| self.of_patients.get(patient.as_str())).flatten();
        let listed = keys.filter(|key| !self.existing.contains(*key) && filter.lists_deletion(key));
        // Each key is listed once, even if it was deleted from several records.
        let listed: BTreeSet<_> = listed.cloned().collect();
        listed.into_iter().collect()
    }
}

/// Returns the keys of all deletions, and the unusable parts of `deleted/`. Many chunks read the latter, so Finish reports them, once.
pub(crate) async fn overview(
    records: &dyn Records,
    files: &dyn Files,
    running: &Running,
    filter: &Filter<'_>,
) -> Result<(DeletedKeys, Vec<String>)> {
    let mut keys = DeletedKeys::default();
    let Some(selector) = filter.since() else { return Ok((keys, Vec::new())) };
    if let Some(prefix) = &running.sorted_deletions {
        let problems = Sorted::open(files, prefix).await?.problems();
        return Ok((DeletedKeys::read(files, prefix).await?, problems));
    }
    let mut reader = DeletionReader::new(records, selector).await?;
    while let Some(deletion) = reader.next().await? {
        keys.add(&deletion.key);
    }
    Ok((keys, reader.problems()))
}
