//! `cargo xtask sam-local`: starts the API with `sam local start-api`, each function in a container, and runs an export of one patient and
//! of all patients. Every process that the command starts ends together with it.

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::attended::Attended;
use crate::emulator::{Deployed, Emulator};
use crate::engine::{Available, Engine, available};
use crate::pump::Pump;
use crate::sam::{self, Mode, sam};
use crate::{cargo, load_sample, root, run, tools};

/// The time in which SAM must start the containers of all functions.
const PATIENCE: Duration = Duration::from_mins(5);

/// The port of the API, and the base URL that the tests expect of a deployment.
const API_PORT: u16 = 8888;
const BASE_URL: &str = "http://localhost:8888";

/// The test of `tests/it` that runs against the API.
const STORY: &str = "walk::an_export_of_a_patient_and_a_bulk_export_succeed::deployed";

/// The size of a chunk in bytes: so small that each patient becomes one chunk and a bulk export has several.
const CHUNK_BYTES: u32 = 1000;

pub(crate) fn sam_local(arguments: &[String]) -> Result<(), String> {
    match arguments {
        [] => outside(),
        [inside] if inside == INSIDE => inside_namespace(),
        _ => Err("cargo xtask sam-local takes no arguments".to_owned()),
    }
}

/// The argument with which this program restarts itself in its own namespaces.
const INSIDE: &str = "--in-network-namespace";

/// Runs the steps that need a network. If an engine must be started, continues in a separate network namespace.
fn outside() -> Result<(), String> {
    let available = available()?;
    tools::c_compiler()?;
    let mut times = Times::default();
    times.part("build", || {
        crate::build_program()?;
        sam::build(Mode::Debug)?;
        run(story(&["--no-run"], &[]))?;
        for tool in [tools::MINISTACK, tools::AWS] {
            tools::python_tool(tool, "python")?;
        }
        Ok(())
    })?;
    if available == Available::Running {
        return walk(Engine::running(), times);
    }
    times.print();
    // `exec` keeps the process, so that signals to it also reach its children.
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut unshare = Command::new("unshare");
    unshare.args(["--net", "--mount"]).arg(this).args(["sam-local", INSIDE]);
    Err(format!("unshare: {}", unshare.exec()))
}

/// Runs in separate namespaces, so that other programs cannot reach the started services.
fn inside_namespace() -> Result<(), String> {
    let mut loopback = Command::new("ip");
    loopback.args(["link", "set", "lo", "up"]);
    run(loopback)?;
    let mut times = Times::default();
    let engine = times.part("container engine", Engine::start)?;
    walk(engine, times)
}

fn walk(mut engine: Engine, mut times: Times) -> Result<(), String> {
    let template = root().join("target/sam/debug/template.yaml");
    let (emulator, deployed) = times.part("emulator and deployment", || {
        let emulator = Emulator::start()?;
        let proxy = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
        let deployed =
            emulator.deploy(&template, "sam-local", proxy, BASE_URL, &["Sandbox=true", "Workers=false"])?;
        load_sample(&emulator, &deployed)?;
        Ok((emulator, deployed))
    })?;
    let function = template.with_file_name("KickOffFunction").join("bootstrap");
    times.part("image", || engine.provide_image(&function))?;
    let endpoint = endpoint_for_containers(Some(&engine), emulator.port())?;
    let chunk_bytes = CHUNK_BYTES.to_string();
    let file = variables(&deployed, &endpoint, BASE_URL, &[("EHI_CHUNK_BYTES", &chunk_bytes)])?;
    let service = Service { engine: &engine, emulator: &emulator, template: &template, variables: &file };
    let (_api, pump) = times.part("containers of SAM", || {
        let api = service.start("start-api", API_PORT, &[])?;
        let port = crate::emulator::free_port()?;
        let functions = service.start("start-lambda", port, &["--warm-containers", "LAZY"])?;
        Ok((api, Pump::start(&emulator, &deployed, functions, port)?))
    })?;
    times.part("walk", || {
        let mut story = story(&[], &["--exact", STORY, "--include-ignored", "--nocapture"]);
        story.envs(emulator.environment());
        story.env("EHI_TEST_AWS", tools::python_tool(tools::AWS, "aws")?);
        story.env("EHI_TEST_URL", format!("http://127.0.0.1:{API_PORT}"));
        story.env("EHI_TEST_SETTINGS_SECRET", deployed.output("SettingsSecretArn")?);
        run(story)
    })?;
    drop(pump);
    times.print();
    Ok(())
}

/// Returns the command that runs one test.
fn story(options: &[&str], of_tests: &[&str]) -> Command {
    let mut test = cargo(&["test", "--workspace", "--all-features", "--locked", "--offline", "--test", "it"]);
    test.args(options).arg("--").args(of_tests);
    test
}

/// Writes the file of environment variables that `sam local` reads (`--env-vars`), because `sam local` cannot resolve the references of
/// the template. Returns its path.
pub(crate) fn variables(
    deployed: &Deployed,
    endpoint: &str,
    base_url: &str,
    more: &[(&str, &str)],
) -> Result<PathBuf, String> {
    let output = |name| deployed.output(name);
    let mut variables = vec![
        ("AWS_ENDPOINT_URL", endpoint),
        ("EHI_BASE_URL", base_url),
        ("EHI_SANDBOX", "true"),
        ("EHI_JOBS_TABLE", output("JobsTableName")?),
        ("EHI_GRANTS_TABLE", output("GrantsTableName")?),
        ("EHI_AUDIT_TABLE", output("AuditTableName")?),
        ("EHI_SMALL_QUEUE", output("SmallQueueUrl")?),
        ("EHI_LARGE_QUEUE", output("LargeQueueUrl")?),
        ("EHI_RECORDS", output("Lake")?),
        ("EHI_FILES_BUCKET", output("FilesBucketName")?),
        ("EHI_SIGNING_SECRET", output("SigningSecretArn")?),
        ("EHI_SETTINGS_SECRET", output("SettingsSecretArn")?),
        // The functions sign links with the credentials that SAM gives them.
        ("EHI_SIGNING_ROLE", ""),
    ];
    variables.extend(more);
    let lines: Vec<_> = variables.iter().map(|(name, value)| format!("    {name:?}: {value:?}")).collect();
    let text = format!("{{\n  \"Parameters\": {{\n{}\n  }}\n}}\n", lines.join(",\n"));
    let path = root().join("infra/sam-local.json");
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

/// Returns the URL of the emulator for containers: a port of their network bridge, or, if the engine is in a virtual machine, the host name
/// that SAM gives to this machine.
pub(crate) fn endpoint_for_containers(engine: Option<&Engine>, emulator: u16) -> Result<String, String> {
    let gateway = engine.map(Engine::gateway).transpose()?;
    match gateway.as_ref().map(|gateway| TcpListener::bind((gateway.as_str(), 0))) {
        Some(Ok(listener)) => {
            let address = listener.local_addr().map_err(|error| error.to_string())?;
            crate::reverse_proxy::forward(listener, emulator);
            Ok(format!("http://{address}"))
        }
        _ => Ok(format!("http://host.docker.internal:{emulator}")),
    }
}

/// The common parameters of the two services of `sam local`.
struct Service<'a> {
    engine: &'a Engine,
    emulator: &'a Emulator,
    template: &'a Path,
    variables: &'a Path,
}

impl Service<'_> {
    /// Starts a service and waits until it listens and its containers run.
    fn start(&self, name: &str, port: u16, more: &[&str]) -> Result<Attended, String> {
        let log = root().join("target/sam-local").join(format!("{name}.log"));
        let mut service = sam()?;
        service
            .current_dir(root())
            .envs(self.emulator.environment())
            .envs(self.engine.environment())
            .args(["local", name, "--host", "127.0.0.1", "--port", &port.to_string(), "--skip-pull-image"])
            .arg("--template")
            .arg(self.template)
            // By default, SAM looks for this file in the directory of the template.
            .arg("--config-file")
            .arg(root().join("samconfig.toml"))
            .arg("--env-vars")
            .arg(self.variables)
            .arg("--parameter-overrides")
            .arg(format!("Architecture={}", sam::ARCHITECTURE))
            .args(more);
        let file = std::fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut service = Attended::start(service, file)?;
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if service.has_ended() || begun.elapsed() > PATIENCE {
                return Err(format!("sam local {name} does not respond; see {}", log.display()));
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(service)
    }
}

/// The duration of each part, for the summary at the end.
#[derive(Default)]
struct Times(Vec<(&'static str, Duration)>);

impl Times {
    fn part<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        let begun = Instant::now();
        let done = work()?;
        self.0.push((name, begun.elapsed()));
        Ok(done)
    }

    fn print(&self) {
        for (name, time) in &self.0 {
            eprintln!("{:>7.1} s  {name}", time.as_secs_f64());
        }
    }
}
