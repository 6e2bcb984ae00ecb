//! Compares AuditEvents with the structure of FHIR R4 (AuditEvent, resource content).

use domain::audit::{Action, Actor, Entry, Event, Origin, Outcome};
use domain::ids::{ClientId, GroupId, JobId, PatientId};
use fhir::mandatory::MANDATORY;
use serde_json::Value;
use web::audit_event::audit_event;

/// Returns an entry with every member that an entry may have.
fn entry(actor: Actor, action: Action, outcome: Outcome) -> Entry {
    let at = "2026-03-01T12:00:00.123Z".parse().expect("a time");
    let job = JobId::parse("01a1fb95-ab0a-7a46-aeea-001492bd7651").expect("an id");
    let patient = PatientId::parse("anna-lindqvist").expect("an id");
    let event = Event::new(actor, action).of_patient(&patient).of_job(&job).about("Patient.ndjson");
    let event = event.of_group(&GroupId::parse("ward-7").expect("an id"));
    let origin = Origin { address: Some("192.0.2.1".to_owned()), request: Some("00aa".to_owned()) };
    let event = Event { origin, ..event.with(outcome) };
    Entry { shard: 3, sequence: 41, previous: None, at, kept_until: at, event }
}

/// Checks the members of an element: it must have the required ones, and may have the optional ones.
fn has(element: &Value, must: &[&str], may: &[&str]) {
    let members = element.as_object().unwrap_or_else(|| panic!("no element: {element}"));
    for name in must {
        assert!(members.contains_key(*name), "{name} is missing: {element}");
    }
    for (name, value) in members {
        assert!(must.contains(&name.as_str()) || may.contains(&name.as_str()), "{name}: {element}");
        assert!(value != "" && value.as_array().is_none_or(|list| !list.is_empty()), "{name} is empty");
    }
}

fn coding(value: &Value, systems: &[&str]) {
    has(value, &["system", "code"], &["display"]);
    assert!(systems.iter().any(|system| value["system"] == **system), "{value}");
}

const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";

#[test]
fn audit_events_have_the_structure_of_r4() {
    let client = ClientId::parse("app").expect("an id");
    let patient = PatientId::parse("anna-lindqvist").expect("an id");
    let actors = [
        Actor::staff("ann").of_issuer(Some("https://login.example.org")),
        Actor::patient(&patient),
        Actor::client(&client),
        Actor::operator(),
        Actor::unknown(),
    ];
    let mandatory = MANDATORY.iter().find(|(name, _)| *name == "AuditEvent").expect("a type").1;
    for actor in &actors {
        for action in Action::ALL {
            for outcome in Outcome::ALL {
                check(
                    &audit_event(&entry(actor.clone(), *action, outcome), "https://ehi.example.org"),
                    mandatory,
                );
            }
        }
    }
}

fn check(event: &Value, mandatory: &[&str]) {
    let may = ["id", "subtype", "action", "outcome", "outcomeDesc", "entity"];
    has(event, &[&["resourceType"][..], mandatory].concat(), &may);
    coding(&event["type"], &[DICOM, "http://terminology.hl7.org/CodeSystem/audit-event-type"]);
    let subtypes = [
        DICOM,
        "http://hl7.org/fhir/restful-interaction",
        "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle",
    ];
    coding(&event["subtype"][0], &subtypes);
    assert!(["C", "R", "U", "D", "E"].iter().any(|code| event["action"] == *code), "{event}");
    assert!(["0", "4", "8", "12"].iter().any(|code| event["outcome"] == *code), "{event}");
    assert_eq!(event["recorded"], "2026-03-01T12:00:00.123Z");
    let agent = &event["agent"][0];
    has(agent, &["requestor"], &["type", "who", "network"]);
    has(&agent["network"], &[], &["address", "type"]);
    coding(
        &agent["type"]["coding"][0],
        &[DICOM, "http://terminology.hl7.org/CodeSystem/extra-security-role-type"],
    );
    has(&agent["who"], &[], &["reference", "identifier"]);
    has(&event["source"], &["observer"], &["type"]);
    let entities = event["entity"].as_array().expect("entities");
    assert_eq!(entities.len(), 5);
    for entity in entities {
        // An entity must not have both a name and a query (sev-1); these entities have neither.
        has(entity, &[], &["what", "type", "role"]);
        has(&entity["what"], &[], &["reference", "identifier"]);
        coding(&entity["type"], &["http://terminology.hl7.org/CodeSystem/audit-entity-type"]);
        coding(&entity["role"], &["http://terminology.hl7.org/CodeSystem/object-role"]);
    }
}
