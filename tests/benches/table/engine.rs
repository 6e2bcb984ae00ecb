//! The engine alone: an export of many patients, compared with a durable copy of the same files, both limited to one
//! core by `taskset`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crypto::OsRandom;
use domain::choices::{Authorization, Choices};
use domain::clock::SystemClock;
use domain::job::Job;
use domain::ports::queue::NoDeadline;
use domain::request::Cohort;
use domain::selection::Selection;
use domain::sensitive::Sensitive;
use indicatif::ProgressBar;
use local::Local;
use tests::exports::{begin, new_export};

use crate::{Aim, Row, Scale, directory, megabytes_a_second, settings};

pub(crate) fn rows(scale: Scale) -> Vec<Row> {
    let lake = directory();
    let patients = scale.of(1_000, 100);
    let started = std::time::Instant::now();
    let bytes = ehi::sample::write(patients, 1, lake.path(), &ProgressBar::hidden()).expect("a sample");
    let sampled = megabytes_a_second(bytes, started.elapsed());
    let best = |part: &str| best_of(3, part, lake.path(), "0").rate;
    let (copy, synced) = (best("copy"), best("copy-synced"));
    let mut rows = vec![Row {
        what: format!("`ehi sample`, {patients} patients"),
        measured: format!("{sampled:.0} MB/s"),
        yardstick: String::new(),
        ratio: None,
        aim: Aim::at_least(100.0, "MB/s", sampled),
    }];
    for (part, what) in [("full", "export in full"), ("filtered", "export with the form's filters")] {
        let rate = best(part);
        for (yardstick, of) in [(synced, "copy, made durable"), (copy, "copy, left in memory")] {
            rows.push(Row {
                what: format!("{what}, {patients} patients, one core"),
                measured: format!("{rate:.0} MB/s"),
                yardstick: format!("{of}: {yardstick:.0} MB/s"),
                ratio: Some(rate / yardstick),
                aim: Aim::ratio_at_least(0.50, rate / yardstick),
            });
        }
    }
    rows
}

/// The result of a part.
#[derive(Clone, Copy, Default)]
pub(crate) struct Measured {
    /// MB/s over the bytes of the patients' records.
    pub(crate) rate: f64,
    /// The number of resources per second.
    pub(crate) resources: f64,
    /// The peak memory in bytes.
    pub(crate) peak: f64,
}

/// Returns the fastest of several tries.
pub(crate) fn best_of(tries: u32, part: &str, lake: &Path, cores: &str) -> Measured {
    let tries = (0..tries).map(|_| on_cores(part, lake, cores));
    tries.max_by(|one, other| one.rate.total_cmp(&other.rate)).unwrap_or_default()
}

/// Runs a part in its own process on these cores.
fn on_cores(part: &str, lake: &Path, cores: &str) -> Measured {
    let output = directory();
    let this = std::env::current_exe().expect("this program");
    let run = Command::new("taskset")
        .args(["-c", cores])
        .arg(this)
        .arg(format!("--part={part}"))
        .args([lake, output.path()])
        .output()
        .expect("taskset (Debian: util-linux)");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let printed = String::from_utf8_lossy(&run.stdout);
    let numbers: Vec<f64> =
        printed.split_whitespace().map(|number| number.parse().expect("a number")).collect();
    let [rate, resources, peak] = numbers[..] else { panic!("{printed}") };
    Measured { rate, resources, peak }
}

/// Runs a part in this process. Returns its rate, resources per second and peak memory.
pub(crate) fn part(part: &str, lake: &Path, output: &Path) -> String {
    let (started, bytes, resources) = match part {
        "copy" => copy(lake, output, false),
        "copy-synced" => copy(lake, output, true),
        "full" => export(lake, output, None, None, 1),
        "load" | "load-copy" => crate::load::part(part, lake, output),
        "filtered" => export(lake, output, Some(filters()), None, 1),
        _ => {
            let (selection, workers) = crate::bulk::part(part);
            export(lake, output, None, Some(selection), workers)
        }
    };
    let took = started.elapsed();
    let peak = crate::memory::peak_of("self");
    format!("{} {} {peak}", megabytes_a_second(bytes, took), megabytes_a_second(resources, took) * 1e6)
}

/// Copies every record, file to file.
fn copy(lake: &Path, output: &Path, synced: bool) -> (std::time::Instant, u64, u64) {
    let started = std::time::Instant::now();
    let mut bytes = 0;
    for (number, path) in records(lake).enumerate() {
        let copied = output.join(format!("{number}.ndjson"));
        bytes += std::fs::copy(path, &copied).expect("copied");
        if synced {
            std::fs::File::open(copied).expect("open").sync_all().expect("durable");
        }
    }
    (started, bytes, 0)
}

fn records(lake: &Path) -> impl Iterator<Item = PathBuf> {
    let patients = std::fs::read_dir(lake.join("Patient")).expect("patients");
    patients.map(|entry| entry.expect("an entry").path().join("records.ndjson"))
}

/// Returns choices with all groups from 2005 on, where mental health is not authorized.
fn filters() -> Choices {
    let mut choices = Choices::everything();
    for choice in choices.parameters.values_mut() {
        choice.from = domain::choices::Day::first("2005-01-01");
    }
    choices.authorizations.insert(Sensitive::MentalHealth, Authorization::default());
    choices
}

/// Exports all records. Returns the start time, the bytes of the records, and the number of resources.
fn export(
    lake: &Path,
    output: &Path,
    choices: Option<Choices>,
    selection: Option<Selection>,
    workers: usize,
) -> (std::time::Instant, u64, u64) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(workers).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let bytes = records(lake).map(|path| path.metadata().expect("a file").len()).sum();
        let (clock, random) = (Arc::new(SystemClock), Arc::new(OsRandom));
        let platform =
            Local::open(output, lake, settings("http://127.0.0.1"), clock, random).expect("a platform");
        let worker = export_generator::worker(&platform).expect("its ports");
        let inbox = platform.inbox();
        let started = std::time::Instant::now();
        let mut new = new_export(Cohort::Everyone);
        (new.request.choices, new.request.selection) = (choices, selection);
        let job = begin(&platform, new).await;
        let works = (0..workers).map(|_| {
            let (inbox, worker, jobs) = (inbox.clone(), worker.clone(), platform.jobs());
            let id = job.id().clone();
            tokio::spawn(async move {
                // A worker without a task waits for the other, which may leave the last task to it.
                while jobs.get(&id).await.expect("a response").expect("the job").job.is_active() {
                    if !ehi::worker::step(&*inbox, &*worker, &NoDeadline).await.expect("the queue responds") {
                        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                    }
                }
            })
        });
        futures_util::future::join_all(works).await;
        let stored = platform.jobs().get(job.id()).await.expect("a response").expect("the job");
        let Job::Complete(complete) = stored.job else { panic!("the export is complete") };
        (started, bytes, complete.summary.resources)
    })
}
