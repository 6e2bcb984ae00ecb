//! The resources of `shared/` that are referred to, and how far they were followed.

use std::collections::{BTreeSet, HashMap};

use domain::filter::{ReferredBy, Verdict};
use domain::ledger::Reason;
use domain::ports::records::SharedLine;
use fhir::json;
use fhir::spelling::plainly;

use crate::references::leaving;

/// Each resource is held once, about 100 bytes.
#[derive(Default)]
pub(crate) struct Walk {
    known: HashMap<String, Known>,
    /// To be fetched. What exported resources refer to comes first, so that little is fetched twice.
    by_exported: BTreeSet<String>,
    by_left_out: BTreeSet<String>,
}

struct Known {
    by: ReferredBy,
    fate: Fate,
}

/// What was decided on a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    /// Left out, until an exported resource turns out to refer to it.
    PassedOver(Reason),
    Exported,
    /// For good.
    LeftOut,
}

impl Known {
    /// Nothing can change what was decided.
    fn is_settled(&self) -> bool {
        matches!(self.fate, Fate::Exported | Fate::LeftOut)
    }
}

impl Walk {
    pub(crate) fn want(&mut self, reference: &str, by: ReferredBy) {
        match self.known.get_mut(reference) {
            Some(known) if known.is_settled() || known.by >= by => return,
            Some(known) => {
                known.by = by;
                self.by_left_out.remove(reference);
            }
            None => {
                self.known.insert(reference.to_owned(), Known { by, fate: Fate::Open });
            }
        }
        let wanted = match by {
            ReferredBy::Exported => &mut self.by_exported,
            ReferredBy::LeftOut => &mut self.by_left_out,
        };
        wanted.insert(reference.to_owned());
    }

    /// Wants a Provenance, also one that was passed over because it was not asked for: there is more to decide it by.
    pub(crate) fn want_provenance(&mut self, reference: &str, by: ReferredBy) {
        let known = self.known.get(reference);
        if known.is_some_and(|known| known.by >= by && known.fate == Fate::PassedOver(Reason::Provenance)) {
            self.by_exported.insert(reference.to_owned());
        } else {
            self.want(reference, by);
        }
    }

    /// The next references to fetch; none at the end.
    pub(crate) fn next(&mut self, at_once: usize) -> BTreeSet<String> {
        let wanted = if self.by_exported.is_empty() { &mut self.by_left_out } else { &mut self.by_exported };
        std::iter::from_fn(|| wanted.pop_first()).take(at_once).collect()
    }

    /// The kind of resources that refer to it.
    pub(crate) fn referred_by(&self, reference: &str) -> Option<ReferredBy> {
        self.known.get(reference).filter(|known| !known.is_settled()).map(|known| known.by)
    }

    /// Whether a Provenance about this resource goes along, if exported resources are followed, or those as well that
    /// `_since` alone left out.
    pub(crate) fn is_followed(&self, reference: &str, by: ReferredBy) -> bool {
        self.known.get(reference).is_some_and(|known| match known.fate {
            Fate::Exported => true,
            Fate::PassedOver(Reason::Since) => by == ReferredBy::LeftOut,
            Fate::PassedOver(_) | Fate::LeftOut | Fate::Open => false,
        })
    }

    /// Notes a Provenance that goes along with nothing that is exported, as far as is known.
    pub(crate) fn set_aside(&mut self, reference: &str) {
        self.decide(reference, Fate::PassedOver(Reason::Provenance));
    }

    fn decide(&mut self, reference: &str, fate: Fate) {
        if let Some(known) = self.known.get_mut(reference) {
            known.fate = fate;
        }
    }

    /// Notes what was decided on a resource, and wants what it refers to, if that follows.
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
        // It goes along with what it is about, and not the other way round: one import of a whole directory would bring
        // all of that into every patient's export.
        match is_provenance.then(|| json::member(text, 0..text.len(), b"target")).flatten() {
            Some(target) => {
                leaving(&text[..target.start], |reference| self.want(reference, by));
                leaving(&text[target.end..], |reference| self.want(reference, by));
            }
            None => leaving(text, |reference| self.want(reference, by)),
        }
    }

    /// Whether the resource was fetched before, and passed over.
    pub(crate) fn was_passed_over(&self, reference: &str) -> bool {
        self.known.get(reference).is_some_and(|known| matches!(known.fate, Fate::PassedOver(_)))
    }

    /// Why resources stay passed over, one for each.
    pub(crate) fn passed_over(self) -> impl Iterator<Item = Reason> {
        self.known.into_values().filter_map(|known| match known.fate {
            Fate::PassedOver(reason) => Some(reason),
            Fate::Open | Fate::Exported | Fate::LeftOut => None,
        })
    }
}
