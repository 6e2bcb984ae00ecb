//! Why staff reject an export. A reason from the list is stored by its key, so that each reader gets it in the reader's own language.

use serde::{Deserialize, Serialize};

/// A reason from the list of staff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RejectionReason {
    /// Nobody can confirm who asked.
    Identity,
    /// The patient asked twice.
    Twice,
    /// The record has information about another person.
    Person,
    /// The copy could do serious harm.
    Harm,
}

impl RejectionReason {
    pub const ALL: [Self; 4] = [Self::Identity, Self::Twice, Self::Person, Self::Harm];

    /// Returns the key in forms and in the catalogues.
    pub fn key(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Twice => "twice",
            Self::Person => "person",
            Self::Harm => "harm",
        }
    }

    /// Returns whether the patient may ask for a second look by another clinician (45 CFR 164.524(a)(3) and (4)).
    pub fn has_second_look(self) -> bool {
        self == Self::Harm
    }
}

/// The words of staff. They are the whole reason, or are added to the reason from the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypedReason {
    pub text: String,
    /// The tag of the language of the page on which it was typed.
    pub language: String,
}
