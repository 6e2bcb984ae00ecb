//! The loader.

use std::path::Path;

use ehi::load::{Loaded, load};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use tests::{json_lines, reference};

fn loaded(inputs: &[(&str, String)], into: &Path) -> Loaded {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, text) in inputs {
        std::fs::write(directory.path().join(name), text).expect("written");
    }
    load(&[directory.path().to_owned()], into, &ProgressBar::hidden()).expect("loaded")
}

fn lines(resources: &[Value]) -> String {
    resources.iter().map(|resource| resource.to_string() + "\n").collect()
}

fn of(lake: &Path, path: &str) -> Vec<String> {
    let path = lake.join(path);
    if path.exists() { json_lines(&path).iter().map(reference).collect() } else { Vec::new() }
}

#[test]
fn bulk_files_by_type_become_a_prefix_for_each_patient() {
    let lake = tempfile::tempdir().expect("a directory");
    let loaded = loaded(
        &[
            (
                "Patient.ndjson",
                lines(&[
                    json!({"resourceType":"Patient","id":"a"}),
                    json!({"resourceType":"Patient","id":"b"}),
                ]),
            ),
            (
                "Observation.ndjson",
                lines(&[
                    json!({"resourceType":"Observation","id":"1","subject":{"reference":"Patient/a"}}),
                    json!({"resourceType":"Observation","id":"2","subject":{"reference":"http://h/fhir/Patient/b"}}),
                    json!({"resourceType":"Observation","id":"3","subject":{"reference":"Group/g"}}),
                ]),
            ),
            // In two compartments; in none; a device that is a patient's; and one that follows its target.
            (
                "Appointment.ndjson",
                lines(&[
                    json!({"resourceType":"Appointment","id":"1","participant":[{"actor":{"reference":"Patient/a"}},{"actor":{"reference":"Patient/b"}}]}),
                ]),
            ),
            ("Practitioner.ndjson", lines(&[json!({"resourceType":"Practitioner","id":"p"})])),
            (
                "Device.ndjson",
                lines(&[
                    json!({"resourceType":"Device","id":"d","patient":{"reference":"Patient/b"}}),
                    json!({"resourceType":"Device","id":"x"}),
                ]),
            ),
            (
                "Provenance.ndjson",
                lines(&[
                    json!({"resourceType":"Provenance","id":"v","target":[{"reference":"Observation/1"}]}),
                ]),
            ),
            ("Binary.ndjson", lines(&[json!({"resourceType":"Binary","id":"bin","data":"aGk="})])),
            (
                "DocumentReference.ndjson",
                lines(&[
                    json!({"resourceType":"DocumentReference","id":"dr","subject":{"reference":"Patient/a"},"content":[{"attachment":{"url":"Binary/bin"}}]}),
                ]),
            ),
            (
                "Group.json",
                json!({"resourceType":"Group","id":"g","member":[{"entity":{"reference":"Patient/a"}}]})
                    .to_string(),
            ),
        ],
        lake.path(),
    );
    assert_eq!(loaded.problems, Vec::<String>::new());
    assert_eq!((loaded.patients, loaded.groups), (2, 1));
    let a = of(lake.path(), "Patient/a/records.ndjson");
    assert_eq!(
        a,
        ["Patient/a", "Appointment/1", "Binary/bin", "DocumentReference/dr", "Observation/1", "Provenance/v"]
    );
    assert_eq!(
        of(lake.path(), "Patient/b/records.ndjson"),
        ["Patient/b", "Appointment/1", "Device/d", "Observation/2"]
    );
    assert_eq!(of(lake.path(), "shared/Practitioner.ndjson"), ["Practitioner/p"]);
    assert_eq!(of(lake.path(), "shared/Device.ndjson"), ["Device/x"]);
    assert_eq!(of(lake.path(), "shared/Observation.ndjson"), ["Observation/3"]);
    assert_eq!(of(lake.path(), "Group/g.json"), ["Group/g"]);
    let left: Vec<_> = std::fs::read_dir(lake.path())
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(left.len(), 3, "the scratch is gone: {left:?}");
}

fn bundle(kind: &str, entries: &[Value]) -> Value {
    json!({ "resourceType": "Bundle", "type": kind, "entry": entries })
}

#[test]
fn bundles_are_resolved_whatever_their_order() {
    let lake = tempfile::tempdir().expect("a directory");
    // The references come before what they mean, in another file even.
    let clinical = bundle(
        "transaction",
        &[
            json!({ "fullUrl": "urn:uuid:22222222-2222-4222-8222-222222222222", "resource": { "resourceType": "Observation", "subject": { "reference": "urn:uuid:1" }, "performer": [{ "reference": "urn:uuid:p" }], "value": 1.50 } }),
            json!({ "request": { "method": "DELETE", "url": "Patient/x" } }),
        ],
    );
    let people = bundle(
        "searchset",
        &[
            json!({ "fullUrl": "urn:uuid:1", "resource": { "resourceType": "Patient", "id": "a" } }),
            json!({ "fullUrl": "urn:uuid:p", "resource": { "resourceType": "Practitioner", "id": "dr" } }),
        ],
    );
    let inputs =
        [("a.json", serde_json::to_string_pretty(&clinical).expect("JSON")), ("b.json", people.to_string())];
    let loaded = loaded(&inputs, lake.path());
    assert_eq!(loaded.problems, Vec::<String>::new());
    let text = std::fs::read_to_string(lake.path().join("Patient/a/records.ndjson")).expect("a file");
    assert!(
        text.contains(r#"{"reference":"Patient/a"}"#) && text.contains(r#"{"reference":"Practitioner/dr"}"#),
        "{text}"
    );
    assert!(
        text.contains(r#"{"id":"22222222-2222-4222-8222-222222222222","resourceType":"Observation""#),
        "{text}"
    );
    assert!(text.contains("1.5"), "{text}");
}

#[test]
fn of_duplicates_the_newest_stays_and_loading_twice_changes_nothing() {
    let lake = tempfile::tempdir().expect("a directory");
    let version = |at: &str, note: &str| json!({"resourceType":"Patient","id":"a","meta":{"lastUpdated":at},"note":note});
    let newest = version("2024-01-01T00:00:00Z", "newest");
    let inputs = [
        ("1.ndjson", lines(&[newest.clone(), version("2023-12-31T23:00:00-02:00", "one hour newer still")])),
        ("2.ndjson", lines(&[version("2020-01-01T00:00:00Z", "old")])),
    ];
    loaded(&inputs, lake.path());
    let read = || std::fs::read_to_string(lake.path().join("Patient/a/records.ndjson")).expect("a file");
    assert!(read().contains("one hour newer still") && read().lines().count() == 1);
    let before = read();
    loaded(&inputs, lake.path());
    assert_eq!(read(), before);
    // Another load adds to what is there, and an older version does not replace it.
    let more = lines(&[
        version("2021-01-01T00:00:00Z", "older"),
        json!({"resourceType":"Claim","id":"c","patient":{"reference":"Patient/a"}}),
    ]);
    loaded(&[("3.ndjson", more)], lake.path());
    assert!(read().contains("one hour newer still"));
    assert_eq!(of(lake.path(), "Patient/a/records.ndjson"), ["Patient/a", "Claim/c"]);
}

#[test]
fn what_cannot_be_used_is_reported_and_the_rest_is_loaded() {
    let lake = tempfile::tempdir().expect("a directory");
    let text = "{\"resourceType\":\"Patient\",\"id\":\"a\"}\nnonsense\n{\"id\":\"x\"}\n{\"resourceType\":\"Claim\"}\n{\"resourceType\":\"Claim\",\"id\":\"a/b\"}\n";
    let broken = "{\"resourceType\":\"Bundle\",\"entry\":[{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"b\"}},\n{\"resource\":";
    let loaded = loaded(&[("bad.ndjson", text.to_owned()), ("broken.json", broken.to_owned())], lake.path());
    assert_eq!(loaded.patients, 2);
    let expected = [
        ("bad.ndjson:2:", "not JSON"),
        ("bad.ndjson:3:", "resourceType"),
        ("bad.ndjson:4:", "without id"),
        ("bad.ndjson:5:", "without id"),
        ("broken.json:", "breaks off"),
    ];
    assert_eq!(loaded.problems.len(), expected.len(), "{:#?}", loaded.problems);
    for (problem, (place, reason)) in loaded.problems.iter().zip(expected) {
        assert!(problem.contains(place) && problem.contains(reason), "{problem}");
    }
}

#[test]
fn compressed_files_are_read() {
    use std::process::{Command, Stdio};

    let lake = tempfile::tempdir().expect("a directory");
    let input = tempfile::tempdir().expect("a directory");
    let path = input.path().join("Patient.ndjson");
    std::fs::write(&path, lines(&[json!({"resourceType":"Patient","id":"a"})])).expect("written");
    let gzip = Command::new("gzip").arg(&path).stdout(Stdio::null()).status();
    assert!(gzip.expect("gzip is there").success());
    let loaded = load(&[input.path().to_owned()], lake.path(), &ProgressBar::hidden()).expect("loaded");
    assert_eq!(loaded.patients, 1);
}
