//! Whose records a bulk export disclosed, as the audit trail says it when the export is gone (45 CFR 164.528).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use contract::FixedClock;
use domain::audit::{Action, Actor, Event, Outcome};
use domain::ids::{JobId, PatientId};
use domain::ports::audit::{AuditLog, AuditPage, AuditQuery, StoredEntry};
use http::{Method, StatusCode};
use serde_json::Value;
use tests::{ANNA, BRUNO, World, both_hosts, text};
use web::audit::Audit;

use super::{events, summary};
use crate::bulk::exported;

/// Exports, downloads a file and deletes the export; returns its id.
async fn disclosed(world: &World, path: &str) -> String {
    let token = world.service("service", "system/*.rs").await;
    let manifest = exported(world, &token, path).await;
    let url = text(&manifest["output"][0]["url"]);
    let file = world.get(&url).bearer(&token).send().await;
    assert_eq!(file.status, StatusCode::OK, "{path}");
    let id = url.split("/jobs/").nth(1).and_then(|rest| rest.split('/').next()).expect("an id").to_owned();
    let gone = world.request(Method::DELETE, &format!("/jobs/{id}/status")).bearer(&token).send().await;
    assert_eq!(gone.status, StatusCode::ACCEPTED, "{path}: {}", gone.text());
    id
}

/// Returns the references and identifiers of the entities of an event with this role.
fn named(event: &Value, role: &str) -> BTreeSet<String> {
    let entities = event["entity"].as_array().into_iter().flatten();
    let entities = entities.filter(|entity| entity["role"]["code"] == role);
    let name = |what: &Value| text(what.get("reference").unwrap_or(&what["identifier"]["value"]));
    entities.map(|entity| name(&entity["what"])).collect()
}

const PATIENT: &str = "1";
const LIST: &str = "7";
const JOB: &str = "20";

/// Each start and each download says whose records they were: by name, by the group, or all of them.
#[both_hosts(alone)]
async fn entries_say_whose_records_were_disclosed_when_the_export_is_gone(world: World) {
    let two = format!("/fhir/Patient/$export?patient={ANNA}&patient={BRUNO}");
    for (path, role, expected) in [
        ("/fhir/Group/everyone/$export", LIST, &["Group/everyone"][..]),
        ("/fhir/Patient/$export", LIST, &["all-patients"]),
        ("/fhir/$export", LIST, &["system"]),
        (&two, PATIENT, &["Patient/anna-lindqvist", "Patient/bruno-keller"]),
        ("/fhir/Patient/$export?patient=anna-lindqvist", PATIENT, &["Patient/anna-lindqvist"]),
    ] {
        let job = disclosed(&world, path).await;
        for action in ["export-started", "download"] {
            let found = events(&world, &format!("who=service&action={action}")).await;
            let found: Vec<_> = found.iter().filter(|event| named(event, JOB).contains(&job)).collect();
            assert_eq!(found.len(), 1, "{path}: {found:?}");
            assert_eq!(summary(found[0]), format!("{action} by service: success"));
            assert_eq!(
                named(found[0], role),
                expected.iter().map(|name| (*name).to_owned()).collect(),
                "{path}"
            );
        }
    }
    let of_anna = events(&world, &format!("patient={ANNA}&action=download")).await;
    assert_eq!(of_anna.len(), 2, "the exports that name the patient are found by the patient: {of_anna:?}");
    let page = world.get("/staff/audit?action=download").cookie(&world.staff().await).send().await.text();
    for shown in ["Group/everyone", "All patients", "All patients and all other records", BRUNO] {
        assert!(page.contains(&format!("{shown}</td>")), "{shown}: {page}");
    }
}

/// Writes a lake with 120 patients; returns it, their ids, and the kick-off that names all of them.
fn many() -> (tempfile::TempDir, BTreeSet<String>, String) {
    let lake = tempfile::tempdir().expect("a directory");
    let ids: BTreeSet<_> = (0..120).map(|number| format!("patient-{number}")).collect();
    for id in &ids {
        let record = lake.path().join("Patient").join(id);
        std::fs::create_dir_all(&record).expect("a directory");
        let line = format!("{{\"resourceType\":\"Patient\",\"id\":\"{id}\"}}\n");
        std::fs::write(record.join("records.ndjson"), line).expect("written");
    }
    let asked: Vec<_> = ids.iter().map(|id| format!("patient={id}")).collect();
    let path = format!("/fhir/Patient/$export?{}", asked.join("&"));
    (lake, ids, path)
}

/// An entry names at most 50 patients. An export of more has several entries.
#[tokio::test]
async fn every_patient_of_a_long_request_is_named() {
    let (lake, ids, path) = many();
    let world = World::with("sandbox = true", lake.path());
    disclosed(&world, &path).await;
    let expected: BTreeSet<_> = ids.iter().map(|id| format!("Patient/{id}")).collect();
    for action in ["export-started", "download"] {
        let found = events(&world, &format!("action={action}")).await;
        assert_eq!(found.len(), 3, "{action}");
        let patients: BTreeSet<_> = found.iter().flat_map(|event| named(event, PATIENT)).collect();
        assert_eq!(patients, expected, "{action}");
    }
}

/// The first of several downloads names all patients, and so does the first one an hour later. The others have their number.
#[tokio::test]
async fn many_patients_are_named_once_an_hour() {
    let (lake, ids, path) = many();
    let world = World::with("sandbox = true", lake.path());
    let manifest = exported(&world, &world.service("service", "system/*.rs").await, &path).await;
    let url = text(&manifest["output"][0]["url"]);
    let download = async |times: usize| {
        let token = world.service("service", "system/*.rs").await;
        for _ in 0..times {
            assert_eq!(world.get(&url).bearer(&token).send().await.status, StatusCode::OK);
        }
        events(&world, "action=download").await
    };
    let names = |events: &[Value]| -> BTreeSet<String> {
        events.iter().flat_map(|event| named(event, PATIENT)).collect()
    };
    let expected: BTreeSet<_> = ids.iter().map(|id| format!("Patient/{id}")).collect();
    // Newest first: four downloads, and before them the one whose three entries have the names.
    let found = download(5).await;
    let (counted, full) = found.split_at(4);
    assert_eq!((full.len(), names(full)), (3, expected.clone()));
    for event in counted {
        assert!(named(event, PATIENT).is_empty(), "{event}");
        assert_eq!(named(event, LIST), BTreeSet::from(["named-patients".to_owned()]));
        assert_eq!(named(event, JOB), named(&full[0], JOB), "the same export");
        assert!(event.to_string().contains("120 patients: events of the same agent"), "{event}");
    }
    world.advance(3_601);
    let found = download(2).await;
    assert_eq!((found.len(), names(&found[1..4])), (7 + 4, expected));
    assert!(names(&found[..1]).is_empty(), "{}", found[0]);
    let of_one = events(&world, "action=download&patient=patient-77").await;
    assert_eq!(of_one.len(), 2, "one in each hour: {of_one:?}");
    let page = world.get("/staff/audit?action=download").cookie(&world.staff().await).send().await.text();
    assert!(page.contains("120 patients, whom earlier entries about this export name"), "{page}");
}

/// The events that were appended.
#[derive(Default)]
struct Appended(Mutex<Vec<Event>>);

#[async_trait]
impl AuditLog for Appended {
    async fn append(&self, event: &Event) -> domain::error::Result<()> {
        self.0.lock().expect("not poisoned").push(event.clone());
        Ok(())
    }

    async fn list(&self, _: &AuditQuery) -> domain::error::Result<AuditPage> {
        Ok(AuditPage { entries: Vec::new(), next: None })
    }

    async fn chain(&self, _: u8, _: u64, _: usize) -> domain::error::Result<Vec<StoredEntry>> {
        Ok(Vec::new())
    }

    async fn newest(&self, _: u8, _: usize) -> domain::error::Result<Vec<StoredEntry>> {
        Ok(Vec::new())
    }

    async fn sweep(&self) -> domain::error::Result<u64> {
        Ok(0)
    }
}

/// A filter by action or result finds an entry by each of its patients, also if another action has named them in the same hour.
#[tokio::test]
async fn each_action_and_result_names_many_patients() {
    let log = Arc::new(Appended::default());
    let audit = Audit::new(log.clone(), Arc::new(FixedClock::at(jiff::Timestamp::UNIX_EPOCH)));
    let (job, ids) = (JobId::of_no_job(), 0..120);
    let patients = ids.map(|number| PatientId::parse(&format!("p{number}")).expect("an id"));
    let event = |action| Event::new(Actor::staff("ann"), action).of_job(&job).showing(patients.clone());
    for (event, expected) in [
        (event(Action::RecordViewed), 120),
        (event(Action::RecordViewed), 0),
        (event(Action::Approved), 120),
        (event(Action::Approved).with(Outcome::Failed), 120),
        (event(Action::Approved).with(Outcome::Failed), 0),
        (event(Action::RecordViewed), 0),
    ] {
        let (action, outcome) = (event.action, event.outcome);
        audit.record(event).await.expect("recorded");
        let appended = std::mem::take(&mut *log.0.lock().expect("not poisoned"));
        let named: usize = appended.iter().map(|event| event.shown.len()).sum();
        assert_eq!(named, expected, "{action:?} {outcome:?}");
        assert!(appended.iter().all(|event| (event.action, event.outcome) == (action, outcome)));
    }
}
