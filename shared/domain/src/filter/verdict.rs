//! The verdict of a filter on one resource, and the origin of the resource, which the filter needs.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::decision::Decision;
use crate::ledger::Reason;
use crate::sensitive::Sensitive;

/// The place of a resource, and the reason why it is considered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// In a patient's record. `ignore_since` exports it however long ago it changed.
    Patient { ignore_since: bool },
    /// Outside the patients' records, in a system-level export.
    System,
    /// In `shared/`, with resources that refer to it.
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

/// The kind of the resources that refer to another one. A reference of an exported resource outweighs all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ReferredBy {
    /// Only resources that `_since` alone, or a choice of the form, left out.
    #[serde(rename = "l")]
    LeftOut,
    /// An exported resource.
    #[serde(rename = "e")]
    Exported,
}

/// The filter's verdict on a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Keep,
    /// It is exported as this line, with only some of its elements (`_elements`).
    Subset(Vec<u8>),
    /// It is left out, but its references are followed.
    PassOver(Reason),
    LeaveOut(Reason),
    Withhold(Sensitive),
    /// It has a security label that cannot be read.
    Unreadable,
}

impl Verdict {
    /// Returns the decision as the ledger counts it.
    pub fn decision(&self) -> Decision {
        match self {
            Self::Keep | Self::Subset(_) => Decision::Keep,
            Self::PassOver(reason) | Self::LeaveOut(reason) => Decision::LeaveOut(*reason),
            Self::Withhold(category) => Decision::Withhold(*category),
            Self::Unreadable => Decision::Unreadable,
        }
    }

    /// Returns whether the references of the resource are followed, and as references of which kind.
    pub fn follows(&self) -> Option<ReferredBy> {
        match self {
            Self::Keep | Self::Subset(_) => Some(ReferredBy::Exported),
            Self::PassOver(_) => Some(ReferredBy::LeftOut),
            Self::LeaveOut(_) | Self::Withhold(_) | Self::Unreadable => None,
        }
    }

    /// Returns the line that is exported for a stored one; `None` if the resource is not exported.
    pub fn exported(self, line: &[u8]) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Keep => Some(Cow::Borrowed(line)),
            Self::Subset(subset) => Some(Cow::Owned(subset)),
            Self::PassOver(_) | Self::LeaveOut(_) | Self::Withhold(_) | Self::Unreadable => None,
        }
    }
}

/// The filter's judgement of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    pub verdict: Verdict,
    /// Access to the resource is refused, even if it is left out for another reason. Its documents are then refused as
    /// well.
    pub refusal: Option<Refusal>,
}

/// The refusal of access to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The sensitive category by which the resource is withheld, if there is one.
    pub category: Option<Sensitive>,
}

impl From<Verdict> for Judgement {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, refusal: None }
    }
}
