//! A small lake that exercises every decision of a bulk export: patients, resources outside their compartments, groups
//! and deletions.

use std::path::Path;

use serde_json::{Value, json};

/// Writes the lake; returns every resource in it, as it is stored.
pub fn write(root: &Path) -> Vec<Value> {
    let mut all = Vec::new();
    for number in 0..6 {
        let patient = format!("p{number}");
        let lines = patient_lines(number);
        put(root, &format!("Patient/{patient}/records.ndjson"), &lines);
        all.extend(lines);
    }
    let shared = vec![
        json!({ "resourceType": "Organization", "id": "org", "meta": { "lastUpdated": "2020-01-01T00:00:00Z" }, "name": "Org" }),
        json!({ "resourceType": "Practitioner", "id": "doc", "meta": { "lastUpdated": "2025-06-01T00:00:00Z" } }),
        json!({ "resourceType": "Practitioner", "id": "unused", "meta": { "lastUpdated": "2025-06-01T00:00:00Z" } }),
    ];
    put(root, "shared/first.ndjson", &shared[..1]);
    put(root, "shared/second.ndjson", &shared[1..]);
    all.extend(shared);
    let member = |id: &str| json!({ "entity": { "reference": format!("Patient/{id}") } });
    let groups = [
        json!({ "resourceType": "Group", "id": "all", "type": "person", "actual": true, "member": [
            { "entity": { "reference": "Group/nested" } },
            member("p0"),
            { "entity": { "reference": "Patient/p1" }, "inactive": true },
            { "entity": { "reference": "Patient/p2" }, "period": { "start": "2025-09-01" } },
            { "entity": { "reference": "Patient/p5" }, "period": { "end": "2024-01-01" } },
        ] }),
        json!({ "resourceType": "Group", "id": "nested", "type": "person", "actual": true, "member": [
            member("p0"), member("p3"), { "entity": { "reference": "Group/all" } },
        ] }),
        json!({ "resourceType": "Group", "id": "empty", "type": "person", "actual": true }),
    ];
    for group in groups {
        let path = root.join(format!("Group/{}.json", group["id"].as_str().expect("an id")));
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(path, format!("{group:#}")).expect("written");
        all.push(group);
    }
    let deleted = [
        json!({ "resourceType": "Observation", "id": "gone", "patient": "p0", "deleted": "2025-08-01T00:00:00Z" }),
        json!({ "resourceType": "Observation", "id": "long-gone", "patient": "p0", "deleted": "2019-08-01T00:00:00Z" }),
        // The resource still exists, and its last change is older than the deletion.
        json!({ "resourceType": "Observation", "id": "p1-o1", "patient": "p1", "deleted": "2025-12-30T00:00:00Z" }),
        // Deleted, and created again later.
        json!({ "resourceType": "Observation", "id": "p2-o1", "patient": "p2", "deleted": "2020-02-01T00:00:00Z" }),
        json!({ "resourceType": "Patient", "id": "left", "deleted": "2025-08-02T00:00:00Z" }),
        json!({ "resourceType": "Practitioner", "id": "retired", "deleted": "2025-08-03T00:00:00Z" }),
    ];
    put(root, "deleted/all.ndjson", &deleted);
    all
}

/// Writes the lake with `patients` patients in total. With fewer than six, the groups and deletions also name patients without a record.
pub fn write_many(root: &Path, patients: usize) {
    write(root);
    for number in patients..6 {
        std::fs::remove_dir_all(root.join(format!("Patient/p{number}"))).expect("removed");
    }
    for number in 6..patients {
        put(root, &format!("Patient/p{number}/records.ndjson"), &patient_lines(number));
    }
}

/// Returns a lake with two of the sample patients and all other resources of the sample. Together the two have all kinds of files: an
/// export of them makes the same kinds of calls as an export of all sample patients, but fewer.
pub fn two_patients() -> tempfile::TempDir {
    let (sample, lake) = (ehi::defaults::sample_records(), tempfile::tempdir().expect("a directory"));
    let others = ["Patient/chiara-rossi", "Patient/dmitri-sokolov", "index"];
    let is_other = |file: &String| others.iter().any(|other| file.starts_with(other));
    for file in files(&sample).into_iter().filter(|file| !is_other(file)) {
        let target = lake.path().join(&file);
        std::fs::create_dir_all(target.parent().expect("a directory")).expect("a directory");
        std::fs::copy(sample.join(file), target).expect("copied");
    }
    lake
}

/// Returns the files below a directory, as paths relative to it.
pub fn files(root: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else {
                files.push(path.strip_prefix(root).expect("below").to_str().expect("UTF-8").to_owned());
            }
        }
    }
    files
}

/// Returns a patient's resources, as the lake has them.
pub fn patient_lines(number: usize) -> Vec<Value> {
    let patient = format!("p{number}");
    let reference = format!("Patient/{patient}");
    let gender = if number.is_multiple_of(2) { "female" } else { "male" };
    let at = |year: usize| format!("{}-03-01T00:00:00Z", 2020 + year);
    let mut lines = vec![json!({
        "resourceType": "Patient", "id": patient, "meta": { "lastUpdated": at(number) }, "gender": gender,
        "birthDate": format!("{}-05-05", 1950 + 10 * number), "active": number != 3,
        "address": [{ "state": if number < 3 { "MA" } else { "NH" } }],
        "generalPractitioner": [{ "reference": "Practitioner/doc" }],
    })];
    for count in 0..4 {
        let category = if count % 2 == 0 { "laboratory" } else { "vital-signs" };
        let label = if count == 3 { "restricted" } else { "open" };
        lines.push(json!({
            "resourceType": "Observation", "id": format!("{patient}-o{count}"),
            "meta": { "lastUpdated": at(count + 2), "security": [{ "system": "https://example.org/access", "code": label }] },
            "status": if count == 0 { "amended" } else { "final" },
            "category": [{ "coding": [{ "code": category }] }],
            "code": { "coding": [{ "system": "http://loinc.org", "code": format!("{count}-{number}") }] },
            "subject": { "reference": reference }, "performer": [{ "reference": "Organization/org" }],
            "effectiveDateTime": format!("{}-03-01", 2015 + count + number),
            "valueQuantity": { "value": 10.5 + f64::from(u32::try_from(count).expect("few")), "unit": "mg" },
        }));
    }
    lines.push(json!({
        "resourceType": "Condition", "id": format!("{patient}-c"), "subject": { "reference": reference },
        "clinicalStatus": { "coding": [{ "code": if number < 2 { "active" } else { "resolved" } }] },
        "onsetDateTime": format!("{}-01", 2018 + number),
    }));
    for (count, recorded) in [("old", "2021-01-01T00:00:00Z"), ("new", "2023-01-01T00:00:00Z")] {
        lines.push(json!({
            "resourceType": "Provenance", "id": format!("{patient}-v-{count}"), "meta": { "lastUpdated": recorded },
            "recorded": recorded, "target": [{ "reference": format!("Observation/{patient}-o1") }],
            "agent": [{ "who": { "reference": "Practitioner/doc" } }],
        }));
    }
    lines
}

fn put(root: &Path, name: &str, lines: &[Value]) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    let text = lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n") + "\n";
    std::fs::write(path, text).expect("written");
}
