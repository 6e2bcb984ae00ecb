//! The `ehi` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    ehi::command_line::main()
}
