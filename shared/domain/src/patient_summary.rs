//! The details of a patient that are stored with a job.

use serde::{Deserialize, Serialize};

use crate::email::EmailAddress;
use crate::ids::PatientId;

/// The details by which staff know a patient. Jobs of earlier versions have only the id and the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PatientSummary {
    pub id: PatientId,
    pub name: String,
    /// A FHIR date: a day, a month or a year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sex: Option<Sex>,
    /// At most [`MAX_IDENTIFIERS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<PatientIdentifier>,
    /// The patient's own address, for mails about the export. Known only if the server sends mails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailAddress>,
}

/// The maximum number of identifiers of a patient that are stored with a job.
pub const MAX_IDENTIFIERS: usize = 8;

impl PatientSummary {
    /// Returns a patient without other details.
    pub fn new(id: PatientId, name: impl Into<String>) -> Self {
        Self { id, name: name.into(), birth_date: None, sex: None, identifiers: Vec::new(), email: None }
    }
}

/// An identifier of a patient, such as the medical record number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatientIdentifier {
    /// The code of its type (HL7, table 0203), such as `MR`; otherwise the text of its type, which may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    pub value: String,
}

/// FHIR R4, AdministrativeGender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sex {
    Female,
    Male,
    Other,
    Unknown,
}

impl Sex {
    pub const ALL: [Self; 4] = [Self::Female, Self::Male, Self::Other, Self::Unknown];

    /// Returns the FHIR code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Female => "female",
            Self::Male => "male",
            Self::Other => "other",
            Self::Unknown => "unknown",
        }
    }
}
