//! Writes the lines of one synthetic patient. The number of resources of each type is the average of ten Synthea patients.

use std::fmt::Write;

use super::random::Random;
use super::{ORGANIZATIONS, PRACTITIONERS};

/// Writes patients into one buffer, which is used again for every patient.
#[derive(Default)]
pub(super) struct Writer {
    lines: String,
}

pub(super) struct Record<'a> {
    pub(super) id: String,
    pub(super) lines: &'a [u8],
}

/// The values that the resources of one encounter share.
struct Visit {
    patient: String,
    /// In centimetres.
    height: u64,
    /// In tenths of a kilogram.
    weight: u64,
    encounter: String,
    practitioner: u64,
    organization: u64,
    /// `YYYY-MM-DDThh:mm:ss-05:00`
    at: String,
    updated: String,
}

/// A laboratory test.
struct Test {
    code: &'static str,
    display: &'static str,
    unit: &'static str,
    /// The lowest and the highest result, in tenths of the unit.
    tenths: (u64, u64),
}

const TESTS: [Test; 5] = [
    Test { code: "2339-0", display: "Glucose [Mass/volume] in Blood", unit: "mg/dL", tenths: (720, 1180) },
    Test {
        code: "6299-2",
        display: "Urea nitrogen [Mass/volume] in Blood",
        unit: "mg/dL",
        tenths: (80, 190),
    },
    Test { code: "38483-4", display: "Creatinine [Mass/volume] in Blood", unit: "mg/dL", tenths: (6, 13) },
    Test {
        code: "2093-3",
        display: "Cholesterol [Mass/volume] in Serum or Plasma",
        unit: "mg/dL",
        tenths: (1500, 2300),
    },
    Test { code: "4548-4", display: "Hemoglobin A1c/Hemoglobin.total in Blood", unit: "%", tenths: (48, 64) },
];
/// Code, text, and whether the condition stays active.
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
    /// Returns the lines of the patient with this number.
    pub(super) fn record(&mut self, random: &mut Random, number: u64) -> Record<'_> {
        self.lines.clear();
        let id = random.uuid();
        self.patient(random, &id, number);
        let height = 152 + random.below(40);
        // A body mass index between 20 and 30.
        let weight = height * height * (200 + random.below(100)) / 10_000;
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
                height,
                weight: weight - 10 + random.below(20),
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

    /// Writes the resources of an encounter. Their average numbers are those of Synthea, where a patient has 33 encounters.
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
        let mut laboratory = None;
        for _ in 0..observations {
            laboratory = self.observation(random, visit).or(laboratory);
        }
        (0..procedures).for_each(|_| self.procedure(random, visit));
        (0..immunizations).for_each(|_| self.immunization(random, visit));
        (0..reports).for_each(|_| self.report(random, visit, laboratory.as_deref()));
        (0..conditions).for_each(|_| self.condition(random, visit));
        (0..teams).for_each(|_| self.care_team(random, visit));
        (0..plans).for_each(|_| self.care_plan(random, visit));
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
        let (gender, sex) = if random.below(2) == 0 { ("female", "F") } else { ("male", "M") };
        let _ = writeln!(
            self.lines,
            "{{\"resourceType\":\"Patient\",\"id\":\"{id}\",\"meta\":{{\"lastUpdated\":\"2020-05-06T12:00:00.000-05:00\"}},\"text\":{{\"status\":\"generated\",\"div\":\"<div xmlns=\\\"http://www.w3.org/1999/xhtml\\\">Synthetic patient number {number}</div>\"}},\"extension\":[{{\"url\":\"http://hl7.org/fhir/us/core/StructureDefinition/us-core-race\",\"extension\":[{{\"url\":\"ombCategory\",\"valueCoding\":{{\"system\":\"urn:oid:2.16.840.1.113883.6.238\",\"code\":\"2106-3\",\"display\":\"White\"}}}},{{\"url\":\"text\",\"valueString\":\"White\"}}]}},{{\"url\":\"http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity\",\"extension\":[{{\"url\":\"ombCategory\",\"valueCoding\":{{\"system\":\"urn:oid:2.16.840.1.113883.6.238\",\"code\":\"2186-5\",\"display\":\"Not Hispanic or Latino\"}}}},{{\"url\":\"text\",\"valueString\":\"Not Hispanic or Latino\"}}]}},{{\"url\":\"http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex\",\"valueCode\":\"{sex}\"}}],\"identifier\":[{{\"type\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/v2-0203\",\"code\":\"MR\",\"display\":\"Medical record number\"}}],\"text\":\"Medical record number\"}},\"system\":\"http://hospital.example.org\",\"value\":\"{id}\"}}],\"name\":[{{\"use\":\"official\",\"family\":\"{family}{number}\",\"given\":[\"{given}\"]}}],\"telecom\":[{{\"system\":\"phone\",\"value\":\"555-{:03}-{:04}\",\"use\":\"home\"}}],\"gender\":\"{gender}\",\"birthDate\":\"{}-{:02}-{:02}\",\"address\":[{{\"line\":[\"{} Sample Street\"],\"city\":\"{city}\",\"state\":\"MA\",\"postalCode\":\"0{}\",\"country\":\"US\"}}],\"maritalStatus\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus\",\"code\":\"M\",\"display\":\"Married\"}}],\"text\":\"Married\"}},\"communication\":[{{\"language\":{{\"coding\":[{{\"system\":\"urn:ietf:bcp:47\",\"code\":\"en-US\",\"display\":\"English (United States)\"}}],\"text\":\"English (United States)\"}}}}]}}",
            random.below(1000),
            random.below(10_000),
            // The patient is an adult at the first visit.
            1930 + random.below(50),
            1 + random.below(12),
            1 + random.below(28),
            1 + random.below(900),
            1000 + random.below(2000),
        );
    }

    /// Writes the beginning of a resource, `{"resourceType":…,"id":…,"meta":…`, to which members are added.
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
            ",\"identifier\":[{{\"system\":\"http://hospital.example.org/encounters\",\"value\":\"{}\"}}],\"status\":\"finished\",\"class\":{{\"system\":\"http://terminology.hl7.org/CodeSystem/v3-ActCode\",\"code\":\"AMB\",\"display\":\"ambulatory\"}},\"type\":[{{\"coding\":[{{\"system\":\"http://snomed.info/sct\",\"code\":\"185349003\",\"display\":\"Encounter for check up (procedure)\"}}],\"text\":\"Encounter for check up (procedure)\"}}],\"subject\":{{\"reference\":\"Patient/{}\"}},\"participant\":[{{\"type\":[{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/v3-ParticipationType\",\"code\":\"PPRF\",\"display\":\"primary performer\"}}],\"text\":\"primary performer\"}}],\"individual\":{{\"reference\":\"Practitioner/practitioner-{practitioner}\",\"display\":\"Dr. Synthetic\"}}}}],\"period\":{{\"start\":\"{}\",\"end\":\"{}\"}},\"serviceProvider\":{{\"reference\":\"Organization/organization-{organization}\",\"display\":\"Synthetic Clinic {}\"}}}}",
            visit.encounter,
            visit.patient,
            visit.at,
            visit.at,
            random.below(1000)
        );
    }

    /// Writes a vital sign or a laboratory result. Returns the id of a laboratory result.
    fn observation(&mut self, random: &mut Random, visit: &Visit) -> Option<String> {
        let id = random.uuid();
        self.begin_with(&id, "Observation", visit);
        let kind = random.below(9);
        let test = kind.checked_sub(4).and_then(|test| TESTS.get(usize::try_from(test).ok()?));
        let (category, name) = match test {
            Some(_) => ("laboratory", "Laboratory"),
            None => ("vital-signs", "Vital Signs"),
        };
        let _ = write!(
            self.lines,
            ",\"status\":\"final\",\"category\":[{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/observation-category\",\"code\":\"{category}\",\"display\":\"{name}\"}}]}}],\"subject\":{{\"reference\":\"Patient/{}\"}},\"encounter\":{{\"reference\":\"Encounter/{}\"}},\"effectiveDateTime\":\"{}\",\"issued\":\"{}\",\"performer\":[{{\"reference\":\"Practitioner/practitioner-{}\"}}]",
            visit.patient, visit.encounter, visit.at, visit.updated, visit.practitioner
        );
        match (test, kind) {
            (Some(test), _) => {
                let (low, high) = test.tenths;
                let value = low + random.below(high - low + 1);
                self.measured(test.code, test.display, test.unit, value);
            }
            (None, 0) => self.measured("8302-2", "Body height", "cm", visit.height * 10),
            (None, 1) => self.measured("29463-7", "Body weight", "kg", visit.weight),
            (None, 2) => {
                let index = visit.weight * 10_000 / (visit.height * visit.height);
                self.measured("39156-5", "Body mass index (BMI) [Ratio]", "kg/m2", index);
            }
            (None, _) => self.blood_pressure(random),
        }
        self.lines.push_str("}\n");
        test.map(|_| id)
    }

    /// Writes a code and its value, which is given in tenths of the unit.
    fn measured(&mut self, code: &str, display: &str, unit: &str, tenths: u64) {
        let _ = write!(
            self.lines,
            ",\"code\":{{\"coding\":[{{\"system\":\"http://loinc.org\",\"code\":\"{code}\",\"display\":\"{display}\"}}],\"text\":\"{display}\"}},\"valueQuantity\":{{\"value\":{}.{},\"unit\":\"{unit}\",\"system\":\"http://unitsofmeasure.org\",\"code\":\"{unit}\"}}",
            tenths / 10,
            tenths % 10
        );
    }

    fn blood_pressure(&mut self, random: &mut Random) {
        self.lines.push_str(",\"code\":{\"coding\":[{\"system\":\"http://loinc.org\",\"code\":\"85354-9\",\"display\":\"Blood pressure panel with all children optional\"}],\"text\":\"Blood pressure\"},\"component\":[");
        let parts = [
            ("8480-6", "Systolic blood pressure", 104 + random.below(34)),
            ("8462-4", "Diastolic blood pressure", 64 + random.below(22)),
        ];
        for (index, (code, display, value)) in parts.into_iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(
                self.lines,
                "{comma}{{\"code\":{{\"coding\":[{{\"system\":\"http://loinc.org\",\"code\":\"{code}\",\"display\":\"{display}\"}}]}},\"valueQuantity\":{{\"value\":{value},\"unit\":\"mmHg\",\"system\":\"http://unitsofmeasure.org\",\"code\":\"mm[Hg]\"}}}}"
            );
        }
        self.lines.push(']');
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

    fn report(&mut self, random: &mut Random, visit: &Visit, result: Option<&str>) {
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

    fn condition(&mut self, random: &mut Random, visit: &Visit) {
        let (code, display, stays) = CONDITIONS[usize::try_from(random.below(6)).unwrap_or_default()];
        self.begin(random, "Condition", visit);
        // One in twenty is sensitive.
        if random.below(20) == 0 {
            self.lines.pop();
            self.lines.push_str(",\"security\":[{\"system\":\"http://terminology.hl7.org/CodeSystem/v3-ActCode\",\"code\":\"PSY\"}]}");
        }
        let status = if stays { "active" } else { "resolved" };
        let _ = write!(
            self.lines,
            ",\"clinicalStatus\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/condition-clinical\",\"code\":\"{status}\"}}]}},\"verificationStatus\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/condition-ver-status\",\"code\":\"confirmed\"}}]}},\"category\":[{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/condition-category\",\"code\":\"encounter-diagnosis\",\"display\":\"Encounter Diagnosis\"}}]}}],\"code\":{{\"coding\":[{{\"system\":\"http://snomed.info/sct\",\"code\":\"{code}\",\"display\":\"{display}\"}}],\"text\":\"{display}\"}},\"subject\":{{\"reference\":\"Patient/{}\"}},\"encounter\":{{\"reference\":\"Encounter/{}\"}},\"onsetDateTime\":\"{}\",\"recordedDate\":\"{}\"",
            visit.patient, visit.encounter, visit.at, visit.at
        );
        if !stays {
            let _ = write!(self.lines, ",\"abatementDateTime\":\"{}\"", visit.at);
        }
        self.lines.push_str("}\n");
    }

    fn care_team(&mut self, random: &mut Random, visit: &Visit) {
        self.begin(random, "CareTeam", visit);
        let _ = writeln!(
            self.lines,
            ",\"status\":\"active\",\"subject\":{{\"reference\":\"Patient/{}\"}},\"encounter\":{{\"reference\":\"Encounter/{}\"}},\"period\":{{\"start\":\"{}\"}},\"participant\":[{{\"role\":[{ROLE}],\"member\":{{\"reference\":\"Practitioner/practitioner-{}\"}}}}]}}",
            visit.patient, visit.encounter, visit.at, visit.practitioner
        );
    }

    fn care_plan(&mut self, random: &mut Random, visit: &Visit) {
        self.begin(random, "CarePlan", visit);
        let _ = writeln!(
            self.lines,
            ",\"text\":{{\"status\":\"generated\",\"div\":\"<div xmlns=\\\"http://www.w3.org/1999/xhtml\\\">Self-care</div>\"}},\"status\":\"active\",\"intent\":\"plan\",\"category\":[{{\"coding\":[{{\"system\":\"http://hl7.org/fhir/us/core/CodeSystem/careplan-category\",\"code\":\"assess-plan\",\"display\":\"Assessment and Plan of Treatment\"}}]}}],\"subject\":{{\"reference\":\"Patient/{}\"}},\"encounter\":{{\"reference\":\"Encounter/{}\"}},\"period\":{{\"start\":\"{}\"}}}}",
            visit.patient, visit.encounter, visit.at
        );
    }

    fn allergy(&mut self, random: &mut Random, visit: &Visit) {
        self.begin(random, "AllergyIntolerance", visit);
        let _ = writeln!(
            self.lines,
            ",\"clinicalStatus\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical\",\"code\":\"active\"}}]}},\"verificationStatus\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/allergyintolerance-verification\",\"code\":\"confirmed\"}}]}},\"type\":\"allergy\",\"category\":[\"food\"],\"criticality\":\"low\",\"code\":{{\"coding\":[{{\"system\":\"http://snomed.info/sct\",\"code\":\"91935009\",\"display\":\"Allergy to peanuts\"}}],\"text\":\"Allergy to peanuts\"}},\"patient\":{{\"reference\":\"Patient/{}\"}},\"recordedDate\":\"{}\",\"reaction\":[{{\"manifestation\":[{{\"coding\":[{{\"system\":\"http://snomed.info/sct\",\"code\":\"247472004\",\"display\":\"Wheal (finding)\"}}],\"text\":\"Wheal (finding)\"}}]}}]}}",
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
            ",\"udiCarrier\":[{{\"deviceIdentifier\":\"{:014}\"}}],\"status\":\"active\",\"lotNumber\":\"{}\",\"type\":{{\"coding\":[{{\"system\":\"http://snomed.info/sct\",\"code\":\"72506001\",\"display\":\"Implantable defibrillator, device (physical object)\"}}]}},\"patient\":{{\"reference\":\"Patient/{}\"}}}}",
            random.below(100_000_000_000),
            random.below(1_000_000_000),
            visit.patient
        );
    }

    fn medication(&mut self, random: &mut Random, visit: &Visit, id: &str) {
        let (code, display) = MEDICATIONS[usize::try_from(random.below(4)).unwrap_or_default()];
        self.begin_with(id, "MedicationRequest", visit);
        let _ = writeln!(
            self.lines,
            ",\"status\":\"stopped\",\"intent\":\"order\",\"reportedBoolean\":false,\"medicationCodeableConcept\":{{\"coding\":[{{\"system\":\"http://www.nlm.nih.gov/research/umls/rxnorm\",\"code\":\"{code}\",\"display\":\"{display}\"}}],\"text\":\"{display}\"}},\"subject\":{{\"reference\":\"Patient/{}\"}},\"encounter\":{{\"reference\":\"Encounter/{}\"}},\"authoredOn\":\"{}\",\"requester\":{{\"reference\":\"Practitioner/practitioner-{}\",\"display\":\"Dr. Synthetic\"}},\"dosageInstruction\":[{{\"sequence\":1,\"text\":\"One a day\",\"timing\":{{\"repeat\":{{\"frequency\":1,\"period\":1.0,\"periodUnit\":\"d\"}}}},\"asNeededBoolean\":false,\"doseAndRate\":[{{\"doseQuantity\":{{\"value\":1.0}}}}]}}]}}",
            visit.patient, visit.encounter, visit.at, visit.practitioner
        );
    }

    fn claim(&mut self, random: &mut Random, visit: &Visit, prescription: Option<&str>) {
        self.begin(random, "Claim", visit);
        let kind = if prescription.is_some() { "pharmacy" } else { "institutional" };
        let _ = write!(
            self.lines,
            ",\"status\":\"active\",\"type\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/claim-type\",\"code\":\"{kind}\"}}]}},\"use\":\"claim\",\"patient\":{{\"reference\":\"Patient/{}\"}},\"billablePeriod\":{{\"start\":\"{}\",\"end\":\"{}\"}},\"created\":\"{}\",\"provider\":{{\"reference\":\"Organization/organization-{}\"}},\"priority\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/processpriority\",\"code\":\"normal\"}}]}}",
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
