//! What was deleted (lake, `deleted/`): with `_since`, transaction Bundles of DELETE requests, and never in the output
//! as well (Bulk Data 3.0, `deleted`).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use domain::error::{Error, Result};
use domain::filter::Filter;
use domain::ids::PatientId;
use domain::lines::Lines;
use domain::ports::records::{Area, Records};
use domain::selector::Selector;
use fhir::date::Span;
use fhir::head::Plain;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;

use crate::references::format_key;

/// Lines that cannot be used and are named.
const MAX_PROBLEMS: usize = 100;

/// Patients who are looked up at the same time: each is a request.
const LOOKED_UP_AT_ONCE: usize = 32;

/// Resources of `shared/` that are looked up at once.
const SHARED_AT_ONCE: usize = 100;

/// A line of `deleted/`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'l> {
    #[serde(borrow)]
    resource_type: Cow<'l, str>,
    #[serde(borrow)]
    id: Cow<'l, str>,
    #[serde(default, borrow)]
    patient: Option<Cow<'l, str>>,
    #[serde(borrow)]
    deleted: Cow<'l, str>,
}

/// Deleted resources by `Type/id`: when, in microseconds, and of whom.
#[derive(Default)]
pub(crate) struct Tombstones {
    deleted: HashMap<String, (i64, Option<String>)>,
    /// Of each patient, which.
    of_patients: HashMap<String, Vec<String>>,
    /// Lines and files that cannot be used.
    problems: Vec<String>,
}

impl Tombstones {
    /// Reads what was deleted within the export's time, of those whom `wanted` names; `None` is nobody's.
    pub(crate) async fn read(
        records: &dyn Records,
        selector: &Selector<'_>,
        wanted: impl Fn(Option<&str>) -> bool,
    ) -> Result<Self> {
        let mut tombstones = Self::default();
        for part in records.area(Area::Deleted).await? {
            match tombstones.read_file(records, &part.name, selector, &wanted).await {
                Err(Error::Damaged(damage)) => tombstones.problems.push(damage.to_string()),
                read => read?,
            }
        }
        Ok(tombstones)
    }

    async fn read_file(
        &mut self,
        records: &dyn Records,
        name: &str,
        selector: &Selector<'_>,
        wanted: &impl Fn(Option<&str>) -> bool,
    ) -> Result<()> {
        let mut lines = Lines::new(records.open_area(Area::Deleted, name).await?);
        while let Some(line) = lines.next().await? {
            let number = line.number;
            let read = line.text.and_then(|text| serde_json::from_slice::<Line<'_>>(text).ok());
            let at = read.as_ref().and_then(|line| Span::of(line.deleted.as_bytes()));
            let (Some(line), Some(at)) = (read, at.map(|span| span.from)) else {
                self.problem(format!(
                    "deleted/{name} line {number} does not say what was deleted and when, so it is not listed"
                ));
                continue;
            };
            let of = match (line.resource_type.as_ref(), &line.patient) {
                ("Patient", _) => Some(line.id.as_ref()),
                (_, Some(patient)) => Some(patient.strip_prefix("Patient/").unwrap_or(patient)),
                (_, None) => None,
            };
            let is_wanted = selector.is_within(at) && wanted(of);
            if is_wanted && selector.selection().wants(&line.resource_type) {
                self.add(format_key(&line.resource_type, &line.id), at, of.map(str::to_owned));
            }
        }
        Ok(())
    }

    fn problem(&mut self, text: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(text);
        }
    }

    fn add(&mut self, key: String, at: i64, of: Option<String>) {
        if let Some(known) = self.deleted.get_mut(&key) {
            known.0 = known.0.max(at);
            return;
        }
        if let Some(patient) = &of {
            self.of_patients.entry(patient.clone()).or_default().push(key.clone());
        }
        self.deleted.insert(key, (at, of));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.deleted.is_empty()
    }

    /// Whether a line is one that was deleted. One that changed afterwards is there again, and is no longer deleted.
    pub(crate) fn covers(&mut self, key: &str, changed: Option<i64>) -> bool {
        let Some((at, _)) = self.deleted.get(key) else { return false };
        let is_back = changed.is_some_and(|changed| changed > *at);
        if is_back {
            self.deleted.remove(key);
        }
        !is_back
    }

    pub(crate) fn has_patient(&self, patient: &PatientId) -> bool {
        self.of_patients.contains_key(patient.as_str())
    }

    /// Takes out those of one patient, or all. Returns those that are listed.
    pub(crate) fn take(&mut self, patient: Option<&PatientId>, filter: &Filter<'_>) -> Vec<String> {
        let mut keys: Vec<_> = match patient {
            Some(patient) => self.of_patients.remove(patient.as_str()).unwrap_or_default(),
            None => self.deleted.keys().cloned().collect(),
        };
        // What is there again was taken out before.
        keys.retain(|key| self.deleted.remove(key).is_some());
        keys.retain(|key| key.split('/').next().is_some_and(|name| filter.lists_deletions_of(name)));
        keys.sort_unstable();
        keys
    }
}

/// What of `deleted/` cannot be used. Every chunk of an export with `_since` reads the lines, so none of them reports
/// this: Finish does, once.
pub(crate) async fn problems(records: &dyn Records, filter: &Filter<'_>) -> Result<Vec<String>> {
    match filter.since() {
        Some(selector) => Ok(Tombstones::read(records, selector, |_| false).await?.problems),
        None => Ok(Vec::new()),
    }
}

/// The patients who have no record any more, of those something was deleted of.
async fn gone_patients(records: &dyn Records, deletions: &Tombstones) -> Result<HashSet<String>> {
    let is_gone = async |patient: &String| {
        let is_gone = match PatientId::parse(patient) {
            Ok(id) => records.member(&id).await?.is_none(),
            Err(_) => true,
        };
        Ok::<_, Error>(is_gone.then(|| patient.clone()))
    };
    stream::iter(deletions.of_patients.keys())
        .map(is_gone)
        .buffer_unordered(LOOKED_UP_AT_ONCE)
        .try_filter_map(|gone| std::future::ready(Ok(gone)))
        .try_collect()
        .await
}

/// The tombstones of patients who are gone themselves, and of nobody; those of others come with their chunks.
pub(crate) async fn unassigned(records: &dyn Records, filter: &Filter<'_>) -> Result<Tombstones> {
    let mut tombstones = Tombstones::default();
    let Some(selector) = filter.since() else { return Ok(tombstones) };
    let all_shared = selector.selection().all_shared;
    let all = Tombstones::read(records, selector, |of| all_shared || of.is_some()).await?;
    let gone = gone_patients(records, &all).await?;
    for (key, (at, of)) in all.deleted {
        if of.as_ref().is_none_or(|patient| gone.contains(patient)) {
            tombstones.add(key, at, of);
        }
    }
    // What is there again in `shared/` is in the output.
    let nobodys = tombstones.deleted.iter().filter(|(_, (_, of))| of.is_none());
    let keys: Vec<_> = nobodys.map(|(key, _)| key.clone()).collect();
    for keys in keys.chunks(SHARED_AT_ONCE) {
        for found in records.supporting(&keys.iter().cloned().collect()).await?.lines {
            let mut plain = Plain::default();
            if let Ok(resource) = filter.read(&found.line, &mut plain) {
                tombstones.covers(&found.reference, resource.changed());
            }
        }
    }
    Ok(tombstones)
}
