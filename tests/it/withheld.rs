//! What a form withholds, and what it leaves out: labels in all elements that have them, what is about a withheld resource, its
//! documents, and the dates and categories by which a patient chooses.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tests::World;

use crate::supporting::{ehi, lake, of_patient, shared};

/// Returns a lake with the patient ann, these resources in her record, and a clinic and a doctor in `shared/`.
fn record(resources: Vec<Value>) -> tempfile::TempDir {
    let patient = json!({ "resourceType": "Patient", "id": "ann" });
    let own = std::iter::once(patient).chain(resources).map(|resource| of_patient("ann", resource));
    let others = ["Organization/clinic", "Practitioner/doc"].map(|name| {
        let (resource_type, id) = name.split_once('/').expect("a reference");
        shared(json!({ "resourceType": resource_type, "id": id }))
    });
    lake(&own.chain(others).collect::<Vec<_>>())
}

/// Returns the choices of one enabled group, with its dates, and of nothing else.
fn only(group: &str, dates: &Value) -> Value {
    let mut choice = json!({ "enabled": true });
    for (name, date) in dates.as_object().into_iter().flatten() {
        choice[name] = date.clone();
    }
    json!({ "parameters": { group: choice } })
}

async fn export(resources: Vec<Value>, choices: &Value) -> BTreeSet<String> {
    let directory = record(resources);
    let world = World::with("sandbox = true", directory.path());
    let mut found = ehi(&world, "ann", choices).await;
    assert!(found.remove("Patient/ann"), "{found:?}");
    found
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn provenance(id: &str, target: &str) -> Value {
    json!({ "resourceType": "Provenance", "id": id, "target": [{ "reference": target }],
        "agent": [{ "who": { "reference": "Practitioner/doc" }, "onBehalfOf": { "reference": "Organization/clinic" } }] })
}

fn audit_event(id: &str, target: &str) -> Value {
    json!({ "resourceType": "AuditEvent", "id": id, "entity": [{ "what": { "reference": target } }],
        "agent": [{ "who": { "reference": "Practitioner/doc" } }], "source": { "observer": { "reference": "Organization/clinic" } } })
}

/// The names of the clinic and of the doctor would reveal what was withheld.
#[tokio::test]
async fn what_is_about_a_withheld_resource_is_withheld_with_its_authors() {
    let sensitive =
        json!({ "resourceType": "Condition", "id": "c", "meta": { "security": [{ "code": "PSY" }] } });
    for target in ["Condition/c", "Condition/c/_history/2", "https://elsewhere.example/fhir/Condition/c"] {
        for about in [provenance("about", target), audit_event("about", target)] {
            // Before and after the resource, and about each other.
            for is_first in [true, false] {
                let mut resources = vec![sensitive.clone(), about.clone()];
                if is_first {
                    resources.reverse();
                }
                let name = format!("{}/about", about["resourceType"].as_str().expect("a type"));
                resources.insert(0, provenance("of-about", &name));
                for group in ["medicalRecord", "visits"] {
                    let found = export(resources.clone(), &only(group, &json!({}))).await;
                    assert_eq!(found, names(&[]), "{name} {target} {group}");
                }
            }
        }
    }
    // Provenance of an exported resource is exported with its authors.
    let plain = json!({ "resourceType": "Condition", "id": "c" });
    let found =
        export(vec![plain, provenance("about", "Condition/c")], &only("medicalRecord", &json!({}))).await;
    assert_eq!(found, names(&["Condition/c", "Organization/clinic", "Practitioner/doc", "Provenance/about"]));
}

#[tokio::test]
async fn withheld_provenance_is_counted_with_the_category_of_its_target() {
    let sensitive =
        json!({ "resourceType": "Condition", "id": "c", "meta": { "security": [{ "code": "PSY" }] } });
    let directory = record(vec![provenance("about", "Condition/c"), sensitive]);
    let world = World::with("sandbox = true", directory.path());
    let token = world.token("ann").await;
    let job = world.kick_off(&token, "/auto-approve", "ann").await;
    world.post(&job).bearer(&token).json(&only("medicalRecord", &json!({}))).send().await;
    world.work().await;
    let manifest = world.status(&token, &job).await.json();
    let ledger = &manifest["extension"]["ledger"]["resources"];
    assert_eq!(ledger["withheld"], json!({ "mentalHealth": 2 }), "{ledger}");
}

#[tokio::test]
async fn labels_of_a_document_withhold_it_wherever_fhir_puts_them() {
    let document = |more: Value| {
        let mut resource = json!({ "resourceType": "DocumentReference", "id": "d", "status": "current",
            "content": [{ "attachment": { "contentType": "text/plain", "data": "c2VjcmV0" } }] });
        for (name, value) in more.as_object().expect("members") {
            resource[name] = value.clone();
        }
        resource
    };
    for (more, is_exported) in [
        (json!({}), true),
        (json!({ "securityLabel": [{ "coding": [{ "code": "N" }] }] }), true),
        (json!({ "securityLabel": [{ "coding": [{ "code": "R" }] }] }), false),
        (json!({ "securityLabel": [{ "coding": [{ "code": "N" }, { "code": " psy" }] }] }), false),
        (json!({ "securityLabel": [{ "coding": [{ "code": "MST" }] }] }), false),
        (json!({ "securityLabel": [{ "coding": [{ "code": "HIPAAPsyNotes" }] }] }), false),
        (json!({ "securityLabel": [{ "coding": [{ "code": "Title38Section7332" }] }] }), false),
        (json!({ "securityLabel": [{ "text": "restricted" }] }), false),
    ] {
        let found = export(vec![document(more.clone())], &only("other", &json!({}))).await;
        assert_eq!(found.contains("DocumentReference/d"), is_exported, "{more}");
    }
    for (confidentiality, is_exported) in [("N", true), ("R", false), ("V", false)] {
        let composition =
            json!({ "resourceType": "Composition", "id": "c", "confidentiality": confidentiality });
        let found = export(vec![composition], &only("medicalRecord", &json!({}))).await;
        assert_eq!(found.contains("Composition/c"), is_exported, "{confidentiality}");
    }
}

/// A Binary can be referred to without an attachment.
#[tokio::test]
async fn a_document_that_a_withheld_resource_refers_to_anywhere_is_withheld() {
    let security = json!({ "security": [{ "code": "PSY" }] });
    let binary = json!({ "resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": STANDARD.encode("secret"),
        "securityContext": { "reference": "Patient/ann" } });
    for resource in [
        json!({ "resourceType": "Communication", "payload": [{ "contentReference": { "reference": "Binary/b" } }] }),
        json!({ "resourceType": "Task", "input": [{ "valueReference": { "reference": "Binary/b/_history/1" } }] }),
        json!({ "resourceType": "Consent", "sourceReference": { "reference": "https://elsewhere.example/fhir/Binary/b" } }),
        json!({ "resourceType": "Basic", "contained": [{ "resourceType": "Composition",
            "section": [{ "entry": [{ "reference": "Binary/b" }] }] }] }),
    ] {
        for (meta, is_exported) in [(&security, false), (&json!({}), true)] {
            let mut resource = resource.clone();
            resource["id"] = json!("r");
            resource["meta"] = meta.clone();
            let found =
                export(vec![binary.clone(), resource.clone()], &only("medicalRecord", &json!({}))).await;
            let has_document = found.iter().any(|name| name.starts_with("DocumentReference/"));
            assert_eq!(has_document, is_exported, "{resource}: {found:?}");
        }
    }
}

#[tokio::test]
async fn every_section_of_a_laboratory_is_left_out_without_labs() {
    let report = |code: &str| {
        json!({ "resourceType": "DiagnosticReport", "id": "r",
            "category": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": code }] }] })
    };
    for code in ["LAB", "lab", "CH", "HM", "MB", "GE", "CG", "VR", "Laboratory"] {
        assert_eq!(export(vec![report(code)], &only("visits", &json!({}))).await, names(&[]), "{code}");
        let found = export(vec![report(code)], &only("labs", &json!({}))).await;
        assert_eq!(found, names(&["DiagnosticReport/r"]), "{code}");
    }
    for code in ["RAD", "CT", "EC", "imaging"] {
        let found = export(vec![report(code)], &only("visits", &json!({}))).await;
        assert_eq!(
            found,
            names(&["DiagnosticReport/r"]),
            "{code}: reports of other departments are always exported"
        );
    }
}

#[tokio::test]
async fn a_range_of_dates_keeps_what_lasts_and_leaves_out_what_is_over() {
    let dates = json!({ "from": "2020-01-01", "to": "2024-12-31" });
    for (resource, is_exported) in [
        (json!({ "resourceType": "AllergyIntolerance", "recordedDate": "2015-03-01" }), true),
        (json!({ "resourceType": "Condition", "recordedDate": "2015-03-01" }), true),
        (json!({ "resourceType": "Condition", "recordedDate": "2015", "abatementDateTime": "2016" }), false),
        (json!({ "resourceType": "Condition", "abatementDateTime": "2016" }), false),
        (json!({ "resourceType": "Goal", "startDate": "2015-03-01" }), true),
        (json!({ "resourceType": "Goal", "startDate": "2025-03-01" }), false),
        (json!({ "resourceType": "MedicationDispense", "whenHandedOver": "2010-03-01T10:00:00Z" }), false),
        (json!({ "resourceType": "MedicationDispense", "whenHandedOver": "2023-03-01T10:00:00Z" }), true),
        (
            json!({ "resourceType": "Appointment", "created": "2023-01-01", "start": "2010-03-01T10:00:00Z" }),
            false,
        ),
        (json!({ "resourceType": "Specimen", "collection": { "collectedDateTime": "2010-03-01" } }), false),
        (json!({ "resourceType": "Basic" }), true),
    ] {
        let mut resource = resource.clone();
        resource["id"] = json!("r");
        let found = export(vec![resource.clone()], &only("medicalRecord", &dates)).await;
        assert_eq!(!found.is_empty(), is_exported, "{resource}: {found:?}");
    }
}
