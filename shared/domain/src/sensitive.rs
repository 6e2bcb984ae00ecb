//! The categories of sensitive information, and the security labels by which resources are of a category.

use serde::{Deserialize, Serialize};

/// The label of records of the Department of Veterans Affairs on drugs, alcohol, HIV or sickle cell anemia. It does not say
/// which of them, so all these categories have it.
const TITLE_38: &str = "Title38Section7332";

/// A category of information that is withheld unless the patient authorizes its release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sensitive {
    Hiv,
    AlcoholAndDrug,
    MentalHealth,
    Confidential,
    DomesticViolence,
    SexualAssault,
    Genetic,
    Other,
}

impl Sensitive {
    pub const ALL: [Self; 8] = [
        Self::Hiv,
        Self::AlcoholAndDrug,
        Self::MentalHealth,
        Self::Confidential,
        Self::DomesticViolence,
        Self::SexualAssault,
        Self::Genetic,
        Self::Other,
    ];

    /// Returns the key in requests and responses.
    pub fn key(self) -> &'static str {
        match self {
            Self::Hiv => "hiv",
            Self::AlcoholAndDrug => "alcoholAndDrug",
            Self::MentalHealth => "mentalHealth",
            Self::Confidential => "confidential",
            Self::DomesticViolence => "domesticViolence",
            Self::SexualAssault => "sexualAssault",
            Self::Genetic => "genetic",
            Self::Other => "other",
        }
    }

    /// Parses a key.
    pub fn parse(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.key() == key)
    }

    /// Returns the label on the form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hiv => "HIV test results and treatment",
            Self::AlcoholAndDrug => "Alcohol and drug use",
            Self::MentalHealth => "Mental health",
            Self::Confidential => "Information marked confidential",
            Self::DomesticViolence => "Domestic violence",
            Self::SexualAssault => "Sexual assault",
            Self::Genetic => "Genetic tests",
            Self::Other => "Other sensitive information",
        }
    }

    /// Returns whether the form has a description for the category. The description never authorizes anything.
    pub fn has_description(self) -> bool {
        matches!(self, Self::Genetic | Self::Other)
    }

    /// Returns the security labels of the category (HL7 v3 ActCode and Confidentiality). They are read in `meta.security`,
    /// `DocumentReference.securityLabel` and `Composition.confidentiality`.
    pub fn labels(self) -> &'static [&'static str] {
        match self {
            Self::Hiv => &["HIV", TITLE_38],
            Self::AlcoholAndDrug => &["ETH", "ETHUD", "OPIOIDUD", "SUD", "42CFRPart2", TITLE_38],
            Self::MentalHealth => &["PSY", "MH", "PSYTHPN", "COGN", "DVD", "HIPAAPsyNotes"],
            Self::Confidential => &["R", "V"],
            Self::DomesticViolence => &["SDV"],
            Self::SexualAssault => &["SEX", "VIO", "MST"],
            Self::Genetic => &["GDIS"],
            Self::Other => &[
                "BH", "SCA", "STD", "TBOO", "SOC", "SPI", "EMOTDIS", "MENCAT", "SICKLE", "REPH", "ABUSE",
                TITLE_38,
            ],
        }
    }
}
