//! The examples of `_typeFilter` in Bulk Data 2.0 and 3.0, and searches of the other types around a record.

use http::StatusCode;
use serde_json::json;
use tests::text;

use super::{EVERYTHING, Lake, exported, resources};

/// The example of the specification, character by character.
const EXAMPLE: &str = "_type=MedicationRequest,Condition&_typeFilter=MedicationRequest%3Fstatus%3Dactive,MedicationRequest%3Fstatus%3Dcompleted%26date%3Dgt2018-07-01T00%3A00%3A00Z";

#[tokio::test]
async fn the_example_of_the_specification_is_exported() -> tests::Result {
    let lake = Lake::new();
    let prescription = |id: &str, status: &str, event: &str| {
        json!({
            "resourceType": "MedicationRequest", "id": id, "status": status, "intent": "order",
            "subject": { "reference": "Patient/p1" }, "dosageInstruction": [{ "timing": { "event": [event] } }],
        })
    };
    let all = [
        prescription("active", "active", "2017-01-01"),
        prescription("completed", "completed", "2018-07-02"),
        prescription("earlier", "completed", "2018-06-30"),
        prescription("stopped", "stopped", "2019-01-01"),
    ];
    let lines = all.each_ref().map(ToString::to_string).join("\n") + "\n";
    std::fs::write(lake.path().join("Patient/p1/prescriptions.ndjson"), lines)?;
    let world = lake.world("");
    let token = world.service("service", EVERYTHING).await;
    for base in ["/fhir", "/4_0_0", "/fhir/r4"] {
        let manifest = exported(&world, &token, &format!("{base}/$export?{EXAMPLE}")).await;
        let found = resources(&world, &token, &manifest, "output").await;
        let mut prescriptions: Vec<_> =
            found.iter().filter(|found| found["resourceType"] == "MedicationRequest").collect();
        prescriptions.sort_by_key(|found| text(&found["id"]));
        assert_eq!(prescriptions, [&all[0], &all[1]], "{base}");
        assert!(found.iter().any(|found| found["resourceType"] == "Condition"), "{base}");
    }
    Ok(())
}

#[tokio::test]
async fn the_types_around_a_record_can_be_searched() {
    let lake = Lake::new();
    let world = lake.world("");
    let token = world.service("service", EVERYTHING).await;
    for search in [
        "Consent?status=active&category=59284-0&date=ge2024&patient=Patient/p1",
        "QuestionnaireResponse?status=completed&authored=ge2024&questionnaire=http://q|1&patient=p1&subject=p1",
        "MedicationDispense?status=completed&type=FF&patient=p1&whenhandedover=ge2024",
        "RelatedPerson?patient=p1&name=eva",
        "Specimen?patient=p1&type=119297000",
    ] {
        let query: String = url::form_urlencoded::byte_serialize(search.as_bytes()).collect();
        let response = world.get(&format!("/fhir/$export?_typeFilter={query}")).bearer(&token).send().await;
        assert_eq!(response.status, StatusCode::ACCEPTED, "{search}: {}", response.text());
    }
}
