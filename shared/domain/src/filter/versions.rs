//! Decides on a resource of which a record has several versions. Only the most recent one is exported. If access to one of
//! them is refused, it is refused to all of them: an earlier version without the label has the same contents.

use super::resource::Details;
use super::{Filter, Judgement, Refusal, Resource, Verdict, refusal, topics};
use crate::ledger::Reason;

impl Filter<'_> {
    /// Returns the refusal of access to a version by its labels: by the choices of the form, or by the tags of the token.
    pub fn refusal_of_version(&self, version: &Resource<'_>) -> Option<Refusal> {
        match (self, &version.details) {
            (Self::Choices(choices), Details::Facts(facts)) => refusal(choices.unless_sensitive(facts)),
            (Self::Selection(selector), Details::Members(members)) => {
                let has_tag = selector.has_tag(version.head.text, members);
                let by_tag = (!has_tag).then_some(Refusal { category: None });
                topics::refusal(selector, version, members).or(by_tag)
            }
            _ => None,
        }
    }

    /// Returns whether labels can refuse access to a resource.
    pub fn refuses_by_label(&self) -> bool {
        match self {
            Self::Everything => false,
            Self::Choices(_) => true,
            Self::Selection(selector) => self.withholds_documents() || selector.selection().tags.is_some(),
        }
    }

    /// Returns the judgement of the most recent version if access to a version is refused.
    pub fn refuse_versions(&self, judgement: Judgement, refused: Refusal) -> Judgement {
        let has_tags = matches!(self, Self::Selection(selector) if selector.selection().tags.is_some());
        if refused.category.is_some() || !has_tags {
            let refusal = judgement.refusal.or(Some(refused));
            return Judgement { refusal, ..topics::withhold(judgement, refused) };
        }
        let verdict = match judgement.verdict {
            Verdict::Keep | Verdict::Subset(_) | Verdict::PassOver(_) => Verdict::LeaveOut(Reason::Tag),
            verdict => verdict,
        };
        Judgement { verdict, refusal: judgement.refusal.or(Some(refused)) }
    }
}
