//! Resources in `shared/` of types that patients' records have as well, such as Device and Schedule, and references to resources of the
//! same record.

use super::*;

/// Returns a record with an Observation of an analyzer, a Provenance of a gateway, and an Appointment in a schedule.
fn with_devices() -> Vec<(String, Value)> {
    let reference = |name: &str| json!({ "reference": name });
    vec![
        of_patient("ann", json!({ "resourceType": "Patient", "id": "ann" })),
        of_patient(
            "ann",
            json!({ "resourceType": "Observation", "id": "o", "subject": reference("Patient/ann"), "device": reference("Device/analyzer") }),
        ),
        of_patient(
            "ann",
            json!({ "resourceType": "Provenance", "id": "p", "target": [reference("Observation/o")], "agent": [{ "who": reference("Device/gateway") }] }),
        ),
        of_patient("ann", json!({ "resourceType": "Appointment", "id": "a", "slot": [reference("Slot/1")] })),
        shared(json!({ "resourceType": "Device", "id": "analyzer", "owner": reference("Organization/lab") })),
        shared(json!({ "resourceType": "Device", "id": "gateway" })),
        shared(json!({ "resourceType": "Device", "id": "unused" })),
        shared(json!({ "resourceType": "Organization", "id": "lab" })),
        shared(json!({ "resourceType": "Slot", "id": "1", "schedule": reference("Schedule/1") })),
        shared(
            json!({ "resourceType": "Schedule", "id": "1", "actor": [{ "reference": "Practitioner/doc" }] }),
        ),
        shared(json!({ "resourceType": "Practitioner", "id": "doc" })),
        shared(
            json!({ "resourceType": "Provenance", "id": "of-analyzer", "target": [reference("Device/analyzer"), reference("Organization/lab")] }),
        ),
    ]
}

const ALL: [&str; 11] = [
    "Appointment/a",
    "Device/analyzer",
    "Device/gateway",
    "Observation/o",
    "Organization/lab",
    "Patient/ann",
    "Practitioner/doc",
    "Provenance/of-analyzer",
    "Provenance/p",
    "Schedule/1",
    "Slot/1",
];

#[tokio::test]
async fn devices_and_schedules_of_no_patient_are_exported_with_the_records_that_refer_to_them() {
    let directory = lake(&with_devices());
    let world = World::with("sandbox = true", directory.path());
    assert_eq!(bulk(&world, "system/*.rs", "/fhir/Patient/$export").await, named(&ALL));
    let chosen = json!({ "enabled": true });
    let choices = json!({ "parameters": {
        "medicalRecord": chosen.clone(), "visits": chosen.clone(), "labs": chosen.clone(), "other": chosen,
    } });
    assert_eq!(ehi(&world, "ann", &choices).await, named(&ALL));
    // By type, the others are left out, and what only they refer to.
    let found = bulk(&world, "system/*.rs", "/fhir/Patient/$export?_type=Observation,Device").await;
    assert_eq!(found, named(&["Observation/o", "Device/analyzer"]));
}

#[tokio::test]
async fn a_resource_of_shared_that_may_belong_to_a_patient_is_not_exported_with_another_one() {
    for patient in [
        json!({ "reference": "Patient/bob" }),
        json!({ "reference": "https://elsewhere.example/fhir/Patient/bob" }),
        json!({ "identifier": { "system": "http://hospital.example/mrn", "value": "1" } }),
    ] {
        let mut resources = with_devices();
        for (_, resource) in &mut resources {
            if resource["id"] == "analyzer" {
                resource["patient"] = patient.clone();
            }
        }
        let directory = lake(&resources);
        let world = World::with("sandbox = true", directory.path());
        let (found, warnings) = bulk_with_warnings(&world, "system/*.rs", "/fhir/Patient/$export").await;
        let hidden = named(&["Device/analyzer", "Organization/lab", "Provenance/of-analyzer"]);
        assert_eq!(found, &named(&ALL) - &hidden, "{patient}");
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        for expected in ["Device/analyzer, which is in shared/", "about resources of patients: 1."] {
            assert!(warnings.iter().any(|warning| warning.contains(expected)), "{expected}: {warnings:?}");
        }
    }
}

/// Records of `$everything` have the organizations and practitioners of the patient as well.
#[tokio::test]
async fn what_a_record_itself_has_is_not_reported_as_missing() {
    let encounter = |id: &str, organization: &str| {
        json!({ "resourceType": "Encounter", "id": id, "serviceProvider": { "reference": organization },
            "reasonReference": [{ "reference": "Condition/elsewhere" }] })
    };
    let resources = [
        of_patient("ann", encounter("before", "Organization/own")),
        of_patient("ann", json!({ "resourceType": "Organization", "id": "own" })),
        of_patient("ann", encounter("after", "Organization/own")),
        of_patient("ann", encounter("missing", "Organization/none")),
        of_patient("bob", encounter("of-bob", "Organization/common")),
        of_patient("bob", json!({ "resourceType": "Organization", "id": "common" })),
        of_patient("cyd", encounter("of-cyd", "Organization/common")),
    ];
    let directory = lake(&resources);
    // In one chunk, and in several.
    for chunk_bytes in [1, 1_000_000] {
        let settings = format!("sandbox = true\nchunk_bytes = {chunk_bytes}");
        let world = World::with(&settings, directory.path());
        let (found, mut warnings) = bulk_with_warnings(&world, "system/*.rs", "/fhir/Patient/$export").await;
        assert_eq!(found.len(), resources.len());
        warnings.sort();
        let missing = |name: &str| {
            format!("an exported resource refers to Organization/{name}, which is not in the record store")
        };
        assert_eq!(
            warnings,
            ["common", "none"].map(missing),
            "cyd does not have it, and nobody has the other"
        );
    }
}

/// Then the record store is asked which types it has.
#[tokio::test]
async fn many_references_to_resources_that_nobody_has_change_nothing() {
    let mut resources = with_devices();
    for number in 0..1_100 {
        let observation = json!({ "resourceType": "Observation", "id": format!("o{number}"),
            "encounter": { "reference": format!("Encounter/e{number}") }, "basedOn": [{ "reference": format!("ServiceRequest/s{number}") }] });
        resources.push(of_patient("ann", observation));
    }
    let directory = lake(&resources);
    let world = World::with("sandbox = true", directory.path());
    let mut found = bulk(&world, "system/*.rs", "/fhir/Patient/$export").await;
    found.retain(|name| !name.starts_with("Observation/o") || name == "Observation/o");
    assert_eq!(found, named(&ALL));
}
