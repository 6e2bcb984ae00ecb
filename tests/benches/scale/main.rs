//! `cargo xtask scale`: runs that use the simulated AWS and take too long for every test run.
//!
//! Without arguments it exports a thousand to a hundred million patients, which takes hours. Numbers select the numbers
//! of patients; `--partitions N` and `--workers N` apply to the numbers after them. `faults` selects the fault runs. It fails if an
//! export misses a target, or if a fault changes an export.

#![expect(clippy::print_stdout, reason = "the table is the output")]

mod faults;

use std::process::ExitCode;
use std::time::Instant;

use tests::simulated::scale::arguments::plans;
use tests::simulated::scale::table::{table, time};
use tests::simulated::scale::targets::{missed, not_flat, not_linear};
use tests::simulated::scale::{Figures, chunk_memory, simulate};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    tests::simulated::outside_memory(|act| allocation_counter::opt_out(act));
    tests::simulated::functions::measure_memory(|act| {
        let used = allocation_counter::measure(act);
        (used.bytes_current, used.bytes_max)
    });
    let done = match arguments.first().map(String::as_str) {
        Some("faults") => faults::run(),
        _ => exports(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// Simulates the exports that the arguments name, and compares them with the targets.
fn exports(arguments: &[String]) -> Result<(), String> {
    let mut all: Vec<Figures> = Vec::new();
    for plan in plans(arguments)? {
        let begun = Instant::now();
        let patients = plan.lake.patients;
        let of_export = |problem: String| format!("{patients} patients: {problem}");
        let chunk_memory = chunk_memory(plan).map_err(of_export)?;
        let figures = simulate(plan).map_err(of_export)?;
        eprintln!("{patients} patients: simulated in {}", time(begun.elapsed()));
        all.push(Figures { chunk_memory, ..figures });
    }
    println!("{}", table(&all));
    let growth = not_linear(&all, 1_000_000).into_iter().chain(not_flat(&all, 1_000_000));
    let missed: Vec<_> = all.iter().flat_map(missed).chain(growth).collect();
    if missed.is_empty() { Ok(()) } else { Err(format!("targets that are missed:\n{}", missed.join("\n"))) }
}
