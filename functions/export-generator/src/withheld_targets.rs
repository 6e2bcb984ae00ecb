//! Withholds the Provenance of `shared/` that is about a withheld resource there, by rule 9 in [`domain::filter`]. A target is often not
//! among the resources that the export follows, so its labels are read for this decision only.

use std::collections::{BTreeSet, HashMap, HashSet};

use domain::error::Result;
use domain::filter::{Filter, Refusal, Verdict};
use domain::ledger::Reason;
use domain::ports::records::{Records, SharedLine};
use fhir::head::Plain;
use fhir::references::{parse, target_values};
use fhir::spelling::plainly;

use crate::walk::Walk;

/// The maximum number of targets of one Provenance whose labels are read.
const MAX_TARGETS: usize = 1_000;
/// The number of targets that are fetched at once.
const AT_ONCE: usize = 200;
/// The number of targets after which all are forgotten. They are read again if they are needed again.
const MAX_KNOWN: usize = 20_000;

/// The size of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetSizes {
    /// The number of unknown targets above which a step reads no further Provenance: the rest is left for the next step, so that the time
    /// and the memory of a step do not grow with the number of targets.
    pub unknown: usize,
}

impl Default for TargetSizes {
    fn default() -> Self {
        Self { unknown: 2_000 }
    }
}

/// The targets whose labels were read.
#[derive(Default)]
pub(crate) struct WithheldTargets {
    sizes: TargetSizes,
    /// The refusal of each target that is withheld; `None` for the others, which are not read again.
    known: HashMap<String, Option<Refusal>>,
    /// The Provenance resources that have more than [`MAX_TARGETS`] targets.
    too_large: HashSet<String>,
}

/// Returns the targets of a Provenance.
fn targets(line: &[u8]) -> Vec<String> {
    let mut targets = Vec::new();
    target_values(&plainly(line), |target| {
        targets.extend(parse(target).map(|reference| reference.text.to_owned()));
    });
    targets
}

/// Returns the refusal of access to a resource of `shared/`: by the labels of one of its versions, or because they cannot be read.
fn refusal(filter: &Filter<'_>, found: &SharedLine) -> Option<Refusal> {
    let unreadable = Some(Refusal { category: None });
    if !found.is_whole {
        return unreadable;
    }
    let of_version = |line: &Vec<u8>| {
        let mut plain = Plain::default();
        filter.read(line, &mut plain).map_or(unreadable, |version| filter.refusal_of_version(&version))
    };
    std::iter::once(&found.line).chain(&found.earlier).find_map(of_version)
}

impl WithheldTargets {
    pub(crate) fn new(sizes: TargetSizes) -> Self {
        Self { sizes, ..Self::default() }
    }

    /// Reads the labels of the targets of the first of these lines, except those on which the export has decided. Returns the number of
    /// these lines; the others are left for the next step.
    pub(crate) async fn read(
        &mut self,
        records: &dyn Records,
        filter: &Filter<'_>,
        lines: &[SharedLine],
        walk: &Walk,
    ) -> Result<usize> {
        if !filter.withholds_documents() {
            return Ok(lines.len());
        }
        if self.known.len() + self.too_large.len() > MAX_KNOWN {
            (self.known, self.too_large) = Default::default();
        }
        let (mut unknown, count) = self.unknown(lines, walk);
        while !unknown.is_empty() {
            let batch: BTreeSet<_> = std::iter::from_fn(|| unknown.pop_first()).take(AT_ONCE).collect();
            let found = records.supporting(&batch).await?.lines;
            self.known.extend(batch.into_iter().map(|target| (target, None)));
            for found in found {
                let refusal = refusal(filter, &found);
                self.known.insert(found.reference, refusal);
            }
        }
        Ok(count)
    }

    /// Returns the unknown targets of the first lines, and the number of these lines: at least one, if there is one.
    fn unknown(&mut self, lines: &[SharedLine], walk: &Walk) -> (BTreeSet<String>, usize) {
        let mut unknown = BTreeSet::new();
        for (count, found) in lines.iter().enumerate() {
            if unknown.len() > self.sizes.unknown {
                return (unknown, count);
            }
            if !is_candidate(found) {
                continue;
            }
            let targets = targets(&found.line);
            if targets.len() > MAX_TARGETS {
                self.too_large.insert(found.reference.clone());
                continue;
            }
            let is_unknown = |target: &String| !self.known.contains_key(target) && !walk.is_permitted(target);
            unknown.extend(targets.into_iter().filter(is_unknown));
        }
        (unknown, lines.len())
    }

    /// Returns the verdict on a resource: that of the filter, unless it is Provenance about a withheld resource.
    pub(crate) fn verdict(&self, found: &SharedLine, verdict: Verdict) -> Verdict {
        if verdict.follows().is_none() || !is_candidate(found) {
            return verdict;
        }
        let refusals: Vec<_> =
            targets(&found.line).iter().filter_map(|target| self.known.get(target)?.as_ref()).collect();
        match refusals.iter().find_map(|refusal| refusal.category) {
            Some(category) => Verdict::Withhold(category),
            None if refusals.is_empty() => verdict,
            None => Verdict::LeaveOut(Reason::Provenance),
        }
    }

    /// Returns the problem of a Provenance whose targets are too many to read their labels.
    pub(crate) fn problem(&self, reference: &str) -> Option<String> {
        self.too_large.contains(reference).then(|| {
            format!(
                "{reference} in shared/ has more than {MAX_TARGETS} targets, and the labels of all of them must be read, so it is not exported: divide it"
            )
        })
    }
}

/// Returns whether a resource is Provenance that may be exported.
fn is_candidate(found: &SharedLine) -> bool {
    !found.is_of_patient && found.reference.starts_with("Provenance/")
}

#[cfg(test)]
mod tests;
