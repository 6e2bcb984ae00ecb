//! The process of a function is killed while it exports a chunk: another one takes the chunk over within two minutes. The emulator runs the
//! functions of a stack of this story alone, so that no other export is disturbed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws::{Aws, files_at, sdk};
use crypto::OsRandom;
use domain::clock::{Clock, SystemClock};
use domain::ids::{JobId, PatientId};
use domain::job::Job;
use domain::ports::files::write_all;
use domain::request::{Cohort, SizeClass};
use jiff::{SignedDuration, Timestamp};
use platform::Platform;
use serde_json::Value;
use settings::Settings;
use settings::resources::Resources;
use tests::deployed::{aws, variable};
use tests::emulated::Emulator;
use tests::exports::{begin, new_export};

use crate::aws::exported;

/// The time within which a chunk must be taken over.
const TAKEN_OVER: SignedDuration = SignedDuration::from_mins(2);
/// The time within which everything else must happen.
const PATIENCE: Duration = Duration::from_mins(5);

/// The patients, and the number of their resources. Each of them is a chunk (`ChunkBytes` of the stack). The chunk of the second one is
/// written in several parts, so that a part is stored long before the chunk is finished.
const PATIENTS: [(&str, usize); 2] = [("a", 600), ("b", 24_000)];

/// The resources that the platform of this story uses, by the names of the template.
const RESOURCES: [(&str, &str); 7] = [
    ("EHI_JOBS_TABLE", "EHI_TEST_KILLED_JOBS_TABLE"),
    ("EHI_GRANTS_TABLE", "EHI_TEST_KILLED_GRANTS_TABLE"),
    ("EHI_AUDIT_TABLE", "EHI_TEST_KILLED_AUDIT_TABLE"),
    ("EHI_SMALL_QUEUE", "EHI_TEST_KILLED_SMALL_QUEUE"),
    ("EHI_LARGE_QUEUE", "EHI_TEST_KILLED_LARGE_QUEUE"),
    ("EHI_FILES_BUCKET", "EHI_TEST_KILLED_FILES_BUCKET"),
    ("EHI_RECORDS", "EHI_TEST_KILLED_LAKE"),
];

async fn platform() -> Aws {
    let resources = Resources::of(|name| {
        RESOURCES.iter().find(|(known, _)| *known == name).map(|(_, from)| variable(from))
    });
    let settings = Settings::parse("base_url = \"http://localhost:8888\"", |_| None, None).expect("settings");
    Aws::new(sdk().await, Arc::new(resources), settings, None, Arc::new(SystemClock), Arc::new(OsRandom))
}

/// Writes the records of the patients; returns how often each resource must be exported.
async fn write_records() -> BTreeMap<String, u32> {
    let lake =
        files_at(&sdk().await, &variable("EHI_TEST_KILLED_LAKE"), Arc::new(SystemClock)).expect("a lake");
    let (filler, mut expected) = ("x".repeat(1_800), BTreeMap::new());
    for (patient, resources) in PATIENTS {
        let mut record = format!("{{\"resourceType\":\"Patient\",\"id\":\"{patient}\"}}\n");
        expected.insert(format!("Patient/{patient}"), 1);
        for number in 0..resources {
            let id = format!("{patient}-{number}");
            writeln!(
                record,
                "{{\"resourceType\":\"Observation\",\"id\":\"{id}\",\"status\":\"final\",\"code\":{{\"text\":\"{filler}\"}},\
                 \"subject\":{{\"reference\":\"Patient/{patient}\"}}}}"
            )
            .expect("text");
            expected.insert(format!("Observation/{id}"), 1);
        }
        write_all(&*lake, &format!("Patient/{patient}/a.ndjson"), record.into_bytes())
            .await
            .expect("written");
    }
    expected
}

/// Waits until the first chunk is recorded and a part of the other one is stored, and kills the worker. Returns the time of that.
async fn kill_at_work(platform: &Aws, job: &JobId) -> Timestamp {
    let sdk = sdk().await;
    let s3 = aws_sdk_s3::config::Builder::from(&sdk).force_path_style(true).build();
    let s3 = aws_sdk_s3::Client::from_conf(s3);
    let (bucket, prefix) = (variable("EHI_TEST_KILLED_FILES_BUCKET"), format!("exports/{job}/"));
    let jobs = platform.jobs().expect("the port");
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < PATIENCE, "the chunk does not start");
        let progress = jobs.get(job).await.expect("a response").expect("the job").progress;
        assert!(
            !progress.plan_complete || !progress.all_done(),
            "the chunk was finished before the worker was killed"
        );
        let uploads = s3.list_multipart_uploads().bucket(&bucket).prefix(&prefix).send().await;
        let is_stored = !uploads.expect("a list").uploads().is_empty();
        if progress.plan_complete && progress.chunks_done == 1 && is_stored {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let table = variable("EHI_TEST_KILLED_JOBS_TABLE");
    let workers = Emulator::of_tests().processes("GeneratorFunction", &table);
    assert!(!workers.is_empty(), "the emulator runs the functions in processes of this machine");
    for worker in workers {
        worker.kill();
    }
    let killed = SystemClock.now();
    let progress = jobs.get(job).await.expect("a response").expect("the job").progress;
    assert_eq!(
        (progress.chunks_planned, progress.chunks_done),
        (2, 1),
        "the worker was killed during the chunk"
    );
    killed
}

async fn ended(platform: &Aws, job: &JobId) -> Job {
    let (jobs, begun) = (platform.jobs().expect("the port"), Instant::now());
    loop {
        let stored = jobs.get(job).await.expect("a response").expect("the job");
        if !stored.job.is_active() {
            return stored.job;
        }
        assert!(begun.elapsed() < PATIENCE, "{job} does not end");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Returns the time at which the log says that a task of the job began with its second delivery.
async fn began_again(job: &JobId) -> Timestamp {
    let begun = Instant::now();
    loop {
        let logged =
            aws(&["logs", "filter-log-events", "--log-group-name", &variable("EHI_TEST_KILLED_LOGS")]);
        let events = logged["events"].as_array().expect("events").iter();
        let lines = events.filter_map(|event| event["message"].as_str()).flat_map(str::lines);
        let tasks = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let of_job = tasks.filter(|line| line["message"] == "task" && line["job.id"] == job.as_str());
        let again: Vec<_> = of_job.filter(|line| line["deliveries"].as_u64() > Some(1)).collect();
        if let Some(task) = again.first() {
            assert_eq!(
                (again.len(), &task["task"], &task["deliveries"]),
                (1, &"chunk".into(), &2.into()),
                "{again:?}"
            );
            let logged: Timestamp =
                task["timestamp"].as_str().and_then(|at| at.parse().ok()).expect("a time");
            let lasted = task["duration_ms"].as_i64().expect("a duration");
            return logged - SignedDuration::from_millis(lasted);
        }
        assert!(begun.elapsed() < PATIENCE, "no task of the job was delivered again");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "cargo xtask test deploys the stack that it needs"]
async fn the_chunk_of_a_killed_worker_is_taken_over_within_two_minutes() -> tests::Result {
    let expected = write_records().await;
    let platform = platform().await;
    let patients = PATIENTS.map(|(patient, _)| PatientId::parse(patient).expect("an id"));
    let mut new = new_export(Cohort::of(patients.to_vec()));
    new.request.output.size = Some(SizeClass::Large);
    let job = begin(&platform, new).await;
    let killed = kill_at_work(&platform, job.id()).await;
    let done = ended(&platform, job.id()).await;
    assert!(matches!(done, Job::Complete(_)), "{:?}", done.header().history);
    let found = exported(&platform, &done).await;
    assert_eq!(found.len(), expected.len(), "each resource is exported");
    assert!(found == expected, "each resource is exported once");
    let again = began_again(job.id()).await;
    let pause = again.duration_since(killed);
    assert!(pause > SignedDuration::ZERO, "the second worker began after the first one was killed: {pause}");
    assert!(pause < TAKEN_OVER, "the second worker began {pause} after the first one was killed");
    Ok(())
}

/// Starts a program that does nothing, as the emulator starts a function.
fn started(directory: &Path, port: u16, (function, table): (&str, &str)) -> Child {
    let directory = directory.join(format!("ministack-provided-code-{port}/0123abcd"));
    std::fs::create_dir_all(&directory).expect("a directory");
    let program = directory.join("bootstrap");
    if !program.exists() {
        // This process must not have the program open for writing, because then it could not be started.
        let copied = Command::new("cp").arg("/bin/sleep").arg(&program).status();
        assert!(copied.expect("cp is there").success());
    }
    let mut command = Command::new(program);
    command.arg("300").env("AWS_LAMBDA_FUNCTION_NAME", function).env("EHI_JOBS_TABLE", table);
    command.spawn().expect("a process")
}

/// Only a process of the own emulator, of the right stack and function, is found, and so no other one is killed.
#[test]
fn only_the_workers_of_the_own_emulator_are_found() {
    const PORTS: [u16; 2] = [64_001, 64_002];
    let directory = tempfile::tempdir().expect("a directory");
    let start = |port, function, table| started(directory.path(), port, (function, table));
    let mut worker = start(PORTS[0], "killed-LargeGeneratorFunction-1", "killed-jobs");
    let mut others = [
        start(PORTS[1], "killed-LargeGeneratorFunction-1", "killed-jobs"),
        start(PORTS[0], "killed-StatusFunction-1", "killed-jobs"),
        start(PORTS[0], "killed-LargeGeneratorFunction-1", "other-jobs"),
        Command::new("/bin/sleep")
            .arg("300")
            .env("AWS_LAMBDA_FUNCTION_NAME", "killed-LargeGeneratorFunction-1")
            .env("EHI_JOBS_TABLE", "killed-jobs")
            .spawn()
            .expect("a process"),
    ];
    let found =
        |process: u32| Emulator { process, port: PORTS[0] }.processes("GeneratorFunction", "killed-jobs");
    let workers = found(std::process::id());
    let ids: Vec<_> = workers.iter().map(|worker| worker.id).collect();
    // An emulator that is no ancestor has not started the process.
    let of_others = found(others[3].id());
    for worker in &workers {
        worker.kill();
    }
    let ended = worker.wait().expect("it ended");
    let running = others.each_mut().map(|other| other.try_wait().expect("a state").is_none());
    for other in &mut others {
        other.kill().and_then(|()| other.wait()).expect("it ends");
    }
    assert_eq!((ids, of_others.len()), (vec![worker.id()], 0));
    assert!(!ended.success() && running.iter().all(|runs| *runs), "{ended}, {running:?}");
}
