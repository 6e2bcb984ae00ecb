//! The fault runs: every kind of cut at every request, and storms of faults.

use tests::simulated::cuts::{Cuts, difference, export};
use tests::simulated::{Cut, Faults, Storm};

/// The number of patients in the export that is cut at every request, and in the one that meets storms.
const PATIENTS: usize = 8;
const MANY: usize = 200;
const WORKERS: usize = 20;
const SEEDS: u64 = 20;

/// Runs all fault runs. The error describes the differences.
pub(crate) fn run() -> Result<(), String> {
    let mut problems = Vec::new();
    let cuts = Cuts::of(PATIENTS)?;
    let requests: Vec<_> = (0..cuts.expected.requests).collect();
    for cut in Cut::ALL {
        let failures = cuts.at(&requests, cut);
        println!("{cut:?} at each of {} requests: {} change the export", requests.len(), failures.len());
        problems
            .extend(failures.into_iter().map(|(at, problem)| format!("{cut:?} at request {at}: {problem}")));
    }
    let expected = export(MANY, WORKERS, Faults::None)?;
    for seed in 0..SEEDS {
        let storm = Storm { seed, throttled: 300, lost: 20, dead: 950, duplicates: 200 };
        let problem = match export(MANY, WORKERS, Faults::Storm(storm)) {
            Ok(found) => {
                println!(
                    "storm {seed}: {} of {} requests struck, {} workers died",
                    found.struck, found.requests, found.died
                );
                difference(&expected.lines, &found.lines)
            }
            Err(problem) => Some(problem),
        };
        problems.extend(problem.map(|problem| format!("storm {seed}: {problem}")));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}
