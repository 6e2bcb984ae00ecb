//! Exports the Provenance of `shared/` whose targets are exported resources of `shared/` (Bulk Data 3.0,
//! `includeAssociatedData`). It is looked up by target, as the rule in [`domain::filter`] says.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use domain::error::Result;
use domain::filter::{Filter, ReferredBy, Verdict};
use domain::ledger::Reason;
use domain::ports::records::{ProvenanceCounts, Records, SharedLine};
use domain::selection::Provenance;
use fhir::json;
use fhir::references::{parse, target_values};
use fhir::spelling::plainly;

use crate::walk::Walk;
use crate::walk::message::News;

/// Tracks the Provenance of `shared/` in an export of patients. What is known of each Provenance is in the [`Walk`].
pub(crate) struct SharedProvenance {
    /// Whether Provenance may be exported; otherwise nothing is looked up.
    is_wanted: bool,
    kind: Provenance,
    /// The number of Provenance resources in `shared/`.
    counts: ProvenanceCounts,
    /// Resources whose Provenance is looked up next.
    exported: BTreeSet<String>,
    left_out: BTreeSet<String>,
}

/// Returns whether the export may have Provenance of `shared/` because of its targets.
pub(crate) fn is_wanted(filter: &Filter<'_>) -> bool {
    filter.wants("Provenance") && filter.follows_references()
}

/// Returns the warning if `shared/` has Provenance that cannot be exported from there.
pub(crate) fn misplaced(counts: ProvenanceCounts) -> Option<String> {
    (counts.of_patients > 0).then(|| {
        format!(
            "Provenance resources in shared/ that are about resources of patients: {}. They are not exported; put them into the directories of those patients, as `ehi load` does",
            counts.of_patients
        )
    })
}

impl SharedProvenance {
    pub(crate) fn new(filter: &Filter<'_>, counts: ProvenanceCounts) -> Self {
        Self {
            is_wanted: is_wanted(filter),
            kind: filter.provenance(),
            counts,
            exported: BTreeSet::new(),
            left_out: BTreeSet::new(),
        }
    }

    fn is_looked_up(&self) -> bool {
        self.is_wanted && self.counts.of_shared > 0
    }

    /// Returns whether the filter's verdict on a resource is final, as far as is known. A Provenance is exported only if one of its targets
    /// is.
    pub(crate) fn is_asked_for(
        &self,
        verdict: &Verdict,
        found: &SharedLine,
        by: ReferredBy,
        walk: &mut Walk,
    ) -> bool {
        if verdict.follows().is_none() || !found.reference.starts_with("Provenance/") {
            return true;
        }
        let plain = plainly(&found.line);
        let mut about = Vec::new();
        target_values(&plain, |target| {
            let Some(named) = parse(target) else { return };
            if walk.follows_target(&found.reference, named.text, by) {
                about.push(named.text.to_owned());
            }
        });
        if found.is_of_patient || about.is_empty() {
            return false;
        }
        if self.kind != Provenance::Latest {
            return true;
        }
        // Also if it is chosen: it may have a target now that was found after it was read.
        let candidate = (recorded(&plain), Reverse(found.reference.clone()));
        for target in about {
            walk.send(&target, News::Candidate(candidate.clone()));
        }
        walk.is_chosen(&found.reference)
    }

    /// Compares a Provenance that was the latest one of a target with those of targets that were found later.
    pub(crate) fn compare(&self, found: &SharedLine, walk: &mut Walk) {
        if self.kind != Provenance::Latest || !walk.is_chosen(&found.reference) {
            return;
        }
        let later = walk.take_targets(&found.reference);
        let plain = plainly(&found.line);
        let candidate = (recorded(&plain), Reverse(found.reference.clone()));
        target_values(&plain, |target| {
            if let Some(named) = parse(target).filter(|named| later.contains_key(named.text)) {
                walk.send(named.text, News::Candidate(candidate.clone()));
            }
        });
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
                for (provenance, target) in records.provenance(&targets).await? {
                    walk.send(&provenance, News::TargetOf(by, target));
                }
            }
        }
        Ok(())
    }

    /// Returns a warning if `shared/` has Provenance that cannot be exported from there.
    pub(crate) fn misplaced(&self) -> Option<String> {
        misplaced(self.counts).filter(|_| self.is_wanted)
    }
}

/// Returns `recorded` of a Provenance, in microseconds.
pub(crate) fn recorded(line: &[u8]) -> i64 {
    json::member(line, 0..line.len(), b"recorded")
        .and_then(|value| json::string(line, value))
        .and_then(|text| fhir::date::Span::of(text.as_bytes()))
        .map_or(i64::MIN, |span| span.from)
}
