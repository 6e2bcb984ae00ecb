//! Exports of more and more patients: a table, and the targets that it must meet.

use std::time::{Duration, Instant};

use tests::simulated::lake::Lake;
use tests::simulated::scale::{Figures, Plan, WORK, simulate};
use tests::simulated::{Hottest, Stage};

const SIZES: [u64; 5] = [1_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
/// Bytes of a patient's records.
const MEAN_BYTES: u64 = 470_000;
/// Practitioners, and organizations.
const SHARED: u64 = 500;
/// As `template.yaml` sets it.
const CHUNK_BYTES: u64 = 128 * 1024 * 1024;
const WORKERS: usize = 500;
/// Parts of the lake's bucket that S3 serves apart. One is the worst, and a bucket that is new.
const PARTITIONS: u32 = 1;

/// The sizes that are named, or all of them.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let named: Vec<u64> =
        arguments.iter().filter_map(|argument| argument.replace('_', "").parse().ok()).collect();
    let sizes: Vec<u64> = if named.is_empty() { SIZES.to_vec() } else { named };
    let mut all = Vec::new();
    for patients in sizes {
        let begun = Instant::now();
        let plan = Plan {
            lake: Lake { patients, mean_bytes: MEAN_BYTES, shared: SHARED, seed: 7 },
            concurrency: WORKERS,
            chunk_bytes: CHUNK_BYTES,
            modelled: true,
            partitions: PARTITIONS,
        };
        let figures = simulate(plan).map_err(|problem| format!("{patients} patients: {problem}"))?;
        print(&figures, begun.elapsed());
        all.push(figures);
    }
    let missed: Vec<_> = all.iter().flat_map(missed).chain(not_linear(&all)).collect();
    if missed.is_empty() { Ok(()) } else { Err(format!("targets that are missed:\n{}", missed.join("\n"))) }
}

fn print(figures: &Figures, took: Duration) {
    let calls = |stages: &[Stage], operation| figures.calls(stages, &[operation]);
    let seconds = |duration: Duration| format!("{:.1} s", duration.as_secs_f64());
    println!("\n{} patients (simulated in {})", figures.patients, seconds(took));
    let row = |name: &str, value: String| println!("  {name:<44} {value}");
    row("chunks", figures.chunks.to_string());
    row("LISTs of the plan", calls(&[Stage::Plan], "ListObjectsV2").to_string());
    row("LISTs of chunks", calls(&[Stage::Chunk], "ListObjectsV2").to_string());
    for stage in [Stage::Delivery, Stage::Plan, Stage::Chunk, Stage::Finish] {
        let counts = figures.meter.counts();
        let of_stage = counts.iter().filter(|((known, _), _)| *known == stage);
        let text: Vec<_> = of_stage.map(|((_, operation), count)| format!("{operation} {count}")).collect();
        row(&format!("requests, {stage:?}"), text.join(", "));
    }
    let (half_reads, writes) = figures.meter.capacity();
    row("DynamoDB units", format!("{} read, {writes} written", half_reads / 2));
    row("throttled", figures.meter.throttled().to_string());
    let hottest = |hottest: Option<Hottest>| {
        hottest.map_or_else(
            || "none".to_owned(),
            |hottest| format!("{:.1} % of {}", hottest.percent, hottest.key),
        )
    };
    row("hottest key, plan and chunks", hottest(figures.hottest_key(&WORK)));
    row("hottest key, finish", hottest(figures.hottest_key(&[Stage::Finish])));
    row("hottest partition of a bucket", hottest(figures.hottest_partition()));
    row("planned after", seconds(figures.planned));
    row("complete after", seconds(figures.wall));
    for stage in [Stage::Plan, Stage::Chunk, Stage::Finish] {
        let invocations = figures.stage(stage);
        row(
            &format!("invocations, {stage:?}"),
            format!(
                "{}, longest {}, together {}, peak memory {:.1} MB, again {}, timed out {}",
                invocations.count,
                seconds(invocations.longest),
                seconds(invocations.total),
                float(invocations.peak) / 1e6,
                invocations.again,
                invocations.timed_out
            ),
        );
    }
    let cost = figures.cost;
    row(
        "cost",
        format!(
            "${:.3}: Lambda {:.3}, DynamoDB {:.3}, S3 {:.3}, SQS {:.3}, logs {:.3}, files for a day {:.3}",
            cost.total(),
            cost.lambda,
            cost.dynamodb,
            cost.s3,
            cost.sqs,
            cost.logs,
            cost.stored
        ),
    );
}

/// The targets that one size misses.
fn missed(figures: &Figures) -> Vec<String> {
    let patients = figures.patients;
    let mut missed = Vec::new();
    let mut expect = |holds: bool, target: String| {
        if !holds {
            missed.push(format!("{patients} patients: {target}"));
        }
    };
    let lists = figures.calls(&[Stage::Plan], &["ListObjectsV2"]);
    let once = patients.div_ceil(1_000);
    expect(
        lists <= once + once / 20 + 10,
        format!("the plan lists the lake once: {once} pages, and {lists} LISTs"),
    );
    let lists = figures.calls(&[Stage::Chunk], &["ListObjectsV2"]);
    expect(
        lists <= 3 * figures.chunks,
        format!("one to three LISTs a chunk: {lists} for {}", figures.chunks),
    );
    if let Some(hottest) = figures.hottest_key(&WORK) {
        expect(
            hottest.percent < 10.0,
            format!("no key above 10 %: {:.1} % of {}", hottest.percent, hottest.key),
        );
    }
    for stage in [Stage::Plan, Stage::Chunk, Stage::Finish] {
        let invocations = figures.stage(stage);
        expect(invocations.timed_out == 0, format!("{stage:?}: {} timed out", invocations.timed_out));
    }
    let finish = figures.stage(Stage::Finish).longest;
    expect(finish < Duration::from_mins(10), format!("Finish is well under a Lambda's time: {finish:?}"));
    let dearest = match patients {
        1_000_000 => 2.5,
        10_000_000 => 25.0,
        _ => f64::INFINITY,
    };
    let dollars = figures.cost.total();
    expect(dollars < dearest, format!("costs less than ${dearest}: ${dollars:.2}"));
    if patients == 10_000_000 {
        expect(figures.wall < Duration::from_hours(2), format!("less than two hours: {:?}", figures.wall));
    }
    missed
}

/// From a million on, ten times the patients are at most eleven times the requests, and the same memory.
fn not_linear(all: &[Figures]) -> Vec<String> {
    let large: Vec<_> = all.iter().filter(|figures| figures.patients >= 1_000_000).collect();
    let mut missed = Vec::new();
    for two in large.windows(2) {
        let times = float(two[1].patients) / float(two[0].patients);
        let requests = |figures: &Figures| float(figures.meter.counts().values().sum());
        let growth = requests(two[1]) / requests(two[0]);
        if growth > 1.1 * times {
            missed.push(format!(
                "{} patients: {growth:.1} times the requests of {}",
                two[1].patients, two[0].patients
            ));
        }
        for stage in [Stage::Plan, Stage::Finish] {
            let peak = |figures: &Figures| float(figures.stage(stage).peak);
            if peak(two[1]) > 1.5 * peak(two[0]) + 4e6 {
                missed.push(format!(
                    "{} patients: {stage:?} needs {:.0} MB, and {:.0} MB of {}",
                    two[1].patients,
                    peak(two[1]) / 1e6,
                    peak(two[0]) / 1e6,
                    two[0].patients
                ));
            }
        }
    }
    missed
}

#[expect(clippy::cast_precision_loss, reason = "a figure to show")]
fn float(count: u64) -> f64 {
    count as f64
}
