//! `cargo xtask scale`: runs that use the simulated AWS and take too long for every test run.
//!
//! Without arguments it exports a thousand to a hundred million patients, which takes hours. Numbers select the numbers
//! of patients. `faults` selects the fault runs. It fails if an export misses a target, or if a fault changes an
//! export.

#![expect(clippy::print_stdout, reason = "the table is the output")]

mod faults;
mod table;
mod targets;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    tests::simulated::outside_memory(|act| allocation_counter::opt_out(act));
    tests::simulated::functions::measure_memory(|act| {
        let used = allocation_counter::measure(act);
        (used.bytes_current, used.bytes_max)
    });
    let done = match arguments.first().map(String::as_str) {
        Some("faults") => faults::run(),
        _ => table::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
