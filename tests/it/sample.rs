//! The generator of sample records.

use std::collections::BTreeMap;
use std::path::Path;

use indicatif::ProgressBar;
use serde_json::Value;
use tests::{json_lines, reference, text};

fn sample(patients: u64, seed: u64) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    ehi::sample::write(patients, seed, directory.path(), &ProgressBar::hidden()).expect("a sample");
    directory
}

/// Returns every file and its bytes.
fn bytes(below: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(below).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(bytes(&path).into_iter().map(|(inside, bytes)| (format!("{name}/{inside}"), bytes)));
        } else {
            found.insert(name, std::fs::read(&path).expect("a file"));
        }
    }
    found
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_gives_others() {
    assert_eq!(bytes(sample(5, 1).path()), bytes(sample(5, 1).path()));
    assert_ne!(bytes(sample(5, 1).path()), bytes(sample(5, 2).path()));
}

#[test]
fn patients_are_shaped_like_synthea() -> tests::Result {
    let directory = sample(60, 1);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut size = 0;
    for entry in std::fs::read_dir(directory.path().join("Patient")).expect("patients") {
        let path = entry?.path().join("records.ndjson");
        size += std::fs::metadata(&path)?.len();
        for resource in json_lines(&path) {
            *counts.entry(text(&resource["resourceType"])).or_default() += 1;
        }
    }
    let average = |count: usize| count / 60;
    let all: usize = counts.values().sum();
    assert!((340..=420).contains(&average(all)), "{} resources a patient", average(all));
    assert!((420_000..=520_000).contains(&(size / 60)), "{} bytes a patient", size / 60);
    for (resource_type, expected) in [
        ("Observation", 137),
        ("Claim", 74),
        ("MedicationRequest", 40),
        ("Encounter", 33),
        ("ExplanationOfBenefit", 33),
        ("Procedure", 22),
        ("Immunization", 12),
    ] {
        let found = average(counts[resource_type]);
        assert!(
            found.abs_diff(expected) * 5 <= expected,
            "{found} {resource_type} a patient, Synthea has {expected}"
        );
    }
    Ok(())
}

/// Returns the resources of a lake, including Groups.
fn resources(lake: &Path) -> Vec<Value> {
    let mut found = Vec::new();
    // The index of patients has no resources.
    for (name, bytes) in bytes(lake).into_iter().filter(|(name, _)| !name.starts_with("index/")) {
        let mut text = String::new();
        match name.rsplit('.').next() {
            Some("gz") => {
                let mut plain = flate2::read::GzDecoder::new(&bytes[..]);
                std::io::Read::read_to_string(&mut plain, &mut text).expect("text");
            }
            Some("json" | "ndjson") => text = String::from_utf8(bytes).expect("text"),
            _ => continue,
        }
        let values = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
        found.extend(values.map(|value| value.expect("JSON")));
    }
    found
}

/// Returns both samples, each with a name.
pub(crate) fn samples() -> Vec<(&'static str, Vec<Value>)> {
    vec![
        ("shipped", resources(&ehi::defaults::sample_records())),
        ("`ehi sample`", resources(sample(12, 1).path())),
    ]
}

fn code(concept: &Value) -> &str {
    concept["coding"][0]["code"].as_str().unwrap_or_default()
}

/// LOINC code, unit, and the plausible range of values for an adult who is not in hospital.
const PLAUSIBLE: [(&str, &str, f64, f64); 12] = [
    ("8302-2", "cm", 145.0, 205.0),
    ("29463-7", "kg", 40.0, 130.0),
    ("39156-5", "kg/m2", 17.0, 35.0),
    ("8867-4", "/min", 50.0, 100.0),
    ("8480-6", "mm[Hg]", 90.0, 150.0),
    ("8462-4", "mm[Hg]", 55.0, 95.0),
    ("2339-0", "mg/dL", 65.0, 140.0),
    ("6299-2", "mg/dL", 6.0, 24.0),
    ("38483-4", "mg/dL", 0.5, 1.4),
    ("2093-3", "mg/dL", 120.0, 260.0),
    ("4548-4", "%", 4.0, 7.0),
    ("2160-0", "mg/dL", 0.5, 1.4),
];

#[test]
fn values_are_plausible_for_their_codes() {
    for (name, resources) in samples() {
        let mut measured = 0;
        for resource in resources.iter().filter(|resource| resource["resourceType"] == "Observation") {
            let parts = resource["component"].as_array().cloned().unwrap_or_else(|| vec![resource.clone()]);
            for part in parts.iter().filter(|part| part["valueQuantity"].is_object()) {
                let (code, quantity) = (code(&part["code"]), &part["valueQuantity"]);
                let known = PLAUSIBLE.iter().find(|(known, ..)| *known == code);
                let (_, unit, low, high) = known.unwrap_or_else(|| panic!("{name}: no range for {code}"));
                let value = quantity["value"].as_f64().expect("a number");
                assert!((*low..=*high).contains(&value), "{name}: {code} is {value} {unit}");
                assert_eq!(quantity["code"], *unit, "{name}: {code}");
                assert_eq!(quantity["system"], "http://unitsofmeasure.org");
                measured += 1;
            }
        }
        assert!(measured > 100, "{name}: {measured} values");
    }
}

#[test]
fn nothing_happens_before_birth_and_the_height_of_an_adult_is_constant() {
    for (name, resources) in samples() {
        let of = |resource: &Value| text(&resource["subject"]["reference"]);
        let births: BTreeMap<_, _> = resources
            .iter()
            .filter(|resource| resource["resourceType"] == "Patient")
            .map(|patient| (reference(patient), text(&patient["birthDate"])))
            .collect();
        let mut heights: BTreeMap<String, f64> = BTreeMap::new();
        for resource in &resources {
            if resource["resourceType"] == "Encounter" {
                assert!(text(&resource["period"]["start"]) > births[&of(resource)], "{name}: {resource}");
            }
            if code(&resource["code"]) == "8302-2" {
                let height = resource["valueQuantity"]["value"].as_f64().expect("a height");
                let first = *heights.entry(of(resource)).or_insert(height);
                assert!((first - height).abs() < 3.0, "{name}: an adult of {first} and {height} cm");
            }
        }
    }
}

#[test]
fn the_invariants_of_r4_hold() {
    for (name, resources) in samples() {
        for resource in &resources {
            let has = |member: &str| !resource[member].is_null();
            let wrong = |invariant: &str| panic!("{name}: {invariant}: {resource}");
            match resource["resourceType"].as_str().expect("a type") {
                "AllergyIntolerance" => {
                    let in_error = code(&resource["verificationStatus"]) == "entered-in-error";
                    if in_error == has("clinicalStatus") {
                        wrong("ait-1 and ait-2: a clinical status unless entered in error");
                    }
                }
                "Condition" => {
                    let clinical = code(&resource["clinicalStatus"]);
                    if ["abatementDateTime", "abatementPeriod"].iter().any(|abated| has(abated))
                        && !["inactive", "resolved", "remission"].contains(&clinical)
                    {
                        wrong("con-4: what has abated is inactive, resolved or in remission");
                    }
                    if clinical.is_empty() {
                        wrong("con-3: a problem has a clinical status");
                    }
                }
                "Observation" => {
                    let has_value =
                        resource.as_object().expect("an object").keys().any(|key| key.starts_with("value"));
                    if has("dataAbsentReason") && has_value {
                        wrong("obs-6: a value, or the reason why there is none");
                    }
                    if !has_value && !has("component") {
                        wrong("us-core-2: a value, components or a reason");
                    }
                }
                "Provenance" if resource["agent"][0]["who"].is_null() => wrong("an agent is somebody"),
                "Organization" if !has("identifier") && !has("name") => {
                    wrong("org-1: an identifier or a name");
                }
                _ => {}
            }
        }
    }
}

/// The elements that US Core 6.1 requires or supports and the certification suites check, by type.
const EXPECTED: [(&str, &[&str]); 17] = [
    (
        "Patient",
        &["identifier", "name", "gender", "birthDate", "address", "telecom", "communication", "extension"],
    ),
    (
        "Encounter",
        &["identifier", "status", "class", "type", "subject", "participant", "period", "serviceProvider"],
    ),
    ("Observation", &["status", "category", "code", "subject", "effectiveDateTime", "performer"]),
    (
        "DiagnosticReport",
        &["status", "category", "code", "subject", "effectiveDateTime", "issued", "performer"],
    ),
    (
        "Condition",
        &[
            "clinicalStatus",
            "verificationStatus",
            "category",
            "code",
            "subject",
            "onsetDateTime",
            "recordedDate",
        ],
    ),
    ("AllergyIntolerance", &["clinicalStatus", "verificationStatus", "code", "patient", "reaction"]),
    (
        "MedicationRequest",
        &["status", "intent", "reportedBoolean", "subject", "authoredOn", "requester", "dosageInstruction"],
    ),
    ("Procedure", &["status", "code", "subject"]),
    ("Immunization", &["status", "vaccineCode", "patient", "occurrenceDateTime", "primarySource"]),
    ("CarePlan", &["text", "status", "intent", "category", "subject"]),
    ("CareTeam", &["status", "subject", "participant"]),
    ("Device", &["udiCarrier", "type", "patient"]),
    ("Goal", &["lifecycleStatus", "description", "subject", "target"]),
    (
        "Coverage",
        &["identifier", "type", "subscriberId", "beneficiary", "relationship", "period", "payor", "class"],
    ),
    (
        "DocumentReference",
        &["identifier", "status", "type", "category", "subject", "date", "author", "content"],
    ),
    ("Practitioner", &["identifier", "name", "telecom", "address"]),
    ("Organization", &["identifier", "active", "name", "telecom", "address"]),
];

#[test]
fn resources_have_the_elements_that_us_core_expects() {
    for (name, resources) in samples() {
        for resource in &resources {
            let expected = EXPECTED.iter().find(|(known, _)| resource["resourceType"] == *known);
            for element in expected.map(|(_, elements)| *elements).unwrap_or_default() {
                assert!(!resource[*element].is_null(), "{name}: {} has no {element}", reference(resource));
            }
            if resource["resourceType"] == "CareTeam" {
                assert!(!resource["participant"][0]["role"].is_null(), "{name}: a participant has a role");
            }
            for identifier in resource["identifier"].as_array().into_iter().flatten() {
                if identifier["system"] == "http://hl7.org/fhir/sid/us-npi" {
                    assert!(is_provider_identifier(&text(&identifier["value"])), "{name}: {identifier}");
                }
            }
        }
    }
}

/// Returns whether the text has ten digits that pass Luhn's check after the prefix 80840.
fn is_provider_identifier(text: &str) -> bool {
    let digits = format!("80840{text}");
    let sum: u32 = digits
        .chars()
        .rev()
        .enumerate()
        .filter_map(|(index, digit)| Some((index, digit.to_digit(10)?)))
        .map(|(index, digit)| if index % 2 == 1 { digit * 2 / 10 + digit * 2 % 10 } else { digit })
        .sum();
    text.len() == 10 && sum.is_multiple_of(10)
}

#[test]
fn every_reference_has_its_target() {
    for (name, resources) in samples() {
        let there: std::collections::BTreeSet<_> = resources.iter().map(reference).collect();
        for resource in &resources {
            let line = resource.to_string();
            fhir::references::references(line.as_bytes(), |found| {
                assert!(
                    there.contains(found.text),
                    "{name}: {} refers to {}",
                    reference(resource),
                    found.text
                );
            });
        }
    }
}

#[test]
fn the_program_contains_the_shipped_sample() {
    let records = ehi::defaults::Records::open(None).expect("the sample");
    assert_eq!(bytes(records.path()), bytes(&ehi::defaults::sample_records()));
    assert_eq!(records.some_patient().as_deref(), Some(tests::ANNA));
    let path = records.path().to_owned();
    drop(records);
    assert!(!path.exists(), "the directory is removed with its owner");
}
