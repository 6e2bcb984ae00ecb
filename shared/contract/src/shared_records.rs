//! Tests of the resources of `shared/`, as the store of records finds them.

use std::collections::BTreeSet;

use domain::ports::records::{ProvenanceCounts, Records};
use serde_json::json;

pub(crate) fn line(resource_type: &str, id: &str) -> String {
    format!("{{\"resourceType\":\"{resource_type}\",\"id\":\"{id}\"}}")
}

/// Tests how resources outside the records are found.
pub(crate) async fn supporting(records: &dyn Records, put: &impl AsyncFn(&str, &[u8])) {
    look_again(records).await;
    let wanted = ["Practitioner/x", "Practitioner/z", "Practitioner/none", "Organization/x"];
    let wanted = wanted.map(str::to_owned).into();
    let mut found: Vec<_> = records
        .supporting(&wanted)
        .await
        .expect("lines")
        .lines
        .into_iter()
        .map(|line| (line.reference, line.duplicates, String::from_utf8_lossy(&line.line).contains("active")))
        .collect();
    found.sort();
    let (x, z) = ("Practitioner/x".to_owned(), "Practitioner/z".to_owned());
    assert_eq!(
        found,
        [(x, 1, true), (z, 0, false)],
        "the last duplicate is returned, and the others are counted"
    );
    // A file that was replaced is read again at once.
    put("shared/replaced.ndjson", line("Medication", "before").as_bytes()).await;
    look_again(records).await;
    let medications = ["Medication/before", "Medication/after-it"].map(str::to_owned).into();
    assert_eq!(
        records.supporting(&medications).await.expect("lines").lines[0].reference,
        "Medication/before"
    );
    put("shared/replaced.ndjson", line("Medication", "after-it").as_bytes()).await;
    let after = records.supporting(&medications).await.expect("lines").lines;
    let after: Vec<_> = after.iter().map(|line| line.reference.as_str()).collect();
    assert_eq!(after, ["Medication/after-it"]);
    // A new file is known after a call without references.
    put("shared/Organization.ndjson", line("Organization", "x").as_bytes()).await;
    look_again(records).await;
    assert_eq!(records.supporting(&wanted).await.expect("lines").lines.len(), 3);
}

/// Makes the calls that follow see all files of `shared/`.
pub(crate) async fn look_again(records: &dyn Records) {
    records.supporting(&BTreeSet::new()).await.expect("a result");
}

/// Checks that Provenance is found by its targets. If a target is a resource of a patient, it is only counted.
pub(crate) async fn shared_provenance(records: &dyn Records, put: &impl AsyncFn(&str, &[u8])) {
    let wanted = ["Practitioner/x", "Organization/x", "Observation/o"].map(str::to_owned).into();
    assert_eq!(records.provenance(&wanted).await.expect("a result"), BTreeSet::new());
    assert_eq!(records.supporting(&wanted).await.expect("lines").provenance, ProvenanceCounts::default());
    let mut lines = String::new();
    for (id, targets) in [
        ("one", &["Practitioner/x"][..]),
        ("two", &["https://ehi.example/fhir/Practitioner/x/_history/2", "Organization/x"]),
        ("other", &["Practitioner/y"]),
        ("patient", &["Observation/o"]),
        ("mixed", &["Practitioner/x", "Patient/b"]),
        ("nothing", &["urn:uuid:x", "#contained"]),
        ("none", &[]),
    ] {
        let targets: Vec<_> = targets.iter().map(|target| json!({ "reference": target })).collect();
        lines += &json!({ "resourceType": "Provenance", "id": id, "target": targets }).to_string();
        lines.push('\n');
    }
    put("shared/Provenance.ndjson", lines.as_bytes()).await;
    look_again(records).await;
    let found = records.provenance(&wanted).await.expect("a result");
    let pairs = [
        ("Provenance/one", "Practitioner/x"),
        ("Provenance/two", "Organization/x"),
        ("Provenance/two", "Practitioner/x"),
    ];
    assert_eq!(found, pairs.map(|(provenance, target)| (provenance.to_owned(), target.to_owned())).into());
    let counts = records.supporting(&wanted).await.expect("lines").provenance;
    assert_eq!(counts, ProvenanceCounts { of_shared: 3, of_patients: 2 });
    let found = found.into_iter().map(|(provenance, _)| provenance).collect();
    let lines = records.supporting(&found).await.expect("lines").lines;
    assert_eq!(lines.len(), 2, "Provenance is read like other resources of shared/");
}

/// Checks that resources of types that patients' records have as well are found, and are known to belong to a patient or to nobody.
pub(crate) async fn shared_devices(records: &dyn Records, put: &impl AsyncFn(&str, &[u8])) {
    let reference = |name: &str| json!({ "reference": name });
    let about = |id: &str, targets: &[&str]| {
        let targets: Vec<_> = targets.iter().map(|target| reference(target)).collect();
        json!({ "resourceType": "Provenance", "id": id, "target": targets })
    };
    let before = records.supporting(&BTreeSet::new()).await.expect("lines");
    assert_eq!(before.types, BTreeSet::new());
    // Provenance precedes the resources that it is about.
    let lines = [
        about("a", &["Device/gateway"]),
        about("b", &["Organization/x", "Device/gateway"]),
        about("c", &["Device/gateway", "Device/implant"]),
        about("d", &["Device/none"]),
        about("e", &["Provenance/a"]),
        json!({ "resourceType": "Device", "id": "gateway", "owner": reference("Organization/x") }),
        json!({ "resourceType": "Device", "id": "implant", "patient": reference("Patient/b") }),
        json!({ "resourceType": "Schedule", "id": "s", "actor": [reference("Practitioner/x")] }),
    ];
    put("shared/devices.ndjson", lines.map(|line| line.to_string()).join("\n").as_bytes()).await;
    look_again(records).await;
    let gateway = BTreeSet::from(["Device/gateway".to_owned()]);
    let found = records.provenance(&gateway).await.expect("a result");
    let pair = |id: &str| (format!("Provenance/{id}"), "Device/gateway".to_owned());
    assert_eq!(found, ["a", "b"].map(pair).into());
    let names =
        ["Device/gateway", "Device/implant", "Schedule/s", "Provenance/a", "Provenance/c", "Provenance/d"];
    let found = records.supporting(&names.map(str::to_owned).into()).await.expect("lines");
    assert_eq!(found.types, ["Device", "Schedule"].map(str::to_owned).into());
    let (of_shared, of_patients) = (before.provenance.of_shared + 2, before.provenance.of_patients + 3);
    assert_eq!(found.provenance, ProvenanceCounts { of_shared, of_patients });
    let of_patients =
        found.lines.iter().filter(|line| line.is_of_patient).map(|line| line.reference.as_str());
    let expected = BTreeSet::from(["Device/implant", "Provenance/c", "Provenance/d"]);
    assert_eq!((found.lines.len(), of_patients.collect::<BTreeSet<_>>()), (names.len(), expected));
}
