//! Decides on a resource of which a record has several versions. Only the most recent one is exported. If access to one of
//! them is refused, it is refused to all of them: an earlier version without the label has the same contents.

use super::resource::Details;
use super::{Filter, Judgement, Refusal, Resource, Verdict, refusal};
use crate::ledger::Reason;

impl Filter<'_> {
    /// Returns the refusal of access to a version by its labels: by the choices of the form, or by the tags of the token.
    pub fn refusal_of_version(&self, version: &Resource<'_>) -> Option<Refusal> {
        match (self, &version.details) {
            (Self::Choices(choices), Details::Facts(facts)) => refusal(choices.unless_sensitive(facts)),
            (Self::Selection(selector), Details::Members(members)) => {
                let has_tag = selector.has_tag(version.head.text, members);
                (!has_tag).then_some(Refusal { category: None })
            }
            _ => None,
        }
    }

    /// Returns whether labels can refuse access to a resource.
    pub fn refuses_by_label(&self) -> bool {
        match self {
            Self::Everything => false,
            Self::Choices(_) => true,
            Self::Selection(selector) => selector.selection().tags.is_some(),
        }
    }

    /// Returns the judgement of the most recent version if access to a version is refused.
    pub fn refuse_versions(&self, judgement: Judgement, refused: Refusal) -> Judgement {
        let by_form = matches!(self, Self::Choices(_));
        let verdict = match judgement.verdict {
            Verdict::Keep | Verdict::Subset(_) if by_form => {
                refused.category.map_or(Verdict::Unreadable, Verdict::Withhold)
            }
            Verdict::PassOver(reason) if by_form => Verdict::LeaveOut(reason),
            Verdict::Keep | Verdict::Subset(_) | Verdict::PassOver(_) => Verdict::LeaveOut(Reason::Tag),
            verdict => verdict,
        };
        Judgement { verdict, refusal: judgement.refusal.or(Some(refused)) }
    }
}
