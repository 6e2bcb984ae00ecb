//! Simulated exports of generated lakes.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::pack::SMALL;
use serde_json::json;
use tests::simulated::lake::{Lake, shared_of};
use tests::simulated::scale::arguments::{CHUNK_BYTES, PARTITIONS, plan_of, plans};
use tests::simulated::scale::targets::{SPLIT, missed, not_flat, not_linear};
use tests::simulated::scale::{
    Figures, MEMORY, Plan, STORAGE, TIMEOUT, WORK, simulate, simulate_with, table,
};
use tests::simulated::{Faults, Service, Stage};
use tests::template::Template;

use crate::docs::page;

/// The number of practitioners, and of organizations, in the lakes of these tests.
const SHARED: u64 = 200;

fn plan(patients: u64, mean_bytes: u64, chunk_bytes: u64, modelled: bool) -> Plan {
    let lake = Lake { patients, mean_bytes, shared: SHARED, seed: 7 };
    Plan { lake, concurrency: 50, chunk_bytes, modelled, partitions: PARTITIONS }
}

/// Returns the requests by stage and operation.
fn counts(figures: &Figures) -> BTreeMap<(Stage, &'static str), u64> {
    figures.meter.counts()
}

#[test]
fn the_model_counts_the_requests_of_a_real_chunk() {
    // Some files are larger than the limit of a pack, and some are larger than a part of an upload.
    let bytes = 24_000_000_u64;
    let export = |modelled| simulate(plan(60, 400_000, bytes, modelled)).expect("an export");
    let (real, modelled) = (export(false), export(true));
    assert!(bytes * 46 / 100 > 8 << 20 && bytes / 100 < SMALL as u64, "the lake has files of each kind");
    assert_eq!(counts(&real), counts(&modelled));
    let referred = real.calls(&[Stage::Finish], &["GetObject"]);
    assert!((150..300).contains(&referred), "some of 400 resources are referred to: {referred}");
}

/// Checks the first column of the table in `infra/docs/cost.md`: exactly these requests and units.
#[test]
fn an_export_of_a_thousand_patients_needs_the_requests_of_the_cost_page() {
    let figures = simulate(plan_of(1_000)).expect("an export");
    assert_eq!(figures.chunks, 5);
    let stage = |stage, operation| figures.calls(&[stage], &[operation]);
    assert_eq!(stage(Stage::Plan, "ListObjectsV2"), 1, "the lake is listed once");
    assert_eq!(stage(Stage::Chunk, "ListObjectsV2"), 4, "once per chunk");
    assert_eq!(stage(Stage::Chunk, "GetObject"), 1_000, "once per patient");
    assert_eq!(missed(&figures), [""; 0]);
    let (page, rows) = (page("cost.md"), table::counted(&figures));
    let missing: Vec<_> = rows.iter().filter(|row| !page.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "infra/docs/cost.md does not say: {missing:#?}");
}

/// Ten times as many patients need ten times as many requests. The larger export has so many chunks that others join their references.
#[test]
fn small_exports_meet_the_targets_of_large_ones() {
    let export = |patients| simulate(plan(patients, 470_000, 5_200_000, true)).expect("an export");
    let all = [export(300), export(3_000)];
    assert_eq!(all.iter().map(|figures| figures.gathers).collect::<Vec<_>>(), [0, 2]);
    let missed: Vec<_> = all.iter().flat_map(missed).chain(not_linear(&all, 300)).collect();
    assert_eq!(missed, [""; 0]);
    // Only `cargo xtask scale` measures memory, so nothing is compared here.
    let unmeasured = not_flat(&all, 300);
    assert_eq!(unmeasured.len(), 3, "{unmeasured:?}");
    assert!(unmeasured.iter().all(|missed| missed.contains("was not measured")), "{unmeasured:?}");
    // It was 5.2 % when this test was written.
    let hottest = all[1].hottest_key(&WORK).expect("a key");
    assert!(hottest.percent < 7.0, "{hottest:?}");
}

/// A partition that accepts a fraction of the requests refuses the others: modelled requests are sent again like those of the SDK.
#[test]
fn modelled_requests_are_refused_like_real_ones() {
    let slow = |modelled| {
        let plan = plan(120, 400_000, 4_000_000, modelled);
        let lake = Lake { shared: 8, ..plan.lake };
        simulate_with(Plan { lake, partitions: 1, ..plan }, Faults::Slow(30)).expect("an export")
    };
    let all = [slow(false), slow(true)];
    let [of_real, of_modelled] = all.each_ref().map(|figures| figures.meter.refused(Service::S3));
    let shown = table::table(&all);
    assert!(of_real > 50 && of_real < 3 * of_modelled && of_modelled < 3 * of_real, "{shown}");
    // Only thirty requests are accepted at once.
    assert!(all.iter().all(|figures| figures.wall > Duration::from_secs(3)), "{shown}");
}

#[test]
fn the_supporting_resources_grow_with_the_patients() {
    assert_eq!([1_000, 100_000, 1_000_000, 10_000_000].map(shared_of), [500, 500, 5_000, 50_000]);
}

#[test]
fn options_apply_to_the_numbers_after_them() {
    let plans = |arguments: &str| {
        let arguments: Vec<_> = arguments.split_whitespace().map(str::to_owned).collect();
        let of = |plan: &Plan| (plan.lake.patients, plan.partitions, plan.concurrency);
        plans(&arguments).map(|plans| plans.iter().map(of).collect::<Vec<_>>())
    };
    let named = plans("1000 --partitions 1 1_000_000 --workers 150 10_000_000");
    assert_eq!(named, Ok(vec![(1_000, SPLIT, 500), (1_000_000, 1, 500), (10_000_000, 1, 150)]));
    let all = plans("").expect("all sizes");
    assert_eq!(all[..2], [(1_000, SPLIT, 500), (100_000, SPLIT, 500)]);
    assert_eq!(all[5..], [(1_000_000, 1, 500), (10_000_000, 1, 500)]);
    for invalid in ["many", "0", "--partitions", "--workers none 1000"] {
        let problem = plans(invalid).expect_err(invalid);
        assert!(problem.contains("`--partitions N`"), "{problem}");
    }
}

#[test]
fn the_simulated_function_is_that_of_the_template() {
    let template = Template::load();
    let (_, function) = template.functions()["LargeGeneratorFunction"];
    let properties = &function["Properties"];
    assert_eq!(properties["MemorySize"], json!(MEMORY));
    assert_eq!(properties["EphemeralStorage"]["Size"], json!(STORAGE));
    assert_eq!(properties["Timeout"], json!(TIMEOUT.as_secs()));
    assert_eq!(template.document()["Parameters"]["ChunkBytes"]["Default"], json!(CHUNK_BYTES));
}
