//! Tracks the referenced resources of `shared/`, and how far they were followed.

use std::collections::{BTreeSet, HashMap};

use domain::filter::{ReferredBy, Verdict};
use domain::ledger::Reason;
use domain::ports::records::SharedLine;
use fhir::compartments::can_have_patient;
use fhir::json;
use fhir::spelling::plainly;

use crate::mentions::leaving;
use crate::references::Mention;

/// The referenced resources. Each is held once, about 100 bytes.
#[derive(Default)]
pub(crate) struct Walk {
    known: HashMap<String, Known>,
    /// References to fetch. Those of exported resources are fetched first, so that few are fetched twice.
    by_exported: BTreeSet<String>,
    by_left_out: BTreeSet<String>,
    /// The types in `shared/` of which patients' records have resources as well.
    types: BTreeSet<String>,
}

struct Known {
    by: ReferredBy,
    fate: Fate,
    /// Whether each record that refers to it has it.
    is_in_record: bool,
}

/// The decision on a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    /// Left out, unless an exported resource refers to it later.
    PassedOver(Reason),
    Exported,
    /// Left out permanently.
    LeftOut,
}

impl Known {
    /// Returns whether the decision is final.
    fn is_settled(&self) -> bool {
        matches!(self.fate, Fate::Exported | Fate::LeftOut)
    }
}

impl Walk {
    /// Creates a walk that has collected nothing yet. `types` are the types in `shared/` of which patients' records have resources as well.
    pub(crate) fn new(types: BTreeSet<String>) -> Self {
        Self { types, ..Self::default() }
    }

    /// Returns whether references to resources of this type are followed: resources of patients' records are not in
    /// `shared/`, except those that belong to no patient.
    pub(crate) fn follows(&self, resource_type: &str) -> bool {
        !can_have_patient(resource_type) || self.types.contains(resource_type)
    }

    /// Adds a resource that resources of patients' records refer to.
    pub(crate) fn want_mentioned(&mut self, reference: &str, mention: Mention) {
        self.request(reference, mention.by());
        if let Some(known) = self.known.get_mut(reference) {
            known.is_in_record = mention == Mention::InRecord;
        }
    }

    /// Returns whether a resource is reported if `shared/` does not have it: an exported resource refers to it, and it
    /// can be in no record, or is not in the record of that resource.
    pub(crate) fn is_missed(&self, reference: &str) -> bool {
        let in_record =
            |known: &Known| known.is_in_record || reference.split('/').next().is_some_and(can_have_patient);
        let known = self.known.get(reference);
        known
            .is_some_and(|known| known.by == ReferredBy::Exported && !known.is_settled() && !in_record(known))
    }

    pub(crate) fn request(&mut self, reference: &str, by: ReferredBy) {
        match self.known.get_mut(reference) {
            Some(known) if known.is_settled() || known.by >= by => return,
            Some(known) => {
                known.by = by;
                self.by_left_out.remove(reference);
            }
            None => {
                let known = Known { by, fate: Fate::Open, is_in_record: false };
                self.known.insert(reference.to_owned(), known);
            }
        }
        let wanted = match by {
            ReferredBy::Exported => &mut self.by_exported,
            ReferredBy::LeftOut => &mut self.by_left_out,
        };
        wanted.insert(reference.to_owned());
    }

    /// Requests a Provenance, even if it was passed over because no target was exported: there may be a new target.
    pub(crate) fn request_provenance(&mut self, reference: &str, by: ReferredBy) {
        let known = self.known.get(reference);
        if known.is_some_and(|known| known.by >= by && known.fate == Fate::PassedOver(Reason::Provenance)) {
            self.by_exported.insert(reference.to_owned());
        } else {
            self.request(reference, by);
        }
    }

    /// Returns the next references to fetch; empty at the end.
    pub(crate) fn next(&mut self, at_once: usize) -> BTreeSet<String> {
        let wanted = if self.by_exported.is_empty() { &mut self.by_left_out } else { &mut self.by_exported };
        std::iter::from_fn(|| wanted.pop_first()).take(at_once).collect()
    }

    /// Returns which kind of resource refers to it; `None` if the decision on it is final.
    pub(crate) fn referred_by(&self, reference: &str) -> Option<ReferredBy> {
        self.known.get(reference).filter(|known| !known.is_settled()).map(|known| known.by)
    }

    /// Returns whether a Provenance about this resource is exported: because the resource is exported or, for
    /// [`ReferredBy::LeftOut`], was left out only by `_since`.
    pub(crate) fn is_followed(&self, reference: &str, by: ReferredBy) -> bool {
        self.known.get(reference).is_some_and(|known| match known.fate {
            Fate::Exported => true,
            Fate::PassedOver(Reason::Since) => by == ReferredBy::LeftOut,
            Fate::PassedOver(_) | Fate::LeftOut | Fate::Open => false,
        })
    }

    /// Returns whether access to a resource is certainly not refused: it is exported, or only passed over.
    pub(crate) fn is_permitted(&self, reference: &str) -> bool {
        let fate = self.known.get(reference).map(|known| known.fate);
        matches!(fate, Some(Fate::Exported | Fate::PassedOver(_)))
    }

    /// Records a Provenance that has no exported target so far.
    pub(crate) fn set_aside(&mut self, reference: &str) {
        self.decide(reference, Fate::PassedOver(Reason::Provenance));
    }

    fn decide(&mut self, reference: &str, fate: Fate) {
        if let Some(known) = self.known.get_mut(reference) {
            known.fate = fate;
        }
    }

    /// Records the decision on a resource, and requests its references if the verdict follows them.
    pub(crate) fn settle(&mut self, found: &SharedLine, verdict: &Verdict) {
        let fate = match verdict {
            Verdict::Keep | Verdict::Subset(_) => Fate::Exported,
            Verdict::PassOver(reason) => Fate::PassedOver(*reason),
            Verdict::LeaveOut(_) | Verdict::Withhold(_) | Verdict::Unreadable => Fate::LeftOut,
        };
        self.decide(&found.reference, fate);
        let Some(by) = verdict.follows() else { return };
        let text = &*plainly(&found.line);
        let is_provenance = found.reference.starts_with("Provenance/");
        // The targets of a Provenance are not followed: otherwise one Provenance of a bulk import would add all its
        // targets to every patient's export.
        match is_provenance.then(|| json::member(text, 0..text.len(), b"target")).flatten() {
            Some(target) => {
                self.want_all(&text[..target.start], by);
                self.want_all(&text[target.end..], by);
            }
            None => self.want_all(text, by),
        }
    }

    fn want_all(&mut self, text: &[u8], by: ReferredBy) {
        leaving(text, b"", |reference| {
            if self.follows(reference.resource_type) {
                self.request(reference.text, by);
            }
        });
    }

    /// Returns whether the resource was fetched before and passed over.
    pub(crate) fn was_passed_over(&self, reference: &str) -> bool {
        self.known.get(reference).is_some_and(|known| matches!(known.fate, Fate::PassedOver(_)))
    }

    /// Returns the reasons of the resources that stay passed over, one for each.
    pub(crate) fn passed_over(self) -> impl Iterator<Item = Reason> {
        self.known.into_values().filter_map(|known| match known.fate {
            Fate::PassedOver(reason) => Some(reason),
            Fate::Open | Fate::Exported | Fate::LeftOut => None,
        })
    }
}
