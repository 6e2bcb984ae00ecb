//! The table of exports in `infra/docs/cost.md`.

use std::time::Duration;

use super::{Figures, WORK, float};
use crate::simulated::{Hottest, Service, Stage};

/// Formats a figure of an export for a row.
type Format = Box<dyn Fn(&Figures) -> String>;

/// Returns a table with a column for each export.
pub fn table(all: &[Figures]) -> String {
    let patients = row("patients", |figures| grouped(figures.patients()));
    let mut lines = vec![line(all, patients), format!("|---|{}", "---:|".repeat(all.len()))];
    lines.extend(counts().into_iter().chain(measures()).map(|row| line(all, row)));
    lines.join("\n")
}

fn line(all: &[Figures], (name, format): (String, Format)) -> String {
    let cells: Vec<_> = all.iter().map(format).collect();
    format!("| {name} | {} |", cells.join(" | "))
}

/// Returns the beginning of each row that counts requests and units, up to the column of this export, if that is the first one.
pub fn counted(figures: &Figures) -> Vec<String> {
    counts().into_iter().map(|(name, format)| format!("| {name} | {} |", format(figures))).collect()
}

/// Returns the rows with the assumptions, and with counts.
fn counts() -> Vec<(String, Format)> {
    let mut rows: Vec<(String, Format)> = vec![
        row("practitioners and organizations in `shared/`", |figures| grouped(2 * figures.plan.lake.shared)),
        row("partitions of S3 that serve the lake (assumed)", |figures| figures.plan.partitions.to_string()),
        row("workers that may run at once", |figures| grouped(figures.plan.concurrency as u64)),
        row("chunks", |figures| grouped(figures.chunks)),
        row("chunks that join references", |figures| grouped(figures.gathers)),
        row("LIST of the plan", |figures| calls(figures, &[Stage::Plan], &["ListObjectsV2"])),
        row("LIST of chunks", |figures| calls(figures, &[Stage::Chunk], &["ListObjectsV2"])),
    ];
    rows.extend(requests());
    rows.extend([
        row("DynamoDB: read units", |figures| grouped(figures.meter.capacity().0 / 2)),
        row("DynamoDB: write units", |figures| grouped(figures.meter.capacity().1)),
        row("refused by DynamoDB", |figures| grouped(figures.meter.refused(Service::DynamoDb))),
        row("refused by S3, which does not bill them", |figures| grouped(figures.meter.refused(Service::S3))),
    ]);
    rows
}

/// Returns the rows with times, loads, memory and costs.
fn measures() -> Vec<(String, Format)> {
    let mut rows: Vec<(String, Format)> = vec![
        row("hottest key while chunks are done", |figures| percent(figures.hottest_key(&WORK))),
        row("hottest key at the end", |figures| percent(figures.hottest_key(&[Stage::Finish]))),
        row("hottest partition of the buckets", |figures| percent(figures.hottest_partition())),
        row("the plan is complete after", |figures| time(figures.planned)),
        row("the export is complete after", |figures| time(figures.wall)),
        row("workers at once, at most", |figures| grouped(figures.environments as u64)),
    ];
    for (name, stage) in [("plan", Stage::Plan), ("chunk", Stage::Chunk), ("finish", Stage::Finish)] {
        let of = move |figures: &Figures| figures.stage(stage);
        rows.push(row(&format!("{name}: invocations"), move |figures| grouped(of(figures).count)));
        rows.push(row(&format!("{name}: tried again later"), move |figures| grouped(of(figures).again)));
        rows.push(row(&format!("{name}: longest"), move |figures| time(of(figures).longest)));
        rows.push(match stage {
            Stage::Chunk => {
                row("chunk: peak memory, in an export of one chunk with real records", |figures| {
                    megabytes(figures.chunk_memory)
                })
            }
            _ => row(&format!("{name}: peak memory"), move |figures| megabytes(of(figures).peak)),
        });
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

/// Formats a duration.
pub fn time(duration: Duration) -> String {
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
