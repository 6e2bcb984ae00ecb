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

/// The types that have an attachment only as a choice, such as `payload.contentAttachment`.
const WITH_CHOICES: [&str; 9] = [
    "Claim",
    "Communication",
    "CommunicationRequest",
    "Consent",
    "Contract",
    "Questionnaire",
    "QuestionnaireResponse",
    "SubstanceNucleicAcid",
    "SubstanceProtein",
];

pub(super) static ELEMENTS: LazyLock<[Element; NAMES.len()]> =
    LazyLock::new(|| NAMES.map(|(name, types)| Element { name: Finder::new(name.as_bytes()), types }));

/// Returns whether FHIR R4 defines an attachment for resources of this type. Every type can have attachments in extensions and in
/// contained resources.
pub fn has_attachments(resource_type: &str) -> bool {
    WITH_CHOICES.contains(&resource_type) || NAMES.iter().any(|(_, types)| types.contains(&resource_type))
}
