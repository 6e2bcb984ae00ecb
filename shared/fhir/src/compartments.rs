//! The R4 Patient CompartmentDefinition as a table: which elements of which type make a resource part
//! of a patient's record (<http://hl7.org/fhir/R4/compartmentdefinition-patient.html>).
//!
//! The server makes three additions, because a record must be complete: `Device.patient` (the R4 definition does not
//! include a patient's implants), `Provenance.target` (a Provenance belongs to the record of its target; Bulk Data 2.0,
//! `includeAssociatedData`) and Binary, which belongs to the record of the document that refers to it.
//!
//! Types outside the table, and elements of other versions of FHIR, can name a patient as well: `Task.for`,
//! `GuidanceResponse.subject`, in FHIR R5 `NutritionOrder.subject`. For them, [`FURTHER_PATHS`] names the patient.

use std::ops::Range;

use crate::json;

/// A type and the paths of its elements that refer to the patient.
type Row = (&'static str, &'static [&'static str]);

const TABLE: &[Row] = &[
    ("Account", &["subject"]),
    ("AdverseEvent", &["subject"]),
    ("AllergyIntolerance", &["patient", "recorder", "asserter"]),
    ("Appointment", &["participant.actor"]),
    ("AppointmentResponse", &["actor"]),
    ("AuditEvent", &["agent.who", "entity.what"]),
    ("Basic", &["subject", "author"]),
    ("BodyStructure", &["patient"]),
    ("CarePlan", &["subject", "activity.detail.performer"]),
    ("CareTeam", &["subject", "participant.member"]),
    ("ChargeItem", &["subject"]),
    ("Claim", &["patient", "payee.party"]),
    ("ClaimResponse", &["patient"]),
    ("ClinicalImpression", &["subject"]),
    ("Communication", &["subject", "sender", "recipient"]),
    ("CommunicationRequest", &["subject", "sender", "recipient", "requester"]),
    ("Composition", &["subject", "author", "attester.party"]),
    ("Condition", &["subject", "asserter"]),
    ("Consent", &["patient"]),
    ("Coverage", &["policyHolder", "subscriber", "beneficiary", "payor"]),
    ("CoverageEligibilityRequest", &["patient"]),
    ("CoverageEligibilityResponse", &["patient"]),
    ("DetectedIssue", &["patient"]),
    ("Device", &["patient"]),
    ("DeviceRequest", &["subject", "performer"]),
    ("DeviceUseStatement", &["subject"]),
    ("DiagnosticReport", &["subject"]),
    ("DocumentManifest", &["subject", "author", "recipient"]),
    ("DocumentReference", &["subject", "author"]),
    ("Encounter", &["subject"]),
    ("EnrollmentRequest", &["candidate"]),
    ("EpisodeOfCare", &["patient"]),
    ("ExplanationOfBenefit", &["patient", "payee.party"]),
    ("FamilyMemberHistory", &["patient"]),
    ("Flag", &["subject"]),
    ("Goal", &["subject"]),
    ("ImagingStudy", &["subject"]),
    ("Immunization", &["patient"]),
    ("ImmunizationEvaluation", &["patient"]),
    ("ImmunizationRecommendation", &["patient"]),
    ("Invoice", &["subject", "recipient"]),
    ("List", &["subject", "source"]),
    ("MeasureReport", &["subject"]),
    ("Media", &["subject"]),
    ("MedicationAdministration", &["subject", "performer.actor"]),
    ("MedicationDispense", &["subject", "receiver"]),
    ("MedicationRequest", &["subject"]),
    ("MedicationStatement", &["subject"]),
    ("MolecularSequence", &["patient"]),
    ("NutritionOrder", &["patient"]),
    ("Observation", &["subject", "performer"]),
    ("Patient", &["link.other"]),
    ("Person", &["link.target"]),
    ("Procedure", &["subject", "performer.actor"]),
    ("Provenance", &["target"]),
    ("QuestionnaireResponse", &["subject", "author"]),
    ("RelatedPerson", &["patient"]),
    ("RequestGroup", &["subject", "action.participant"]),
    ("ResearchSubject", &["individual"]),
    ("RiskAssessment", &["subject"]),
    ("Schedule", &["actor"]),
    ("ServiceRequest", &["subject", "performer"]),
    ("Specimen", &["subject"]),
    ("SupplyDelivery", &["patient"]),
    ("SupplyRequest", &["deliverTo"]),
    ("VisionPrescription", &["patient"]),
];

/// The elements at the root of any resource except Group that make it part of a patient's record if no element of the
/// table does.
pub const FURTHER_PATHS: [&str; 7] =
    ["subject", "subjectReference", "patient", "patientReference", "for", "beneficiary", "individual"];

/// Types outside the table whose definition has one of the further elements for a patient, in FHIR R4 or R5. Resources of
/// these types are in a patient's record, or in no record.
const FURTHER_TYPES: &[&str] = &[
    "BiologicallyDerivedProductDispense",
    "Contract",
    "DeviceAssociation",
    "DeviceDispense",
    "DeviceUsage",
    "EncounterHistory",
    "GenomicStudy",
    "GuidanceResponse",
    "ImagingSelection",
    "InventoryReport",
    "NutritionIntake",
    "RequestOrchestration",
    "Task",
    "Transport",
];

/// Returns the further elements that can make a resource of the type part of a patient's record if no element of the
/// table does.
pub fn further_paths(resource_type: &str) -> impl Iterator<Item = &'static str> {
    let known = paths(resource_type);
    // The members of a Group are not its subject.
    let is_group = resource_type == "Group";
    FURTHER_PATHS.into_iter().filter(move |path| !is_group && !known.contains(path))
}

/// Returns whether resources of the type can be in a patient's record, as their definition has an element for a patient.
pub fn can_have_patient(resource_type: &str) -> bool {
    has_compartment(resource_type) || FURTHER_TYPES.binary_search(&resource_type).is_ok()
}

/// Returns the paths that can make a resource of the type part of a patient's record. The list is empty for types that
/// are in no patient's compartment.
pub fn paths(resource_type: &str) -> &'static [&'static str] {
    match TABLE.binary_search_by(|(known, _)| (*known).cmp(resource_type)) {
        Ok(row) => TABLE[row].1,
        Err(_) => &[],
    }
}

/// Returns the types of patients' compartments, in alphabetical order, with the paths that make a resource part of one.
/// Binary is not among them: it has no such element.
pub fn table() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    TABLE.iter().copied()
}

/// Returns whether resources of the type belong to patients' compartments.
pub fn has_compartment(resource_type: &str) -> bool {
    resource_type == "Binary" || !paths(resource_type).is_empty()
}

/// Calls `visit` with the range of each `reference` value at a dotted path, quotes included. The line was checked before
/// and is in its plain spelling.
pub fn values_at(line: &[u8], path: &str, mut visit: impl FnMut(Range<usize>)) {
    at_path(line, 0..line.len(), path, &mut |value| {
        json::members(line, value, |key, value| {
            if key == b"reference" {
                visit(value);
            }
        });
    });
}

/// Calls `visit` with the range of each value at a dotted path. Lists on the path are searched.
pub(crate) fn at_path(line: &[u8], value: Range<usize>, path: &str, visit: &mut dyn FnMut(Range<usize>)) {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    json::members(line, value, |key, value| {
        if key == name.as_bytes() {
            json::elements(line, value, |element| match rest {
                Some(rest) => at_path(line, element, rest, visit),
                None => visit(element),
            });
        }
    });
}

#[cfg(test)]
mod tests;
