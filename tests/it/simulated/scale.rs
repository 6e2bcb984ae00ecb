//! Simulated exports of generated lakes.

use std::collections::BTreeMap;

use domain::pack::SMALL;
use tests::simulated::Stage;
use tests::simulated::lake::Lake;
use tests::simulated::scale::{Figures, Plan, WORK, simulate};

fn figures(patients: u64, mean_bytes: u64, chunk_bytes: u64, modelled: bool) -> Figures {
    let lake = Lake { patients, mean_bytes, shared: 8, seed: 7 };
    let plan = Plan { lake, concurrency: 50, chunk_bytes, modelled, partitions: 4 };
    simulate(plan).expect("an export")
}

/// Returns the requests by stage and operation.
fn counts(figures: &Figures) -> BTreeMap<(Stage, &'static str), u64> {
    figures.meter.counts()
}

#[test]
fn the_model_counts_the_requests_of_a_real_chunk() {
    // Some files are larger than the limit of a pack, and some are larger than a part of an upload.
    let (real, modelled) = (figures(60, 400_000, 24_000_000, false), figures(60, 400_000, 24_000_000, true));
    let bytes = 24_000_000_u64;
    assert!(bytes * 46 / 100 > 8 << 20 && bytes / 100 < SMALL as u64, "the lake has files of each kind");
    assert_eq!(counts(&real), counts(&modelled));
}

/// Checks the first column of the table in `infra/docs/cost.md`: exactly these requests.
#[test]
fn an_export_of_a_thousand_patients_needs_the_requests_of_the_cost_page() {
    let lake = Lake { patients: 1_000, mean_bytes: 470_000, shared: 500, seed: 7 };
    let plan = Plan { lake, concurrency: 500, chunk_bytes: 128 * 1024 * 1024, modelled: true, partitions: 4 };
    let figures = simulate(plan).expect("an export");
    assert_eq!(figures.chunks, 5);
    let stage = |stage, operation| figures.calls(&[stage], &[operation]);
    assert_eq!(stage(Stage::Plan, "ListObjectsV2"), 1, "the lake is listed once");
    assert_eq!(stage(Stage::Chunk, "ListObjectsV2"), 4, "once per chunk");
    assert_eq!(stage(Stage::Chunk, "GetObject"), 1_000, "once per patient");
    assert_eq!(
        stage(Stage::Finish, "GetObject"),
        1_006,
        "one for each line of shared/, and the lists of references"
    );
    let ours = [Stage::Delivery, Stage::Plan, Stage::Chunk, Stage::Finish];
    let all = |operations: &[&str]| figures.calls(&ours, operations);
    let puts = ["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"];
    assert_eq!(all(&puts), 125);
    assert_eq!(all(&["GetItem", "BatchGetItem", "Query"]), 31);
    assert_eq!(all(&["PutItem", "UpdateItem", "TransactWriteItems"]), 13);
    assert_eq!(all(&["SendMessage", "SendMessageBatch"]), 4);
    assert_eq!(figures.meter.throttled(), 0);
}

/// Ten times as many patients need ten times as many requests, and no key reaches a tenth of its capacity.
#[test]
fn requests_grow_linearly_with_the_patients() {
    let (small, large) = (figures(300, 470_000, 12 << 20, true), figures(3_000, 470_000, 12 << 20, true));
    let requests = |figures: &Figures| counts(figures).values().sum::<u64>();
    assert!(requests(&large) <= 10 * requests(&small) * 11 / 10, "{} {}", requests(&small), requests(&large));
    let hottest = large.hottest_key(&WORK).expect("a key");
    assert!(hottest.percent < 10.0, "{hottest:?}");
    let lists = large.calls(&[Stage::Plan], &["ListObjectsV2"]);
    assert!((3..=6).contains(&lists), "{lists} LIST for 3 pages");
}
