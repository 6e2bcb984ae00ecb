//! The targets for an export of every size, and the comparison of the sizes. `cargo xtask scale` tests them for up to a hundred million
//! patients, and `tests/it/simulated/scale.rs` for a few thousand.

use std::time::Duration;

use super::{Figures, WORK, float};
use crate::simulated::Stage;

/// The targets of requests, time and cost hold for a lake that at least this number of S3 partitions serve. A new bucket has one. It
/// refuses requests of more than 150 workers. They are sent again, and chunks start again, until S3 has split the bucket: only the other
/// targets hold for it.
pub const SPLIT: u32 = 4;

/// The targets that one export misses.
struct Targets<'f> {
    figures: &'f Figures,
    missed: Vec<String>,
}

impl Targets<'_> {
    fn expect(&mut self, holds: bool, target: &str) {
        if !holds {
            let (patients, partitions) = (self.figures.patients(), self.figures.plan.partitions);
            self.missed.push(format!("{patients} patients, {partitions} partitions: {target}"));
        }
    }

    /// Expects at most `most` of something.
    fn expect_at_most(&mut self, most: u64, found: u64, what: &str) {
        self.expect(found <= most, &format!("at most {most} {what}: {found}"));
    }

    /// Expects that the lake is listed once, and that each chunk lists its own part of it.
    fn lists(&mut self) {
        let figures = self.figures;
        let pages = figures.patients().div_ceil(1_000);
        // The guessed ranges, and the pages that a plan reads again when it continues in another invocation.
        let invocations = figures.stage(Stage::Plan).count;
        let lists = figures.calls(&[Stage::Plan], &["ListObjectsV2"]);
        self.expect_at_most(pages + pages / 8 + 8 + invocations, lists, "LIST of the plan");
        // A chunk that fails because S3 refuses too many requests starts again.
        let attempts = figures.chunks + figures.stage(Stage::Chunk).again;
        let lists = figures.calls(&[Stage::Chunk], &["ListObjectsV2"]);
        self.expect_at_most(3 * attempts, lists, "LIST of chunks");
    }

    fn keys(&mut self) {
        if let Some(hottest) = self.figures.hottest_key(&WORK) {
            let (percent, key) = (hottest.percent, hottest.key);
            self.expect(percent < 10.0, &format!("no key above 10 % of its limit: {percent:.1} % of {key}"));
        }
    }

    fn invocations(&mut self) {
        for stage in [Stage::Plan, Stage::Chunk, Stage::Finish] {
            let invocations = self.figures.stage(stage);
            let lost = invocations.timed_out + invocations.died;
            self.expect(lost == 0, &format!("every invocation of {stage:?} ends in time: {lost} do not"));
        }
        let longest = self.figures.stage(Stage::Finish).longest;
        let is_short = longest < Duration::from_mins(10);
        self.expect(is_short, &format!("Finish takes less than ten minutes: {longest:?}"));
    }

    /// Expects a number of requests for each chunk, patient, and resource of `shared/`. The constants are for exports of a few chunks.
    fn requests(&mut self) {
        let figures = self.figures;
        let (patients, chunks) = (figures.patients(), figures.chunks);
        let ours = [Stage::Delivery, Stage::Plan, Stage::Chunk, Stage::Finish];
        let calls = |operations: &[&str]| figures.calls(&ours, operations);
        let read = patients + 2 * figures.plan.lake.shared + chunks;
        self.expect_at_most(read + read / 10 + 20, calls(&["GetObject", "HeadObject"]), "GET");
        let rows = calls(&["GetItem", "BatchGetItem", "Query"]);
        self.expect_at_most(12 * chunks + 20, rows, "reads of rows");
        self.expect_at_most(chunks + chunks / 10 + 40, calls(&["TransactWriteItems"]), "transactions");
        let deliveries = figures.calls(&[Stage::Delivery], &["ReceiveMessage"]);
        self.expect_at_most(chunks + chunks / 50 + 10, deliveries, "deliveries");
        self.expect_at_most(chunks / 8 + 10, calls(&["SendMessage", "SendMessageBatch"]), "messages sent");
        let (half_reads, writes) = figures.meter.capacity();
        self.expect_at_most(120 * chunks + 100, half_reads / 2, "read units");
        self.expect_at_most(40 * chunks + 100, writes, "write units");
    }

    fn time_and_cost(&mut self) {
        let figures = self.figures;
        let (patients, dollars) = (figures.patients(), figures.cost.total());
        let most = float(patients) / 1e6 * 2.5;
        self.expect(patients < 1_000_000 || dollars < most, &format!("less than ${most}: ${dollars:.2}"));
        let in_time = patients > 10_000_000 || figures.wall < Duration::from_hours(2);
        self.expect(in_time, &format!("less than two hours: {:?}", figures.wall));
    }
}

/// Returns the targets that one export misses.
pub fn missed(figures: &Figures) -> Vec<String> {
    let mut targets = Targets { figures, missed: Vec::new() };
    targets.lists();
    targets.keys();
    targets.invocations();
    if figures.plan.partitions >= SPLIT {
        targets.requests();
        targets.time_and_cost();
    }
    targets.missed
}

/// Returns the exports of at least this number of patients from a lake that S3 has split.
fn large(all: &[Figures], least: u64) -> Vec<&Figures> {
    all.iter().filter(|figures| figures.patients() >= least && figures.plan.partitions >= SPLIT).collect()
}

/// Returns what is missed by exports of at least this number of patients from a lake that S3 has split: requests grow linearly.
pub fn not_linear(all: &[Figures], least: u64) -> Vec<String> {
    let mut missed = Vec::new();
    for two in large(all, least).windows(2) {
        let (smaller, larger) = (two[0], two[1]);
        let (few, many) = (smaller.patients(), larger.patients());
        let requests = |figures: &Figures| float(figures.meter.counts().values().sum());
        let growth = requests(larger) / requests(smaller);
        if growth > 1.1 * float(many) / float(few) {
            missed.push(format!("{many} patients: {growth:.1} times the requests of {few}"));
        }
    }
    missed
}

/// Returns what is missed by the same exports: the memory of each stage is measured, and does not grow with the patients.
pub fn not_flat(all: &[Figures], least: u64) -> Vec<String> {
    let mut missed = Vec::new();
    for two in large(all, least).windows(2) {
        let (few, many) = (two[0].patients(), two[1].patients());
        for stage in [Stage::Plan, Stage::Chunk, Stage::Finish] {
            let (before, after) = (megabytes(two[0], stage), megabytes(two[1], stage));
            if before <= 0.0 || after <= 0.0 {
                missed.push(format!(
                    "{many} patients: the memory of {stage:?} was not measured, or that for {few}"
                ));
            } else if after > 1.5 * before + 4.0 {
                missed.push(format!(
                    "{many} patients: {stage:?} needs {after:.0} MB, and {before:.0} MB for {few}"
                ));
            }
        }
    }
    missed
}

/// Returns the peak memory of a stage.
fn megabytes(figures: &Figures, stage: Stage) -> f64 {
    let peak = if stage == Stage::Chunk { figures.chunk_memory } else { figures.stage(stage).peak };
    float(peak) / 1e6
}
