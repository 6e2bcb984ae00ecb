//! Tracks the referenced resources of `shared/`, and how far they were followed. Only the resources of one shard ([`shards`]) are in memory;
//! what is learned about others is sent to their shards, as a [`message`].

pub(crate) mod message;
pub(crate) mod shards;
pub(crate) mod span;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem::take;

use domain::filter::{ReferredBy, Verdict};
use domain::ledger::Reason;
use domain::ports::records::SharedLine;
use fhir::compartments::can_have_patient;
use fhir::json;
use fhir::spelling::plainly;
use serde::{Deserialize, Serialize};

use self::message::{Candidate, Message, News};
use self::span::Span;
use crate::mentions::leaving;
use crate::references::Mention;

/// The referenced resources of a shard. Each is held once, about 100 bytes.
#[derive(Default)]
pub(crate) struct Walk {
    span: Span,
    known: HashMap<String, Known>,
    /// References to fetch. Those of exported resources are fetched first, so that few are fetched twice.
    by_exported: BTreeSet<String>,
    by_left_out: BTreeSet<String>,
    /// Whether a resource may have a later Provenance than when the latest ones were last requested.
    has_candidates: bool,
    /// Messages to other shards, without those in `mentioned`.
    sent: Vec<Message>,
    /// The references of patients' records that are sent to other shards, each once with its strongest mention.
    mentioned: BTreeMap<String, Mention>,
    /// The types in `shared/` of which patients' records have resources as well.
    types: BTreeSet<String>,
    passed_over: PassedOver,
}

/// The counts of the resources that are passed over so far, in all shards.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PassedOver {
    pub(crate) by_reason: BTreeMap<Reason, u64>,
    /// The number of their other versions.
    pub(crate) duplicates: u64,
}

/// What is known of a resource.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    by: ReferredBy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mention: Option<Mention>,
    fate: Fate,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provenance: Option<Box<OfProvenance>>,
}

/// What is known for the sake of Provenance.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct OfProvenance {
    /// The targets of this Provenance that are exported or, for [`ReferredBy::LeftOut`], were left out only by `_since`.
    targets: BTreeMap<String, ReferredBy>,
    /// Whether this is the latest Provenance of one of its targets.
    is_chosen: bool,
    /// If only the latest Provenance is requested: that of this resource, among those that were read.
    latest: Option<Candidate>,
}

/// The decision on a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Fate {
    #[serde(rename = "o")]
    Open,
    /// Left out, unless an exported resource refers to it later. The number is that of its other versions.
    #[serde(rename = "p")]
    PassedOver(Reason, u64),
    #[serde(rename = "e")]
    Exported,
    /// Left out permanently.
    #[serde(rename = "l")]
    LeftOut,
}

impl Known {
    /// Returns whether the decision is final.
    fn is_settled(&self) -> bool {
        matches!(self.fate, Fate::Exported | Fate::LeftOut)
    }
}

impl Walk {
    /// Creates a walk. `types` are the types in `shared/` of which patients' records have resources as well.
    pub(crate) fn new(types: BTreeSet<String>, passed_over: PassedOver) -> Self {
        Self { types, passed_over, ..Self::default() }
    }

    /// Returns whether references to resources of this type are followed: resources of patients' records are not in
    /// `shared/`, except those that belong to no patient.
    pub(crate) fn follows(&self, resource_type: &str) -> bool {
        !can_have_patient(resource_type) || self.types.contains(resource_type)
    }

    /// Records news of a resource, or sends them to its shard.
    pub(crate) fn send(&mut self, reference: &str, news: News) {
        if self.span.has(reference) {
            self.receive(reference, news);
        } else if let News::Mentioned(mention) = news {
            if let Some(known) = self.mentioned.get_mut(reference) {
                *known = (*known).max(mention);
            } else {
                self.mentioned.insert(reference.to_owned(), mention);
            }
        } else {
            self.sent.push(Message(reference.to_owned(), news));
        }
    }

    /// Returns the number of messages to other shards.
    fn unsent(&self) -> usize {
        self.sent.len() + self.mentioned.len()
    }

    /// Takes the messages to other shards.
    fn take_messages(&mut self) -> Vec<Message> {
        let mentioned = take(&mut self.mentioned).into_iter();
        let mut messages: Vec<_> =
            mentioned.map(|(reference, mention)| Message(reference, News::Mentioned(mention))).collect();
        messages.append(&mut self.sent);
        messages
    }

    fn receive(&mut self, reference: &str, news: News) {
        match news {
            News::Mentioned(mention) => {
                self.request(reference, mention.by());
                if let Some(known) = self.known.get_mut(reference) {
                    known.mention = known.mention.max(Some(mention));
                }
            }
            News::Requested(by) => self.request(reference, by),
            News::TargetOf(by, target) => {
                self.request_provenance(reference, by);
                if let Some(of) = self.of_provenance(reference) {
                    let known = of.targets.entry(target).or_insert(by);
                    *known = (*known).max(by);
                } else if self.is_chosen(reference) {
                    self.want_as_candidate(reference, target);
                }
            }
            News::Candidate(candidate) => {
                let Some(known) = self.known.get_mut(reference) else { return };
                let latest = &mut known.provenance.get_or_insert_default().latest;
                if latest.as_ref().is_none_or(|latest| *latest < candidate) {
                    *latest = Some(candidate);
                    self.has_candidates = true;
                }
            }
            News::Chosen => {
                if let Some(of) = self.of_provenance(reference)
                    && !of.is_chosen
                {
                    of.is_chosen = true;
                    self.request_provenance(reference, ReferredBy::Exported);
                }
            }
        }
    }

    /// Returns what is known of a Provenance on which the decision is not final.
    fn of_provenance(&mut self, reference: &str) -> Option<&mut OfProvenance> {
        let known = self.known.get_mut(reference).filter(|known| !known.is_settled())?;
        Some(known.provenance.get_or_insert_default())
    }

    fn request(&mut self, reference: &str, by: ReferredBy) {
        match self.known.get_mut(reference) {
            Some(known) if known.is_settled() || known.by >= by => return,
            Some(known) => known.by = by,
            None => {
                let known = Known { by, mention: None, fate: Fate::Open, provenance: None };
                self.known.insert(reference.to_owned(), known);
            }
        }
        self.want(reference, by);
    }

    /// Requests a Provenance, even if it was passed over because no target was exported: there may be a new target.
    fn request_provenance(&mut self, reference: &str, by: ReferredBy) {
        let known = self.known.get(reference).filter(|known| known.by >= by);
        match known.map(|known| (known.by, known.fate)) {
            Some((by, Fate::PassedOver(Reason::Provenance, _))) => self.want(reference, by),
            _ => self.request(reference, by),
        }
    }

    /// Fetches a Provenance again that was the latest one of another target, and on which the decision is final: it may be the latest one
    /// of this target as well, and then no earlier one is exported.
    fn want_as_candidate(&mut self, reference: &str, target: String) {
        let Some(known) = self.known.get_mut(reference) else { return };
        known.provenance.get_or_insert_default().targets.insert(target, known.by);
        self.want(reference, ReferredBy::Exported);
    }

    /// Returns a reference to those that are fetched.
    pub(crate) fn put_back(&mut self, reference: &str) {
        if let Some(by) = self.known.get(reference).map(|known| known.by) {
            self.want(reference, by);
        }
    }

    /// Takes the targets for which a Provenance is fetched again.
    pub(crate) fn take_targets(&mut self, provenance: &str) -> BTreeMap<String, ReferredBy> {
        let of = self.known.get_mut(provenance).and_then(|known| known.provenance.as_mut());
        of.map(|of| take(&mut of.targets)).unwrap_or_default()
    }

    fn want(&mut self, reference: &str, by: ReferredBy) {
        self.by_left_out.remove(reference);
        let wanted = match by {
            ReferredBy::Exported => &mut self.by_exported,
            ReferredBy::LeftOut => &mut self.by_left_out,
        };
        wanted.insert(reference.to_owned());
    }

    /// Returns whether a resource is reported if `shared/` does not have it: an exported resource refers to it, and it
    /// can be in no record, or is not in the record of that resource.
    pub(crate) fn is_missed(&self, reference: &str) -> bool {
        let in_record = |known: &Known| {
            known.mention == Some(Mention::InRecord)
                || reference.split('/').next().is_some_and(can_have_patient)
        };
        let known = self.known.get(reference);
        known
            .is_some_and(|known| known.by == ReferredBy::Exported && !known.is_settled() && !in_record(known))
    }

    /// Returns the next references that exported resources have, or else those of left-out resources. Empty if there are none.
    fn next(&mut self, by: ReferredBy, at_once: usize) -> BTreeSet<String> {
        let wanted = match by {
            ReferredBy::Exported => &mut self.by_exported,
            ReferredBy::LeftOut => &mut self.by_left_out,
        };
        std::iter::from_fn(|| wanted.pop_first()).take(at_once).collect()
    }

    /// Returns which kind of resource refers to it; `None` if the decision on it is final.
    pub(crate) fn referred_by(&self, reference: &str) -> Option<ReferredBy> {
        self.known.get(reference).filter(|known| !known.is_settled()).map(|known| known.by)
    }

    /// Returns whether the export follows a target of a Provenance that resources of this kind refer to: because the target is exported
    /// or, for [`ReferredBy::LeftOut`], was left out only by `_since`.
    pub(crate) fn follows_target(&self, provenance: &str, target: &str, by: ReferredBy) -> bool {
        let of = self.known.get(provenance).and_then(|known| known.provenance.as_ref());
        let target_by = of.and_then(|of| of.targets.get(target));
        target_by.is_some_and(|target_by| *target_by >= by)
    }

    /// Returns whether a Provenance is the latest one of one of its targets.
    pub(crate) fn is_chosen(&self, provenance: &str) -> bool {
        let of = self.known.get(provenance).and_then(|known| known.provenance.as_ref());
        of.is_some_and(|of| of.is_chosen)
    }

    /// Requests the latest Provenance of each resource of the shard.
    fn choose(&mut self) {
        self.has_candidates = false;
        let latest = self.known.values().filter_map(|known| known.provenance.as_ref()?.latest.as_ref());
        let chosen: Vec<_> = latest.map(|(_, Reverse(provenance))| provenance.clone()).collect();
        for provenance in chosen {
            self.send(&provenance, News::Chosen);
        }
    }

    /// Returns whether access to a resource of the shard is certainly not refused: it is exported, or only passed over.
    pub(crate) fn is_permitted(&self, reference: &str) -> bool {
        let fate = self.known.get(reference).map(|known| known.fate);
        matches!(fate, Some(Fate::Exported | Fate::PassedOver(..)))
    }

    /// Records a Provenance that has no exported target so far.
    pub(crate) fn set_aside(&mut self, found: &SharedLine) {
        self.decide(&found.reference, Fate::PassedOver(Reason::Provenance, found.duplicates));
    }

    fn decide(&mut self, reference: &str, fate: Fate) {
        let Some(known) = self.known.get_mut(reference) else { return };
        if let Fate::PassedOver(reason, duplicates) = known.fate {
            let count = self.passed_over.by_reason.entry(reason).or_default();
            *count = count.saturating_sub(1);
            self.passed_over.duplicates = self.passed_over.duplicates.saturating_sub(duplicates);
        }
        known.fate = fate;
        if let Fate::PassedOver(reason, duplicates) = fate {
            *self.passed_over.by_reason.entry(reason).or_default() += 1;
            self.passed_over.duplicates += duplicates;
        } else if let Some(of) = &mut known.provenance {
            // The targets matter only before the decision.
            of.targets.clear();
        }
    }

    /// Records the decision on a resource, and requests its references if the verdict follows them.
    pub(crate) fn settle(&mut self, found: &SharedLine, verdict: &Verdict) {
        let fate = match verdict {
            Verdict::Keep | Verdict::Subset(_) => Fate::Exported,
            Verdict::PassOver(reason) => Fate::PassedOver(*reason, found.duplicates),
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
                self.send(reference.text, News::Requested(by));
            }
        });
    }

    /// Takes the resources of one half of the shard; those of the other half stay.
    fn split(&mut self, own: Span, other: Span) -> Self {
        let has = |reference: &String| other.has(reference);
        let (taken, known) = take(&mut self.known).into_iter().partition(|(reference, _)| has(reference));
        let (by_exported, left) = take(&mut self.by_exported).into_iter().partition(has);
        self.by_exported = left;
        let (by_left_out, left) = take(&mut self.by_left_out).into_iter().partition(has);
        self.by_left_out = left;
        (self.span, self.known) = (own, known);
        let has_candidates = self.has_candidates;
        Self { span: other, known: taken, by_exported, by_left_out, has_candidates, ..Self::default() }
    }

    /// Takes all resources of the shard.
    fn take_rows(&mut self) -> Self {
        Self {
            span: self.span,
            known: take(&mut self.known),
            by_exported: take(&mut self.by_exported),
            by_left_out: take(&mut self.by_left_out),
            has_candidates: take(&mut self.has_candidates),
            ..Self::default()
        }
    }

    /// Returns the counts of the resources that stay passed over.
    pub(crate) fn passed_over(&self) -> &PassedOver {
        &self.passed_over
    }
}
