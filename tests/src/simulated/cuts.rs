//! Runs a whole system export of a small lake over a simulation that fails: at one request in turn, or everywhere at once. The
//! exported lines must be the same as without faults.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::platform::exports::NewExport;
use aws::Aws;
use domain::chunk::Purpose;
use domain::ids::JobId;
use domain::job::{Job, JobState};
use domain::manifest::StoredManifest;
use domain::ports::queue::Worker;
use domain::request::Cohort;
use futures_util::FutureExt;
use serde_json::Value;

use super::functions::{Function, Functions};
use super::platform::{consumer, platform, random};
use super::{Client, Cut, Faults, Meter, Simulation, Stage, run};
use crate::exports::{begin, new_export, new_system_export};
use crate::{ledger, parts};

/// One patient per chunk.
const SETTINGS: &str = "sandbox = true\nchunk_bytes = 1";

/// All patients in one chunk, which takes few requests.
const ONE_CHUNK: &str = "sandbox = true\nchunk_bytes = 1000000000";

/// Stores a small lake with everything that a system export can have.
fn lake(simulation: &Simulation, patients: usize) {
    let directory = tempfile::tempdir().expect("a directory");
    crate::lake::write_many(directory.path(), patients);
    simulation.store_directory(directory.path());
    // Listings then have several pages with a few keys each.
    simulation.page(if patients > 4 { 4 } else { 2 });
}

/// The export that is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A system export.
    System,
    /// An export of all patients. Its references are gathered, and its workers do their work in many small parts.
    PatientsInParts,
}

impl Kind {
    fn new_export(self) -> NewExport {
        match self {
            Self::System => new_system_export(),
            Self::PatientsInParts => new_export(Cohort::Everyone),
        }
    }

    fn worker(self, platform: &Aws) -> Arc<dyn Worker> {
        match self {
            Self::System => export_generator::worker(platform).expect("its ports"),
            Self::PatientsInParts => parts::worker(platform),
        }
    }
}

async fn begun(simulation: &Simulation, kind: Kind, settings: &str) -> JobId {
    let platform = platform(&Client::new(simulation, Stage::Outside), settings, random(1)).await;
    begin(&platform, kind.new_export()).await.id().clone()
}

fn workers(
    simulation: &Simulation,
    kind: Kind,
    settings: &'static str,
    concurrency: usize,
) -> Arc<Functions> {
    let make = Arc::new(move |client: Client, number: u64| {
        async move {
            let platform = platform(&client, settings, random(100 + number)).await;
            consumer(&platform, kind.worker(&platform))
        }
        .boxed()
    });
    let function = Function { queue: "large", concurrency, timeout: Duration::from_mins(15), make };
    Functions::new(simulation, function)
}

/// Runs workers until the job is no longer active; returns the job, and the number of workers that died.
async fn worked(simulation: &Simulation, id: &JobId, workers: &Arc<Functions>) -> Result<(Job, u64), String> {
    let is_over = |simulation: &Simulation| simulation.job(id).is_some_and(|job| !job.is_active());
    workers.run_until(is_over).await?;
    let died = workers.invocations().values().map(|invocations| invocations.died).sum();
    simulation.job(id).map(|job| (job, died)).ok_or_else(|| "the job is gone".to_owned())
}

/// Returns the deletions in a Bundle: how many a Bundle has depends on the chunks.
fn deletions(bundle: &str) -> Vec<String> {
    let bundle: Value = serde_json::from_str(bundle).expect("a Bundle");
    let entries = bundle["entry"].as_array().expect("entries");
    entries.iter().map(|entry| format!("deleted {entry}")).collect()
}

/// Returns every line of every file in the manifest, each after the name of the list that its file is in, and every deletion.
fn lines(simulation: &Simulation, job: &Job) -> Vec<String> {
    let summary = job.summary().unwrap_or_else(|| panic!("{:?}: {:?}", job.state(), job.header().history));
    let at = |place: u64| usize::try_from(place).expect("it fits");
    let mut lines = Vec::new();
    for page in 0..summary.pages {
        let page = simulation.file(&summary.page_key(page)).expect("a page");
        let page: StoredManifest = serde_json::from_slice(&page).expect("a page");
        for named in page.files {
            let bytes = simulation.file(&named.file.key).expect("a file");
            let bytes = match named.file.place {
                Some(place) => bytes.slice(at(place.offset)..at(place.offset + place.length)),
                None => bytes,
            };
            assert_eq!(bytes.len() as u64, named.file.size, "{}", named.name);
            let text = String::from_utf8(bytes.to_vec()).expect("text");
            let list = match named.file.purpose {
                Purpose::Output | Purpose::Documents | Purpose::Blocks => "output",
                Purpose::Deleted => "deleted",
                Purpose::Error => "error",
            };
            match list {
                "deleted" => lines.extend(text.lines().flat_map(deletions)),
                _ => lines.extend(text.lines().map(|line| format!("{list} {line}"))),
            }
        }
    }
    lines.sort();
    lines
}

/// The result of an export.
#[derive(Debug)]
pub struct Exported {
    /// Every line of every file, each after the name of the list that its file is in, and every deletion.
    pub lines: Vec<String>,
    /// The number of workers' requests, and how many of them were struck.
    pub requests: u64,
    pub struck: u64,
    /// A description of the request that was struck last.
    pub victim: String,
    /// The number of workers that died.
    pub died: u64,
    /// The number of requests that a service throttled.
    pub throttled: u64,
    /// The duration of the export.
    pub took: Duration,
}

/// Exports a lake of `patients` patients with `concurrency` workers under these faults. Returns an error if the export does not
/// complete. The rules of its ledger are checked.
pub fn export(patients: usize, concurrency: usize, faults: Faults) -> Result<Exported, String> {
    export_with(Kind::System, SETTINGS, patients, concurrency, faults)
}

/// Returns the lines that every export of a lake of `patients` patients must have. They do not depend on the chunks, so this export
/// has only one.
pub fn expected_lines(patients: usize) -> Result<Vec<String>, String> {
    export_with(Kind::System, ONE_CHUNK, patients, 1, Faults::None).map(|exported| exported.lines)
}

fn export_with(
    kind: Kind,
    settings: &'static str,
    patients: usize,
    concurrency: usize,
    faults: Faults,
) -> Result<Exported, String> {
    run(async {
        let simulation = Simulation::new();
        lake(&simulation, patients);
        let id = begun(&simulation, kind, settings).await;
        simulation.set_faults(faults);
        let begun = simulation.clock().elapsed();
        let worked = worked(&simulation, &id, &workers(&simulation, kind, settings, concurrency)).await;
        let took = simulation.clock().elapsed().saturating_sub(begun);
        let victim = simulation.victim();
        let (job, died) = worked.map_err(|problem| format!("{victim}: {problem}"))?;
        let (requests, struck) = simulation.fault_counts();
        simulation.set_faults(Faults::None);
        if job.state() != JobState::Complete {
            return Err(format!("{victim}: {:?}: {:?}", job.state(), job.header().history));
        }
        let platform = platform(&Client::new(&simulation, Stage::Outside), settings, random(2)).await;
        ledger::check_all(&platform, &ledger::Checked::default()).await;
        let throttled = simulation.meter(Meter::throttled);
        Ok(Exported { lines: lines(&simulation, &job), requests, struck, victim, died, throttled, took })
    })
}

/// Describes the difference of two exports; `None` if they are equal.
pub fn difference(expected: &[String], found: &[String]) -> Option<String> {
    if expected == found {
        return None;
    }
    let missing = expected.iter().filter(|line| !found.contains(line)).count();
    let twice = found.windows(2).filter(|two| two[0] == two[1]).count();
    Some(format!("{} lines for {}, {missing} missing, {twice} twice", found.len(), expected.len()))
}

/// Compares exports with cuts to an export without them.
#[derive(Debug)]
pub struct Cuts {
    kind: Kind,
    patients: usize,
    pub expected: Exported,
}

impl Cuts {
    /// Exports once without faults.
    pub fn of(patients: usize) -> Result<Self, String> {
        Self::of_kind(Kind::System, patients)
    }

    /// Does the same with an export of this kind.
    pub fn of_kind(kind: Kind, patients: usize) -> Result<Self, String> {
        let expected = export_with(kind, SETTINGS, patients, 1, Faults::None)?;
        match expected.lines.windows(2).find(|two| two[0] == two[1]) {
            Some(twice) => Err(format!("exported twice without any fault: {}", twice[0])),
            None => Ok(Self { kind, patients, expected }),
        }
    }

    /// Cuts at each of these requests, each in an export of its own; returns the differences by request.
    pub fn at(&self, requests: &[u64], cut: Cut) -> Vec<(u64, String)> {
        let next = AtomicU64::new(0);
        let failures = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    while let Some(at) = requests
                        .get(usize::try_from(next.fetch_add(1, Ordering::SeqCst)).unwrap_or(usize::MAX))
                    {
                        if let Some(problem) = self.problem(*at, cut) {
                            failures.lock().unwrap_or_else(PoisonError::into_inner).push((*at, problem));
                        }
                    }
                });
            }
        });
        let mut failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
        failures.sort();
        failures
    }

    fn problem(&self, at: u64, cut: Cut) -> Option<String> {
        match export_with(self.kind, SETTINGS, self.patients, 1, Faults::At(at, cut)) {
            Ok(found) if found.struck == 1 => {
                let problem = difference(&self.expected.lines, &found.lines);
                problem.map(|problem| format!("{}: {problem}", found.victim))
            }
            Ok(_) => Some("the fault did not strike".to_owned()),
            Err(problem) => Some(problem),
        }
    }
}
