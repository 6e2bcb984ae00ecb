//! Features that only a deployment has: a lake in a bucket, the schedule, and one log of all functions.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws::{files_at, sdk};
use crypto::OsRandom;
use domain::clock::{Clock, Random, SystemClock};
use domain::ports::files::{Files, write_all};
use http::StatusCode;
use platform::telemetry::DIMENSIONS;
use serde_json::Value;
use tests::deployed::variable;
use tests::{ANNA, World};

const PATIENCE: Duration = Duration::from_mins(3);

async fn bucket(url: &str) -> Arc<dyn Files> {
    files_at(&sdk().await, url, Arc::new(SystemClock)).expect("a bucket")
}

#[tokio::test]
#[ignore = "cargo xtask test deploys the stack that it needs"]
async fn a_damaged_object_of_the_lake_is_reported_and_the_rest_is_exported() -> tests::Result {
    let world = World::deployed();
    let lake = bucket(&variable("EHI_TEST_SERVED_LAKE")).await;
    let patient = b"{\"resourceType\":\"Patient\",\"id\":\"broken\"}\n".to_vec();
    write_all(&*lake, "Patient/broken/a.ndjson", patient).await?;
    write_all(&*lake, "Patient/broken/b.ndjson.gz", b"no gzip at all".to_vec()).await?;
    let token = world.token("broken").await;
    let job = world.kick_off(&token, "/auto-approve/no-form", "broken").await;
    world.work().await;
    let status = world.status(&token, &job).await;
    assert_eq!(status.status, StatusCode::OK, "{}", status.text());
    let manifest = status.json();
    assert_eq!(manifest["extension"]["ledger"]["patients"]["failed"], 1, "{manifest}");
    assert_eq!(manifest["output"][0]["type"], "Patient", "{manifest}");
    let errors = manifest["error"][0]["url"].as_str().expect("a file of problems");
    let problems = world.get(errors).bearer(&token).send().await.text();
    assert!(problems.contains("Patient/broken/b.ndjson.gz"), "{problems}");
    Ok(())
}

#[tokio::test]
#[ignore = "cargo xtask test deploys the stack that it needs"]
async fn the_schedule_runs_cleanup() -> tests::Result {
    let files = bucket(&format!("s3://{}", variable("EHI_TEST_SERVED_FILES"))).await;
    let orphan = format!("exports/{}/x", OsRandom.job(SystemClock.now()));
    write_all(&*files, &orphan, b"orphan".to_vec()).await?;
    let begun = Instant::now();
    while files.size(&orphan).await?.is_some() {
        assert!(begun.elapsed() < PATIENCE, "cleanup never ran");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

/// Returns all lines that the functions have logged so far.
fn logged() -> Vec<String> {
    let output = Command::new(variable("EHI_TEST_AWS"))
        .args(["logs", "filter-log-events", "--log-group-name", &variable("EHI_TEST_SERVED_LOGS")])
        .args(["--output", "json"])
        .output()
        .expect("the AWS command line");
    let events: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let events = events["events"].as_array().expect("events").iter();
    events.filter_map(|event| event["message"].as_str()).flat_map(str::lines).map(str::to_owned).collect()
}

#[tokio::test]
#[ignore = "cargo xtask test deploys the stack that it needs"]
async fn the_log_follows_a_request_to_its_last_chunk_and_has_no_names() {
    let world = World::deployed();
    let token = world.token(ANNA).await;
    let path = format!("/auto-approve/no-form/fhir/Patient/{ANNA}/$ehi-export");
    let started = world.post(&path).bearer(&token).send().await;
    let (request, job) = (started.header("x-request-id").to_owned(), started.job().replace("/jobs/", ""));
    world.work().await;
    let begun = Instant::now();
    let lines = loop {
        let lines = logged();
        if lines.iter().any(|line| line.contains("export finished") && line.contains(&job)) {
            break lines;
        }
        assert!(begun.elapsed() < PATIENCE, "the export's end is not logged");
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    let of_request = |message: &str| {
        let line = lines.iter().find(|line| line.contains(&request) && line.contains(message));
        serde_json::from_str::<Value>(line.unwrap_or_else(|| panic!("no line '{message}'"))).expect("JSON")
    };
    assert_eq!(of_request("export started")["job.id"], *job);
    assert_eq!(of_request("\"request\"")["client.id"], "app");
    assert!(of_request("chunk written")["bytes"].as_u64().is_some_and(|bytes| bytes > 10_000));
    assert!(of_request("export finished")["resources"].as_u64().is_some_and(|count| count > 50));
    for metric in ["ExportsStarted", "ExportsFinished", "ChunkTime", "QueueAge", "ColdStarts"] {
        let line = lines.iter().find(|line| line.contains("_aws") && line.contains(metric));
        let line: Value = serde_json::from_str(line.unwrap_or_else(|| panic!("{metric}"))).expect("JSON");
        for dimension in DIMENSIONS {
            assert!(line[dimension].as_str().is_some_and(|name| name != "none"), "{line} has no {dimension}");
        }
    }
    let log = lines.join("\n");
    for secret in ["Lindqvist", ANNA, "eyJ", "refresh_token="] {
        assert!(!log.contains(secret), "the log has {secret}");
    }
}
