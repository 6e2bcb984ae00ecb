//! `cargo xtask scale`: what is shown over the simulated AWS and takes too long for every test.
//!
//! Without arguments: exports of a thousand to a hundred million patients, which takes hours. With numbers: of so many. With `faults`: the
//! fault runs. An export that misses a target, or that a fault changes, fails.

#![expect(clippy::print_stdout, reason = "it prints its table")]

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
