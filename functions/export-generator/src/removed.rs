//! Lists deletions of removed patients and of no patient, in a system-level export, in batches. Chunks list the
//! deletions of their own patients.

use std::collections::{BTreeSet, HashSet};

use domain::error::{Error, Result};
use domain::filter::Filter;
use domain::ids::PatientId;
use domain::ports::files::Files;
use domain::ports::records::Records;
use domain::states::Running;
use fhir::head::Plain;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::deletions::{Deletion, DeletionReader};
use crate::sorted::{Sorted, SortedLines};
use crate::writer::ChunkWriter;

/// The number of deletions in a batch.
const AT_ONCE: usize = 10_000;
/// The number of patients that are looked up concurrently, with one request each.
const LOOKED_UP_AT_ONCE: usize = 32;
/// The number of resources of `shared/` that are looked up at once.
const SHARED_AT_ONCE: usize = 100;

/// Deletions in order, each resource once.
enum Source {
    /// Few deletions, sorted in memory.
    Memory(std::vec::IntoIter<Deletion>),
    Sorted(Option<SortedLines>),
}

impl Source {
    async fn open(
        records: &dyn Records,
        files: &dyn Files,
        running: &Running,
        filter: &Filter<'_>,
    ) -> Result<Self> {
        if let Some(prefix) = &running.sorted_deletions {
            return Sorted::open(files, prefix).await?.all().await.map(Self::Sorted);
        }
        let mut all = Vec::new();
        if let Some(selector) = filter.since() {
            let mut reader = DeletionReader::new(records, selector).await?;
            while let Some(deletion) = reader.next().await? {
                all.push(deletion);
            }
        }
        // Only the last deletion of each resource is kept.
        all.sort_unstable_by(|one, other| other.cmp(one));
        all.dedup_by(|one, later| one.is_same(later));
        all.reverse();
        Ok(Self::Memory(all.into_iter()))
    }

    /// Returns the next batch; empty at the end.
    async fn next(&mut self) -> Result<Vec<Deletion>> {
        let mut some = Vec::new();
        while some.len() < AT_ONCE {
            let next = match self {
                Self::Memory(all) => all.next(),
                Self::Sorted(Some(lines)) => lines.next().await?,
                Self::Sorted(None) => None,
            };
            let Some(next) = next else { break };
            some.push(next);
        }
        Ok(some)
    }
}

/// Writes the deletions.
pub(crate) async fn export(
    records: &dyn Records,
    running: &Running,
    filter: &Filter<'_>,
    writer: &mut ChunkWriter<'_>,
) -> Result<()> {
    let mut source = Source::open(records, writer.files(), running, filter).await?;
    loop {
        let some = source.next().await?;
        if some.is_empty() {
            return Ok(());
        }
        let (of_patients, unassigned): (Vec<_>, Vec<_>) =
            some.into_iter().partition(|deletion| deletion.of.is_some());
        let mut keys = Vec::new();
        // An export of patients does not list deletions outside their records.
        if !filter.follows_references() {
            let are_back = are_back(records, filter, &unassigned).await?;
            let listed = unassigned.into_iter().map(|deletion| deletion.key);
            keys.extend(listed.filter(|key| !are_back.contains(key)));
        }
        let removed = removed_patients(records, &of_patients).await?;
        let of_removed = of_patients
            .into_iter()
            .filter(|deletion| deletion.of.as_ref().is_some_and(|patient| removed.contains(patient)));
        keys.extend(of_removed.map(|deletion| deletion.key));
        keys.retain(|key| filter.lists_deletion(key));
        writer.deleted(&keys).await?;
    }
}

/// Returns the patients who have no record any more.
async fn removed_patients(records: &dyn Records, deletions: &[Deletion]) -> Result<HashSet<String>> {
    let patients: BTreeSet<&String> = deletions.iter().filter_map(|deletion| deletion.of.as_ref()).collect();
    let is_removed = async |patient: &String| {
        let is_removed = match PatientId::parse(patient) {
            Ok(id) => records.member(&id).await?.is_none(),
            Err(_) => true,
        };
        Ok::<_, Error>(is_removed.then(|| patient.clone()))
    };
    stream::iter(patients)
        .map(is_removed)
        .buffer_unordered(LOOKED_UP_AT_ONCE)
        .try_filter_map(|patient| std::future::ready(Ok(patient)))
        .try_collect()
        .await
}

/// Returns the resources of `shared/` that exist again, and are therefore in the output.
async fn are_back(
    records: &dyn Records,
    filter: &Filter<'_>,
    deletions: &[Deletion],
) -> Result<HashSet<String>> {
    let mut are_back = HashSet::new();
    for some in deletions.chunks(SHARED_AT_ONCE) {
        let keys = some.iter().map(|deletion| deletion.key.clone()).collect();
        for found in records.supporting(&keys).await?.lines {
            let mut plain = Plain::default();
            let Ok(resource) = filter.read(&found.line, &mut plain) else { continue };
            let deleted = some.iter().find(|deletion| deletion.key == found.reference);
            let is_back = |deletion: &Deletion| resource.changed().is_some_and(|at| at > deletion.at);
            if deleted.is_some_and(is_back) {
                are_back.insert(found.reference);
            }
        }
    }
    Ok(are_back)
}
