//! The elements of FHIR R4 that have the type Attachment.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// An element of the type Attachment whose name does not end in `Attachment`.
pub(super) struct Element {
    /// Finds the name with its quotes.
    pub(super) name: Finder<'static>,
    /// The types of resources that have it, at any depth.
    pub(super) types: &'static [&'static str],
}

/// The names with their quotes, and the types. No other element of these types has one of the names.
const NAMES: [(&str, &[&str]); 7] = [
    ("\"attachment\"", &["DocumentReference", "SubstancePolymer", "SubstanceSpecification"]),
    ("\"content\"", &["Library", "Media"]),
    (
        "\"document\"",
        &[
            "ActivityDefinition",
            "EffectEvidenceSynthesis",
            "EventDefinition",
            "Evidence",
            "EvidenceVariable",
            "Library",
            "Measure",
            "Parameters",
            "PlanDefinition",
            "RequestGroup",
            "ResearchDefinition",
            "ResearchElementDefinition",
            "ResearchStudy",
            "RiskEvidenceSynthesis",
            "StructureDefinition",
            "StructureMap",
            "Task",
        ],
    ),
    ("\"form\"", &["ClaimResponse", "ExplanationOfBenefit"]),
    (
        "\"image\"",
        &["BodyStructure", "DeviceDefinition", "MedicinalProductManufactured", "MedicinalProductPackaged"],
    ),
    ("\"photo\"", &["HealthcareService", "Patient", "Person", "Practitioner", "RelatedPerson"]),
    ("\"presentedForm\"", &["DiagnosticReport"]),
];

pub(super) static ELEMENTS: LazyLock<[Element; NAMES.len()]> =
    LazyLock::new(|| NAMES.map(|(name, types)| Element { name: Finder::new(name.as_bytes()), types }));
