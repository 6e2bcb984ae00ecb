//! The targets for every size, and the comparison of the sizes.

use std::time::Duration;

use tests::simulated::Stage;
use tests::simulated::scale::{Figures, WORK};

use crate::table::float;

/// Returns the targets that one size misses.
pub(crate) fn missed(figures: &Figures) -> Vec<String> {
    let patients = figures.patients;
    let mut missed = Vec::new();
    let mut expect = |holds: bool, target: String| {
        if !holds {
            missed.push(format!("{patients} patients: {target}"));
        }
    };
    let (pages, lists) = (patients.div_ceil(1_000), figures.calls(&[Stage::Plan], &["ListObjectsV2"]));
    // The guessed ranges, and the pages that a plan reads again when it continues in another invocation.
    let invocations = figures.stage(Stage::Plan).count;
    expect(
        lists <= pages + pages / 8 + 8 + invocations,
        format!("the lake is listed once: {pages} pages, {lists} LIST"),
    );
    let (chunks, lists) = (figures.chunks, figures.calls(&[Stage::Chunk], &["ListObjectsV2"]));
    expect(lists <= 3 * chunks, format!("at most three LIST a chunk: {lists} for {chunks}"));
    if let Some(hottest) = figures.hottest_key(&WORK) {
        let (percent, key) = (hottest.percent, hottest.key);
        expect(percent < 10.0, format!("no key above 10 % of its limit: {percent:.1} % of {key}"));
    }
    for stage in [Stage::Plan, Stage::Chunk, Stage::Finish] {
        let invocations = figures.stage(stage);
        let lost = invocations.timed_out + invocations.died;
        expect(lost == 0, format!("every invocation of {stage:?} ends in time: {lost} do not"));
    }
    let longest = figures.stage(Stage::Finish).longest;
    expect(longest < Duration::from_mins(10), format!("Finish takes less than ten minutes: {longest:?}"));
    let (max_cost, dollars) = (max_cost(patients), figures.cost.total());
    expect(dollars < max_cost, format!("it costs less than ${max_cost}: ${dollars:.2}"));
    let in_time = patients > 10_000_000 || figures.wall < Duration::from_hours(2);
    expect(in_time, format!("it takes less than two hours: {:?}", figures.wall));
    missed
}

/// Returns the maximum cost of an export in dollars: $2.50 per million patients.
fn max_cost(patients: u64) -> f64 {
    if patients < 1_000_000 { f64::INFINITY } else { float(patients) / 1e6 * 2.5 }
}

/// Returns the targets of growth that are missed: from a million patients on, requests grow linearly, and memory is
/// constant.
pub(crate) fn not_linear(all: &[Figures]) -> Vec<String> {
    let large: Vec<_> = all.iter().filter(|figures| figures.patients >= 1_000_000).collect();
    let mut missed = Vec::new();
    for two in large.windows(2) {
        let (smaller, larger) = (two[0], two[1]);
        let requests = |figures: &Figures| float(figures.meter.counts().values().sum());
        let growth = requests(larger) / requests(smaller);
        if growth > 1.1 * float(larger.patients) / float(smaller.patients) {
            missed.push(format!(
                "{} patients: {growth:.1} times the requests of {}",
                larger.patients, smaller.patients
            ));
        }
        for stage in [Stage::Plan, Stage::Chunk, Stage::Finish] {
            let peak = |figures: &Figures| float(figures.stage(stage).peak) / 1e6;
            if peak(larger) > 1.5 * peak(smaller) + 4.0 {
                missed.push(format!(
                    "{} patients: {stage:?} needs {:.0} MB, and {:.0} MB for {}",
                    larger.patients,
                    peak(larger),
                    peak(smaller),
                    smaller.patients
                ));
            }
        }
    }
    missed
}
