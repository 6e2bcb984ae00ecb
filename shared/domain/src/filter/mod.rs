//! Decides on each resource of an export: keep everything, or apply the choices of the form, or the selection of a bulk
//! request. What happens after the verdict does not depend on the filter.
//!
//! One rule decides which resources of `shared/` an export of patients includes: Practitioner, Organization, Location,
//! Medication and so on, each once (contract, sections 1 and 2):
//!
//! 1. A resource of `shared/` is exported if an exported resource refers to it and the filter accepts it: by `_type`,
//!    `_typeFilter`, tags, scopes and `_until`, or by the choices of the form. `_since` is ignored, because an exported
//!    resource must not refer to a resource that the client never received.
//! 2. It is also exported if it changed after `_since`, and the resources that refer to it were left out by *`_since`
//!    alone*. For example, a practitioner's new address is part of an update even if no encounter changed. A resource
//!    without a time counts as changed, as everywhere.
//! 3. In an EHI export, Practitioner and Organization are *always* exported, even if only resources refer to them that
//!    a choice of the form left out. Those of other patients are not included. References of a withheld resource are
//!    not followed, nor those of a left-out resource that would be withheld if it were chosen, because the name of a
//!    clinic can reveal what was withheld.
//! 4. References are those of the stored resource, before `_elements` removes any. They are followed from exported
//!    resources and, for rules 2 and 3 only, from the left-out resources described there ([`Verdict::PassOver`]). They
//!    are not followed from a resource that is left out for another reason: with `_type=Observation,Organization`, the
//!    organization of a practitioner is not exported.
//! 5. Provenance of `shared/` is exported with its targets in `shared/` if the filter accepts it; like the targets, it
//!    is exported whatever its age with `_since`. If `_since` alone left out a target, its Provenance is exported if
//!    that changed since then, but only without `includeAssociatedData`; with it, a target must be exported. With
//!    `LatestProvenanceResources`, only the latest Provenance of each exported resource is exported, among those that
//!    the filter accepts. Provenance whose targets were left out by a choice of the form is not exported. A Provenance
//!    adds its agents to the export, but not its targets.
//! 6. Provenance of `shared/` that has a patient's resource among its targets is not exported. At the end of an export
//!    of ten million patients it is not known which of their resources were exported, and the Provenance would reveal
//!    one patient to another. The number of such resources is reported, because they belong in the patients'
//!    directories. A target of a type of patients' records, such as Device, is a patient's resource unless it is in
//!    `shared/` by rule 8.
//! 7. In a patient's record, Provenance and AuditEvents about a withheld resource are withheld with it, and their references
//!    are not followed: their agents are the clinics and clinicians of rule 3.
//! 8. Resources of types of patients' records are exported from `shared/` as well, such as the Device of a laboratory or
//!    the Schedule of a practitioner. If such a resource may belong to a patient ([`fhir::belonging`]), it is not
//!    exported but reported, because it could be another patient's. Patient, Person, RelatedPerson, AuditEvent and Binary
//!    are never exported from there because of a reference.
//! 9. Provenance of `shared/` about a resource there that the choices of the form, or the rules for private topics, withhold
//!    is withheld whole, even if other targets are exported: it must not name what is withheld, and a part of it would no
//!    longer be what its author signed. Its references are not followed.
//!
//! The result does not depend on the order in which references are followed: a resource that was left out first is
//! judged again if an exported resource refers to it.

mod resource;
#[cfg(test)]
mod tests;
mod topics;
mod verdict;
mod versions;

pub use resource::Resource;
pub use verdict::{Judgement, Origin, ReferredBy, Refusal, Verdict};

use fhir::facts::Facts;
use fhir::head::Members;

use crate::choices::Choices;
use crate::decision::Decision;
use crate::ledger::Reason;
use crate::selection::Provenance;
use crate::selector::Selector;
use crate::states::Running;
use resource::Details;

/// The filter of an export.
pub enum Filter<'f> {
    Everything,
    /// The patient's choices on the form of an EHI export.
    Choices(&'f Choices),
    /// The parameters and the token of a bulk export.
    Selection(Selector<'f>),
}

/// Documents of a patient that no resource of the record refers to. The export lists them in a DocumentReference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreferenced {
    Binaries,
    Files,
}

impl<'f> Filter<'f> {
    /// Returns the filter of a job.
    pub fn of(running: &'f Running) -> Self {
        let request = &running.header.request;
        match (&request.selection, &request.choices) {
            (Some(selection), _) => Self::Selection(Selector::new(selection, running.changed_until())),
            (None, Some(choices)) => Self::Choices(choices),
            (None, None) => Self::Everything,
        }
    }

    /// Decides on a resource that [`Filter::read`] has read.
    pub fn judge(&self, resource: &Resource<'_>, origin: Origin) -> Judgement {
        match (self, &resource.details) {
            (Self::Choices(choices), Details::Facts(facts)) => judge_by_choices(choices, facts, origin),
            (Self::Selection(selector), Details::Members(members)) => {
                self.judge_by_selection(selector, resource, members, origin)
            }
            (Self::Everything, _) => Verdict::Keep.into(),
            // Another filter has read the resource, which is a defect. It is not exported, because its labels were not
            // checked.
            _ => Verdict::Unreadable.into(),
        }
    }

    /// Returns the judgement of a resource that is left out for a reason outside the filter.
    pub fn leave_out(&self, resource: &Resource<'_>, reason: Reason) -> Judgement {
        let refusal = match (self, &resource.details) {
            (Self::Choices(choices), Details::Facts(facts)) => refusal(choices.unless_sensitive(facts)),
            (Self::Selection(selector), Details::Members(members)) => {
                let by_topic = topics::refusal(selector, resource, members);
                by_topic.or_else(|| self.refusal_by_token(selector, resource, members))
            }
            _ => None,
        };
        Judgement { verdict: Verdict::LeaveOut(reason), refusal }
    }

    fn judge_by_selection(
        &self,
        selector: &Selector<'_>,
        resource: &Resource<'_>,
        members: &Members<'_>,
        origin: Origin,
    ) -> Judgement {
        let judgement = self.select(selector, resource, members, origin);
        match topics::refusal(selector, resource, members) {
            Some(refused) => topics::withhold(judgement, refused),
            None => judgement,
        }
    }

    /// Decides by the parameters and the token of a bulk export.
    fn select(
        &self,
        selector: &Selector<'_>,
        resource: &Resource<'_>,
        members: &Members<'_>,
        origin: Origin,
    ) -> Judgement {
        let (text, resource_type) = (resource.head.text, resource.head.resource_type);
        if resource_type == "Binary" {
            if let Origin::Patient { .. } = origin {
                // A Binary is exported with the resources that refer to it.
                let has_tag = selector.has_tag(text, members);
                return if has_tag { Verdict::Keep } else { Verdict::LeaveOut(Reason::Tag) }.into();
            }
            if self.limits_access() && members.get(b"securityContext").is_some() {
                // In `shared/`, the resource in `securityContext` cannot be checked.
                let has_tags = selector.selection().tags.is_some();
                return Verdict::LeaveOut(if has_tags { Reason::Tag } else { Reason::Scope }).into();
            }
        }
        match selector.judge(text, resource_type, members, origin.ignores_since()) {
            Decision::LeaveOut(reason) => {
                let verdict = match reason {
                    Reason::Since => Verdict::PassOver(reason),
                    _ => Verdict::LeaveOut(reason),
                };
                Judgement { verdict, refusal: self.refusal_by_token(selector, resource, members) }
            }
            _ => selector.cut(text, resource_type, members).map_or(Verdict::Keep, Verdict::Subset).into(),
        }
    }

    /// Returns the token's refusal of access to the resource, even if it is left out for another reason.
    fn refusal_by_token(
        &self,
        selector: &Selector<'_>,
        resource: &Resource<'_>,
        members: &Members<'_>,
    ) -> Option<Refusal> {
        let is_refused = self.limits_access()
            && selector.refuses(resource.head.text, resource.head.resource_type, members);
        is_refused.then_some(Refusal { category: None })
    }

    /// Decides on documents that no resource refers to. `changed` is the latest change of them in microseconds; `None`
    /// if that is not known. `ignore_since` keeps them however long ago they changed.
    pub fn judge_unreferenced(
        &self,
        documents: Unreferenced,
        changed: Option<i64>,
        ignore_since: bool,
    ) -> Decision {
        match self {
            Self::Everything => Decision::Keep,
            Self::Choices(choices) => {
                let is_chosen = match documents {
                    Unreferenced::Binaries => choices.keeps_medical_record(),
                    Unreferenced::Files => choices.keeps_files(),
                };
                if is_chosen { Decision::Keep } else { Decision::LeaveOut(Reason::FormGroup) }
            }
            Self::Selection(selector) => selector.judge_made("DocumentReference", changed, ignore_since),
        }
    }

    /// Returns whether access to some resources may be refused: by the form's choices, or by types, tags and
    /// constraints of the token.
    pub fn limits_access(&self) -> bool {
        match self {
            Self::Everything => false,
            Self::Choices(_) => true,
            Self::Selection(selector) => {
                let selection = selector.selection();
                selection.granted.is_some()
                    || selection.withholds_topics
                    || selection.tags.is_some()
                    || !selection.constraint_filters.is_empty()
            }
        }
    }

    /// Returns whether the documents of a refused resource are withheld, even if other resources refer to them.
    pub fn withholds_documents(&self) -> bool {
        match self {
            Self::Everything => false,
            Self::Choices(_) => true,
            Self::Selection(selector) => selector.selection().withholds_topics,
        }
    }

    /// Returns whether the token covers a type.
    pub fn grants(&self, resource_type: &str) -> bool {
        self.selector().is_none_or(|selector| selector.selection().grants(resource_type))
    }

    /// Returns whether resources of the type of a reference may be exported.
    pub fn wants(&self, reference: &str) -> bool {
        self.selector().is_none_or(|selector| {
            reference.split('/').next().is_some_and(|name| selector.selection().wants(name))
        })
    }

    /// Returns whether a change at this time, in microseconds, is after `_since`.
    pub fn is_new(&self, changed: i64) -> bool {
        self.selector().is_none_or(|selector| selector.is_new(changed))
    }

    /// Returns whether references to `shared/` are followed; otherwise all of `shared/` is exported.
    pub fn follows_references(&self) -> bool {
        self.selector().is_none_or(|selector| !selector.selection().all_shared)
    }

    /// Returns which Provenance is exported.
    pub fn provenance(&self) -> Provenance {
        self.selector().map_or(Provenance::All, |selector| selector.selection().provenance)
    }

    /// Returns whether the deletion of a resource (`Type/id`) may be listed. A deleted resource has no labels and codes
    /// any more, so its type must be covered without constraints.
    pub fn lists_deletion(&self, key: &str) -> bool {
        let resource_type = key.split('/').next().unwrap_or_default();
        self.selector().is_some_and(|selector| selector.covers_all_of(resource_type))
    }

    /// Returns the selection of an export with `_since`, which lists deletions.
    pub fn since(&self) -> Option<&Selector<'f>> {
        self.selector().filter(|selector| selector.selection().since.is_some())
    }

    fn selector(&self) -> Option<&Selector<'f>> {
        match self {
            Self::Selection(selector) => Some(selector),
            Self::Everything | Self::Choices(_) => None,
        }
    }
}

fn judge_by_choices(choices: &Choices, facts: &Facts<'_>, origin: Origin) -> Judgement {
    let is_document = facts.resource_type == "Binary" && matches!(origin, Origin::Patient { .. });
    let decision = match origin {
        // A Binary is exported with the resources that refer to it.
        _ if is_document => choices.unless_sensitive(facts),
        Origin::Shared(ReferredBy::LeftOut) if !Choices::always_keep(facts.resource_type) => {
            Decision::LeaveOut(Reason::Unreferenced)
        }
        _ => choices.decide(facts),
    };
    let (verdict, of_label) = match decision {
        Decision::Keep => return Verdict::Keep.into(),
        Decision::Withhold(category) => (Verdict::Withhold(category), decision),
        Decision::Unreadable => (Verdict::Unreadable, decision),
        // A sensitive resource withholds its documents even if it was not chosen, and its references are not followed.
        Decision::LeaveOut(reason) => match choices.unless_sensitive(facts) {
            Decision::Keep => (Verdict::PassOver(reason), Decision::Keep),
            of_label => (Verdict::LeaveOut(reason), of_label),
        },
    };
    Judgement { verdict, refusal: refusal(of_label) }
}

/// Returns the refusal of access by a decision on labels alone.
fn refusal(of_label: Decision) -> Option<Refusal> {
    match of_label {
        Decision::Withhold(category) => Some(Refusal { category: Some(category) }),
        Decision::Unreadable => Some(Refusal { category: None }),
        Decision::Keep | Decision::LeaveOut(_) => None,
    }
}
