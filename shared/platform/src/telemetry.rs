//! The log: one line for each request or task, with stable dotted field names and without personal data. On Lambda,
//! metrics are lines of the same log.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, OnceLock, PoisonError};

use domain::clock::{Clock, SystemClock};
use domain::ids::JobId;
use serde_json::{Map, Value, json};
use settings::LogFormat;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts the log of one machine, on standard error. `filter` has levels by target, such as `info,request=debug`. Colours are
/// used only on a terminal.
pub fn on_one_machine(filter: &str, format: LogFormat) {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let log = tracing_subscriber::registry();
    // Only the first call has an effect. Tests call it more than once.
    let _ = match format {
        LogFormat::Text => {
            let lines = lines.with_ansi(std::io::stderr().is_terminal());
            log.with(lines).with(targets(filter)).try_init()
        }
        LogFormat::Json => log.with(lines.json().flatten_event(true)).with(targets(filter)).try_init(),
    };
}

/// The default filter on Lambda: this server from `info`, other crates from `warn`. A name matches all targets that
/// begin with it, so `aws` alone would match the SDK as well.
pub const ON_LAMBDA: &str = "warn,domain=info,storage=info,security=info,platform=info,web=info,aws=info,aws_=warn,\
    export_generator=info,cleanup=info,admin=info,request=info";

/// The default filter on one machine.
pub const ON_ONE_MACHINE: &str = "warn,domain=info,storage=info,security=info,platform=info,web=info,local=info,\
    export_generator=info,cleanup=info,admin=info,ehi=info,request=info";

/// Returns whether a text is a filter: levels by target, such as `info,request=debug`.
pub fn is_filter(text: &str) -> bool {
    text.parse::<Targets>().is_ok()
}

fn targets(filter: &str) -> Targets {
    filter.parse().unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO))
}

/// Logs an action of a member of staff, with the member's name. Patients are never named.
pub fn staff_action(action: &str, job: &JobId, name: &str) {
    tracing::info!(job.id = %job, staff = name, action, "staff");
}

/// The metrics. `template.yaml` has alarms and a dashboard for their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    ExportsStarted,
    ExportsFinished,
    ExportsFailed,
    /// Bytes of finished exports.
    Bytes,
    /// Resources of finished exports.
    Resources,
    /// The duration of a chunk in milliseconds.
    ChunkTime,
    /// The time that a message waited for a worker, in milliseconds.
    QueueAge,
    ColdStarts,
    /// Tasks that a worker could not do because a store did not respond or refused the worker, or because a newer version of the server
    /// wrote what they need.
    StoreFailures,
}

impl Metric {
    pub const ALL: [Self; 9] = [
        Self::ExportsStarted,
        Self::ExportsFinished,
        Self::ExportsFailed,
        Self::Bytes,
        Self::Resources,
        Self::ChunkTime,
        Self::QueueAge,
        Self::ColdStarts,
        Self::StoreFailures,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::ExportsStarted => "ExportsStarted",
            Self::ExportsFinished => "ExportsFinished",
            Self::ExportsFailed => "ExportsFailed",
            Self::Bytes => "Bytes",
            Self::Resources => "Resources",
            Self::ChunkTime => "ChunkTime",
            Self::QueueAge => "QueueAge",
            Self::ColdStarts => "ColdStarts",
            Self::StoreFailures => "StoreFailures",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::ExportsStarted
            | Self::ExportsFinished
            | Self::ExportsFailed
            | Self::Resources
            | Self::ColdStarts
            | Self::StoreFailures => "Count",
            Self::Bytes => "Bytes",
            Self::ChunkTime | Self::QueueAge => "Milliseconds",
        }
    }
}

/// The namespace of the metrics in CloudWatch.
pub const NAMESPACE: &str = "EhiExport";

/// The dimensions of the metrics. An account may have several stacks with the same stage.
pub const DIMENSIONS: [&str; 2] = ["Stage", "Stack"];

/// The names of a deployment, which are the values of the [`DIMENSIONS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    pub stage: String,
    /// The name of the stack.
    pub stack: String,
}

/// The deployment whose metrics are written. Set only on Lambda, where CloudWatch reads metrics from the log.
static COLLECTED: OnceLock<Deployment> = OnceLock::new();

/// Records values in the embedded metric format (CloudWatch, Embedded metric format specification): a line of the log that CloudWatch
/// reads. Does nothing on other hosts. The line is written by hand because it is complete at once: there is no exporter that must send its
/// values before Lambda suspends the process.
pub fn metrics(values: &[(Metric, u64)]) {
    if let Some(deployment) = COLLECTED.get() {
        let line = embedded(values, deployment, SystemClock.now().as_millisecond());
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }
}

fn embedded(values: &[(Metric, u64)], deployment: &Deployment, at: i64) -> Value {
    let described = |(metric, _): &(Metric, u64)| json!({ "Name": metric.name(), "Unit": metric.unit() });
    let mut line: Map<_, _> =
        values.iter().map(|(metric, value)| (metric.name().to_owned(), json!(value))).collect();
    let metrics: Vec<_> = values.iter().map(described).collect();
    // This is one set of dimensions. Each further set would be charged as a further metric.
    let directive = json!({ "Namespace": NAMESPACE, "Dimensions": [DIMENSIONS], "Metrics": metrics });
    let values = [&deployment.stage, &deployment.stack];
    line.extend(DIMENSIONS.iter().zip(values).map(|(name, value)| ((*name).to_owned(), json!(value))));
    line.insert("_aws".to_owned(), json!({ "Timestamp": at, "CloudWatchMetrics": [directive] }));
    Value::Object(line)
}

/// Starts the log on Lambda: JSON lines, including the metrics of `deployment`.
pub fn for_machines(filter: &str, deployment: Deployment) {
    // Only the first call has an effect. Tests call it more than once.
    let _ = COLLECTED.set(deployment);
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_target(false);
    let _ = tracing_subscriber::registry().with(lines).with(targets(filter)).try_init();
}

/// Logs each panic as one line, with its location and the [current task](at_work) of the process. The panic's own text
/// is left out, because it may quote a record.
pub fn panics_as_lines() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let task = TASK.try_lock().map(|task| task.clone()).unwrap_or_default();
        tracing::error!(task, "panicked at {place}");
    }));
}

/// The current task of this process.
static TASK: Mutex<String> = Mutex::new(String::new());

/// Sets the current task of this process.
pub fn at_work(task: &str) {
    task.clone_into(&mut TASK.lock().unwrap_or_else(PoisonError::into_inner));
}

#[cfg(test)]
mod tests;
