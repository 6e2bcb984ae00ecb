//! One synthetic patient's lines. The numbers of each type are those of ten Synthea patients, a tenth each on average.

use std::fmt::Write;

use super::random::Random;
use super::{ORGANIZATIONS, PRACTITIONERS};

/// Buffers that are used again for every patient.
#[derive(Default)]
pub(super) struct Writer {
    lines: String,
}

pub(super) struct Record<'a> {
    pub(super) id: String,
    pub(super) lines: &'a [u8],
}

/// What the resources of one encounter share.
struct Visit {
    patient: String,
    encounter: String,
    practitioner: u64,
    organization: u64,
    /// `YYYY-MM-DDThh:mm:ss-05:00`
    at: String,
    updated: String,
}

/// A code system's name, a code and its words.
type Coded = (&'static str, &'static str, &'static str);

const OBSERVATIONS: [Coded; 8] = [
    ("vital-signs", "8302-2", "Body Height"),
    ("vital-signs", "29463-7", "Body Weight"),
    ("vital-signs", "39156-5", "Body Mass Index"),
    ("vital-signs", "8462-4", "Diastolic Blood Pressure"),
    ("laboratory", "2339-0", "Glucose"),
    ("laboratory", "6299-2", "Urea Nitrogen"),
    ("laboratory", "38483-4", "Creatinine"),
    ("laboratory", "2093-3", "Total Cholesterol"),
];
const CONDITIONS: [(&str, &str); 6] = [
    ("10509002", "Acute bronchitis (disorder)"),
    ("59621000", "Hypertension"),
    ("195662009", "Acute viral pharyngitis (disorder)"),
    ("15777000", "Prediabetes"),
    ("40055000", "Chronic sinusitis (disorder)"),
    ("162864005", "Body mass index 30+ - obesity (finding)"),
];
const MEDICATIONS: [(&str, &str); 4] = [
    ("314076", "lisinopril 10 MG Oral Tablet"),
    ("860975", "24 HR Metformin hydrochloride 500 MG Extended Release Oral Tablet"),
    ("313782", "Acetaminophen 325 MG Oral Tablet"),
    ("308136", "amLODIPine 2.5 MG Oral Tablet"),
];

impl Writer {
    /// The lines of the patient with this number.
    pub(super) fn record(&mut self, random: &mut Random, number: u64) -> Record<'_> {
        self.lines.clear();
        let id = random.uuid();
        self.patient(random, &id, number);
        let visits = 20 + random.below(27);
        for visit in 0..visits {
            let year = 2000 + visit * 20 / visits + random.below(2);
            let at = format!(
                "{year}-{:02}-{:02}T{:02}:{:02}:00-05:00",
                1 + random.below(12),
                1 + random.below(28),
                random.below(24),
                random.below(60)
            );
            let visit = Visit {
                patient: id.clone(),
                encounter: random.uuid(),
                practitioner: random.below(PRACTITIONERS),
                organization: random.below(ORGANIZATIONS),
                updated: format!("{}.000-05:00", &at[..19]),
                at,
            };
            self.visit(random, &visit);
        }
        Record { id, lines: self.lines.as_bytes() }
    }

    /// On average what Synthea has for an encounter, of which there are 33 a patient.
    fn visit(&mut self, random: &mut Random, visit: &Visit) {
        self.encounter(random, visit);
        let mut often = |average_percent: u64| {
            average_percent / 100 + u64::from(random.below(100) < average_percent % 100)
        };
        let counts = [
            often(412),
            often(122),
            often(67),
            often(36),
            often(23),
            often(20),
            often(8),
            often(8),
            often(2),
            often(1),
            often(1),
        ];
        let [
            observations,
            medications,
            procedures,
            immunizations,
            reports,
            conditions,
            teams,
            plans,
            allergies,
            studies,
            devices,
        ] = counts;
        (0..observations).for_each(|_| self.observation(random, visit));
        (0..procedures).for_each(|_| self.procedure(random, visit));
        (0..immunizations).for_each(|_| self.immunization(random, visit));
        (0..reports).for_each(|_| self.report(random, visit));
        (0..conditions).for_each(|_| self.condition(random, visit));
        (0..teams).for_each(|_| self.care(random, visit, "CareTeam"));
        (0..plans).for_each(|_| self.care(random, visit, "CarePlan"));
        (0..allergies).for_each(|_| self.allergy(random, visit));
        (0..studies).for_each(|_| self.imaging(random, visit));
        (0..devices).for_each(|_| self.device(random, visit));
        for _ in 0..medications {
            let request = random.uuid();
            self.medication(random, visit, &request);
            self.claim(random, visit, Some(&request));
        }
        self.claim(random, visit, None);
        self.benefit(random, visit);
    }

    fn patient(&mut self, random: &mut Random, id: &str, number: u64) {
        let (given, family, city) = (random.given(), random.family(), random.city());
        let gender = if random.below(2) == 0 { "female" } else { "male" };
        let _ = writeln!(
            self.lines,
            "{{\"resourceType\":\"Patient\",\"id\":\"{id}\",\"meta\":{{\"lastUpdated\":\"2020-05-06T12:00:00.000-05:00\"}},\"text\":{{\"status\":\"generated\",\"div\":\"<div xmlns=\\\"http://www.w3.org/1999/xhtml\\\">Synthetic patient number {number}</div>\"}},\"identifier\":[{{\"system\":\"http://hospital.example.org\",\"value\":\"{id}\"}}],\"name\":[{{\"use\":\"official\",\"family\":\"{family}{number}\",\"given\":[\"{given}\"]}}],\"telecom\":[{{\"system\":\"phone\",\"value\":\"555-{:03}-{:04}\",\"use\":\"home\"}}],\"gender\":\"{gender}\",\"birthDate\":\"{}-{:02}-{:02}\",\"address\":[{{\"line\":[\"{} Sample Street\"],\"city\":\"{city}\",\"state\":\"MA\",\"postalCode\":\"0{}\",\"country\":\"US\"}}],\"maritalStatus\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus\",\"code\":\"M\",\"display\":\"M\"}}],\"text\":\"M\"}}}}",
            random.below(1000),
            random.below(10_000),
            1930 + random.below(80),
            1 + random.below(12),
            1 + random.below(28),
            1 + random.below(900),
            1000 + random.below(2000),
        );
    }

    /// `{"resourceType":…,"id":…,"meta":…`, open for more.
    fn begin(&mut self, random: &mut Random, resource_type: &str, visit: &Visit) {
        let id = random.uuid();
        self.begin_with(&id, resource_type, visit);
    }

    fn begin_with(&mut self, id: &str, resource_type: &str, visit: &Visit) {
        let _ = write!(
            self.lines,
            "{{\"resourceType\":\"{resource_type}\",\"id\":\"{id}\",\"meta\":{{\"lastUpdated\":\"{}\"}}",
            visit.updated
        );
    }

    fn encounter(&mut self, random: &mut Random, visit: &Visit) {
        self.begin_with(&visit.encounter, "Encounter", visit);
        let (practitioner, organization) = (visit.practitioner, visit.organization);
        let _ = writeln!(
            self.lines,
            ",\"status\":\"finished\",\"class\":{{\"system\":\"http://terminology.hl7.org/CodeSystem/v3-ActCode\",\"code\":\"AMB\"}},\"type\":[{{\"coding\":[{{\"system\":\"http://snomed.info/sct\",\"code\":\"185349003\",\"display\":\"Encounter for check up (procedure)\"}}],\"text\":\"Encounter for check up (procedure)\"}}],\"subject\":{{\"reference\":\"Patient/{}\",\"display\":\"Synthetic patient\"}},\"participant\":[{{\"individual\":{{\"reference\":\"Practitioner/practitioner-{practitioner}\",\"display\":\"Dr. Synthetic\"}}}}],\"period\":{{\"start\":\"{}\",\"end\":\"{}\"}},\"serviceProvider\":{{\"reference\":\"Organization/organization-{organization}\",\"display\":\"Synthetic Clinic {}\"}}}}",
            visit.patient,
            visit.at,
            visit.at,
            random.below(1000)
        );
    }

    fn observation(&mut self, random: &mut Random, visit: &Visit) {
        let (category, code, display) = OBSERVATIONS[usize::try_from(random.below(8)).unwrap_or_default()];
        self.begin(random, "Observation", visit);
        let _ = writeln!(
            self.lines,
            ",\"status\":\"final\",\"category\":[{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/observation-category\",\"code\":\"{category}\",\"display\":\"{category}\"}}]}}],\"code\":{{\"coding\":[{{\"system\":\"http://loinc.org\",\"code\":\"{code}\",\"display\":\"{display}\"}}],\"text\":\"{display}\"}},\"subject\":{{\"reference\":\"Patient/{}\"}},\"encounter\":{{\"reference\":\"Encounter/{}\"}},\"effectiveDateTime\":\"{}\",\"issued\":\"{}\",\"valueQuantity\":{{\"value\":{}.{}0,\"unit\":\"unit\",\"system\":\"http://unitsofmeasure.org\",\"code\":\"1\"}}}}",
            visit.patient,
            visit.encounter,
            visit.at,
            visit.updated,
            random.below(200),
            random.below(10)
        );
    }

    fn procedure(&mut self, random: &mut Random, visit: &Visit) {
        self.begin(random, "Procedure", visit);
        let _ = writeln!(
            self.lines,
            ",\"status\":\"completed\",\"code\":{{\"coding\":[{{\"system\":\"http://snomed.info/sct\",\"code\":\"430193006\",\"display\":\"Medication Reconciliation (procedure)\"}}],\"text\":\"Medication Reconciliation (procedure)\"}},\"subject\":{{\"reference\":\"Patient/{}\"}},\"encounter\":{{\"reference\":\"Encounter/{}\"}},\"performedPeriod\":{{\"start\":\"{}\",\"end\":\"{}\"}}}}",
            visit.patient, visit.encounter, visit.at, visit.at
        );
    }

    fn immunization(&mut self, random: &mut Random, visit: &Visit) {
        self.begin(random, "Immunization", visit);
        let _ = writeln!(
            self.lines,
            ",\"status\":\"completed\",\"vaccineCode\":{{\"coding\":[{{\"system\":\"http://hl7.org/fhir/sid/cvx\",\"code\":\"140\",\"display\":\"Influenza, seasonal, injectable, preservative free\"}}],\"text\":\"Influenza, seasonal, injectable, preservative free\"}},\"patient\":{{\"reference\":\"Patient/{}\"}},\"encounter\":{{\"reference\":\"Encounter/{}\"}},\"occurrenceDateTime\":\"{}\",\"primarySource\":true}}",
            visit.patient, visit.encounter, visit.at
        );
    }

    fn report(&mut self, random: &mut Random, visit: &Visit) {
        self.begin(random, "DiagnosticReport", visit);
        let result = random.uuid();
        let _ = writeln!(
            self.lines,
            ",\"status\":\"final\",\"category\":[{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/v2-0074\",\"code\":\"LAB\",\"display\":\"Laboratory\"}}]}}],\"code\":{{\"coding\":[{{\"system\":\"http://loinc.org\",\"code\":\"51990-0\",\"display\":\"Basic Metabolic Panel\"}}],\"text\":\"Basic Metabolic Panel\"}},\"subject\":{{\"reference\":\"Patient/{}\"}},\"encounter\":{{\"reference\":\"Encounter/{}\"}},\"effectiveDateTime\":\"{}\",\"issued\":\"{}\",\"result\":[{{\"reference\":\"Observation/{result}\",\"display\":\"Glucose\"}}]}}",
            visit.patient, visit.encounter, visit.at, visit.updated
        );
    }

    fn condition(&mut self, random: &mut Random, visit: &Visit) {
        let (code, display) = CONDITIONS[usize::try_from(random.below(6)).unwrap_or_default()];
        self.begin(random, "Condition", visit);
        // One in twenty is sensitive.
        if random.below(20) == 0 {
            self.lines.pop();
            self.lines.push_str(",\"security\":[{\"system\":\"http://terminology.hl7.org/CodeSystem/v3-ActCode\",\"code\":\"PSY\"}]}");
        }
        let _ = writeln!(
            self.lines,
            ",\"clinicalStatus\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/condition-clinical\",\"code\":\"resolved\"}}]}},\"verificationStatus\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/condition-ver-status\",\"code\":\"confirmed\"}}]}},\"code\":{{\"coding\":[{{\"system\":\"http://snomed.info/sct\",\"code\":\"{code}\",\"display\":\"{display}\"}}],\"text\":\"{display}\"}},\"subject\":{{\"reference\":\"Patient/{}\"}},\"encounter\":{{\"reference\":\"Encounter/{}\"}},\"onsetDateTime\":\"{}\",\"recordedDate\":\"{}\"}}",
            visit.patient, visit.encounter, visit.at, visit.at
        );
    }

    fn care(&mut self, random: &mut Random, visit: &Visit, resource_type: &str) {
        self.begin(random, resource_type, visit);
        let intent = if resource_type == "CarePlan" { ",\"intent\":\"order\"" } else { "" };
        let _ = writeln!(
            self.lines,
            ",\"status\":\"active\"{intent},\"category\":[{{\"coding\":[{{\"system\":\"http://snomed.info/sct\",\"code\":\"384758001\",\"display\":\"Self-care interventions (procedure)\"}}],\"text\":\"Self-care interventions (procedure)\"}}],\"subject\":{{\"reference\":\"Patient/{}\"}},\"encounter\":{{\"reference\":\"Encounter/{}\"}},\"period\":{{\"start\":\"{}\"}}}}",
            visit.patient, visit.encounter, visit.at
        );
    }

    fn allergy(&mut self, random: &mut Random, visit: &Visit) {
        self.begin(random, "AllergyIntolerance", visit);
        let _ = writeln!(
            self.lines,
            ",\"type\":\"allergy\",\"category\":[\"food\"],\"criticality\":\"low\",\"code\":{{\"coding\":[{{\"system\":\"http://snomed.info/sct\",\"code\":\"91935009\",\"display\":\"Allergy to peanuts\"}}],\"text\":\"Allergy to peanuts\"}},\"patient\":{{\"reference\":\"Patient/{}\"}},\"recordedDate\":\"{}\"}}",
            visit.patient, visit.at
        );
    }

    fn imaging(&mut self, random: &mut Random, visit: &Visit) {
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

    fn device(&mut self, random: &mut Random, visit: &Visit) {
        self.begin(random, "Device", visit);
        let _ = writeln!(
            self.lines,
            ",\"status\":\"active\",\"lotNumber\":\"{}\",\"type\":{{\"coding\":[{{\"system\":\"http://snomed.info/sct\",\"code\":\"72506001\",\"display\":\"Implantable defibrillator, device (physical object)\"}}]}},\"patient\":{{\"reference\":\"Patient/{}\"}}}}",
            random.below(1_000_000_000),
            visit.patient
        );
    }

    fn medication(&mut self, random: &mut Random, visit: &Visit, id: &str) {
        let (code, display) = MEDICATIONS[usize::try_from(random.below(4)).unwrap_or_default()];
        self.begin_with(id, "MedicationRequest", visit);
        let _ = writeln!(
            self.lines,
            ",\"status\":\"stopped\",\"intent\":\"order\",\"medicationCodeableConcept\":{{\"coding\":[{{\"system\":\"http://www.nlm.nih.gov/research/umls/rxnorm\",\"code\":\"{code}\",\"display\":\"{display}\"}}],\"text\":\"{display}\"}},\"subject\":{{\"reference\":\"Patient/{}\"}},\"encounter\":{{\"reference\":\"Encounter/{}\"}},\"authoredOn\":\"{}\",\"requester\":{{\"reference\":\"Practitioner/practitioner-{}\",\"display\":\"Dr. Synthetic\"}},\"dosageInstruction\":[{{\"sequence\":1,\"timing\":{{\"repeat\":{{\"frequency\":1,\"period\":1.0,\"periodUnit\":\"d\"}}}},\"asNeededBoolean\":false,\"doseAndRate\":[{{\"doseQuantity\":{{\"value\":1.0}}}}]}}]}}",
            visit.patient, visit.encounter, visit.at, visit.practitioner
        );
    }

    fn claim(&mut self, random: &mut Random, visit: &Visit, prescription: Option<&str>) {
        self.begin(random, "Claim", visit);
        let kind = if prescription.is_some() { "pharmacy" } else { "institutional" };
        let _ = write!(
            self.lines,
            ",\"status\":\"active\",\"type\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/claim-type\",\"code\":\"{kind}\"}}]}},\"use\":\"claim\",\"patient\":{{\"reference\":\"Patient/{}\",\"display\":\"Synthetic patient\"}},\"billablePeriod\":{{\"start\":\"{}\",\"end\":\"{}\"}},\"created\":\"{}\",\"provider\":{{\"reference\":\"Organization/organization-{}\",\"display\":\"Synthetic Clinic\"}},\"priority\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/processpriority\",\"code\":\"normal\"}}]}}",
            visit.patient, visit.at, visit.at, visit.at, visit.organization
        );
        if let Some(prescription) = prescription {
            let _ = write!(
                self.lines,
                ",\"prescription\":{{\"reference\":\"MedicationRequest/{prescription}\"}}"
            );
        }
        let _ = writeln!(
            self.lines,
            ",\"insurance\":[{{\"sequence\":1,\"focal\":true,\"coverage\":{{\"display\":\"Synthetic Insurance\"}}}}],\"item\":[{{\"sequence\":1,\"productOrService\":{{\"coding\":[{{\"system\":\"http://snomed.info/sct\",\"code\":\"185349003\",\"display\":\"Encounter for check up (procedure)\"}}],\"text\":\"Encounter for check up (procedure)\"}},\"encounter\":[{{\"reference\":\"Encounter/{}\"}}]}}],\"total\":{{\"value\":{}.{:02},\"currency\":\"USD\"}}}}",
            visit.encounter,
            random.below(2000),
            random.below(100)
        );
    }

    fn benefit(&mut self, random: &mut Random, visit: &Visit) {
        self.begin(random, "ExplanationOfBenefit", visit);
        let _ = write!(
            self.lines,
            ",\"contained\":[{{\"resourceType\":\"ServiceRequest\",\"id\":\"referral\",\"status\":\"completed\",\"intent\":\"order\",\"subject\":{{\"reference\":\"Patient/{}\"}},\"requester\":{{\"reference\":\"Practitioner/practitioner-{}\"}},\"performer\":[{{\"reference\":\"Practitioner/practitioner-{}\"}}]}},{{\"resourceType\":\"Coverage\",\"id\":\"coverage\",\"status\":\"active\",\"type\":{{\"text\":\"Synthetic Insurance\"}},\"beneficiary\":{{\"reference\":\"Patient/{}\"}},\"payor\":[{{\"display\":\"Synthetic Insurance\"}}]}}],\"identifier\":[{{\"system\":\"https://bluebutton.cms.gov/resources/variables/clm_id\",\"value\":\"{}\"}},{{\"system\":\"https://bluebutton.cms.gov/resources/identifier/claim-group\",\"value\":\"99999999999\"}}],\"status\":\"active\",\"type\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/claim-type\",\"code\":\"professional\"}}]}},\"use\":\"claim\",\"patient\":{{\"reference\":\"Patient/{}\"}},\"billablePeriod\":{{\"start\":\"{}\",\"end\":\"{}\"}},\"created\":\"{}\",\"insurer\":{{\"display\":\"Synthetic Insurance\"}},\"provider\":{{\"reference\":\"Practitioner/practitioner-{}\"}},\"referral\":{{\"reference\":\"#referral\"}},\"outcome\":\"complete\",\"careTeam\":[{{\"sequence\":1,\"provider\":{{\"reference\":\"Practitioner/practitioner-{}\"}},\"role\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/claimcareteamrole\",\"code\":\"primary\",\"display\":\"Primary Care Practitioner\"}}]}}}}],\"insurance\":[{{\"focal\":true,\"coverage\":{{\"reference\":\"#coverage\",\"display\":\"Synthetic Insurance\"}}}}],\"item\":[",
            visit.patient,
            visit.practitioner,
            visit.practitioner,
            visit.patient,
            random.below(10_000_000_000),
            visit.patient,
            visit.at,
            visit.at,
            visit.at,
            visit.practitioner,
            visit.practitioner
        );
        let items = 1 + random.below(3);
        for item in 1..=items {
            let comma = if item == 1 { "" } else { "," };
            let _ = write!(
                self.lines,
                "{comma}{{\"sequence\":{item},\"category\":{{\"coding\":[{{\"system\":\"https://bluebutton.cms.gov/resources/variables/line_cms_type_srvc_cd\",\"code\":\"1\",\"display\":\"Medical care\"}}]}},\"productOrService\":{{\"coding\":[{{\"system\":\"http://snomed.info/sct\",\"code\":\"185349003\",\"display\":\"Encounter for check up (procedure)\"}}],\"text\":\"Encounter for check up (procedure)\"}},\"servicedPeriod\":{{\"start\":\"{}\",\"end\":\"{}\"}},\"locationCodeableConcept\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/ex-serviceplace\",\"code\":\"19\",\"display\":\"Off Campus-Outpatient Hospital\"}}]}},\"net\":{{\"value\":{}.{:02},\"currency\":\"USD\"}},\"adjudication\":[",
                visit.at,
                visit.at,
                random.below(900),
                random.below(100)
            );
            for (index, name) in [
                "line_coinsrnc_amt",
                "line_prvdr_pmt_amt",
                "line_sbmtd_chrg_amt",
                "line_alowd_chrg_amt",
                "line_bene_ptb_ddctbl_amt",
            ]
            .iter()
            .enumerate()
            {
                let comma = if index == 0 { "" } else { "," };
                let _ = write!(
                    self.lines,
                    "{comma}{{\"category\":{{\"coding\":[{{\"system\":\"https://bluebutton.cms.gov/resources/codesystem/adjudication\",\"code\":\"https://bluebutton.cms.gov/resources/variables/{name}\",\"display\":\"Line amount\"}}]}},\"amount\":{{\"value\":{}.{:02},\"currency\":\"USD\"}}}}",
                    random.below(500),
                    random.below(100)
                );
            }
            self.lines.push_str("]}");
        }
        let _ = writeln!(
            self.lines,
            "],\"total\":[{{\"category\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/adjudication\",\"code\":\"submitted\",\"display\":\"Submitted Amount\"}}],\"text\":\"Submitted Amount\"}},\"amount\":{{\"value\":{}.{:02},\"currency\":\"USD\"}}}}],\"payment\":{{\"amount\":{{\"value\":{}.{:02},\"currency\":\"USD\"}}}}}}",
            random.below(1000),
            random.below(100),
            random.below(1000),
            random.below(100)
        );
    }
}
