//! Decides on each resource of an export: all of them are exported, or those that the form chose, or those that a bulk
//! request selected. Whatever decides, the resource goes the same way.
//!
//! One rule says what of `shared/` an export of patients takes along: Practitioner, Organization, Location, Medication and
//! so on, each once (contract, sections 1 and 2):
//!
//! 1. A resource of `shared/` is exported when an exported resource refers to it and the filter lets it through:
//!    `_type`, `_typeFilter`, tags, scopes and `_until`, or the choices of the form. `_since` does not matter: what is
//!    exported must not refer to what the client never got.
//! 2. It is also exported when only resources refer to it that *`_since` alone* left out, if it changed since then
//!    itself. A practitioner who moved is part of tonight's update, whether or not an encounter changed. What does not
//!    say when it changed counts as changed, as everywhere.
//! 3. In an EHI export Practitioner and Organization are exported *always*: also when only resources refer to them that
//!    a choice of the form left out. It does not mean those of the whole lake, which do not belong to the patient's
//!    record; and nothing follows from what is withheld, or would be if it had been chosen, because the name of a clinic
//!    can say what was withheld.
//! 4. References are those of the resource as it is stored, before `_elements` cuts it. They are followed from exported
//!    resources, and, for the second and third case only, from those that were left out as said there
//!    ([`Verdict::PassOver`]). Nothing is followed from a resource that is not exported for another reason: with
//!    `_type=Observation,Organization` the organization of a practitioner is not exported.
//! 5. Provenance of `shared/` is exported with the resource of `shared/` that it is about, where the filter lets it
//!    through: with `_since` whatever its age, as the resource itself. Of what `_since` alone left out Provenance goes
//!    that changed since then, where all Provenance is asked for (no `includeAssociatedData`); otherwise none, because
//!    what it is about is not exported. With `LatestProvenanceResources` the one goes that was recorded last, for each
//!    exported resource, among those that the filter lets through. Provenance about what a choice of the form left out
//!    is not exported. What a Provenance is about does not come because of it: who wrote it does.
//! 6. Provenance of `shared/` that names a patient's resource, alone or among others, is not exported. Nobody knows at
//!    the end of an export of ten million patients which of their resources were exported, and the Provenance would tell
//!    one patient of another. How many there are is reported, because they belong in the patients' directories.
//!
//! The result does not depend on the order in which references are followed: what was left out at first is looked at
//! again when an exported resource turns out to refer to it.

mod resource;
#[cfg(test)]
mod tests;
mod verdict;

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

/// Who decides on the resources of an export.
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
    /// The filter of a job.
    pub fn of(running: &'f Running) -> Self {
        let request = &running.header.request;
        match (&request.selection, &request.choices) {
            (Some(selection), _) => Self::Selection(Selector::new(selection, running.transaction_time)),
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
            // Another filter read it, which is a defect: what was not looked at does not go.
            _ => Verdict::Unreadable.into(),
        }
    }

    /// What is decided on a resource that is left out for a reason which the filter does not know.
    pub fn leave_out(&self, resource: &Resource<'_>, reason: Reason) -> Judgement {
        let refusal = match (self, &resource.details) {
            (Self::Choices(choices), Details::Facts(facts)) => refusal(choices.unless_sensitive(facts)),
            (Self::Selection(selector), Details::Members(members)) => {
                self.refusal_by_token(selector, resource, members)
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
        let (text, resource_type) = (resource.head.text, resource.head.resource_type);
        if resource_type == "Binary" {
            if let Origin::Patient { .. } = origin {
                // It goes where the resources go that refer to it.
                let has_tag = selector.has_tag(text, members);
                return if has_tag { Verdict::Keep } else { Verdict::LeaveOut(Reason::Tag) }.into();
            }
            if self.limits_access() && members.get(b"securityContext").is_some() {
                // Outside the records nobody can look at the resource that access to it follows.
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

    /// Whether the token refuses access to the resource, whatever else leaves it out.
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

    /// Decides on documents that no resource refers to. `changed` is when the last of them changed, in microseconds;
    /// `None` where that is not known. `ignore_since` keeps them however long ago that was.
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

    /// Whether access to some resources may be refused: by the form's choices, or by types, tags and constraints of the
    /// token.
    pub fn limits_access(&self) -> bool {
        match self {
            Self::Everything => false,
            Self::Choices(_) => true,
            Self::Selection(selector) => {
                let selection = selector.selection();
                selection.granted.is_some()
                    || selection.tags.is_some()
                    || !selection.constraint_filters.is_empty()
            }
        }
    }

    /// Whether what a refused resource refers to is withheld, whoever else refers to it.
    pub fn withholds_documents(&self) -> bool {
        matches!(self, Self::Choices(_))
    }

    /// Whether the token covers a type.
    pub fn grants(&self, resource_type: &str) -> bool {
        self.selector().is_none_or(|selector| selector.selection().grants(resource_type))
    }

    /// Whether resources of the type of a reference may be exported.
    pub fn wants(&self, reference: &str) -> bool {
        self.selector().is_none_or(|selector| {
            reference.split('/').next().is_some_and(|name| selector.selection().wants(name))
        })
    }

    /// Whether something that changed then, in microseconds, changed after `_since`.
    pub fn is_new(&self, changed: i64) -> bool {
        self.selector().is_none_or(|selector| selector.is_new(changed))
    }

    /// Whether references to `shared/` are followed; otherwise all of that is exported anyhow.
    pub fn follows_references(&self) -> bool {
        self.selector().is_none_or(|selector| !selector.selection().all_shared)
    }

    /// Which Provenance is exported.
    pub fn provenance(&self) -> Provenance {
        self.selector().map_or(Provenance::All, |selector| selector.selection().provenance)
    }

    /// Whether the deletion of a resource (`Type/id`) may be listed. What was deleted has no labels and no codes left:
    /// where the token lets only some of a type through, nobody can tell whether this was among them.
    pub fn lists_deletion(&self, key: &str) -> bool {
        let resource_type = key.split('/').next().unwrap_or_default();
        self.selector().is_some_and(|selector| selector.covers_all_of(resource_type))
    }

    /// The selection of an export that lists what was deleted, because the client has an earlier one (`_since`).
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
        // It goes where the resources go that refer to it.
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
        // What must not go holds its documents back, whether or not it was chosen itself; and nothing follows from it.
        Decision::LeaveOut(reason) => match choices.unless_sensitive(facts) {
            Decision::Keep => (Verdict::PassOver(reason), Decision::Keep),
            of_label => (Verdict::LeaveOut(reason), of_label),
        },
    };
    Judgement { verdict, refusal: refusal(of_label) }
}

/// What a decision by labels alone refuses.
fn refusal(of_label: Decision) -> Option<Refusal> {
    match of_label {
        Decision::Withhold(category) => Some(Refusal { category: Some(category) }),
        Decision::Unreadable => Some(Refusal { category: None }),
        Decision::Keep | Decision::LeaveOut(_) => None,
    }
}
