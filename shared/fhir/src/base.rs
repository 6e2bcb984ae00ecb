//! The base paths of the FHIR API.

use serde::{Deserialize, Serialize};

/// A base path under which the FHIR API is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Base {
    #[serde(rename = "/fhir")]
    Fhir,
    #[serde(rename = "/4_0_0")]
    Release4,
    #[serde(rename = "/fhir/r4")]
    FhirRelease4,
}

impl Base {
    pub const ALL: [Self; 3] = [Self::Fhir, Self::Release4, Self::FhirRelease4];

    /// Returns the path, with a slash at the beginning and none at the end.
    pub fn path(self) -> &'static str {
        match self {
            Self::Fhir => "/fhir",
            Self::Release4 => "/4_0_0",
            Self::FhirRelease4 => "/fhir/r4",
        }
    }
}
