//! Writes the clinical resources of an encounter, except observations.

use std::fmt::Write;

use super::patient::{Visit, Writer};
use super::random::Random;

/// Code, display text, and whether the condition is chronic.
const CONDITIONS: [(&str, &str, bool); 6] = [
    ("10509002", "Acute bronchitis (disorder)", false),
    ("59621000", "Essential hypertension (disorder)", true),
    ("195662009", "Acute viral pharyngitis (disorder)", false),
    ("15777000", "Prediabetes (finding)", true),
    ("40055000", "Chronic sinusitis (disorder)", true),
    ("444814009", "Viral sinusitis (disorder)", false),
];
const ROLE: &str = r#"{"coding":[{"system":"http://snomed.info/sct","code":"446050000","display":"Primary care physician"}],"text":"Primary care physician"}"#;
const MEDICATIONS: [(&str, &str); 4] = [
    ("314076", "lisinopril 10 MG Oral Tablet"),
    ("860975", "24 HR Metformin hydrochloride 500 MG Extended Release Oral Tablet"),
    ("313782", "Acetaminophen 325 MG Oral Tablet"),
    ("308136", "amLODIPine 2.5 MG Oral Tablet"),
];

impl Writer {
    pub(super) fn procedure(&mut self, random: &mut Random, visit: &Visit) {
        self.begin(random, "Procedure", visit);
        let _ = writeln!(
            self.lines,
            ",\"status\":\"completed\",\"code\":{{\"coding\":[{{\"system\":\"http://snomed.info/sct\",\"code\":\"430193006\",\"display\":\"Medication Reconciliation (procedure)\"}}],\"text\":\"Medication Reconciliation (procedure)\"}},\"subject\":{{\"reference\":\"Patient/{}\"}},\"encounter\":{{\"reference\":\"Encounter/{}\"}},\"performedPeriod\":{{\"start\":\"{}\",\"end\":\"{}\"}}}}",
            visit.patient, visit.encounter, visit.at, visit.at
        );
    }

    pub(super) fn immunization(&mut self, random: &mut Random, visit: &Visit) {
        self.begin(random, "Immunization", visit);
        let _ = writeln!(
            self.lines,
            ",\"status\":\"completed\",\"vaccineCode\":{{\"coding\":[{{\"system\":\"http://hl7.org/fhir/sid/cvx\",\"code\":\"140\",\"display\":\"Influenza, seasonal, injectable, preservative free\"}}],\"text\":\"Influenza, seasonal, injectable, preservative free\"}},\"patient\":{{\"reference\":\"Patient/{}\"}},\"encounter\":{{\"reference\":\"Encounter/{}\"}},\"occurrenceDateTime\":\"{}\",\"primarySource\":true}}",
            visit.patient, visit.encounter, visit.at
        );
    }

    pub(super) fn report(&mut self, random: &mut Random, visit: &Visit, result: Option<&str>) {
        self.begin(random, "DiagnosticReport", visit);
        let _ = write!(
            self.lines,
            ",\"status\":\"final\",\"category\":[{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/v2-0074\",\"code\":\"LAB\",\"display\":\"Laboratory\"}}]}}],\"code\":{{\"coding\":[{{\"system\":\"http://loinc.org\",\"code\":\"11502-2\",\"display\":\"Laboratory report\"}}],\"text\":\"Laboratory report\"}},\"subject\":{{\"reference\":\"Patient/{}\"}},\"encounter\":{{\"reference\":\"Encounter/{}\"}},\"effectiveDateTime\":\"{}\",\"issued\":\"{}\",\"performer\":[{{\"reference\":\"Organization/organization-{}\"}}]",
            visit.patient, visit.encounter, visit.at, visit.updated, visit.organization
        );
        if let Some(result) = result {
            let _ = write!(self.lines, ",\"result\":[{{\"reference\":\"Observation/{result}\"}}]");
        }
        self.lines.push_str("}\n");
    }

    pub(super) fn condition(&mut self, random: &mut Random, visit: &Visit) {
        let (code, display, is_chronic) = CONDITIONS[usize::try_from(random.below(6)).unwrap_or_default()];
        self.begin(random, "Condition", visit);
        // One condition in twenty is sensitive.
        if random.below(20) == 0 {
            self.lines.pop();
            self.lines.push_str(",\"security\":[{\"system\":\"http://terminology.hl7.org/CodeSystem/v3-ActCode\",\"code\":\"PSY\"}]}");
        }
        let status = if is_chronic { "active" } else { "resolved" };
        let _ = write!(
            self.lines,
            ",\"clinicalStatus\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/condition-clinical\",\"code\":\"{status}\"}}]}},\"verificationStatus\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/condition-ver-status\",\"code\":\"confirmed\"}}]}},\"category\":[{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/condition-category\",\"code\":\"encounter-diagnosis\",\"display\":\"Encounter Diagnosis\"}}]}}],\"code\":{{\"coding\":[{{\"system\":\"http://snomed.info/sct\",\"code\":\"{code}\",\"display\":\"{display}\"}}],\"text\":\"{display}\"}},\"subject\":{{\"reference\":\"Patient/{}\"}},\"encounter\":{{\"reference\":\"Encounter/{}\"}},\"onsetDateTime\":\"{}\",\"recordedDate\":\"{}\"",
            visit.patient, visit.encounter, visit.at, visit.at
        );
        if !is_chronic {
            let _ = write!(self.lines, ",\"abatementDateTime\":\"{}\"", visit.at);
        }
        self.lines.push_str("}\n");
    }

    pub(super) fn care_team(&mut self, random: &mut Random, visit: &Visit) {
        self.begin(random, "CareTeam", visit);
        let _ = writeln!(
            self.lines,
            ",\"status\":\"active\",\"subject\":{{\"reference\":\"Patient/{}\"}},\"encounter\":{{\"reference\":\"Encounter/{}\"}},\"period\":{{\"start\":\"{}\"}},\"participant\":[{{\"role\":[{ROLE}],\"member\":{{\"reference\":\"Practitioner/practitioner-{}\"}}}}]}}",
            visit.patient, visit.encounter, visit.at, visit.practitioner
        );
    }

    pub(super) fn care_plan(&mut self, random: &mut Random, visit: &Visit) {
        self.begin(random, "CarePlan", visit);
        let _ = writeln!(
            self.lines,
            ",\"text\":{{\"status\":\"generated\",\"div\":\"<div xmlns=\\\"http://www.w3.org/1999/xhtml\\\">Self-care</div>\"}},\"status\":\"active\",\"intent\":\"plan\",\"category\":[{{\"coding\":[{{\"system\":\"http://hl7.org/fhir/us/core/CodeSystem/careplan-category\",\"code\":\"assess-plan\",\"display\":\"Assessment and Plan of Treatment\"}}]}}],\"subject\":{{\"reference\":\"Patient/{}\"}},\"encounter\":{{\"reference\":\"Encounter/{}\"}},\"period\":{{\"start\":\"{}\"}}}}",
            visit.patient, visit.encounter, visit.at
        );
    }

    pub(super) fn allergy(&mut self, random: &mut Random, visit: &Visit) {
        self.begin(random, "AllergyIntolerance", visit);
        let _ = writeln!(
            self.lines,
            ",\"clinicalStatus\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical\",\"code\":\"active\"}}]}},\"verificationStatus\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/allergyintolerance-verification\",\"code\":\"confirmed\"}}]}},\"type\":\"allergy\",\"category\":[\"food\"],\"criticality\":\"low\",\"code\":{{\"coding\":[{{\"system\":\"http://snomed.info/sct\",\"code\":\"91935009\",\"display\":\"Allergy to peanuts\"}}],\"text\":\"Allergy to peanuts\"}},\"patient\":{{\"reference\":\"Patient/{}\"}},\"recordedDate\":\"{}\",\"reaction\":[{{\"manifestation\":[{{\"coding\":[{{\"system\":\"http://snomed.info/sct\",\"code\":\"247472004\",\"display\":\"Wheal (finding)\"}}],\"text\":\"Wheal (finding)\"}}]}}]}}",
            visit.patient, visit.at
        );
    }

    pub(super) fn imaging(&mut self, random: &mut Random, visit: &Visit) {
        self.begin(random, "ImagingStudy", visit);
        let _ = writeln!(
            self.lines,
            ",\"status\":\"available\",\"subject\":{{\"reference\":\"Patient/{}\"}},\"encounter\":{{\"reference\":\"Encounter/{}\"}},\"started\":\"{}\",\"numberOfSeries\":1,\"numberOfInstances\":1,\"series\":[{{\"uid\":\"1.2.840.99999999.1.{}\",\"number\":1,\"modality\":{{\"system\":\"http://dicom.nema.org/resources/ontology/DCM\",\"code\":\"DX\",\"display\":\"Digital Radiography\"}}}}]}}",
            visit.patient,
            visit.encounter,
            visit.at,
            random.below(100_000_000)
        );
    }

    pub(super) fn device(&mut self, random: &mut Random, visit: &Visit) {
        self.begin(random, "Device", visit);
        let _ = writeln!(
            self.lines,
            ",\"udiCarrier\":[{{\"deviceIdentifier\":\"{:014}\"}}],\"status\":\"active\",\"lotNumber\":\"{}\",\"type\":{{\"coding\":[{{\"system\":\"http://snomed.info/sct\",\"code\":\"72506001\",\"display\":\"Implantable defibrillator, device (physical object)\"}}]}},\"patient\":{{\"reference\":\"Patient/{}\"}}}}",
            random.below(100_000_000_000),
            random.below(1_000_000_000),
            visit.patient
        );
    }

    pub(super) fn medication(&mut self, random: &mut Random, visit: &Visit, id: &str) {
        let (code, display) = MEDICATIONS[usize::try_from(random.below(4)).unwrap_or_default()];
        self.begin_with(id, "MedicationRequest", visit);
        let _ = writeln!(
            self.lines,
            ",\"status\":\"stopped\",\"intent\":\"order\",\"reportedBoolean\":false,\"medicationCodeableConcept\":{{\"coding\":[{{\"system\":\"http://www.nlm.nih.gov/research/umls/rxnorm\",\"code\":\"{code}\",\"display\":\"{display}\"}}],\"text\":\"{display}\"}},\"subject\":{{\"reference\":\"Patient/{}\"}},\"encounter\":{{\"reference\":\"Encounter/{}\"}},\"authoredOn\":\"{}\",\"requester\":{{\"reference\":\"Practitioner/practitioner-{}\",\"display\":\"Dr. Synthetic\"}},\"dosageInstruction\":[{{\"sequence\":1,\"text\":\"One a day\",\"timing\":{{\"repeat\":{{\"frequency\":1,\"period\":1.0,\"periodUnit\":\"d\"}}}},\"asNeededBoolean\":false,\"doseAndRate\":[{{\"doseQuantity\":{{\"value\":1.0}}}}]}}]}}",
            visit.patient, visit.encounter, visit.at, visit.practitioner
        );
    }
}
