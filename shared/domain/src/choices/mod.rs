//! The choices of the EHI form: groups of the record, their dates, and the sensitive categories that are authorized.

mod decide;
pub mod reading;

use std::collections::BTreeMap;

use fhir::date::Span;
use serde::{Deserialize, Serialize};

pub use self::decide::{GroupRule, rules};
use crate::sensitive::Sensitive;

/// A part of the record that the form can enable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RecordGroup {
    Visits,
    Labs,
    Billing,
    MedicalRecord,
    DischargeSummary,
    Operative,
    Pathology,
    Radiology,
    Photographs,
    Other,
}

impl RecordGroup {
    pub const ALL: [Self; 10] = [
        Self::Visits,
        Self::Labs,
        Self::Billing,
        Self::MedicalRecord,
        Self::DischargeSummary,
        Self::Operative,
        Self::Pathology,
        Self::Radiology,
        Self::Photographs,
        Self::Other,
    ];

    /// Returns the key in requests and responses.
    pub fn key(self) -> &'static str {
        match self {
            Self::Visits => "visits",
            Self::Labs => "labs",
            Self::Billing => "billing",
            Self::MedicalRecord => "medicalRecord",
            Self::DischargeSummary => "dischargeSummary",
            Self::Operative => "operative",
            Self::Pathology => "pathology",
            Self::Radiology => "radiology",
            Self::Photographs => "photographs",
            Self::Other => "other",
        }
    }

    /// Parses a key. `radiation` is the key of `radiology` in older ehi-servers.
    pub fn parse(key: &str) -> Option<Self> {
        let key = if key == "radiation" { "radiology" } else { key };
        Self::ALL.into_iter().find(|group| group.key() == key)
    }

    /// Returns the label on the form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Visits => "Visits and procedures",
            Self::Labs => "Laboratory results",
            Self::Billing => "Bills and insurance claims",
            Self::MedicalRecord => "Everything else in the medical record",
            Self::DischargeSummary => "Discharge summaries",
            Self::Operative => "Operative notes",
            Self::Pathology => "Pathology reports",
            Self::Radiology => "Radiology reports and images",
            Self::Photographs => "Photographs",
            Self::Other => "Other documents",
        }
    }

    /// Returns the part of the form: 1 for electronic records, 2 for other documents.
    pub fn part(self) -> u8 {
        match self {
            Self::Visits | Self::Labs | Self::Billing | Self::MedicalRecord => 1,
            Self::DischargeSummary
            | Self::Operative
            | Self::Pathology
            | Self::Radiology
            | Self::Photographs
            | Self::Other => 2,
        }
    }
}

/// The choice for one group of the record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    pub enabled: bool,
    /// The first day.
    pub from: Option<Day>,
    /// The last day, included.
    pub to: Option<Day>,
    pub notes: String,
}

/// A calendar day as the text `YYYY-MM-DD`, whose order is the order of time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Day(String);

impl Day {
    /// Returns the first day of a FHIR date, partial date or dateTime.
    pub fn first(text: &str) -> Option<Self> {
        Span::of(text.as_bytes())?;
        Some(Self(match text.len() {
            4 => format!("{text}-01-01"),
            7 => format!("{text}-01"),
            _ => text.get(..10)?.to_owned(),
        }))
    }

    /// Returns the last day of a FHIR date, partial date or dateTime. The day of a dateTime is the one that is written
    /// in it, for any offset.
    pub fn last(text: &str) -> Option<Self> {
        let span = Span::of(text.as_bytes())?;
        Some(Self(match text.len() {
            4 => format!("{text}-12-31"),
            7 => format!("{text}-{}", span.days()),
            _ => text.get(..10)?.to_owned(),
        }))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The authorization of a sensitive category: whether its release is authorized, and the patient's description.
///
/// Only `given` decides. A description is free text that can be "no", "none" or "n/a", so it is never read as consent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredAuthorization")]
pub struct Authorization {
    pub given: bool,
    /// The patient's description, which staff see; only for categories with [`Sensitive::has_description`].
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// The stored forms of an authorization. Jobs of earlier versions have only a flag or only a text. The form had no
/// checkbox then, so the text is kept as a description and authorizes nothing.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredAuthorization {
    Flag(bool),
    Text(String),
    Full {
        given: bool,
        #[serde(default)]
        description: String,
    },
}

impl From<StoredAuthorization> for Authorization {
    fn from(stored: StoredAuthorization) -> Self {
        match stored {
            StoredAuthorization::Flag(given) => Self { given, description: String::new() },
            StoredAuthorization::Text(description) => Self { given: false, description },
            StoredAuthorization::Full { given, description } => Self { given, description },
        }
    }
}

/// The choices of the whole form. A missing group is disabled, and a missing category is not authorized.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choices {
    pub parameters: BTreeMap<RecordGroup, Choice>,
    pub authorizations: BTreeMap<Sensitive, Authorization>,
}

impl Choices {
    /// Returns the choices for the complete record: every group is enabled, and every sensitive category is authorized.
    pub fn everything() -> Self {
        let on = Choice { enabled: true, ..Choice::default() };
        let given = Authorization { given: true, ..Authorization::default() };
        Self {
            parameters: RecordGroup::ALL.into_iter().map(|group| (group, on.clone())).collect(),
            authorizations: Sensitive::ALL.into_iter().map(|category| (category, given.clone())).collect(),
        }
    }

    pub fn choice(&self, group: RecordGroup) -> Option<&Choice> {
        self.parameters.get(&group)
    }

    pub fn authorizes(&self, category: Sensitive) -> bool {
        self.authorizations.get(&category).is_some_and(|authorization| authorization.given)
    }

    /// Returns whether no group is enabled, so that almost nothing would be exported.
    pub fn is_empty(&self) -> bool {
        !self.parameters.values().any(|choice| choice.enabled)
    }

    /// Returns the first category that `self` authorizes and `before` does not.
    pub fn authorizes_beyond(&self, before: &Self) -> Option<Sensitive> {
        Sensitive::ALL
            .into_iter()
            .find(|category| self.authorizes(*category) && !before.authorizes(*category))
    }
}

#[cfg(test)]
mod tests;
