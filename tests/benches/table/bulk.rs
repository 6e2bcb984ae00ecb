//! Bulk exports of many patients: the cost of each parameter, two workers compared with one, memory, and an empty
//! export.

use std::path::Path;
use std::time::Instant;

use domain::clock::{Clock, SystemClock};
use domain::selection::{Element, Selection};
use fhir::search::compile::compile;
use indicatif::ProgressBar;

use crate::engine::best_of;
use crate::{Aim, Row, Scale, directory, runtime};

/// The parts: name, description, and yardstick.
const PARTS: [(&str, &str); 4] = [
    ("bulk", "unfiltered"),
    ("bulk-type", "`_type=Condition,Encounter,Observation`"),
    ("bulk-filter", "`_typeFilter=Observation?category=laboratory&date=ge2010`"),
    ("bulk-elements", "`_elements=Observation.value,Condition.onset`"),
];

/// Returns the selection of a part, and its number of workers.
pub(crate) fn part(part: &str) -> (Selection, usize) {
    let everything = Selection { all_shared: true, ..Selection::default() };
    let selection = match part {
        "bulk-type" => Selection {
            types: Some(["Condition", "Encounter", "Observation"].map(str::to_owned).into()),
            ..everything
        },
        "bulk-filter" => {
            let search = "Observation?category=laboratory&date=ge2010";
            Selection { filters: vec![compile(search, SystemClock.now()).expect("a search")], ..everything }
        }
        "bulk-elements" => {
            let element = |resource_type: &str, name: &str| Element {
                resource_type: Some(resource_type.to_owned()),
                name: name.to_owned(),
            };
            let elements = vec![element("Observation", "value"), element("Condition", "onset")];
            Selection { elements, ..everything }
        }
        _ => everything,
    };
    (selection, if part == "bulk-two" { 2 } else { 1 })
}

pub(crate) fn rows(scale: Scale) -> Vec<Row> {
    let lake = directory();
    let patients = scale.of(10_000, 200);
    ehi::sample::write(patients, 1, lake.path(), &ProgressBar::hidden()).expect("a sample");
    let copy = best_of(2, "copy-synced", lake.path(), "0");
    let mut rows = Vec::new();
    let mut unfiltered = None;
    for (part, what) in PARTS {
        let measured = best_of(2, part, lake.path(), "0");
        let plain = *unfiltered.get_or_insert(measured);
        let shown = format!("{:.0} MB/s in, {:.0} resources/s out", measured.rate, measured.resources);
        rows.push(Row {
            what: format!("system export, {patients} patients, one core, {what}"),
            measured: shown.clone(),
            yardstick: format!("copy, made durable: {:.0} MB/s", copy.rate),
            ratio: Some(measured.rate / copy.rate),
            aim: match part {
                "bulk" => Aim::ratio_at_least(0.50, measured.rate / copy.rate),
                _ => Aim::none(),
            },
        });
        if part != "bulk" {
            rows.push(Row {
                what: format!("system export, {patients} patients, one core, {what}"),
                measured: shown,
                yardstick: format!("unfiltered: {:.0} MB/s", plain.rate),
                ratio: Some(measured.rate / plain.rate),
                aim: Aim::ratio_at_least(0.70, measured.rate / plain.rate),
            });
        }
    }
    let (one, two) = (best_of(2, "bulk", lake.path(), "0,1"), best_of(2, "bulk-two", lake.path(), "0,1"));
    rows.push(Row {
        what: format!("system export, {patients} patients, two workers on two cores"),
        measured: format!("{:.0} MB/s, {:.0} resources/s", two.rate, two.resources),
        yardstick: format!("one worker on two cores: {:.0} MB/s", one.rate),
        ratio: Some(two.rate / one.rate),
        aim: Aim::ratio_at_least(1.80, two.rate / one.rate).and(Aim::at_least(
            200_000.0,
            "resources/s",
            two.resources,
        )),
    });
    rows.push(Row {
        what: format!("system export, {patients} patients, peak memory, two workers"),
        measured: format!("{:.1} MB", two.peak / 1e6),
        yardstick: format!("one worker: {:.1} MB", one.peak / 1e6),
        ratio: Some(two.peak / one.peak),
        aim: Aim::at_most(64.0, "MB a worker", two.peak / 2e6),
    });
    rows.push(empty_export(scale, lake.path()));
    rows
}

/// Measures the time from the kick-off to the manifest of an empty export: a group without members.
fn empty_export(scale: Scale, lake: &Path) -> Row {
    let group = lake.join("Group");
    std::fs::create_dir_all(&group).expect("a directory");
    let text = r#"{"resourceType":"Group","id":"empty","type":"person","actual":true}"#;
    std::fs::write(group.join("empty.json"), text).expect("written");
    let world = tests::World::with("sandbox = true", lake);
    let tries = scale.of(200, 20);
    let mut times: Vec<f64> = runtime().block_on(async {
        let token = world.service("service", "system/*.rs").await;
        let mut times = Vec::new();
        for _ in 0..tries {
            let started = Instant::now();
            let kicked = world.get("/fhir/Group/empty/$export").bearer(&token).send().await;
            world.work().await;
            let status = kicked.header("content-location");
            let done = world.get(status).bearer(&token).send().await;
            assert_eq!(done.json()["output"], serde_json::json!([]));
            times.push(started.elapsed().as_secs_f64() * 1e3);
        }
        times
    });
    times.sort_by(f64::total_cmp);
    Row {
        what: format!("kick-off to manifest of an export that finds nothing, in memory, median of {tries}"),
        measured: format!("{:.2} ms", times[times.len() / 2]),
        yardstick: String::new(),
        ratio: None,
        aim: Aim::none(),
    }
}
