//! Exports the Provenance of `shared/` whose targets are exported resources of `shared/` (Bulk Data 3.0,
//! `includeAssociatedData`). It is looked up by target, as the rule in [`domain::filter`] says.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};

use domain::error::Result;
use domain::filter::{Filter, ReferredBy, Verdict};
use domain::ledger::Reason;
use domain::ports::records::{ProvenanceCounts, Records, SharedLine};
use domain::selection::Provenance;
use fhir::json;
use fhir::references::{parse, target_values};
use fhir::spelling::plainly;

use crate::walk::Walk;

/// Tracks the Provenance of `shared/` in an export of patients.
pub(crate) struct SharedProvenance {
    /// Whether Provenance may be exported; otherwise nothing is looked up.
    is_wanted: bool,
    kind: Provenance,
    /// The number of Provenance resources in `shared/`; `None` before the record store is asked.
    counts: Option<ProvenanceCounts>,
    /// Resources whose Provenance is looked up next.
    exported: BTreeSet<String>,
    left_out: BTreeSet<String>,
    /// If only the latest Provenance is requested: its time and reference, for each exported resource.
    latest: HashMap<String, (i64, Reverse<String>)>,
    /// The latest Provenance of each resource, chosen after all candidates are read.
    chosen: HashSet<String>,
}

impl SharedProvenance {
    pub(crate) fn new(filter: &Filter<'_>) -> Self {
        Self {
            is_wanted: filter.wants("Provenance") && filter.follows_references(),
            kind: filter.provenance(),
            counts: None,
            exported: BTreeSet::new(),
            left_out: BTreeSet::new(),
            latest: HashMap::new(),
            chosen: HashSet::new(),
        }
    }

    pub(crate) fn set_counts(&mut self, counts: ProvenanceCounts) {
        self.counts = Some(counts);
    }

    fn is_looked_up(&self) -> bool {
        self.is_wanted && self.counts.is_some_and(|counts| counts.of_shared > 0)
    }

    /// Returns whether the filter's verdict on a resource is final, as far as is known. A Provenance is exported only if one of its targets
    /// is.
    pub(crate) fn is_asked_for(
        &mut self,
        verdict: &Verdict,
        found: &SharedLine,
        by: ReferredBy,
        walk: &Walk,
    ) -> bool {
        if verdict.follows().is_none() || !found.reference.starts_with("Provenance/") {
            return true;
        }
        let plain = plainly(&found.line);
        let mut about = Vec::new();
        target_values(&plain, |target| {
            let Some(named) = parse(target) else { return };
            if walk.is_followed(named.text, by) {
                about.push(named.text.to_owned());
            }
        });
        if found.is_of_patient || about.is_empty() {
            return false;
        }
        if self.kind != Provenance::Latest || self.chosen.contains(&found.reference) {
            return true;
        }
        let candidate = (recorded(&plain), Reverse(found.reference.clone()));
        for target in about {
            let latest = self.latest.entry(target).or_insert_with(|| candidate.clone());
            if *latest < candidate {
                latest.clone_from(&candidate);
            }
        }
        false
    }

    /// Records a resource whose Provenance is looked up.
    pub(crate) fn follow(&mut self, reference: &str, verdict: &Verdict) {
        if !self.is_looked_up() {
            return;
        }
        match verdict {
            Verdict::Keep | Verdict::Subset(_) => self.exported.insert(reference.to_owned()),
            Verdict::PassOver(Reason::Since) if self.kind == Provenance::All => {
                self.left_out.insert(reference.to_owned())
            }
            _ => false,
        };
    }

    /// Looks up the Provenance of the recorded resources.
    pub(crate) async fn look_up(&mut self, records: &dyn Records, walk: &mut Walk) -> Result<()> {
        let noted = [
            (ReferredBy::Exported, std::mem::take(&mut self.exported)),
            (ReferredBy::LeftOut, std::mem::take(&mut self.left_out)),
        ];
        for (by, targets) in noted {
            if !targets.is_empty() {
                for provenance in records.provenance(&targets).await? {
                    walk.request_provenance(&provenance, by);
                }
            }
        }
        Ok(())
    }

    /// Requests the latest Provenance of each exported resource, after everything else is fetched. Returns whether it chose any.
    pub(crate) fn choose(&mut self, walk: &mut Walk) -> bool {
        let before = self.chosen.len();
        for (_, Reverse(reference)) in self.latest.values() {
            if self.chosen.insert(reference.clone()) {
                walk.request_provenance(reference, ReferredBy::Exported);
            }
        }
        self.chosen.len() > before
    }

    /// Returns a warning if `shared/` has Provenance that cannot be exported from there.
    pub(crate) async fn misplaced(&self, records: &dyn Records) -> Result<Option<String>> {
        if !self.is_wanted {
            return Ok(None);
        }
        let counts = match self.counts {
            Some(counts) => counts,
            // No resource was fetched from `shared/`, so the counts are not known yet.
            None => records.supporting(&BTreeSet::new()).await?.provenance,
        };
        Ok((counts.of_patients > 0).then(|| {
            format!(
                "Provenance resources in shared/ that are about resources of patients: {}. They are not exported; put them into the directories of those patients, as `ehi load` does",
                counts.of_patients
            )
        }))
    }
}

/// Returns `recorded` of a Provenance, in microseconds.
pub(crate) fn recorded(line: &[u8]) -> i64 {
    json::member(line, 0..line.len(), b"recorded")
        .and_then(|value| json::string(line, value))
        .and_then(|text| fhir::date::Span::of(text.as_bytes()))
        .map_or(i64::MIN, |span| span.from)
}
