//! Lakes that are made by a formula: the records of any number of patients, none of which is stored.

use bytes::Bytes;

use super::random::mixed;
use super::s3::Generated;

/// Patients `0` to `patients`, each with one object of records. The same seed makes the same lake.
#[derive(Debug, Clone, Copy)]
pub struct Lake {
    pub patients: u64,
    /// Bytes of a patient's records on average; single ones have between a third of it and five thirds.
    pub mean_bytes: u64,
    /// Practitioners, and organizations, that the records refer to.
    pub shared: u64,
    pub seed: u64,
}

/// Types of a patient's resources, and the share of the bytes that they have, in percent. The patient itself, and what
/// fills its record up, is the rest.
pub const SHARES: [(&str, u64); 15] = [
    ("Observation", 46),
    ("Claim", 10),
    ("ExplanationOfBenefit", 8),
    ("Encounter", 7),
    ("Procedure", 6),
    ("DiagnosticReport", 6),
    ("Condition", 4),
    ("MedicationRequest", 4),
    ("Immunization", 2),
    ("DocumentReference", 2),
    ("CarePlan", 1),
    ("CareTeam", 1),
    ("AllergyIntolerance", 1),
    ("Goal", 1),
    ("Device", 0),
];

impl Lake {
    /// A patient's id: 36 characters, in the order of the numbers.
    pub fn id(&self, number: u64) -> String {
        format!("{number:08x}-0000-4000-8000-{:012x}", mixed(self.seed ^ number) >> 16)
    }

    /// The resources of `shared/`: key and bytes.
    pub fn shared_objects(&self) -> Vec<(&'static str, Bytes)> {
        let lines = |kind: &str| {
            let line = |number: u64| {
                format!("{{\"resourceType\":\"{kind}\",\"id\":\"{number}\",\"active\":true}}\n")
            };
            Bytes::from((0..self.shared).map(line).collect::<String>())
        };
        vec![
            ("shared/Organization.ndjson", lines("Organization")),
            ("shared/Practitioner.ndjson", lines("Practitioner")),
        ]
    }

    /// A line of each type, each with its share of so many bytes where the line has room for it.
    pub fn lines(&self, number: u64, bytes: u64) -> String {
        let (id, random) = (self.id(number), mixed(self.seed.wrapping_add(number)));
        let practitioner = random % self.shared;
        let organization = (random >> 32) % self.shared;
        let mut lines = String::new();
        for (kind, share) in SHARES {
            let line = |filling: &str| {
                format!(
                    "{{\"resourceType\":\"{kind}\",\"id\":\"{kind}-{number}\",\"text\":{{\"div\":\"{filling}\"}},\"subject\":{{\"reference\":\"Patient/{id}\"}},\"performer\":[{{\"reference\":\"Practitioner/{practitioner}\"}},{{\"reference\":\"Organization/{organization}\"}}]}}\n"
                )
            };
            let wanted = usize::try_from(bytes * share / 100).unwrap_or(usize::MAX);
            lines.push_str(&line(&"x".repeat(wanted.saturating_sub(line("").len()))));
        }
        lines
    }
}

impl Generated for Lake {
    fn count(&self) -> u64 {
        self.patients
    }

    fn key(&self, number: u64) -> String {
        format!("Patient/{}/records.ndjson", self.id(number))
    }

    fn size(&self, number: u64) -> u64 {
        let third = self.mean_bytes / 3;
        third + mixed(self.seed.rotate_left(17) ^ number) % (4 * third).max(1)
    }

    /// The lines of each type, and a Patient that fills the rest.
    fn bytes(&self, number: u64) -> Bytes {
        let size = self.size(number);
        let mut text = self.lines(number, size);
        let patient = |filling: &str| {
            format!(
                "{{\"resourceType\":\"Patient\",\"id\":\"{}\",\"text\":{{\"div\":\"{filling}\"}}}}\n",
                self.id(number)
            )
        };
        let (size, least) = (usize::try_from(size).unwrap_or(usize::MAX), text.len() + patient("").len());
        assert!(size >= least, "a record of this lake has at least {least} bytes");
        text.push_str(&patient(&"x".repeat(size - least)));
        text.into()
    }
}
