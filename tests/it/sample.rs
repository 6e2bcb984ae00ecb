//! The sample generator.

use std::collections::BTreeMap;
use std::path::Path;

use indicatif::ProgressBar;
use tests::json_lines;

fn sample(patients: u64, seed: u64) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    ehi::sample::write(patients, seed, directory.path(), &ProgressBar::hidden()).expect("a sample");
    directory
}

/// Every file and its bytes.
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
fn the_same_seed_gives_the_same_bytes_and_another_gives_others() {
    assert_eq!(bytes(sample(5, 1).path()), bytes(sample(5, 1).path()));
    assert_ne!(bytes(sample(5, 1).path()), bytes(sample(5, 2).path()));
}

#[test]
fn patients_are_shaped_like_synthea() {
    let directory = sample(60, 1);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut size = 0;
    for entry in std::fs::read_dir(directory.path().join("Patient")).expect("patients") {
        let path = entry.expect("an entry").path().join("records.ndjson");
        size += std::fs::metadata(&path).expect("a file").len();
        for resource in json_lines(&path) {
            *counts.entry(tests::text(&resource["resourceType"])).or_default() += 1;
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
}
