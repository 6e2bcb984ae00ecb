//! The connection to AWS is cut at requests of an export, before and after the request has its effect, also in the middle of one
//! call of a port; and many faults occur at once. The exported lines are always the same. `cargo xtask scale faults` cuts at
//! every request; these tests cut at some of them, and at different ones for each kind of cut.

use tests::simulated::cuts::{Cuts, Exported, Kind, difference, expected_lines, export};
use tests::simulated::{Cut, Faults, Storm};

/// Every n-th request is cut.
const STRIDE: u64 = 9;

/// Three patients are enough for chunks of patients before and after each other, and for listings of several pages.
#[test]
fn broken_connections_do_not_change_the_export() {
    let cuts = Cuts::of(3).expect("an export");
    for (offset, cut) in [(0, Cut::DieAfter), (3, Cut::LoseAfter), (6, Cut::DieBefore)] {
        let requests: Vec<_> =
            (0..cuts.expected.requests).filter(|request| request % STRIDE == offset).collect();
        let failures = cuts.at(&requests, cut);
        assert_eq!(failures, [], "{cut:?}");
    }
}

/// The references of this export are gathered, and followed in many small parts. The work of each step is recorded once.
#[test]
fn broken_connections_do_not_change_an_export_in_parts() {
    let cuts = Cuts::of_kind(Kind::PatientsInParts, 3).expect("an export");
    assert!(cuts.expected.requests > 120, "{}", cuts.expected.requests);
    for (offset, cut) in [(0, Cut::DieAfter), (3, Cut::LoseAfter), (6, Cut::DieBefore)] {
        let requests: Vec<_> =
            (0..cuts.expected.requests).filter(|request| request % STRIDE == offset).collect();
        let failures = cuts.at(&requests, cut);
        assert_eq!(failures, [], "{cut:?}");
    }
}

/// Exports in a storm. The threads of the simulation run in another order on a busy machine, and then a storm can kill the workers of
/// one task so often that the server gives the export up, as it should ([`domain::retries::MAX_LOST`]). Only then another storm is
/// tried.
fn export_in_a_storm(patients: usize, concurrency: usize, seed: u64) -> Exported {
    for seed in (seed..).step_by(100).take(4) {
        let storm = Storm { seed, throttled: 300, lost: 20, dead: 950, duplicates: 200 };
        match export(patients, concurrency, Faults::Storm(storm)) {
            Ok(found) => return found,
            Err(problem) if problem.contains("lost its worker 4 times") => {}
            Err(problem) => panic!("seed {seed}: {problem}"),
        }
    }
    panic!("four storms in a row ended the export");
}

#[test]
fn an_export_of_many_chunks_survives_many_faults() {
    let expected = expected_lines(60).expect("an export");
    for seed in 0..2 {
        let found = export_in_a_storm(60, 8, seed);
        assert!(found.struck * 4 > found.requests, "{} of {}", found.struck, found.requests);
        assert!(found.died > 0, "seed {seed}: no worker died in {:?}", found.took);
        assert_eq!(difference(&expected, &found.lines), None, "seed {seed}");
    }
}

/// A plan task must stop after another one has overtaken it: in this storm two plan tasks once appended chunks by turns, and patients
/// were exported twice.
#[test]
fn two_plan_tasks_at_once_export_no_patient_twice() {
    let expected = expected_lines(200).expect("an export");
    let found = export_in_a_storm(200, 20, 17);
    assert_eq!(difference(&expected, &found.lines), None);
}

/// The lake accepts only a fraction of the workers' requests: the workers slow down, and the export takes longer.
#[test]
fn a_throttled_bucket_only_delays_an_export() {
    let expected = export(120, 20, Faults::None).expect("an export");
    let found = export(120, 20, Faults::Slow(40)).expect("an export");
    assert_eq!(difference(&expected.lines, &found.lines), None);
    assert_eq!(expected.throttled, 0);
    assert!(found.throttled > 100 && found.took > expected.took, "{} in {:?}", found.throttled, found.took);
}
