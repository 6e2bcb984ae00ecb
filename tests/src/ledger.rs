//! Checks that an export accounts for everything: compares the rules of its ledger with the lines of its files and of the
//! lake, which are counted slowly and without the engine.

use std::collections::HashSet;
use std::sync::Mutex;

use domain::chunk::{OutputFile, Purpose, Work};
use domain::job::{Job, JobState};
use domain::manifest::StoredManifest;
use domain::ports::files::{Files, read_all};
use domain::ports::jobs::{JobQuery, StoredChunk};
use domain::ports::records::{Records, read_whole};
use platform::Platform;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use storage::packs;

const LARGE: usize = 1 << 30;

/// The jobs whose ledgers were already checked.
#[derive(Default)]
pub struct Checked(Mutex<HashSet<String>>);

/// Checks the written exports that were not checked before.
pub async fn check_all(platform: &dyn Platform, checked: &Checked) {
    let query = JobQuery {
        states: vec![JobState::Complete, JobState::InReview],
        count: 1_000,
        ..JobQuery::default()
    };
    let Ok(page) = platform.jobs().expect("the port").list(&query).await else { return };
    for stored in page.jobs {
        let is_new = checked.0.lock().expect("no panic").insert(stored.job.id().to_string());
        if is_new {
            check(platform, &stored.job).await;
        }
    }
}

/// Checks the rules of a ledger that a client can check too, from a manifest or a job's JSON.
pub fn check_laws(ledger: &Value) {
    let count = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("no count: {value} in {ledger}"));
    // FHIR has no empty extensions, so a missing counter is 0.
    let sum = |counts: &Value| counts.as_object().map_or(0, |counts| counts.values().map(count).sum::<u64>());
    let resources = &ledger["resources"];
    let accounted = count(&resources["written"])
        + sum(&resources["leftOut"])
        + sum(&resources["withheld"])
        + count(&resources["duplicates"])
        + count(&resources["problems"]);
    assert_eq!(count(&resources["read"]), accounted, "{ledger}");
    assert!(count(&resources["attachments"]) <= count(&resources["written"]), "{ledger}");
    let documents = &ledger["documents"];
    let accounted = count(&documents["written"])
        + sum(&documents["leftOut"])
        + sum(&documents["withheld"])
        + count(&documents["problems"]);
    assert_eq!(count(&documents["found"]), accounted, "{ledger}");
    let patients = &ledger["patients"];
    let met = count(&patients["exported"]) + count(&patients["absent"]) + count(&patients["failed"]);
    assert_eq!(count(&patients["planned"]), met, "{ledger}");
}

/// Returns the ledger of a manifest of any version; `None` if the value is not a manifest or has no ledger.
pub fn of_manifest(manifest: &Value) -> Option<Value> {
    let extension = manifest.get("transactionTime").and(manifest.get("extension"))?;
    match extension {
        Value::Array(all) => all.iter().find(|one| one["url"] == "ledger").map(plain),
        one => one.get("ledger").cloned(),
    }
}

/// Converts a FHIR extension of counters into an object.
fn plain(extension: &Value) -> Value {
    match extension["extension"].as_array() {
        Some(nested) => {
            let member = |one: &Value| (one["url"].as_str().expect("a name").to_owned(), plain(one));
            Value::Object(nested.iter().map(member).collect())
        }
        None => extension["valueUnsignedInt"].clone(),
    }
}

/// Checks one export.
pub async fn check(platform: &dyn Platform, job: &Job) {
    let summary = job.summary().expect("the export is written");
    let ledger = summary.ledger.as_ref().expect("every export has a ledger");
    check_laws(&json!(ledger));
    let files = platform.files().expect("the port");
    let mut lines = 0;
    for page in 0..summary.pages {
        let Ok(stored) = read_all(&*files, &summary.page_key(page), LARGE).await else { return };
        let stored: StoredManifest = serde_json::from_slice(&stored).expect("a page");
        for named in stored.files {
            let file = named.file;
            let found = resources_in(&*files, &file).await;
            assert_eq!(found, file.count, "{}", named.name);
            if file.purpose.is_data() {
                lines += found;
            }
        }
    }
    let resources = &ledger.resources;
    assert_eq!(lines + resources.attachments, resources.written + resources.made, "{ledger}");
    let stored = platform.jobs().expect("the port").get(job.id()).await.expect("a response").expect("a job");
    for chunk in platform
        .jobs()
        .expect("the port")
        .chunks(job.id(), 0..stored.progress.plan_end)
        .await
        .expect("chunks")
    {
        check_chunk(&*platform.records().expect("the port"), &chunk).await;
    }
}

/// Returns the number of lines that are not headers of blocks.
async fn resources_in(files: &dyn Files, file: &OutputFile) -> u64 {
    let bytes = packs::read(files, &file.location(), LARGE).await.expect("a file");
    let is_header = |line: &&[u8]| {
        if file.purpose != Purpose::Blocks {
            let IgnoredAny = serde_json::from_slice(line).expect("JSON");
            return false;
        }
        let parsed: Value = serde_json::from_slice(line).expect("JSON");
        parsed["parameter"][0]["name"] == "header"
    };
    non_blank(&bytes).filter(|line| !is_header(line)).count() as u64
}

/// Checks that a chunk of patients read as many resources as the patients' files have lines.
async fn check_chunk(records: &dyn Records, stored: &StoredChunk) {
    let ledger = stored.result.as_ref().and_then(|result| result.ledger.as_ref()).expect("a ledger");
    let Work::Patients(patients) = &stored.chunk.work else { return };
    // The rest of a chunk is a chunk of its own, and damaged records cannot be counted.
    if ledger.patients.planned != patients.len() as u64 || ledger.patients.failed > 0 {
        return;
    }
    let (mut lines, mut documents) = (0, 0);
    for patient in patients {
        let parts = records.parts(patient).await.expect("a response");
        documents += parts.documents.len() as u64;
        for part in parts.records {
            let reader = records.open_records(patient, &part).await.expect("a file");
            lines += non_blank(&read_whole(&part.name, reader, LARGE).await.expect("a file")).count() as u64;
        }
    }
    assert_eq!((ledger.resources.read, ledger.documents.found), (lines, documents), "{ledger}");
}

fn non_blank(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty())
}
