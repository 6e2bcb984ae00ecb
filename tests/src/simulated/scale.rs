//! Simulates one export of a lake of any size, and counts its requests, capacity units, time, memory and cost.
//!
//! [`arguments`] reads those of `cargo xtask scale`, [`table`] shows the exports, and [`targets`] compares them with the targets.

pub mod arguments;
pub mod table;
pub mod targets;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::chunk::Covered;
use domain::ids::JobId;
use domain::job::JobState;
use domain::request::Cohort;
use domain::selection::Selection;
use futures_util::FutureExt;
use platform::Platform;

use super::functions::{Function, Functions, Invocations};
use super::lake::Lake;
use super::model::Modelled;
use super::platform::{consumer, platform, random, sdk};
use super::prices::{
    DYNAMODB_MILLION_READS, DYNAMODB_MILLION_WRITES, LAMBDA_GB_SECOND, LAMBDA_MILLION_REQUESTS,
    LAMBDA_STORAGE_GB_SECOND, LOGS_GB, S3_GB_DAY, S3_THOUSAND_GETS, S3_THOUSAND_PUTS, SQS_MILLION_GROUPED,
    SQS_MILLION_REQUESTS,
};
use super::retries::Retries;
use super::{Client, Faults, Hottest, Meter, Service, Simulation, Stage, run};
use crate::exports::{begin, new_export};

/// The export to simulate.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub lake: Lake,
    /// The number of workers at once.
    pub concurrency: usize,
    /// The size of a chunk in bytes, as in the settings.
    pub chunk_bytes: u64,
    /// Whether the bytes of chunks are modelled instead of really read and written.
    pub modelled: bool,
    /// The number of S3 partitions that serve the parts of the lake read at one time. One partition is a new bucket, the worst case.
    pub partitions: u32,
}

/// The memory and the ephemeral storage of the function for large exports in MB, as in `template.yaml`, and the storage that is free.
pub const MEMORY: u32 = 1_769;
pub const STORAGE: u32 = 2_048;
const FREE_STORAGE: u32 = 512;
/// The log of one invocation in bytes, including Lambda's own lines.
const LOG: f64 = 2_000.0;
/// The maximum duration of an invocation.
pub const TIMEOUT: Duration = Duration::from_mins(15);

/// The measures of an export.
#[derive(Debug, Clone)]
pub struct Figures {
    pub plan: Plan,
    pub chunks: u64,
    /// The number of chunks that joined references.
    pub gathers: u64,
    pub meter: Meter,
    /// The times at which the last chunk was planned, and at which the manifest was written.
    pub planned: Duration,
    pub wall: Duration,
    pub invocations: BTreeMap<Stage, Invocations>,
    /// The number of the function's environments that were started.
    pub environments: usize,
    /// The peak memory of a chunk with real records in bytes, from [`chunk_memory`]; 0 if it was not measured.
    pub chunk_memory: u64,
    pub cost: Cost,
}

/// The cost in dollars.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    pub lambda: f64,
    pub dynamodb: f64,
    pub s3: f64,
    pub sqs: f64,
    pub logs: f64,
    /// The storage of the exported files for a day.
    pub stored: f64,
}

impl Cost {
    pub fn total(&self) -> f64 {
        self.lambda + self.dynamodb + self.s3 + self.sqs + self.logs + self.stored
    }
}

/// The stages that run while the plan goes on.
pub const WORK: [Stage; 2] = [Stage::Plan, Stage::Chunk];

impl Figures {
    pub fn patients(&self) -> u64 {
        self.plan.lake.patients
    }

    pub fn calls(&self, stages: &[Stage], operations: &[&str]) -> u64 {
        self.meter.calls(stages, operations)
    }

    /// Returns the busiest key of the tables during these stages.
    pub fn hottest_key(&self, stages: &[Stage]) -> Option<Hottest> {
        self.meter.hottest(&["jobs", "grants"], stages)
    }

    pub fn hottest_partition(&self) -> Option<Hottest> {
        self.meter.hottest(&["S3"], &[Stage::Plan, Stage::Chunk, Stage::Finish])
    }

    pub fn stage(&self, stage: Stage) -> Invocations {
        self.invocations.get(&stage).copied().unwrap_or_default()
    }
}

/// Exports all patients of a lake with all of their resources, in a simulation of its own.
pub fn simulate(plan: Plan) -> Result<Figures, String> {
    simulate_with(plan, Faults::None)
}

/// Like [`simulate`], but under faults.
pub fn simulate_with(plan: Plan, faults: Faults) -> Result<Figures, String> {
    run(async {
        let simulation = Simulation::new();
        for (key, bytes) in plan.lake.shared_objects() {
            simulation.store(key, bytes);
        }
        simulation.generate(Arc::new(plan.lake), plan.partitions);
        simulation.set_faults(faults);
        let settings = format!("sandbox = true\nchunk_bytes = {}", plan.chunk_bytes);
        let mut new = new_export(Cohort::Everyone);
        new.request.selection = Some(Selection::default());
        let outside = platform(&Client::new(&simulation, Stage::Outside), &settings, random(1)).await;
        let id = begin(&outside, new).await.id().clone();
        let functions = Functions::new(&simulation, function(plan, settings));
        let is_over = |simulation: &Simulation| simulation.job(&id).is_some_and(|job| !job.is_active());
        functions.run_until(is_over).await?;
        let job = simulation.job(&id).ok_or("the job is gone")?;
        if job.state() != JobState::Complete {
            return Err(format!("{:?}: {:?}", job.state(), job.header().history));
        }
        let mut figures = figures(plan, &simulation, &functions);
        (figures.chunks, figures.gathers) = chunks(&outside, &id).await.map_err(|error| error.to_string())?;
        Ok(figures)
    })
}

/// Returns the function for large exports.
fn function(plan: Plan, settings: String) -> Function {
    let make = move |client: Client, number: u64| {
        let settings = settings.clone();
        async move {
            let platform = platform(&client, &settings, random(100 + number)).await;
            if !plan.modelled {
                return consumer(&platform, export_generator::worker(&platform).expect("its ports"));
            }
            let platform = Arc::new(platform);
            let retries = sdk(&client).await.retry_config().cloned().expect("a configuration");
            let modelled = Modelled::new(platform.clone(), client, plan.lake, Retries::new(retries));
            consumer(&platform, modelled.worker(export_generator::worker))
        }
        .boxed()
    };
    Function { queue: "large", concurrency: plan.concurrency, timeout: TIMEOUT, make: Arc::new(make) }
}

/// Returns the number of chunks of a job, and of those that joined references.
async fn chunks(platform: &dyn Platform, id: &JobId) -> domain::error::Result<(u64, u64)> {
    /// The number of results that are read at once.
    const WINDOW: u32 = 1_000;
    let jobs = platform.jobs()?;
    let Some(stored) = jobs.get(id).await? else { return Ok((0, 0)) };
    let (end, mut gathers) = (stored.progress.plan_end, 0);
    for from in (0..end).step_by(WINDOW as usize) {
        let results = jobs.results(id, from..end.min(from + WINDOW)).await?;
        gathers += results.iter().filter(|stored| stored.covered == Covered::Gather).count() as u64;
    }
    Ok((stored.progress.chunks_done.into(), gathers))
}

/// Exports the patients of one chunk of a lake with their real records, and returns the peak memory of the chunk in bytes.
pub fn chunk_memory(plan: Plan) -> Result<u64, String> {
    let patients = plan.lake.patients.min(plan.chunk_bytes / plan.lake.mean_bytes).max(1);
    let lake = Lake { patients, ..plan.lake };
    let figures = simulate(Plan { lake, modelled: false, ..plan })?;
    Ok(figures.stage(Stage::Chunk).peak)
}

fn figures(plan: Plan, simulation: &Simulation, functions: &Functions) -> Figures {
    let invocations = functions.invocations();
    let ended =
        |stage: Stage| invocations.get(&stage).map_or(Duration::ZERO, |invocations| invocations.ended);
    let meter = simulation.meter(Meter::clone);
    Figures {
        plan,
        chunks: 0,
        gathers: 0,
        planned: ended(Stage::Plan),
        wall: ended(Stage::Finish),
        environments: functions.environments(),
        chunk_memory: 0,
        cost: cost(plan, &meter, &invocations),
        meter,
        invocations,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure to show or to compare")]
fn float(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "dollars")]
fn cost(plan: Plan, meter: &Meter, invocations: &BTreeMap<Stage, Invocations>) -> Cost {
    let ours = [Stage::Delivery, Stage::Plan, Stage::Chunk, Stage::Finish];
    let calls = |operations: &[&str]| meter.calls(&ours, operations) as f64;
    let seconds: f64 = invocations.values().map(|invocations| invocations.total.as_secs_f64()).sum();
    let count: f64 = invocations.values().map(|invocations| invocations.count as f64).sum();
    let (half_reads, writes) = meter.capacity();
    let puts = calls(&[
        "PutObject",
        "CreateMultipartUpload",
        "UploadPart",
        "CompleteMultipartUpload",
        "ListObjectsV2",
        "ListMultipartUploads",
    ]);
    let gets = calls(&["GetObject", "HeadObject"]);
    let storage = f64::from(STORAGE - FREE_STORAGE) / 1_024.0 * LAMBDA_STORAGE_GB_SECOND;
    let second = f64::from(MEMORY) / 1_024.0 * LAMBDA_GB_SECOND + storage;
    let gigabytes = plan.lake.patients as f64 * plan.lake.mean_bytes as f64 / 1e9;
    Cost {
        lambda: seconds * second + count / 1e6 * LAMBDA_MILLION_REQUESTS,
        dynamodb: half_reads as f64 / 2e6 * DYNAMODB_MILLION_READS
            + writes as f64 / 1e6 * DYNAMODB_MILLION_WRITES,
        s3: puts / 1e3 * S3_THOUSAND_PUTS + gets / 1e3 * S3_THOUSAND_GETS,
        sqs: meter.of_service(Service::Sqs) as f64 / 1e6 * (SQS_MILLION_REQUESTS + SQS_MILLION_GROUPED),
        logs: count * LOG / 1e9 * LOGS_GB,
        stored: gigabytes * S3_GB_DAY,
    }
}
