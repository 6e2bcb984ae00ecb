//! The search parameters that `_typeFilter` supports, with their kinds and elements (FHIR R4, search parameter registry).
//! The CapabilityStatement lists the same parameters.

/// The kind of a parameter's comparison. The comment of each kind lists the accepted modifiers and prefixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `:not`, `:text`, `:missing`
    Token,
    /// Prefixes; `:missing`
    Date,
    /// `:missing`, and a type as in `subject:Patient`
    Reference,
    /// A reference by a canonical URL, with or without `|version`: `:missing`
    Canonical,
    /// `:exact`, `:contains`, `:missing`
    Text,
    /// `:missing`
    Uri,
    /// Prefixes; `:missing`
    Quantity,
}

impl Kind {
    /// Returns the kind in a CapabilityStatement.
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Date => "date",
            Self::Reference | Self::Canonical => "reference",
            Self::Text => "string",
            Self::Uri => "uri",
            Self::Quantity => "quantity",
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Types that have the parameter; an empty list means all types.
    types: &'static [&'static str],
    pub name: &'static str,
    pub kind: Kind,
    /// Paths of the elements that it searches. A match in any of them is enough.
    pub paths: &'static [&'static str],
}

impl Parameter {
    fn is_of(&self, resource_type: &str) -> bool {
        self.types.is_empty() || self.types.contains(&resource_type)
    }
}

/// Returns the parameters of a type.
pub fn of_type(resource_type: &str) -> impl Iterator<Item = &'static Parameter> {
    PARAMETERS.iter().filter(move |parameter| parameter.is_of(resource_type))
}

/// Returns the parameter of a type by its name.
pub fn find(resource_type: &str, name: &str) -> Option<&'static Parameter> {
    of_type(resource_type).find(|parameter| parameter.name == name)
}

/// Parameters that shape the result page of a search. An export refuses them (Bulk Data 3.0, `_typeFilter`).
pub const OF_RESULTS: [&str; 12] = [
    "_sort",
    "_count",
    "_include",
    "_revinclude",
    "_summary",
    "_total",
    "_elements",
    "_contained",
    "_containedType",
    "_offset",
    "_format",
    "_graph",
];

const fn row(
    types: &'static [&'static str],
    name: &'static str,
    kind: Kind,
    paths: &'static [&'static str],
) -> Parameter {
    Parameter { types, name, kind, paths }
}

use Kind::{Canonical, Date, Quantity, Reference, Text, Token, Uri};

const ALL: &[&str] = &[];
const OBSERVATION: &[&str] = &["Observation"];
const CONDITION: &[&str] = &["Condition"];
const MEDICATION_REQUEST: &[&str] = &["MedicationRequest"];
const ENCOUNTER: &[&str] = &["Encounter"];
const PROCEDURE: &[&str] = &["Procedure"];
const REPORT: &[&str] = &["DiagnosticReport"];
const IMMUNIZATION: &[&str] = &["Immunization"];
const ALLERGY: &[&str] = &["AllergyIntolerance"];
const DOCUMENT: &[&str] = &["DocumentReference"];
const PATIENT: &[&str] = &["Patient"];
const CLAIM: &[&str] = &["Claim"];
const BENEFIT: &[&str] = &["ExplanationOfBenefit"];
const CARE_PLAN: &[&str] = &["CarePlan"];
const CARE_TEAM: &[&str] = &["CareTeam"];
const GOAL: &[&str] = &["Goal"];
const COVERAGE: &[&str] = &["Coverage"];
const DEVICE: &[&str] = &["Device"];
const SERVICE_REQUEST: &[&str] = &["ServiceRequest"];
const MEDICATION: &[&str] = &["Medication"];
const PROVENANCE: &[&str] = &["Provenance"];
const GROUP: &[&str] = &["Group"];
const CONSENT: &[&str] = &["Consent"];
const QUESTIONNAIRE_RESPONSE: &[&str] = &["QuestionnaireResponse"];
const DISPENSE: &[&str] = &["MedicationDispense"];
const RELATED_PERSON: &[&str] = &["RelatedPerson"];
const SPECIMEN: &[&str] = &["Specimen"];

#[rustfmt::skip]
const PARAMETERS: &[Parameter] = &[
    row(ALL, "_id", Token, &["id"]),
    row(ALL, "_lastUpdated", Date, &["meta.lastUpdated"]),
    row(ALL, "_tag", Token, &["meta.tag"]),
    row(ALL, "_security", Token, &["meta.security"]),
    row(ALL, "_profile", Uri, &["meta.profile"]),
    row(ALL, "_source", Uri, &["meta.source"]),

    row(GROUP, "name", Text, &["name"]),
    row(GROUP, "identifier", Token, &["identifier"]),
    row(GROUP, "code", Token, &["code"]),
    row(GROUP, "type", Token, &["type"]),

    row(OBSERVATION, "category", Token, &["category"]),
    row(OBSERVATION, "code", Token, &["code"]),
    row(OBSERVATION, "combo-code", Token, &["code", "component.code"]),
    row(OBSERVATION, "component-code", Token, &["component.code"]),
    row(OBSERVATION, "component-value-quantity", Quantity, &["component.valueQuantity"]),
    row(OBSERVATION, "data-absent-reason", Token, &["dataAbsentReason"]),
    row(OBSERVATION, "date", Date, &["effectiveDateTime", "effectivePeriod", "effectiveInstant"]),
    row(OBSERVATION, "encounter", Reference, &["encounter"]),
    row(OBSERVATION, "identifier", Token, &["identifier"]),
    row(OBSERVATION, "patient", Reference, &["subject"]),
    row(OBSERVATION, "performer", Reference, &["performer"]),
    row(OBSERVATION, "status", Token, &["status"]),
    row(OBSERVATION, "subject", Reference, &["subject"]),
    row(OBSERVATION, "value-concept", Token, &["valueCodeableConcept"]),
    row(OBSERVATION, "value-date", Date, &["valueDateTime", "valuePeriod"]),
    row(OBSERVATION, "value-quantity", Quantity, &["valueQuantity"]),
    row(OBSERVATION, "value-string", Text, &["valueString", "valueCodeableConcept.text"]),

    row(CONDITION, "abatement-date", Date, &["abatementDateTime", "abatementPeriod"]),
    row(CONDITION, "asserter", Reference, &["asserter"]),
    row(CONDITION, "body-site", Token, &["bodySite"]),
    row(CONDITION, "category", Token, &["category"]),
    row(CONDITION, "clinical-status", Token, &["clinicalStatus"]),
    row(CONDITION, "code", Token, &["code"]),
    row(CONDITION, "encounter", Reference, &["encounter"]),
    row(CONDITION, "identifier", Token, &["identifier"]),
    row(CONDITION, "onset-date", Date, &["onsetDateTime", "onsetPeriod"]),
    row(CONDITION, "patient", Reference, &["subject"]),
    row(CONDITION, "recorded-date", Date, &["recordedDate"]),
    row(CONDITION, "severity", Token, &["severity"]),
    row(CONDITION, "subject", Reference, &["subject"]),
    row(CONDITION, "verification-status", Token, &["verificationStatus"]),

    row(MEDICATION_REQUEST, "authoredon", Date, &["authoredOn"]),
    row(MEDICATION_REQUEST, "category", Token, &["category"]),
    row(MEDICATION_REQUEST, "code", Token, &["medicationCodeableConcept"]),
    row(MEDICATION_REQUEST, "date", Date, &["dosageInstruction.timing.event"]),
    row(MEDICATION_REQUEST, "encounter", Reference, &["encounter"]),
    row(MEDICATION_REQUEST, "identifier", Token, &["identifier"]),
    row(MEDICATION_REQUEST, "intent", Token, &["intent"]),
    row(MEDICATION_REQUEST, "medication", Reference, &["medicationReference"]),
    row(MEDICATION_REQUEST, "patient", Reference, &["subject"]),
    row(MEDICATION_REQUEST, "priority", Token, &["priority"]),
    row(MEDICATION_REQUEST, "requester", Reference, &["requester"]),
    row(MEDICATION_REQUEST, "status", Token, &["status"]),
    row(MEDICATION_REQUEST, "subject", Reference, &["subject"]),

    row(ENCOUNTER, "class", Token, &["class"]),
    row(ENCOUNTER, "date", Date, &["period"]),
    row(ENCOUNTER, "identifier", Token, &["identifier"]),
    row(ENCOUNTER, "location", Reference, &["location.location"]),
    row(ENCOUNTER, "participant", Reference, &["participant.individual"]),
    row(ENCOUNTER, "patient", Reference, &["subject"]),
    row(ENCOUNTER, "reason-code", Token, &["reasonCode"]),
    row(ENCOUNTER, "service-provider", Reference, &["serviceProvider"]),
    row(ENCOUNTER, "status", Token, &["status"]),
    row(ENCOUNTER, "subject", Reference, &["subject"]),
    row(ENCOUNTER, "type", Token, &["type"]),

    row(PROCEDURE, "category", Token, &["category"]),
    row(PROCEDURE, "code", Token, &["code"]),
    row(PROCEDURE, "date", Date, &["performedDateTime", "performedPeriod"]),
    row(PROCEDURE, "encounter", Reference, &["encounter"]),
    row(PROCEDURE, "identifier", Token, &["identifier"]),
    row(PROCEDURE, "patient", Reference, &["subject"]),
    row(PROCEDURE, "performer", Reference, &["performer.actor"]),
    row(PROCEDURE, "reason-code", Token, &["reasonCode"]),
    row(PROCEDURE, "status", Token, &["status"]),
    row(PROCEDURE, "subject", Reference, &["subject"]),

    row(REPORT, "category", Token, &["category"]),
    row(REPORT, "code", Token, &["code"]),
    row(REPORT, "conclusion", Token, &["conclusionCode"]),
    row(REPORT, "date", Date, &["effectiveDateTime", "effectivePeriod"]),
    row(REPORT, "encounter", Reference, &["encounter"]),
    row(REPORT, "identifier", Token, &["identifier"]),
    row(REPORT, "issued", Date, &["issued"]),
    row(REPORT, "patient", Reference, &["subject"]),
    row(REPORT, "performer", Reference, &["performer"]),
    row(REPORT, "result", Reference, &["result"]),
    row(REPORT, "status", Token, &["status"]),
    row(REPORT, "subject", Reference, &["subject"]),

    row(IMMUNIZATION, "date", Date, &["occurrenceDateTime"]),
    row(IMMUNIZATION, "identifier", Token, &["identifier"]),
    row(IMMUNIZATION, "location", Reference, &["location"]),
    row(IMMUNIZATION, "lot-number", Text, &["lotNumber"]),
    row(IMMUNIZATION, "patient", Reference, &["patient"]),
    row(IMMUNIZATION, "performer", Reference, &["performer.actor"]),
    row(IMMUNIZATION, "reason-code", Token, &["reasonCode"]),
    row(IMMUNIZATION, "status", Token, &["status"]),
    row(IMMUNIZATION, "status-reason", Token, &["statusReason"]),
    row(IMMUNIZATION, "vaccine-code", Token, &["vaccineCode"]),

    row(ALLERGY, "category", Token, &["category"]),
    row(ALLERGY, "clinical-status", Token, &["clinicalStatus"]),
    row(ALLERGY, "code", Token, &["code", "reaction.substance"]),
    row(ALLERGY, "criticality", Token, &["criticality"]),
    row(ALLERGY, "date", Date, &["recordedDate"]),
    row(ALLERGY, "identifier", Token, &["identifier"]),
    row(ALLERGY, "last-date", Date, &["lastOccurrence"]),
    row(ALLERGY, "onset", Date, &["reaction.onset"]),
    row(ALLERGY, "patient", Reference, &["patient"]),
    row(ALLERGY, "recorder", Reference, &["recorder"]),
    row(ALLERGY, "severity", Token, &["reaction.severity"]),
    row(ALLERGY, "type", Token, &["type"]),
    row(ALLERGY, "verification-status", Token, &["verificationStatus"]),

    row(DOCUMENT, "author", Reference, &["author"]),
    row(DOCUMENT, "category", Token, &["category"]),
    row(DOCUMENT, "contenttype", Token, &["content.attachment.contentType"]),
    row(DOCUMENT, "custodian", Reference, &["custodian"]),
    row(DOCUMENT, "date", Date, &["date"]),
    row(DOCUMENT, "description", Text, &["description"]),
    row(DOCUMENT, "encounter", Reference, &["context.encounter"]),
    row(DOCUMENT, "facility", Token, &["context.facilityType"]),
    row(DOCUMENT, "format", Token, &["content.format"]),
    row(DOCUMENT, "identifier", Token, &["masterIdentifier", "identifier"]),
    row(DOCUMENT, "patient", Reference, &["subject"]),
    row(DOCUMENT, "period", Date, &["context.period"]),
    row(DOCUMENT, "security-label", Token, &["securityLabel"]),
    row(DOCUMENT, "setting", Token, &["context.practiceSetting"]),
    row(DOCUMENT, "status", Token, &["status"]),
    row(DOCUMENT, "subject", Reference, &["subject"]),
    row(DOCUMENT, "type", Token, &["type"]),

    row(PATIENT, "active", Token, &["active"]),
    row(PATIENT, "address", Text, &["address.text", "address.line", "address.city", "address.district", "address.state", "address.postalCode", "address.country"]),
    row(PATIENT, "address-city", Text, &["address.city"]),
    row(PATIENT, "address-country", Text, &["address.country"]),
    row(PATIENT, "address-postalcode", Text, &["address.postalCode"]),
    row(PATIENT, "address-state", Text, &["address.state"]),
    row(PATIENT, "address-use", Token, &["address.use"]),
    row(PATIENT, "birthdate", Date, &["birthDate"]),
    row(PATIENT, "death-date", Date, &["deceasedDateTime"]),
    row(PATIENT, "family", Text, &["name.family"]),
    row(PATIENT, "gender", Token, &["gender"]),
    row(PATIENT, "general-practitioner", Reference, &["generalPractitioner"]),
    row(PATIENT, "given", Text, &["name.given"]),
    row(PATIENT, "identifier", Token, &["identifier"]),
    row(PATIENT, "language", Token, &["communication.language"]),
    row(PATIENT, "link", Reference, &["link.other"]),
    row(PATIENT, "name", Text, &["name.text", "name.family", "name.given", "name.prefix", "name.suffix"]),
    row(PATIENT, "organization", Reference, &["managingOrganization"]),
    row(PATIENT, "telecom", Token, &["telecom"]),

    row(CLAIM, "created", Date, &["created"]),
    row(CLAIM, "encounter", Reference, &["item.encounter"]),
    row(CLAIM, "identifier", Token, &["identifier"]),
    row(CLAIM, "insurer", Reference, &["insurer"]),
    row(CLAIM, "patient", Reference, &["patient"]),
    row(CLAIM, "priority", Token, &["priority"]),
    row(CLAIM, "provider", Reference, &["provider"]),
    row(CLAIM, "status", Token, &["status"]),
    row(CLAIM, "use", Token, &["use"]),

    row(BENEFIT, "claim", Reference, &["claim"]),
    row(BENEFIT, "coverage", Reference, &["insurance.coverage"]),
    row(BENEFIT, "created", Date, &["created"]),
    row(BENEFIT, "encounter", Reference, &["item.encounter"]),
    row(BENEFIT, "identifier", Token, &["identifier"]),
    row(BENEFIT, "patient", Reference, &["patient"]),
    row(BENEFIT, "provider", Reference, &["provider"]),
    row(BENEFIT, "service-date", Date, &["billablePeriod"]),
    row(BENEFIT, "status", Token, &["status"]),
    row(BENEFIT, "type", Token, &["type"]),

    row(CARE_PLAN, "category", Token, &["category"]),
    row(CARE_PLAN, "date", Date, &["period"]),
    row(CARE_PLAN, "encounter", Reference, &["encounter"]),
    row(CARE_PLAN, "intent", Token, &["intent"]),
    row(CARE_PLAN, "patient", Reference, &["subject"]),
    row(CARE_PLAN, "status", Token, &["status"]),
    row(CARE_PLAN, "subject", Reference, &["subject"]),

    row(CARE_TEAM, "category", Token, &["category"]),
    row(CARE_TEAM, "date", Date, &["period"]),
    row(CARE_TEAM, "encounter", Reference, &["encounter"]),
    row(CARE_TEAM, "participant", Reference, &["participant.member"]),
    row(CARE_TEAM, "patient", Reference, &["subject"]),
    row(CARE_TEAM, "status", Token, &["status"]),
    row(CARE_TEAM, "subject", Reference, &["subject"]),

    row(GOAL, "achievement-status", Token, &["achievementStatus"]),
    row(GOAL, "category", Token, &["category"]),
    row(GOAL, "lifecycle-status", Token, &["lifecycleStatus"]),
    row(GOAL, "patient", Reference, &["subject"]),
    row(GOAL, "start-date", Date, &["startDate"]),
    row(GOAL, "subject", Reference, &["subject"]),
    row(GOAL, "target-date", Date, &["target.dueDate"]),

    row(COVERAGE, "beneficiary", Reference, &["beneficiary"]),
    row(COVERAGE, "identifier", Token, &["identifier"]),
    row(COVERAGE, "patient", Reference, &["beneficiary"]),
    row(COVERAGE, "payor", Reference, &["payor"]),
    row(COVERAGE, "status", Token, &["status"]),
    row(COVERAGE, "type", Token, &["type"]),

    row(DEVICE, "identifier", Token, &["identifier"]),
    row(DEVICE, "manufacturer", Text, &["manufacturer"]),
    row(DEVICE, "model", Text, &["modelNumber"]),
    row(DEVICE, "patient", Reference, &["patient"]),
    row(DEVICE, "status", Token, &["status"]),
    row(DEVICE, "type", Token, &["type"]),

    row(SERVICE_REQUEST, "authored", Date, &["authoredOn"]),
    row(SERVICE_REQUEST, "category", Token, &["category"]),
    row(SERVICE_REQUEST, "code", Token, &["code"]),
    row(SERVICE_REQUEST, "encounter", Reference, &["encounter"]),
    row(SERVICE_REQUEST, "intent", Token, &["intent"]),
    row(SERVICE_REQUEST, "occurrence", Date, &["occurrenceDateTime", "occurrencePeriod"]),
    row(SERVICE_REQUEST, "patient", Reference, &["subject"]),
    row(SERVICE_REQUEST, "priority", Token, &["priority"]),
    row(SERVICE_REQUEST, "status", Token, &["status"]),
    row(SERVICE_REQUEST, "subject", Reference, &["subject"]),

    row(MEDICATION, "code", Token, &["code"]),
    row(MEDICATION, "status", Token, &["status"]),

    row(DISPENSE, "code", Token, &["medicationCodeableConcept"]),
    row(DISPENSE, "identifier", Token, &["identifier"]),
    row(DISPENSE, "medication", Reference, &["medicationReference"]),
    row(DISPENSE, "patient", Reference, &["subject"]),
    row(DISPENSE, "prescription", Reference, &["authorizingPrescription"]),
    row(DISPENSE, "status", Token, &["status"]),
    row(DISPENSE, "subject", Reference, &["subject"]),
    row(DISPENSE, "type", Token, &["type"]),
    row(DISPENSE, "whenhandedover", Date, &["whenHandedOver"]),
    row(DISPENSE, "whenprepared", Date, &["whenPrepared"]),

    row(CONSENT, "category", Token, &["category"]),
    row(CONSENT, "date", Date, &["dateTime"]),
    row(CONSENT, "identifier", Token, &["identifier"]),
    row(CONSENT, "patient", Reference, &["patient"]),
    row(CONSENT, "period", Date, &["provision.period"]),
    row(CONSENT, "scope", Token, &["scope"]),
    row(CONSENT, "status", Token, &["status"]),

    row(QUESTIONNAIRE_RESPONSE, "author", Reference, &["author"]),
    row(QUESTIONNAIRE_RESPONSE, "authored", Date, &["authored"]),
    row(QUESTIONNAIRE_RESPONSE, "encounter", Reference, &["encounter"]),
    row(QUESTIONNAIRE_RESPONSE, "identifier", Token, &["identifier"]),
    row(QUESTIONNAIRE_RESPONSE, "patient", Reference, &["subject"]),
    row(QUESTIONNAIRE_RESPONSE, "questionnaire", Canonical, &["questionnaire"]),
    row(QUESTIONNAIRE_RESPONSE, "status", Token, &["status"]),
    row(QUESTIONNAIRE_RESPONSE, "subject", Reference, &["subject"]),

    row(RELATED_PERSON, "identifier", Token, &["identifier"]),
    row(RELATED_PERSON, "name", Text, &["name.text", "name.family", "name.given", "name.prefix", "name.suffix"]),
    row(RELATED_PERSON, "patient", Reference, &["patient"]),
    row(RELATED_PERSON, "relationship", Token, &["relationship"]),

    row(SPECIMEN, "collected", Date, &["collection.collectedDateTime", "collection.collectedPeriod"]),
    row(SPECIMEN, "identifier", Token, &["identifier"]),
    row(SPECIMEN, "patient", Reference, &["subject"]),
    row(SPECIMEN, "status", Token, &["status"]),
    row(SPECIMEN, "subject", Reference, &["subject"]),
    row(SPECIMEN, "type", Token, &["type"]),

    row(PROVENANCE, "agent", Reference, &["agent.who"]),
    row(PROVENANCE, "recorded", Date, &["recorded"]),
    row(PROVENANCE, "target", Reference, &["target"]),
];
