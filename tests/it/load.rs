//! The loader: `ehi load`.

mod binaries;
mod bucket;
mod deletions;
mod history;
mod locked;
mod many;
mod moved;
mod obvious;
mod stopped;
mod subjects;
mod unmatched;

use std::path::Path;

use ehi::load::{Loaded, load};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use tests::{json_lines, reference, text};

/// Returns a version of an Observation, of this day.
fn observation(id: &str, patient: &str, day: u32) -> Value {
    json!({ "resourceType": "Observation", "id": id, "meta": { "lastUpdated": format!("2026-01-{day:02}T00:00:00Z") },
        "subject": { "reference": format!("Patient/{patient}") } })
}

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

/// Returns files with all resources of a type, as a bulk export has them.
fn files_by_type() -> [(&'static str, String); 9] {
    [
        (
            "Patient.ndjson",
            lines(&[json!({"resourceType":"Patient","id":"a"}), json!({"resourceType":"Patient","id":"b"})]),
        ),
        (
            "Observation.ndjson",
            lines(&[
                json!({"resourceType":"Observation","id":"1","subject":{"reference":"Patient/a"}}),
                json!({"resourceType":"Observation","id":"2","subject":{"reference":"http://h/fhir/Patient/b"}}),
                json!({"resourceType":"Observation","id":"3","subject":{"reference":"Group/g"}}),
            ]),
        ),
        // An Appointment in two compartments, a Practitioner in none, a Device of a patient, and a Provenance that is stored with its
        // target.
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
            lines(&[json!({"resourceType":"Provenance","id":"v","target":[{"reference":"Observation/1"}]})]),
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
    ]
}

#[test]
fn bulk_files_by_type_become_a_directory_for_each_patient() -> tests::Result {
    let lake = tempfile::tempdir()?;
    let loaded = loaded(&files_by_type(), lake.path());
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
    let left: Vec<_> =
        std::fs::read_dir(lake.path())?.map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(left.len(), 4, "the temporary directory is removed: {left:?}");
    Ok(())
}

fn bundle(kind: &str, entries: &[Value]) -> Value {
    json!({ "resourceType": "Bundle", "type": kind, "entry": entries })
}

#[test]
fn bundles_are_resolved_in_any_order() -> tests::Result {
    let lake = tempfile::tempdir()?;
    // The references come before their targets, and even in another file.
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
    let inputs = [("a.json", serde_json::to_string_pretty(&clinical)?), ("b.json", people.to_string())];
    let loaded = loaded(&inputs, lake.path());
    assert_eq!(loaded.problems, Vec::<String>::new());
    let text = std::fs::read_to_string(lake.path().join("Patient/a/records.ndjson"))?;
    assert!(
        text.contains(r#"{"reference":"Patient/a"}"#) && text.contains(r#"{"reference":"Practitioner/dr"}"#),
        "{text}"
    );
    assert!(
        text.contains(r#"{"id":"22222222-2222-4222-8222-222222222222","resourceType":"Observation""#),
        "{text}"
    );
    assert!(text.contains("1.5"), "{text}");
    Ok(())
}

#[test]
fn the_newest_duplicate_is_kept_and_loading_twice_changes_nothing() -> tests::Result {
    let lake = tempfile::tempdir()?;
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
    // Another load adds to the existing records, and an older version does not replace a newer one.
    let more = lines(&[
        version("2021-01-01T00:00:00Z", "older"),
        json!({"resourceType":"Claim","id":"c","patient":{"reference":"Patient/a"}}),
    ]);
    loaded(&[("3.ndjson", more)], lake.path());
    assert!(read().contains("one hour newer still"));
    assert_eq!(of(lake.path(), "Patient/a/records.ndjson"), ["Patient/a", "Claim/c"]);
    Ok(())
}

#[test]
fn unusable_input_is_reported_and_the_rest_is_loaded() -> tests::Result {
    let lake = tempfile::tempdir()?;
    let text = "{\"resourceType\":\"Patient\",\"id\":\"a\"}\nnonsense\n{\"id\":\"x\"}\n{\"resourceType\":\"Claim\"}\n{\"resourceType\":\"Claim\",\"id\":\"a/b\"}\n";
    let claim = |id: &str| format!("{{\"resourceType\":\"Claim\",\"id\":{id}}}\n");
    let ids = ["\"é\"", "5", "\"\"", "\"..\"", &format!("\"{}\"", "x".repeat(65))].map(claim);
    let text = format!("{text}{}", ids.concat());
    let broken = "{\"resourceType\":\"Bundle\",\"entry\":[{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"b\"}},\n{\"resource\":";
    let loaded = loaded(&[("bad.ndjson", text), ("broken.json", broken.to_owned())], lake.path());
    assert_eq!(loaded.patients, 2);
    let expected = [
        ("bad.ndjson:2:", "not JSON"),
        ("bad.ndjson:3:", "resourceType"),
        ("bad.ndjson:4:", "a Claim without id"),
        ("bad.ndjson:5:", "a Claim with the character '/' in its id"),
        ("bad.ndjson:6:", "a Claim with the character 'é' in its id"),
        ("bad.ndjson:7:", "a Claim with an id that is not a string"),
        ("bad.ndjson:8:", "a Claim with an empty id"),
        ("bad.ndjson:9:", "a Claim with an id that consists of dots only"),
        ("bad.ndjson:10:", "a Claim with an id of 65 characters"),
        ("broken.json:2:", "incomplete"),
    ];
    assert_eq!(loaded.problems.len(), expected.len(), "{:#?}", loaded.problems);
    for (problem, (place, reason)) in loaded.problems.iter().zip(expected) {
        assert!(problem.contains(place) && problem.contains(reason), "{problem}");
    }
    Ok(())
}

#[test]
fn compressed_files_are_read() -> tests::Result {
    use std::process::{Command, Stdio};

    let lake = tempfile::tempdir()?;
    let input = tempfile::tempdir()?;
    let path = input.path().join("Patient.ndjson");
    std::fs::write(&path, lines(&[json!({"resourceType":"Patient","id":"a"})]))?;
    let gzip = Command::new("gzip").arg(&path).stdout(Stdio::null()).status();
    assert!(gzip.expect("gzip is there").success());
    let loaded = load(&[input.path().to_owned()], lake.path(), &ProgressBar::hidden())?;
    assert_eq!(loaded.patients, 1);
    Ok(())
}

#[test]
fn decisions_are_counted_and_reported() -> tests::Result {
    let lake = tempfile::tempdir()?;
    let files = lake.path().join("Patient/a/files");
    std::fs::create_dir_all(&files)?;
    std::fs::write(files.join("scan.png"), "image")?;
    let document = |url: &str| json!({"attachment":{"url":url}});
    let text = [
        json!({"resourceType":"Patient","id":"a","meta":{"lastUpdated":"2024-01-01T00:00:00Z"},"note":"old"}),
        json!({"resourceType":"Patient","id":"a","meta":{"lastUpdated":"2024-01-02T00:00:00Z"},"note":"new"}),
        json!({"resourceType":"Patient","id":"a","meta":{"lastUpdated":"2024-01-02T00:00:00Z"},"note":"new"}),
        json!({"resourceType":"Claim","id":"1","patient":{"reference":"Patient/a"},"provider":{"reference":"Organization/none"},
            "insurer":{"reference":"Organization?identifier=7"},"referral":{"reference":"#contained"},"facility":{"reference":"Organization/none"}}),
        json!({"resourceType":"Claim","id":"2","patient":{"reference":"Patient/ghost"},"provider":{"reference":"urn:uuid:nobody"}}),
        json!({"resourceType":"DocumentReference","id":"d","subject":{"reference":"Patient/a"},"content":[
            document("Binary/bin"), document("Binary/none"), document("files/scan.png"), document("files/none.png"),
            document("letters/1.pdf"), document("https://elsewhere.example/x"), json!({"attachment":{"data":"aGk="}})]}),
        json!({"resourceType":"Binary","id":"bin","data":"aGk="}),
    ];
    let loaded = loaded(&[("all.ndjson", lines(&text))], lake.path());
    assert_eq!(loaded.problems, Vec::<String>::new());
    let named = |noted: &ehi::load::Noted, expected: &[&str]| {
        assert_eq!(noted.named.len(), expected.len(), "{noted:#?}");
        for (named, expected) in noted.named.iter().zip(expected) {
            assert!(named.contains(expected), "{named} has no {expected}");
        }
    };
    assert_eq!((loaded.repeated, loaded.replaced.count), (1, 1));
    named(&loaded.replaced, &["all.ndjson:1: Patient/a: another version is kept, from "]);
    assert!(loaded.replaced.named[0].ends_with("all.ndjson:3"), "{:?}", loaded.replaced.named);
    assert_eq!(loaded.unresolved.count, 5);
    named(
        &loaded.unresolved,
        &[
            "all.ndjson:4: Organization/none",
            "all.ndjson:4: Organization?identifier=7",
            "all.ndjson:5: Patient/ghost",
            "all.ndjson:5: urn:uuid:nobody",
        ],
    );
    assert_eq!(loaded.unserved.count, 3);
    named(
        &loaded.unserved,
        &["all.ndjson:6: Binary/none", "all.ndjson:6: files/none.png", "all.ndjson:6: letters/1.pdf"],
    );
    assert_eq!(
        (loaded.patients, loaded.without_patient.count),
        (1, 1),
        "a reference alone does not make a patient"
    );
    named(&loaded.without_patient, &["Patient/ghost: 1 resources"]);
    // All of the resources exist already, and the loader reports this.
    let again = self::loaded(&[("all.ndjson", lines(&text))], lake.path());
    assert_eq!((again.replaced.count, again.updated), (1, 0));
    assert_eq!(again.repeated, 6);
    Ok(())
}

#[test]
fn files_that_are_not_read_are_reported() -> tests::Result {
    let (lake, input) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let write = |name: &str, text: &str| {
        let path = input.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(path, text).expect("written");
    };
    write("Patient.ndjson", "{\"resourceType\":\"Patient\",\"id\":\"a\"}\n");
    write("patient.xml", "<Patient/>");
    write("notes.txt", "hello");
    write("bundle.json", "<Bundle/>");
    write("manifest.json", "{\"transactionTime\":\"2026-01-01T00:00:00Z\",\"output\":[]}");
    write(".hidden.txt", "of the system");
    write("attachments/scan.png", "image");
    std::os::unix::fs::symlink(input.path().join("Patient.ndjson"), input.path().join("link.ndjson"))
        .expect("a link");
    let fifo = input.path().join("pipe.ndjson");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.expect("mkfifo is there").success());
    let loaded = load(&[input.path().to_owned()], lake.path(), &ProgressBar::hidden())?;
    assert_eq!((loaded.patients, loaded.documents), (1, 1));
    let mut problems = loaded.problems.clone();
    problems.sort();
    let expected = [
        "bundle.json:1: XML",
        "link.ndjson: not a regular",
        "notes.txt: not read",
        "patient.xml: not read",
        "pipe.ndjson: not a regular",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.contains(expected), "{problem}");
    }
    // The same file is also reported if it is an argument itself.
    let named = load(&[fifo], lake.path(), &ProgressBar::hidden())?;
    assert!(named.problems[0].contains("neither a regular file nor a directory"), "{:?}", named.problems);
    Ok(())
}

#[test]
fn a_load_for_one_patient_does_not_change_the_records_of_another() -> tests::Result {
    let lake = tempfile::tempdir()?;
    let first = lines(&[
        json!({"resourceType":"Patient","id":"a"}),
        json!({"resourceType":"Patient","id":"b"}),
        json!({"resourceType":"Appointment","id":"1","participant":[{"actor":{"reference":"Patient/a"}},{"actor":{"reference":"Patient/b"}}]}),
    ]);
    loaded(&[("1.ndjson", first)], lake.path());
    let more = lines(&[json!({"resourceType":"Claim","id":"c","patient":{"reference":"Patient/a"}})]);
    loaded(&[("2.ndjson", more)], lake.path());
    assert_eq!(of(lake.path(), "Patient/a/records.ndjson"), ["Patient/a", "Appointment/1", "Claim/c"]);
    assert_eq!(of(lake.path(), "Patient/b/records.ndjson"), ["Patient/b", "Appointment/1"]);
    Ok(())
}

#[test]
fn an_unreadable_file_of_the_lake_is_kept() -> tests::Result {
    let lake = tempfile::tempdir()?;
    let directory = lake.path().join("Patient/a");
    std::fs::create_dir_all(&directory)?;
    std::fs::write(directory.join("records.ndjson"), "{\"resourceType\":\"Patient\",\"id\":\"a\"}\n{\"cut")?;
    std::fs::write(
        directory.join("older.ndjson"),
        "{\"resourceType\":\"Claim\",\"id\":\"1\",\"patient\":{\"reference\":\"Patient/a\"}}\n",
    )?;
    let more = lines(&[json!({"resourceType":"Claim","id":"2","patient":{"reference":"Patient/a"}})]);
    let loaded = loaded(&[("2.ndjson", more)], lake.path());
    assert!(
        loaded.problems.len() == 1 && loaded.problems[0].contains("records.ndjson:2:"),
        "{:?}",
        loaded.problems
    );
    assert_eq!(of(lake.path(), "Patient/a/records.ndjson"), ["Patient/a", "Claim/1", "Claim/2"]);
    let kept = std::fs::read_to_string(directory.join("records.ndjson.damaged")).expect("kept");
    assert!(kept.ends_with("{\"cut"));
    assert!(!directory.join("older.ndjson").exists(), "its content was moved to the other file");
    Ok(())
}
