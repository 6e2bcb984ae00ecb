//! Resources that name their patient in an element outside the R4 compartment table.

use tests::World;

use super::*;
use crate::supporting::{bulk, ehi, named};

/// Returns resources of Ann by elements of R4 outside the table, and by elements of R5.
fn of_ann() -> Vec<Value> {
    let ann = || json!({ "reference": "Patient/ann" });
    vec![
        json!({"resourceType":"Patient","id":"ann"}),
        json!({"resourceType":"Task","id":"t","for":ann()}),
        json!({"resourceType":"GuidanceResponse","id":"g","subject":{"reference":"http://h/fhir/Patient/ann/_history/2"}}),
        json!({"resourceType":"Contract","id":"c","subject":[{"reference":"Organization/o"},ann()]}),
        json!({"resourceType":"NutritionOrder","id":"n","subject":ann()}),
        json!({"resourceType":"MolecularSequence","id":"m","subject":ann()}),
        json!({"resourceType":"ImagingSelection","id":"i","subject":ann()}),
        json!({"resourceType":"DeviceUsage","id":"d","patient":ann()}),
        json!({"resourceType":"NutritionIntake","id":"ni","subject":ann()}),
        json!({"resourceType":"AuditEvent","id":"a","patient":ann()}),
        json!({"resourceType":"Measure","id":"me","subjectReference":ann()}),
        json!({"resourceType":"Provenance","id":"v","target":[{"reference":"Task/t"}]}),
    ]
}

/// Returns resources that refer to Ann, but not as their patient.
fn unassigned() -> Vec<Value> {
    let ann = || json!({ "reference": "Patient/ann" });
    vec![
        json!({"resourceType":"Organization","id":"o"}),
        json!({"resourceType":"Task","id":"other","focus":ann(),"for":{"reference":"Group/g"}}),
        json!({"resourceType":"MessageHeader","id":"h","focus":[{"reference":"Organization/o"},ann()]}),
        json!({"resourceType":"Library","id":"l","contained":[{"resourceType":"Task","id":"x","for":ann()}]}),
        json!({"resourceType":"Group","id":"g","subject":ann(),"member":[{"entity":ann()}]}),
    ]
}

#[test]
fn a_resource_belongs_to_the_patient_whom_an_element_outside_the_table_names() -> tests::Result {
    let lake = tempfile::tempdir()?;
    let inputs = [("1.ndjson", lines(&of_ann())), ("2.ndjson", lines(&unassigned()))];
    let first = loaded(&inputs, lake.path());
    let mut expected: Vec<_> = of_ann().iter().map(reference).collect();
    expected[1..].sort();
    assert_eq!(of(lake.path(), "Patient/ann/records.ndjson"), expected);
    assert_eq!(of(lake.path(), "shared/Task.ndjson"), ["Task/other"]);
    assert_eq!(of(lake.path(), "Group/g.json"), ["Group/g"]);
    let named = ["Library/l: Patient/ann", "MessageHeader/h: Patient/ann", "Task/other: Patient/ann"];
    assert_eq!(first.referring.named, named);
    assert_eq!((first.referring.count, first.problem_count()), (3, 0));
    assert_eq!(first.unmatched.count, 0, "{:?}", first.unmatched);
    // The next load names them again, because they are still there.
    let again = loaded(&[("3.ndjson", lines(&of_ann()[..1]))], lake.path());
    assert_eq!(again.referring.named, named);
    Ok(())
}

#[test]
fn a_load_moves_resources_of_patients_out_of_shared() -> tests::Result {
    let lake = tempfile::tempdir()?;
    std::fs::create_dir(lake.path().join("shared"))?;
    // An earlier version of the program wrote them there.
    std::fs::write(lake.path().join("shared/Task.ndjson"), lines(&of_ann()[1..2]))?;
    loaded(&[("1.ndjson", lines(&[json!({"resourceType":"Organization","id":"o"})]))], lake.path());
    assert_eq!(of(lake.path(), "Patient/ann/records.ndjson"), ["Task/t"]);
    assert!(!lake.path().join("shared/Task.ndjson").exists());
    Ok(())
}

#[test]
fn an_identifier_in_such_an_element_finds_the_patient() -> tests::Result {
    let lake = tempfile::tempdir()?;
    let identified = |value: &str| json!({ "identifier": { "system": "http://mrn", "value": value } });
    let resources = [
        json!({"resourceType":"Patient","id":"ann","identifier":[{"system":"http://mrn","value":"1"}]}),
        json!({"resourceType":"Task","id":"t","for":identified("1")}),
        json!({"resourceType":"NutritionOrder","id":"n","subject":identified("1")}),
        json!({"resourceType":"Task","id":"u","for":identified("2")}),
        json!({"resourceType":"GuidanceResponse","id":"g","subject":{"display":"Ann"}}),
        // The subjects of these are seldom patients.
        json!({"resourceType":"Contract","id":"c","subject":[{"display":"The hospital"}]}),
        json!({"resourceType":"ClinicalUseDefinition","id":"d","subject":[{"display":"Aspirin"}]}),
    ];
    let loaded = loaded(&[("1.ndjson", lines(&resources))], lake.path());
    assert_eq!(of(lake.path(), "Patient/ann/records.ndjson"), ["Patient/ann", "NutritionOrder/n", "Task/t"]);
    let tasks = json_lines(&lake.path().join("Patient/ann/records.ndjson"));
    assert_eq!(tasks[2]["for"]["reference"], "Patient/ann");
    let named = &loaded.unmatched.named;
    assert_eq!((loaded.unmatched.count, named.len()), (2, 2), "{named:?}");
    assert!(named[0].ends_with("Task/u: for has the identifier http://mrn|2, which no Patient has"));
    assert!(named[1].ends_with("GuidanceResponse/g: subject has only a display text"), "{named:?}");
    Ok(())
}

/// The export has what the loader placed, also what other resources refer to, and nothing is reported as missing.
#[tokio::test]
async fn the_exports_of_a_patient_have_these_resources() -> tests::Result {
    let lake = tempfile::tempdir()?;
    let mut resources = of_ann();
    resources.extend([
        json!({"resourceType":"Observation","id":"1","subject":{"reference":"Patient/ann"},
            "basedOn":[{"reference":"Task/t"},{"reference":"Task/shared"}]}),
        json!({"resourceType":"Task","id":"shared"}),
        json!({"resourceType":"Organization","id":"o"}),
    ]);
    loaded(&[("1.ndjson", lines(&resources))], lake.path());
    let world = World::with("sandbox = true", lake.path());
    let all: Vec<_> = resources.iter().map(reference).collect();
    let all = named(&all.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(bulk(&world, "system/*.rs", "/fhir/Patient/$export").await, all);
    let parts = ["visits", "labs", "billing", "medicalRecord"];
    let parts: serde_json::Map<_, _> =
        parts.iter().map(|part| ((*part).to_owned(), json!({ "enabled": true }))).collect();
    assert_eq!(ehi(&world, "ann", &json!({ "parameters": parts })).await, all);
    let tasks = bulk(&world, "system/*.rs", "/fhir/Patient/$export?_type=Task").await;
    assert_eq!(tasks, named(&["Task/t"]));
    Ok(())
}
