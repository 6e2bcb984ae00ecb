//! `cargo xtask COMMAND`: everything that is done to the project beside writing it. No dependencies, so that it is there at once.

mod tools;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "cargo xtask COMMAND

  check    formatting, clippy with warnings denied, docs, licences, bans, sources, unused dependencies
  test     every test of the workspace; installs what it needs or says what is missing
  bench    the benchmark table, in release
  build    the `ehi` program and every function, in release
";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let done = match arguments.first().map(String::as_str) {
        Some("check") => check(),
        Some("test") => test(&arguments[1..]),
        Some("bench") => bench(&arguments[1..]),
        Some("build") => {
            run(cargo(&["build", "--release", "--workspace", "--exclude", "tests", "--exclude", "xtask"]))
        }
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn check() -> Result<(), String> {
    run(cargo(&["fmt", "--all", "--check"]))?;
    run(cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--locked",
        "--",
        "--deny",
        "warnings",
    ]))?;
    let mut docs =
        cargo(&["doc", "--workspace", "--no-deps", "--all-features", "--locked", "--document-private-items"]);
    docs.env("RUSTDOCFLAGS", "--deny warnings");
    run(docs)?;
    let deny = tools::cargo_tool("cargo-deny")?;
    let mut command = Command::new(deny);
    command.args(["--all-features", "--config", ".deny.toml", "check", "licenses", "bans", "sources"]);
    run(command)?;
    let machete = tools::cargo_tool("cargo-machete")?;
    let mut command = Command::new(machete);
    command.args(["shared", "functions", "infra", "tests"]);
    run(command)
}

fn test(arguments: &[String]) -> Result<(), String> {
    tools::c_compiler()?;
    let mut command = cargo(&["test", "--workspace", "--all-features", "--locked"]);
    command.args(arguments);
    run(command)
}

fn bench(arguments: &[String]) -> Result<(), String> {
    tools::c_compiler()?;
    run(cargo(&["build", "--release", "--locked", "--package", "ehi"]))?;
    let mut command = cargo(&["bench", "--locked", "--package", "tests", "--bench", "table", "--"]);
    command.args(arguments);
    run(command)
}

/// The root of the project.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments);
    command
}

/// Runs a command in the root, showing what it is.
fn run(mut command: Command) -> Result<(), String> {
    let shown = format!("{command:?}").replace('"', "");
    eprintln!("+ {shown}");
    let status = command.current_dir(root()).status().map_err(|error| format!("{shown}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{shown}: {status}")) }
}
