//! The names of the types of resources that patients read on the page of a copy and in its ZIP, in every language.

use std::collections::BTreeSet;
use std::io::{Cursor, Read};

use fhir::compartments::table;
use serde_json::json;
use tests::{World, text};
use words::{Language, Words};

use super::{page, ready_copy, signed_in};
use crate::documents::{SOMEBODY, lake};
use crate::sample::samples;

/// The types of the profiles of US Core 7.0.
const US_CORE: [&str; 26] = [
    "AllergyIntolerance",
    "CarePlan",
    "CareTeam",
    "Condition",
    "Coverage",
    "Device",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "Goal",
    "Immunization",
    "Location",
    "Medication",
    "MedicationDispense",
    "MedicationRequest",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "Provenance",
    "QuestionnaireResponse",
    "RelatedPerson",
    "ServiceRequest",
    "Specimen",
];
/// Other types to which resources of a record refer, and those of documents.
const OTHERS: [&str; 8] = [
    "Binary",
    "Contract",
    "Group",
    "GuidanceResponse",
    "HealthcareService",
    "InsurancePlan",
    "Substance",
    "Task",
];

#[test]
fn every_type_of_a_record_has_a_name_in_every_language() {
    let of_samples = samples().into_iter().flat_map(|(_, resources)| resources);
    let mut types: BTreeSet<_> = of_samples.map(|resource| text(&resource["resourceType"])).collect();
    assert!(types.contains("Media"), "{types:?}");
    types.extend(table().map(|(resource_type, _)| resource_type.to_owned()));
    types.extend(US_CORE.into_iter().chain(OTHERS).map(str::to_owned));
    for language in Language::all() {
        let words = Words { language, ..Words::default() };
        let unnamed: Vec<_> =
            types.iter().filter(|resource_type| !words.has(&format!("kind-{resource_type}"))).collect();
        assert!(unnamed.is_empty(), "{}: {unnamed:?}", language.tag());
    }
}

/// Two types with the same name would be two rows of a table that nobody can tell apart.
#[test]
fn no_two_types_have_the_same_name() {
    for language in Language::all() {
        let words = Words { language, ..Words::default() };
        let keys: Vec<_> = language.keys().filter(|key| key.starts_with("kind-")).collect();
        let names: BTreeSet<_> = keys.iter().map(|key| words.text(key, &[])).collect();
        assert_eq!(names.len(), keys.len(), "{}", language.tag());
    }
}

/// A type that is in no patient's record by its definition has the words of all such types, with the FHIR name behind them.
#[tokio::test]
async fn the_page_of_a_copy_and_its_zip_have_the_names() {
    let of_patient = |kind: &str| json!({ "resourceType": kind, "id": "x", "subject": { "reference": format!("Patient/{SOMEBODY}") } });
    let resources = ["Media", "ServiceRequest", "VerificationResult"].map(of_patient);
    let patient = json!({ "resourceType": "Patient", "id": SOMEBODY });
    let lake = lake(&[&[patient][..], &resources].concat(), &[]);
    let world = World::with("sandbox = true", lake.path());
    let session = signed_in(&world, SOMEBODY).await;
    let copy = ready_copy(&world, &session).await;
    let shown = page(&world, &session, &copy).await;
    for row in [
        "Photos and recordings <span class=\"muted small\" translate=\"no\">Media</span>",
        "Orders for tests and care <span class=\"muted small\" translate=\"no\">ServiceRequest</span>",
        "Other entries <span class=\"muted small\" translate=\"no\">VerificationResult</span>",
    ] {
        assert!(shown.contains(row), "{row}: {shown}");
    }
    let spanish = format!("{}; lang=es", session.cookie());
    let zip = world.get(&format!("{copy}/zip")).header("cookie", &spanish).send().await;
    let mut index = String::new();
    let mut archive = zip::ZipArchive::new(Cursor::new(&zip.body)).expect("a ZIP");
    archive.by_name("index.html").expect("a page").read_to_string(&mut index).expect("UTF-8");
    let unnamed = "Otras entradas <span class=\"muted\" translate=\"no\">VerificationResult</span></h2>";
    for title in [
        "<h2 id=\"Media\">Fotos y grabaciones</h2>",
        "<h2 id=\"ServiceRequest\">Pedidos de pruebas y atención</h2>",
        unnamed,
    ] {
        assert!(index.contains(title), "{title}: {index}");
    }
}
