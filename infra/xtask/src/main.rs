//! `cargo xtask COMMAND`: checks, tests, builds and measures the project. It has no dependencies, so that it compiles quickly.

mod advisories;
mod attended;
mod browser;
mod emulator;
mod engine;
mod fuzz;
mod pump;
mod reverse_proxy;
mod sam;
mod sam_local;
mod scratch;
mod tools;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use self::emulator::{Deployed, Emulator};
use self::sam::Mode;
use self::scratch::Scratch;

const USAGE: &str = "cargo xtask COMMAND

  check    formatting, spelling, clippy with warnings denied, docs, licences, bans, sources, advisories, unused dependencies, the template
  test     every test of the workspace; installs what it needs or says what is missing
  browser  the browser tests, or those named [NAME…]; screenshots are in target/browser; `test` includes them if Chromium is installed
  bench    the benchmark table, in release mode
  scale    exports of a thousand to a hundred million patients over a simulated AWS, or of [[--partitions N] [--workers N] PATIENTS…]; `faults`: the fault runs
  fuzz     the fuzz targets for an hour in total, or [--minutes N] [TARGET…]; findings are below target/fuzz/found
  build    the `ehi` program and, with `sam build`, every function, in release mode
  emulate  the deployment on this machine: an emulator of AWS, template.yaml, the sample lake; prints the URL
  sam-local  an export through `sam local start-api`, each function in a container; starts a container engine if none runs
";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let done = match arguments.first().map(String::as_str) {
        Some("check") => check(),
        Some("test") => test(&arguments[1..]),
        Some("browser") => browser(&arguments[1..]),
        Some("bench") => bench(&arguments[1..]),
        Some("scale") => scale(&arguments[1..]),
        Some("fuzz") => fuzz::fuzz(&arguments[1..]),
        Some("emulate") => emulate(),
        Some("sam-local") => sam_local::sam_local(&arguments[1..]),
        Some("build") => build(),
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

/// Builds the functions and the program for one machine.
fn build() -> Result<(), String> {
    run(cargo(&["build", "--release", "--locked", "--package", "ehi"]))?;
    sam::build(Mode::Release).map(drop)
}

/// Builds the `ehi` program without optimisation.
fn build_program() -> Result<(), String> {
    run(cargo(&["build", "--workspace", "--all-features", "--locked", "--bin", "ehi"]))
}

/// Builds the tests, and the `ehi` program from the same crates: with an example, cargo chooses the features of dependencies as it does
/// for tests. Without it, nearly all crates would be compiled a second time.
fn build_tests() -> Result<(), String> {
    run(test_binaries())?;
    let program =
        ["build", "--workspace", "--all-features", "--locked", "--bin", "ehi", "--example", "hello"];
    run(cargo(&program))
}

fn check() -> Result<(), String> {
    run(cargo(&["fmt", "--all", "--check"]))?;
    run(Command::new(tools::python_tool(tools::TYPOS, "typos")?))?;
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
    let mut command = Command::new(&deny);
    command.args(["--all-features", "--config", ".deny.toml", "check", "licenses", "bans", "sources"]);
    run(command)?;
    advisories::check(&deny)?;
    let mut lint = Command::new(tools::python_tool(tools::SAM, "cfn-lint")?);
    lint.args(["--regions", "us-east-1", "--", "template.yaml"]);
    run(lint)?;
    let mut validate = sam::sam()?;
    validate.args(["validate", "--lint"]);
    run(validate)?;
    let mut openapi = Command::new(tools::python_tool(tools::OPENAPI, "openapi-spec-validator")?);
    openapi.arg("functions/metadata/openapi.json");
    run(openapi)?;
    let machete = tools::cargo_tool("cargo-machete")?;
    let mut command = Command::new(machete);
    command.args(["shared", "functions", "infra", "tests"]);
    run(command)
}

/// Runs all tests. Without arguments, this includes the browser tests.
fn test(arguments: &[String]) -> Result<(), String> {
    // Missing programs are looked up before the long part, and reported after it, where the message is visible.
    let chromium = arguments.is_empty().then(browser::chromium);
    hosts(arguments)?;
    match chromium {
        Some(Ok(program)) => browser::stories(&program, &[]),
        Some(Err(missing)) => {
            eprintln!("\nSKIPPED: the pages in a browser were not tested. {missing}");
            Ok(())
        }
        None => Ok(()),
    }
}

/// Runs the browser tests.
fn browser(arguments: &[String]) -> Result<(), String> {
    tools::c_compiler()?;
    browser::browser(arguments)
}

/// Runs all tests except the browser tests. Some need a deployment: an emulator with the [`Stacks`].
fn hosts(arguments: &[String]) -> Result<(), String> {
    tools::c_compiler()?;
    let template = sam::build(Mode::Debug)?;
    let aws = tools::python_tool(tools::AWS, "aws")?;
    // The deployment and the compiler run in parallel, because each of them mostly uses one core.
    let (emulator, stacks) = std::thread::scope(|threads| {
        let compiled = threads.spawn(build_tests);
        let deployed = deploy_for_tests(&template);
        compiled.join().map_err(|_| "the compiler was not started".to_owned())??;
        deployed
    })?;
    let mut command = cargo(&TESTS);
    command.args(arguments);
    if !arguments.iter().any(|argument| argument == "--") {
        command.arg("--");
    }
    command.args(["--include-ignored", "--skip", browser::STORIES]);
    if !arguments.iter().any(|argument| argument.starts_with("--test-threads")) {
        command.args(["--test-threads", &test_threads().to_string()]);
    }
    command.envs(emulator.environment());
    without_missing_records(&mut command);
    command.env("EHI_TEST_AWS", aws);
    command.env("EHI_TEST_SAM", tools::python_tool(tools::SAM, "python")?);
    command.env("EHI_TEST_FHIRCLIENT", tools::python_tool(tools::FHIRCLIENT, "python")?);
    command.env("EHI_TEST_EMULATOR", emulator.process().to_string());
    let Stacks { served, adapters, killed } = &stacks;
    command.env("EHI_TEST_URL", format!("http://127.0.0.1:{}", served.proxy));
    for (name, output) in [
        ("EHI_TEST_SETTINGS_SECRET", "SettingsSecretArn"),
        ("EHI_TEST_SERVED_LAKE", "Lake"),
        ("EHI_TEST_SERVED_FILES", "FilesBucketName"),
        ("EHI_TEST_SERVED_LOGS", "LogGroupName"),
    ] {
        command.env(name, served.output(output)?);
    }
    point(&mut command, adapters, "EHI_TEST")?;
    point(&mut command, killed, "EHI_TEST_KILLED")?;
    command.env("EHI_TEST_KILLED_LOGS", killed.output("LogGroupName")?);
    // This stack has no settings.
    command.env("EHI_TEST_BARE_URL", format!("http://127.0.0.1:{}", adapters.proxy));
    command.env("EHI_TEST_BARE_LOGS", adapters.output("LogGroupName")?);
    load_sample(&emulator, served)?;
    let scratch = Scratch::new();
    if let Some(scratch) = &scratch {
        scratch.point(&mut command);
    }
    run(command)
}

/// Returns the number of tests that run at the same time: two for each core, because many wait for a process or for the deployment.
fn test_threads() -> usize {
    2 * std::thread::available_parallelism().map_or(1, usize::from)
}

/// The arguments of cargo for all tests.
const TESTS: [&str; 4] = ["test", "--workspace", "--all-features", "--locked"];

fn test_binaries() -> Command {
    let mut command = cargo(&TESTS);
    command.arg("--no-run");
    command
}

/// The stacks of `template.yaml` for the tests.
struct Stacks {
    /// The server, with the settings of the tests.
    served: Deployed,
    /// The stack for the tests of the adapters. It has no running workers.
    adapters: Deployed,
    /// The stack whose workers a test kills. Its chunks are small, so that an export of two patients has two.
    killed: Deployed,
}

/// Starts the emulator and deploys its stacks.
fn deploy_for_tests(template: &Path) -> Result<(Emulator, Stacks), String> {
    let emulator = Emulator::start()?;
    let proxy = || std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string());
    let deploy = |stack: &str, parameters: &[&str]| {
        emulator.deploy(template, stack, proxy()?, "http://localhost:8888", parameters)
    };
    let served = deploy(
        "served",
        &["Sandbox=true", "CleanupSchedule=\"rate(1 minute)\"", "StaffEmail=staff@example.org"],
    )?;
    let adapters = deploy("adapters", &["Workers=false", "MaxReceiveCount=12"])?;
    let killed = deploy("killed", &["ChunkBytes=1000000"])?;
    Ok((emulator, Stacks { served, adapters, killed }))
}

/// Skips the test on Synthea records, with a message, if its Bundles are not in the directory next to the checkout. They are not part of
/// the project.
fn without_missing_records(command: &mut Command) {
    let bundles = root().join("../shared/data/synthea-bundles");
    if !bundles.is_dir() {
        eprintln!(
            "SKIPPED: the test `synthea`, because there are no Synthea Bundles at {}",
            bundles.display()
        );
        command.env("TESTS_WITHOUT_SYNTHEA", "1");
    }
}

/// Sets the environment variables with which the tests find the resources of a stack. Their names begin with `prefix`.
fn point(command: &mut Command, stack: &Deployed, prefix: &str) -> Result<(), String> {
    for (name, output) in [
        ("LAKE", "Lake"),
        ("JOBS_TABLE", "JobsTableName"),
        ("GRANTS_TABLE", "GrantsTableName"),
        ("AUDIT_TABLE", "AuditTableName"),
        ("SMALL_QUEUE", "SmallQueueUrl"),
        ("LARGE_QUEUE", "LargeQueueUrl"),
        ("DEAD_LETTERS", "DeadLetterQueueUrl"),
        ("FILES_BUCKET", "FilesBucketName"),
    ] {
        command.env(format!("{prefix}_{name}"), stack.output(output)?);
    }
    Ok(())
}

/// Loads the sample patients into a deployment's lake.
fn load_sample(emulator: &Emulator, deployed: &Deployed) -> Result<(), String> {
    let lake = deployed.output("Lake")?;
    let mut load = emulator.command(root().join("target/debug/ehi"));
    load.args(["load", "infra/local/sample", "--into", lake]);
    run(load)
}

/// The port of the emulated deployment, which is also the default port of the program on one machine.
const PORT: u16 = 8888;

fn emulate() -> Result<(), String> {
    tools::c_compiler()?;
    let at =
        std::net::TcpListener::bind(("127.0.0.1", PORT)).map_err(|error| format!("port {PORT}: {error}"))?;
    build_program()?;
    let template = sam::build(Mode::Debug)?;
    let emulator = Emulator::start()?;
    let base_url = format!("http://127.0.0.1:{PORT}");
    let deployed = emulator.deploy(&template, "ehi", at, &base_url, &["Sandbox=true"])?;
    load_sample(&emulator, &deployed)?;
    let mut settings = Command::new(root().join("target/debug/ehi"));
    // The program on one machine writes the key to the same path.
    std::fs::create_dir_all(root().join(".ehi")).map_err(|error| error.to_string())?;
    settings.arg("sandbox-settings").arg("--key").arg(root().join(".ehi/bulk-client.json"));
    let settings = settings.output().map_err(|error| format!("ehi: {error}"))?;
    let secret = deployed.output("SettingsSecretArn")?;
    emulator.put_secret(secret, &String::from_utf8_lossy(&settings.stdout))?;
    eprint!("{}", String::from_utf8_lossy(&settings.stderr));
    let engine = tools::responds("docker", "version").then(engine::Engine::running);
    let endpoint = sam_local::endpoint_for_containers(engine.as_ref(), emulator.port())?;
    sam_local::variables(&deployed, &endpoint, "http://127.0.0.1:3000", &[])?;
    eprintln!("\nThe deployment is at {base_url} (AWS at {}). Ctrl-C ends it.", emulator.endpoint());
    emulator.wait()
}

/// Runs the simulations of large exports, which take too long for the tests.
fn scale(arguments: &[String]) -> Result<(), String> {
    tools::c_compiler()?;
    let mut command =
        cargo(&["bench", "--locked", "--profile", "scale", "--package", "tests", "--bench", "scale", "--"]);
    command.args(arguments);
    run(command)
}

/// Runs the benchmarks, or the named parts of them.
fn bench(arguments: &[String]) -> Result<(), String> {
    let named: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    let wanted = |part: &str| named.is_empty() || named.iter().any(|name| *name == part);
    tools::c_compiler()?;
    run(cargo(&["build", "--release", "--locked", "--package", "ehi"]))?;
    if wanted("lambda") {
        sam::build(Mode::Release)?;
        run(cargo(&["build", "--release", "--locked", "--package", "tests", "--example", "hello"]))?;
    }
    let mut command = cargo(&["bench", "--locked", "--package", "tests", "--bench", "table", "--"]);
    command.args(arguments);
    if !wanted("buckets") {
        return run(command);
    }
    let template = sam::build(Mode::Release)?;
    let emulator = Emulator::start()?;
    let proxy = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
    let stack = emulator.deploy(
        &template,
        "bench",
        proxy,
        "http://localhost:8888",
        &["Workers=false", "MaxReceiveCount=12"],
    )?;
    command.envs(emulator.environment());
    point(&mut command, &stack, "EHI_TEST")?;
    run(command)
}

/// Returns the root directory of the project.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments);
    command
}

/// Prints a command and runs it in the root directory.
fn run(mut command: Command) -> Result<(), String> {
    // The environment is not printed, because it may contain a key.
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let shown = words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    eprintln!("+ {shown}");
    let status = command.current_dir(root()).status().map_err(|error| format!("{shown}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{shown}: {status}")) }
}
