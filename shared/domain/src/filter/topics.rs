//! Withholds the private topics in a bulk export with the token of a patient. No page has asked the patient about them, so none is
//! authorized, as on a form without a tick.

use std::collections::BTreeMap;

use fhir::head::{Members, labels};

use super::{Judgement, Refusal, Resource, Verdict, refusal as refusal_of};
use crate::choices::Choices;
use crate::selector::Selector;

/// A form on which nothing is ticked.
static NOTHING: Choices = Choices { parameters: BTreeMap::new(), authorizations: BTreeMap::new() };

/// Returns the refusal of a resource by its labels; `None` if the selection does not withhold private topics.
pub(super) fn refusal(
    selector: &Selector<'_>,
    resource: &Resource<'_>,
    members: &Members<'_>,
) -> Option<Refusal> {
    let labels = selector.selection().withholds_topics.then(|| labels(&resource.head, members))?;
    refusal_of(NOTHING.unless_sensitive(&labels))
}

/// Returns the judgement of a resource that is refused. Its references are not followed.
pub(super) fn withhold(judgement: Judgement, refused: Refusal) -> Judgement {
    let verdict = match judgement.verdict {
        Verdict::Keep | Verdict::Subset(_) => refused.category.map_or(Verdict::Unreadable, Verdict::Withhold),
        Verdict::PassOver(reason) => Verdict::LeaveOut(reason),
        verdict => verdict,
    };
    Judgement { verdict, refusal: Some(refused) }
}
