//! Reads the deletions of some patients, or of no patient. With `_since` they are listed, and a deleted resource is
//! never in the output as well (Bulk Data 3.0, `deleted`).

use std::collections::{BTreeSet, HashMap};

use domain::error::Result;
use domain::filter::Filter;
use domain::ids::PatientId;
use domain::ports::files::Files;
use domain::ports::records::Records;
use domain::states::Running;

use crate::deletions::{Deletion, DeletionReader};
use crate::sorted::Sorted;

/// Deleted resources by `Type/id`, with their times in microseconds.
#[derive(Default)]
pub(crate) struct Tombstones {
    deleted: HashMap<String, i64>,
    /// The deleted resources of each patient.
    of_patients: HashMap<String, Vec<String>>,
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
            return;
        }
        if let Some(known) = self.deleted.get_mut(&key) {
            *known = (*known).max(at);
            return;
        }
        if let Some(patient) = of {
            self.of_patients.entry(patient).or_default().push(key.clone());
        }
        self.deleted.insert(key, at);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.deleted.is_empty()
    }

    /// Returns whether a line was deleted. A resource that changed after its deletion exists again, and its deletion is
    /// removed.
    pub(crate) fn covers(&mut self, key: &str, changed: Option<i64>) -> bool {
        let Some(at) = self.deleted.get(key) else { return false };
        let is_back = changed.is_some_and(|changed| changed > *at);
        if is_back {
            self.deleted.remove(key);
        }
        !is_back
    }

    pub(crate) fn has_patient(&self, patient: &PatientId) -> bool {
        self.of_patients.contains_key(patient.as_str())
    }

    /// Takes the deletions of one patient. Returns those that are listed.
    pub(crate) fn take(&mut self, patient: &PatientId, filter: &Filter<'_>) -> Vec<String> {
        let mut keys = self.of_patients.remove(patient.as_str()).unwrap_or_default();
        // `covers` has removed the deletions of resources that exist again.
        keys.retain(|key| self.deleted.remove(key).is_some() && filter.lists_deletion(key));
        keys.sort_unstable();
        keys
    }
}

/// Returns the unusable parts of `deleted/`. Many chunks read them, so Finish reports them, once.
pub(crate) async fn problems(
    records: &dyn Records,
    files: &dyn Files,
    running: &Running,
    filter: &Filter<'_>,
) -> Result<Vec<String>> {
    let Some(selector) = filter.since() else { return Ok(Vec::new()) };
    if let Some(prefix) = &running.sorted_deletions {
        return Ok(Sorted::open(files, prefix).await?.problems());
    }
    let mut reader = DeletionReader::new(records, selector).await?;
    while reader.next().await?.is_some() {}
    Ok(reader.problems())
}
