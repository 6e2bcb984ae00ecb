//! The verdict of a filter on one resource, and the facts about its place that the filter needs.

use std::borrow::Cow;

use crate::choices::Sensitive;
use crate::decision::Decision;
use crate::ledger::Reason;

/// Where a resource stands, and why it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// In a patient's record. `ignore_since` exports it however long ago it changed.
    Patient { ignore_since: bool },
    /// Outside the records, in an export of the whole system.
    System,
    /// In `shared/`, and resources refer to it.
    Shared(ReferredBy),
}

impl Origin {
    pub(super) fn ignores_since(self) -> bool {
        match self {
            Self::Patient { ignore_since } => ignore_since,
            Self::System => false,
            Self::Shared(by) => by == ReferredBy::Exported,
        }
    }
}

/// Which kind of resource refers to another. One reference by an exported resource outweighs all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReferredBy {
    /// Only by resources that `_since` alone, or a choice of the form, left out.
    LeftOut,
    /// By a resource of the export.
    Exported,
}

/// What becomes of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Keep,
    /// It is exported with some of its elements only (`_elements`): as this line.
    Subset(Vec<u8>),
    /// It is left out, but what it refers to may be exported.
    PassOver(Reason),
    LeaveOut(Reason),
    Withhold(Sensitive),
    /// It has a label that cannot be read.
    Unreadable,
}

impl Verdict {
    /// The decision as the ledger counts it.
    pub fn decision(&self) -> Decision {
        match self {
            Self::Keep | Self::Subset(_) => Decision::Keep,
            Self::PassOver(reason) | Self::LeaveOut(reason) => Decision::LeaveOut(*reason),
            Self::Withhold(category) => Decision::Withhold(*category),
            Self::Unreadable => Decision::Unreadable,
        }
    }

    /// Whether references of the resource are followed, and as whose.
    pub fn follows(&self) -> Option<ReferredBy> {
        match self {
            Self::Keep | Self::Subset(_) => Some(ReferredBy::Exported),
            Self::PassOver(_) => Some(ReferredBy::LeftOut),
            Self::LeaveOut(_) | Self::Withhold(_) | Self::Unreadable => None,
        }
    }

    /// The line that is exported of a stored one; `None` where none is.
    pub fn exported(self, line: &[u8]) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Keep => Some(Cow::Borrowed(line)),
            Self::Subset(subset) => Some(Cow::Owned(subset)),
            Self::PassOver(_) | Self::LeaveOut(_) | Self::Withhold(_) | Self::Unreadable => None,
        }
    }
}

/// What is decided on one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    pub verdict: Verdict,
    /// Access to the resource is refused, whatever else leaves it out. What follows its access is refused as well.
    pub refusal: Option<Refusal>,
}

/// Access to a resource is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Of which category it is, where it is withheld as one.
    pub category: Option<Sensitive>,
}

impl From<Verdict> for Judgement {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, refusal: None }
    }
}
