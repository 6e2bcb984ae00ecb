//! Writes the lines of one synthetic patient. The number of resources of each type is the average of ten Synthea patients.
//!
//! - [`super::observations`], [`super::clinical`] and [`super::billing`]: the lines of each type.
//!
//! JSON is written as text, because this is faster: with values of serde_json 0.1 GB/s were measured, with text 2 to 4 GB/s. The whole
//! generator writes more than 1 GB/s.

use std::fmt::Write;

use super::random::Random;
use super::{ORGANIZATIONS, PRACTITIONERS};

/// Writes patients into one buffer, which is reused for every patient.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) lines: String,
}

pub(super) struct Record<'a> {
    pub(super) id: String,
    pub(super) lines: &'a [u8],
}

/// The values that the resources of one encounter share.
pub(super) struct Visit {
    pub(super) patient: String,
    /// In centimetres.
    pub(super) height: u64,
    /// In tenths of a kilogram.
    pub(super) weight: u64,
    pub(super) encounter: String,
    pub(super) practitioner: u64,
    pub(super) organization: u64,
    /// `YYYY-MM-DDThh:mm:ss-05:00`
    pub(super) at: String,
    pub(super) updated: String,
}

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
    pub(super) fn begin(&mut self, random: &mut Random, resource_type: &str, visit: &Visit) {
        let id = random.uuid();
        self.begin_with(&id, resource_type, visit);
    }

    pub(super) fn begin_with(&mut self, id: &str, resource_type: &str, visit: &Visit) {
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
}
