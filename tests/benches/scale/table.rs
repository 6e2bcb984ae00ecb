//! Compares exports of different numbers of patients.

use std::time::{Duration, Instant};

use tests::simulated::lake::Lake;
use tests::simulated::scale::{Figures, Plan, WORK, simulate};
use tests::simulated::{Hottest, Stage};

use crate::targets::{missed, not_linear};

const SIZES: [u64; 5] = [1_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
/// The average number of bytes of a patient's records.
const MEAN_BYTES: u64 = 470_000;
/// The number of practitioners, and of organizations.
const SHARED: u64 = 500;
/// The value in `template.yaml`.
const CHUNK_BYTES: u64 = 128 * 1024 * 1024;
const WORKERS: usize = 500;
/// The number of S3 partitions that serve the reads of the lake at one time.
const PARTITIONS: u32 = 4;

/// Simulates the given numbers of patients, or all sizes.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let named: Vec<u64> =
        arguments.iter().filter_map(|argument| argument.replace('_', "").parse().ok()).collect();
    if named.len() < arguments.len() {
        return Err("the arguments are numbers of patients, or `faults`".to_owned());
    }
    let sizes = if named.is_empty() { SIZES.to_vec() } else { named };
    let mut all = Vec::new();
    for patients in sizes {
        let begun = Instant::now();
        let lake = Lake { patients, mean_bytes: MEAN_BYTES, shared: SHARED, seed: 7 };
        let plan = Plan {
            lake,
            concurrency: WORKERS,
            chunk_bytes: CHUNK_BYTES,
            modelled: true,
            partitions: PARTITIONS,
        };
        let figures = simulate(plan).map_err(|problem| format!("{patients} patients: {problem}"))?;
        eprintln!("{patients} patients: simulated in {}", time(begun.elapsed()));
        all.push(figures);
    }
    print(&all);
    let missed: Vec<_> = all.iter().flat_map(missed).chain(not_linear(&all)).collect();
    if missed.is_empty() { Ok(()) } else { Err(format!("targets that are missed:\n{}", missed.join("\n"))) }
}

/// Formats a figure of an export for a row.
type Format = Box<dyn Fn(&Figures) -> String>;

fn print(all: &[Figures]) {
    let head: Vec<_> = all.iter().map(|figures| grouped(figures.patients)).collect();
    println!("| patients | {} |", head.join(" | "));
    println!("|---|{}", "---:|".repeat(all.len()));
    for (name, format) in rows() {
        let cells: Vec<_> = all.iter().map(format).collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
}

fn rows() -> Vec<(String, Format)> {
    let mut rows: Vec<(String, Format)> = vec![
        row("chunks", |figures| grouped(figures.chunks)),
        row("LIST of the plan", |figures| calls(figures, &[Stage::Plan], &["ListObjectsV2"])),
        row("LIST of chunks", |figures| calls(figures, &[Stage::Chunk], &["ListObjectsV2"])),
    ];
    rows.extend(requests());
    rows.extend([
        row("DynamoDB: read units", |figures| grouped(figures.meter.capacity().0 / 2)),
        row("DynamoDB: write units", |figures| grouped(figures.meter.capacity().1)),
        row("requests that were throttled", |figures| grouped(figures.meter.throttled())),
        row("hottest key while chunks are done", |figures| percent(figures.hottest_key(&WORK))),
        row("hottest key at the end", |figures| percent(figures.hottest_key(&[Stage::Finish]))),
        row("hottest partition of the buckets", |figures| percent(figures.hottest_partition())),
        row("the plan is complete after", |figures| time(figures.planned)),
        row("the export is complete after", |figures| time(figures.wall)),
        row("workers at once, at most", |figures| grouped(figures.environments as u64)),
    ]);
    for (name, stage) in [("plan", Stage::Plan), ("chunk", Stage::Chunk), ("finish", Stage::Finish)] {
        let of = move |figures: &Figures| figures.stage(stage);
        rows.push(row(&format!("{name}: invocations"), move |figures| grouped(of(figures).count)));
        rows.push(row(&format!("{name}: longest"), move |figures| time(of(figures).longest)));
        rows.push(row(&format!("{name}: peak memory"), move |figures| megabytes(of(figures).peak)));
    }
    rows.extend([
        row("Lambda", |figures| dollars(figures.cost.lambda)),
        row("DynamoDB", |figures| dollars(figures.cost.dynamodb)),
        row("S3, requests", |figures| dollars(figures.cost.s3)),
        row("S3, exported files for a day", |figures| dollars(figures.cost.stored)),
        row("SQS", |figures| dollars(figures.cost.sqs)),
        row("logs", |figures| dollars(figures.cost.logs)),
        row("**together, without transfer**", |figures| format!("**{}**", dollars(figures.cost.total()))),
    ]);
    rows
}

/// Returns a row for each kind of request.
fn requests() -> Vec<(String, Format)> {
    let kinds: [(&str, &'static [&'static str]); 7] = [
        ("GET and HEAD", &["GetObject", "HeadObject"]),
        ("PUT and parts", &["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"]),
        ("GetItem, BatchGetItem and Query", &["GetItem", "BatchGetItem", "Query"]),
        ("PutItem and UpdateItem", &["PutItem", "UpdateItem"]),
        ("TransactWriteItems", &["TransactWriteItems"]),
        ("messages sent", &["SendMessage", "SendMessageBatch"]),
        (
            "messages received, hidden, deleted",
            &["ReceiveMessage", "ChangeMessageVisibility", "DeleteMessage"],
        ),
    ];
    let ours = [Stage::Delivery, Stage::Plan, Stage::Chunk, Stage::Finish];
    let format = |(name, operations): (&str, &'static [&'static str])| {
        row(name, move |figures| calls(figures, &ours, operations))
    };
    kinds.into_iter().map(format).collect()
}

fn row(name: &str, format: impl Fn(&Figures) -> String + 'static) -> (String, Format) {
    (name.to_owned(), Box::new(format))
}

fn calls(figures: &Figures, stages: &[Stage], operations: &[&str]) -> String {
    grouped(figures.calls(stages, operations))
}

fn percent(hottest: Option<Hottest>) -> String {
    hottest.map_or_else(|| "0 %".to_owned(), |hottest| format!("{:.1} %", hottest.percent))
}

fn dollars(dollars: f64) -> String {
    if dollars < 0.1 { format!("${dollars:.4}") } else { format!("${dollars:.2}") }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", float(bytes) / 1e6)
}

fn time(duration: Duration) -> String {
    match duration.as_secs() {
        0..120 => format!("{:.1} s", duration.as_secs_f64()),
        120..7_200 => format!("{:.1} min", duration.as_secs_f64() / 60.0),
        _ => format!("{:.1} h", duration.as_secs_f64() / 3_600.0),
    }
}

/// Formats a number with commas between its thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "a figure to show")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}
