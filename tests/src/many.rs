//! Stores with many entries, for the tests and benchmarks of the pages of staff.

use std::path::Path;

use domain::ids::PatientId;
use domain::job::Job;
use domain::patient_summary::PatientSummary;
use domain::ports::jobs::Jobs;
use domain::states::{AwaitingInput, Queued};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::ANNA;

/// Returns one of the jobs of a hospital: one in a hundred is Anna's, and the other names begin with many different letters. `seconds`
/// decides the time of creation.
pub fn job(number: usize, seconds: i64) -> Job {
    let Job::Queued(Queued { mut header }) = contract::job(seconds, "p") else {
        unreachable!("it is queued")
    };
    let id = PatientId::parse(&format!("p{number}")).expect("an id");
    let letter = |place: usize| char::from(b'a' + u8::try_from(number / place % 26).expect("a letter"));
    let name = match number % 100 {
        7 => "Anna Lindqvist".to_owned(),
        _ => format!("{0}{1}{2}ia {1}{0}{2}son", letter(1), letter(26), letter(676)),
    };
    let mut summary = PatientSummary::new(id, name);
    summary.birth_date = Some(format!("{}-0{}-1{}", 1940 + number % 70, 1 + number % 9, number % 10));
    header.patient = Some(summary);
    match number % 50 {
        // Only a few wait for the patient's form.
        0 => Job::AwaitingInput(AwaitingInput { header }),
        _ => Job::Queued(Queued { header }),
    }
}

/// Stores the jobs with these numbers. Each begins a second after the one with the number before it, and all of them begin in the hours
/// before this time.
pub async fn add_jobs(jobs: &dyn Jobs, numbers: impl Iterator<Item = usize>, end: &str) {
    let end: Timestamp = end.parse().expect("a time");
    // The second with which the ids of `contract::job` begin.
    let newest = end.as_second() - 1_700_000_000;
    for number in numbers {
        let seconds = newest - 10_000 + i64::try_from(number).expect("few");
        jobs.create(&job(number, seconds)).await.expect("created");
    }
}

/// Returns the numbers of a hundred of [`job`]s, among which there is a whole page of each state and of each name.
pub fn hundred() -> impl Iterator<Item = usize> {
    let waiting = (0..25).map(|number| number * 50);
    let named = (0..25).map(|number| number * 100 + 7);
    let others = (0..50).map(|number| number * 100 + 31);
    waiting.chain(named).chain(others)
}

/// Returns an Observation of Anna.
pub fn observation(number: usize) -> Value {
    json!({
        "resourceType": "Observation", "id": format!("o{number}"), "status": "final",
        "category": [{ "coding": [{ "code": "laboratory" }] }], "subject": { "reference": format!("Patient/{ANNA}") },
        "code": { "text": format!("Glucose {number}") }, "effectiveDateTime": "2020-01-01",
        "valueQuantity": { "value": number, "unit": "mg/dL" },
    })
}

/// Writes a lake with Anna and these resources of hers.
pub fn write_record(lake: &Path, resources: impl Iterator<Item = Value>) {
    let directory = lake.join("Patient").join(ANNA);
    std::fs::create_dir_all(&directory).expect("a directory");
    let patient = json!({ "resourceType": "Patient", "id": ANNA, "name": [{ "family": "Lindqvist", "given": ["Anna"] }] });
    let mut text = format!("{patient}\n");
    for resource in resources {
        text.extend([resource.to_string(), "\n".to_owned()]);
    }
    std::fs::write(directory.join("all.ndjson"), text).expect("written");
}
