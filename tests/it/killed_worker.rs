//! The process of a function is killed while it exports a chunk: another one takes the chunk over within two minutes. The emulator runs the
//! functions of a stack of this story alone, so that no other export is disturbed.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
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

/// A delivery of a task, from the log.
#[derive(Debug)]
struct Logged {
    message: String,
    deliveries: u64,
    began: Timestamp,
    ended: Timestamp,
}

impl Logged {
    fn read(line: &Value) -> Self {
        let text = |name: &str| line[name].as_str().expect("a text");
        let ended: Timestamp = text("timestamp").parse().expect("a time");
        let lasted = line["duration_ms"].as_i64().expect("a duration");
        Self {
            message: text("message.id").to_owned(),
            deliveries: line["deliveries"].as_u64().expect("a number"),
            began: ended - SignedDuration::from_millis(lasted),
            ended,
        }
    }
}

/// Returns the deliveries of the chunks of a job that have ended. The log has none for a worker that was killed.
fn logged_chunks(job: &JobId) -> Vec<Logged> {
    let logged = aws(&["logs", "filter-log-events", "--log-group-name", &variable("EHI_TEST_KILLED_LOGS")]);
    let events = logged["events"].as_array().expect("events").iter();
    let lines = events.filter_map(|event| event["message"].as_str()).flat_map(str::lines);
    let tasks = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_job = tasks.filter(|line| line["message"] == "task" && line["job.id"] == job.as_str());
    of_job.filter(|line| line["task"] == "chunk").map(|line| Logged::read(&line)).collect()
}

/// Returns when the chunk of the killed worker began again. A chunk that ended before is another one; on a busy machine, it may also have
/// been delivered more than once, and so may this one.
fn began_again(chunks: &[Logged], killed: Timestamp) -> Option<Timestamp> {
    let has_ended = |message: &str| chunks.iter().any(|one| one.message == message && one.ended < killed);
    let again = chunks.iter().filter(|one| one.deliveries > 1 && one.began > killed);
    again.filter(|one| !has_ended(&one.message)).map(|one| one.began).min()
}

/// Waits until the log has the delivery of the chunk to another worker; returns the time at which it began.
async fn taken_over(job: &JobId, killed: Timestamp) -> Timestamp {
    let begun = Instant::now();
    loop {
        let chunks = logged_chunks(job);
        if let Some(began) = began_again(&chunks, killed) {
            return began;
        }
        assert!(begun.elapsed() < PATIENCE, "no other worker took the chunk over: {chunks:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Only the chunk that was not finished counts, and only its first delivery after the worker was killed.
#[test]
fn deliveries_of_other_chunks_are_not_those_of_the_killed_one() {
    let killed = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(10);
    let chunk = |message: &str, deliveries, began: i64| {
        let began = killed + SignedDuration::from_secs(began);
        Logged { message: message.to_owned(), deliveries, began, ended: began + SignedDuration::from_secs(5) }
    };
    let first = chunk("a", 1, -20);
    let second = chunk("a", 2, 3);
    assert_eq!(began_again(&[first, second], killed), None);
    let others = [chunk("a", 1, -20), chunk("c", 1, 30)];
    assert_eq!(began_again(&others, killed), None);
    let chunks = [chunk("a", 1, -20), chunk("a", 2, 3), chunk("b", 4, 90), chunk("b", 3, 60)];
    assert_eq!(began_again(&chunks, killed), Some(killed + SignedDuration::from_secs(60)));
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
    let pause = taken_over(job.id(), killed).await.duration_since(killed);
    assert!(pause < TAKEN_OVER, "the second worker began {pause} after the first one was killed");
    Ok(())
}

/// A process that does nothing. It ends when this value is dropped, also in a panic, and with the process of the tests.
struct Idle(Child);

impl Idle {
    /// Starts a shell that waits for a line. `sleep` would not do: on some systems it is one program with all commands, which chooses the
    /// command by its own name, and the copy has another one.
    fn start(program: impl AsRef<OsStr>, (function, table): (&str, &str)) -> Self {
        let mut command = Command::new(program);
        command.args(["-c", "read -r line"]).stdin(Stdio::piped());
        command.env("AWS_LAMBDA_FUNCTION_NAME", function).env("EHI_JOBS_TABLE", table);
        Self(command.spawn().expect("a process"))
    }

    fn runs(&mut self) -> bool {
        self.0.try_wait().expect("a state").is_none()
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a process as the emulator starts a function: from a directory with the port of the emulator in its name.
fn started(directory: &Path, port: u16, (function, table): (&str, &str)) -> Idle {
    let directory = directory.join(format!("ministack-provided-code-{port}/0123abcd"));
    std::fs::create_dir_all(&directory).expect("a directory");
    let program = directory.join("bootstrap");
    if !program.exists() {
        // This process must not have the program open for writing, because then it could not be started.
        let copy = "cp \"$(command -v bash)\" \"$1\"";
        let copied = Command::new("bash").args(["-c", copy, "bash"]).arg(&program).status();
        assert!(copied.expect("bash is there").success());
    }
    Idle::start(program, (function, table))
}

/// Only a process of the own emulator, of the right stack and function, is found, and so no other one is killed.
#[test]
fn only_the_workers_of_the_own_emulator_are_found() {
    const PORTS: [u16; 2] = [64_001, 64_002];
    const FUNCTION: &str = "killed-LargeGeneratorFunction-1";
    let directory = tempfile::tempdir().expect("a directory");
    let start = |port, function, table| started(directory.path(), port, (function, table));
    let mut worker = start(PORTS[0], FUNCTION, "killed-jobs");
    let mut others = [
        start(PORTS[1], FUNCTION, "killed-jobs"),
        start(PORTS[0], "killed-StatusFunction-1", "killed-jobs"),
        start(PORTS[0], FUNCTION, "other-jobs"),
        Idle::start("bash", (FUNCTION, "killed-jobs")),
    ];
    let found =
        |process: u32| Emulator { process, port: PORTS[0] }.processes("GeneratorFunction", "killed-jobs");
    let workers = found(std::process::id());
    let ids: Vec<_> = workers.iter().map(|worker| worker.id).collect();
    assert_eq!(ids, [worker.0.id()]);
    // An emulator that is no ancestor has not started the process.
    assert_eq!(found(others[3].0.id()).len(), 0);
    for worker in &workers {
        worker.kill();
    }
    let ended = worker.0.wait().expect("it ended");
    assert_eq!(ended.signal(), Some(9), "{ended}");
    assert_eq!(others.each_mut().map(Idle::runs), [true; 4]);
}
