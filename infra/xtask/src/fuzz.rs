//! `cargo xtask fuzz`: runs the fuzz targets one after the other, each for the same time.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{cargo, root, run, tools};

/// The file that lists the targets.
const LIST: &str = "tests/src/fuzz/mod.rs";
const MINUTES: u64 = 60;

/// The parsed arguments.
struct Plan {
    targets: Vec<String>,
    /// The time for each target.
    seconds: u64,
}

/// Fuzzes with libFuzzer if a nightly compiler is installed, and with random cases otherwise. Every target runs for its full
/// time, even after another one has failed.
pub(crate) fn fuzz(arguments: &[String]) -> Result<(), String> {
    let plan = Plan::read(arguments, &known()?)?;
    let has_nightly = Command::new("rustup")
        .args(["run", "nightly", "rustc", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !has_nightly {
        eprintln!(
            "There is no nightly compiler, so the cases are random and not guided by coverage. To install one: rustup toolchain install nightly"
        );
        return plan.each(random);
    }
    let tool = tools::cargo_tool("cargo-fuzz")?;
    run(cargo_fuzz(&tool, "build"))?;
    plan.each(|target, seconds| guided(&tool, target, seconds))
}

impl Plan {
    fn read(arguments: &[String], known: &[String]) -> Result<Self, String> {
        let (mut targets, mut minutes) = (Vec::new(), MINUTES);
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            if argument == "--minutes" {
                let number = arguments.next().and_then(|number| number.parse().ok());
                minutes = number.filter(|number| *number > 0).ok_or("--minutes takes a number of minutes")?;
            } else if known.contains(argument) {
                targets.push(argument.clone());
            } else {
                return Err(format!("there is no target '{argument}': {}", known.join(", ")));
            }
        }
        if targets.is_empty() {
            targets = known.to_vec();
        }
        let seconds = (minutes * 60 / targets.len() as u64).max(1);
        Ok(Self { targets, seconds })
    }

    fn each(&self, fuzz: impl Fn(&str, u64) -> Result<(), String>) -> Result<(), String> {
        let mut failed = Vec::new();
        for target in &self.targets {
            eprintln!("== {target}, {} s", self.seconds);
            if let Err(problem) = fuzz(target, self.seconds) {
                failed.push(format!("{target}: {problem}"));
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(format!("these targets failed:\n{}", failed.join("\n"))) }
    }
}

/// Returns the names in the list of targets.
fn known() -> Result<Vec<String>, String> {
    let list = std::fs::read_to_string(root().join(LIST)).map_err(|error| format!("{LIST}: {error}"))?;
    let names = list.split("Target { name: \"").skip(1).filter_map(|rest| rest.split('"').next());
    let names: Vec<_> = names.map(str::to_owned).collect();
    if names.is_empty() { Err(format!("{LIST} lists no targets")) } else { Ok(names) }
}

fn cargo_fuzz(tool: &Path, command: &str) -> Command {
    let mut fuzz = Command::new(tool);
    // The variables that cargo set for this program describe the stable compiler.
    fuzz.env_remove("CARGO").env("RUSTUP_TOOLCHAIN", "nightly");
    fuzz.args([
        command,
        "--fuzz-dir",
        "tests/fuzz",
        "--target-dir",
        "target/fuzz",
        "--sanitizer",
        "none",
        "body",
    ]);
    fuzz
}

/// Fuzzes a target with libFuzzer. The corpus is stored below `target/`, so that the next run continues from it.
fn guided(tool: &Path, target: &str, seconds: u64) -> Result<(), String> {
    let directory = |kind: &str| -> Result<PathBuf, String> {
        let directory = root().join("target/fuzz").join(kind).join(target);
        std::fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        Ok(directory)
    };
    let (corpus, found) = (directory("corpus")?, directory("found")?);
    let mut fuzz = cargo_fuzz(tool, "run");
    fuzz.arg(corpus).arg("--").args([
        "-max_len=2048",
        "-timeout=60",
        "-rss_limit_mb=4096",
        "-print_final_stats=1",
    ]);
    fuzz.arg(format!("-max_total_time={seconds}")).arg(format!("-artifact_prefix={}/", found.display()));
    fuzz.env("EHI_FUZZ", target);
    run(fuzz)
}

/// Runs a target with random cases, like every test run, but for a longer time.
fn random(target: &str, seconds: u64) -> Result<(), String> {
    let mut test = cargo(&["test", "--locked", "--package", "tests", "--test", "it", "--", "--exact"]);
    test.arg(format!("fuzz::{}", target.replace('-', "_")));
    test.env("EHI_FUZZ_SECONDS", seconds.to_string());
    run(test)
}
