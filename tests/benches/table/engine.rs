//! The engine alone: an export of many patients, against copying the same bytes file to file and making them durable,
//! both held to one core by `taskset`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use indicatif::ProgressBar;
use shared::adapters::local::Local;
use shared::clock::{SystemClock, SystemIds};
use shared::domain::choices::{Authorization, Choices, Sensitive};
use shared::domain::ids::ClientId;
use shared::domain::job::{Job, Owner};
use shared::domain::request::{Base, Cohort, ExportRequest, OutputOptions};
use shared::exports::{NewExport, start};
use shared::platform::Platform;
use shared::ports::queue::NoDeadline;

use crate::{Row, Scale, directory, megabytes_a_second, settings};

pub(crate) fn rows(scale: Scale) -> Vec<Row> {
    let lake = directory();
    let patients = scale.of(1_000, 100);
    let started = std::time::Instant::now();
    let bytes = ehi::sample::write(patients, 1, lake.path(), &ProgressBar::hidden()).expect("a sample");
    let sampled = megabytes_a_second(bytes, started.elapsed());
    let best = |part: &str| {
        let rates = (0..3).map(|_| on_one_core(part, lake.path()));
        rates.fold(0.0, f64::max)
    };
    let (copy, synced) = (best("copy"), best("copy-synced"));
    let mut rows = vec![Row {
        what: format!("`ehi sample`, {patients} patients"),
        measured: format!("{sampled:.0} MB/s"),
        yardstick: String::new(),
        ratio: None,
        aim: "100 MB/s",
    }];
    for (part, what) in [("full", "export in full"), ("filtered", "export with the form's filters")] {
        let rate = best(part);
        for (yardstick, of) in [(synced, "copy, made durable"), (copy, "copy, left in memory")] {
            rows.push(Row {
                what: format!("{what}, {patients} patients, one core"),
                measured: format!("{rate:.0} MB/s"),
                yardstick: format!("{of}: {yardstick:.0} MB/s"),
                ratio: Some(rate / yardstick),
                aim: "0.50",
            });
        }
    }
    rows
}

/// Runs a part in a process of its own on the first core; MB/s.
fn on_one_core(part: &str, lake: &Path) -> f64 {
    let output = directory();
    let this = std::env::current_exe().expect("this program");
    let run = Command::new("taskset")
        .args(["-c", "0"])
        .arg(this)
        .arg(format!("--part={part}"))
        .args([lake, output.path()])
        .output()
        .expect("taskset (Debian: util-linux)");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8_lossy(&run.stdout).trim().parse().expect("a number")
}

/// A part, in its own process: MB/s over the bytes of the patients' records.
pub(crate) fn part(part: &str, lake: &Path, output: &Path) -> f64 {
    let (started, bytes) = match part {
        "copy" => copy(lake, output, false),
        "copy-synced" => copy(lake, output, true),
        "full" => export(lake, output, None),
        _ => export(lake, output, Some(filters())),
    };
    megabytes_a_second(bytes, started.elapsed())
}

/// Copies every record, file to file.
fn copy(lake: &Path, output: &Path, synced: bool) -> (std::time::Instant, u64) {
    let started = std::time::Instant::now();
    let mut bytes = 0;
    for (number, path) in records(lake).enumerate() {
        let copied = output.join(format!("{number}.ndjson"));
        bytes += std::fs::copy(path, &copied).expect("copied");
        if synced {
            std::fs::File::open(copied).expect("open").sync_all().expect("durable");
        }
    }
    (started, bytes)
}

fn records(lake: &Path) -> impl Iterator<Item = PathBuf> {
    let patients = std::fs::read_dir(lake.join("Patient")).expect("patients");
    patients.map(|entry| entry.expect("an entry").path().join("records.ndjson"))
}

/// Laboratory results and visits of some years, nothing sensitive but what was authorized.
fn filters() -> Choices {
    let mut choices = Choices::everything();
    for choice in choices.parameters.values_mut() {
        choice.from = shared::domain::choices::Day::first("2005-01-01");
    }
    choices.authorizations.insert(Sensitive::MentalHealth, Authorization::Flag(false));
    choices
}

fn export(lake: &Path, output: &Path, choices: Option<Choices>) -> (std::time::Instant, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let bytes = records(lake).map(|path| path.metadata().expect("a file").len()).sum();
        let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
        let platform =
            Local::open(output, lake, settings("http://127.0.0.1"), clock, ids).expect("a platform");
        let worker = export_generator::worker(&platform);
        let inbox = platform.inbox();
        let started = std::time::Instant::now();
        let new = NewExport {
            id: None,
            owner: Owner { client: ClientId::parse("bench").expect("an id"), issuer: None, patient: None },
            patient: None,
            request: ExportRequest {
                url: "http://127.0.0.1".to_owned(),
                base: Base::Fhir,
                cohort: Cohort::Everyone,
                choices,
                selection: None,
                output: OutputOptions::default(),
            },
            form: false,
            review: false,
        };
        let sources = (&*platform.clock(), &*platform.ids());
        let job = start(new, &*platform.jobs(), &*platform.queue(), sources).await.expect("started");
        while ehi::worker::step(&*inbox, &*worker, &NoDeadline).await.expect("the queue answers") {}
        let stored = platform.jobs().get(job.id()).await.expect("an answer").expect("the job");
        assert!(matches!(stored.job, Job::Complete(_)), "the export is complete");
        (started, bytes)
    })
}
