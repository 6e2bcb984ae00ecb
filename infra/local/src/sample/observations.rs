//! Writes observations: body measures, blood pressure and laboratory results.

use std::fmt::Write;

use super::patient::{Visit, Writer};
use super::random::Random;

/// A laboratory test, with the range of its values in tenths of the unit.
struct Test {
    code: &'static str,
    display: &'static str,
    unit: &'static str,
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

impl Writer {
    /// Writes a vital sign or a laboratory result. Returns the id of a laboratory result.
    pub(super) fn observation(&mut self, random: &mut Random, visit: &Visit) -> Option<String> {
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
    pub(super) fn measured(&mut self, code: &str, display: &str, unit: &str, tenths: u64) {
        let _ = write!(
            self.lines,
            ",\"code\":{{\"coding\":[{{\"system\":\"http://loinc.org\",\"code\":\"{code}\",\"display\":\"{display}\"}}],\"text\":\"{display}\"}},\"valueQuantity\":{{\"value\":{}.{},\"unit\":\"{unit}\",\"system\":\"http://unitsofmeasure.org\",\"code\":\"{unit}\"}}",
            tenths / 10,
            tenths % 10
        );
    }

    pub(super) fn blood_pressure(&mut self, random: &mut Random) {
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
}
