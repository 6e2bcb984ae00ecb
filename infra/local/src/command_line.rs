//! The command line of the `ehi` program.
//!
//! It is in the library, so that the compiler makes the code of the futures once, and not again for the binary.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use crypto::OsRandom;
use domain::clock::SystemClock;
use local::Local;
use platform::Platform;
use tokio::net::TcpListener;

use crate::defaults::{Passwords, Records, sandbox_settings, settings};
use crate::greeting::{Started, greeting};
use crate::server::{Server, Signals};
use crate::{Failure, allocator, audit, client, descriptors, export, index, load, openapi, sample};

/// Export all electronic health information of patients: a server and its tools.
#[derive(Parser)]
#[command(name = "ehi", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve everything from this process (the default)
    Serve(Serve),
    /// Export the record of one patient, or of many with --bulk, and verify the files
    Export(export::Options),
    /// Convert bulk NDJSON and FHIR Bundles into a records directory
    Load(load::Options),
    /// Make the index by which staff find the patients of a records directory
    Index(index::Options),
    /// Write seeded synthetic patients for load tests
    Sample(sample::Options),
    /// Expire jobs and remove their files, once
    Cleanup(Place),
    /// Verify or export the audit trail
    #[command(subcommand)]
    Audit(audit::Command),
    /// Register clients in a settings file
    #[command(subcommand)]
    Client(client::Command),
    /// Print a settings file for a sandbox, and on standard error the passwords of its staff
    SandboxSettings {
        /// The file to which the private key of its backend service is written
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Read a password from standard input and print its hash for the settings file
    HashPassword,
    /// Print the OpenAPI description of all routes
    Openapi {
        /// Print the table of routes in the documentation instead
        #[arg(long)]
        table: bool,
    },
}

#[derive(Args)]
struct Place {
    /// The directory of jobs, exported files and keys
    #[arg(long, default_value = ".ehi", value_name = "DIR")]
    state: PathBuf,
    /// The records directory; without it, the sample patients
    #[arg(long, value_name = "DIR")]
    records: Option<PathBuf>,
    /// The settings file (TOML); without it, a sandbox
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The public base URL, if the settings have none; without it, http:// and the listen address
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
}

#[derive(Args)]
struct Serve {
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1:8888")]
    listen: SocketAddr,
    /// The number of chunks that are exported at once; without it, the number of cores
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    #[command(flatten)]
    place: Place,
}

impl Default for Serve {
    fn default() -> Self {
        match Cli::parse_from(["ehi", "serve"]).command {
            Some(Command::Serve(serve)) => serve,
            _ => unreachable!("these arguments are the serve command"),
        }
    }
}

/// The number of threads for files and SQLite. Each thread needs memory, and a disk does not become faster with more of them.
const BLOCKING_THREADS: usize = 16;

/// Runs the program with the arguments of the process, and returns its exit code. An error is printed on standard error.
pub fn main() -> ExitCode {
    allocator::fix_threshold();
    let cli = Cli::parse();
    descriptors::raise();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build();
    let done = match runtime {
        Ok(runtime) => {
            let done = runtime.block_on(run(cli));
            // A thread that waits for a hanging file system must not keep the process alive.
            runtime.shutdown_timeout(std::time::Duration::from_secs(1));
            done
        }
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("ehi: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        None => serve(Serve::default()).await,
        Some(Command::Serve(options)) => serve(options).await,
        Some(Command::Export(options)) => export::run(options).await,
        Some(Command::Load(options)) => load::run(options).await,
        Some(Command::Index(options)) => index::run(options).await,
        Some(Command::Sample(options)) => sample::run(&options),
        Some(Command::Cleanup(options)) => clean(options).await,
        Some(Command::Audit(command)) => audit::run(command).await,
        Some(Command::Client(command)) => client::run(&command).await,
        Some(Command::SandboxSettings { key }) => print_sandbox_settings(&key),
        Some(Command::HashPassword) => hash_password(),
        Some(Command::Openapi { table }) => {
            let text = if table { openapi::table() } else { openapi::document() };
            std::io::stdout().write_all(text.as_bytes()).map_err(Failure::from)
        }
    }
}

async fn serve(options: Serve) -> Result<(), Failure> {
    if options.workers == Some(0) {
        return Err(Failure::new("--workers 0: without a worker, exports never run; use at least 1"));
    }
    let mut signals = Signals::new()?;
    let listener = TcpListener::bind(options.listen)
        .await
        .map_err(|error| Failure::new(format!("cannot listen on {}: {error}", options.listen)))?;
    let address = listener.local_addr()?;
    let base_url = options.place.base_url.clone().unwrap_or_else(|| format!("http://{address}"));
    let records = Records::open(options.place.records.as_deref())?;
    let (platform, passwords) = open(&options.place, &records, &base_url)?;
    let shown = platform.settings();
    let workers =
        options.workers.or_else(|| std::thread::available_parallelism().map(usize::from).ok()).unwrap_or(1);
    let server = Server::start(platform, listener, workers).await?;
    let key = service_key(&options.place);
    let patient = records.some_patient();
    let program = std::env::args().next().unwrap_or_else(|| "ehi".to_owned());
    let started = Started {
        settings: &shown,
        passwords: &passwords,
        state: &options.place.state,
        // With a settings file, no key is generated.
        service_key: options.place.config.is_none().then_some(key.as_path()),
        patient: patient.as_deref(),
        program: &program,
    };
    eprintln!("{}", greeting(&started));
    signals.received().await;
    eprintln!("Stopping: open requests are finished, and exports continue at the next start.");
    server.stop().await
}

fn open(options: &Place, records: &Records, base_url: &str) -> Result<(Local, Passwords), Failure> {
    let defaults = settings(options.config.as_deref(), base_url)?;
    crate::server::log(&defaults.settings)?;
    let (clock, random) = (Arc::new(SystemClock), Arc::new(OsRandom));
    let platform = Local::open(&options.state, records.path(), defaults.settings, clock, random)?;
    if let Some(key) = defaults.service_key {
        key.write(&service_key(options))?;
    }
    Ok((platform, defaults.passwords))
}

/// Returns the path to which the sandbox writes the private key of its backend service.
fn service_key(place: &Place) -> PathBuf {
    place.state.join("bulk-client.json")
}

async fn clean(options: Place) -> Result<(), Failure> {
    let base_url = options.base_url.clone().unwrap_or_else(|| "http://127.0.0.1:8888".to_owned());
    let records = Records::open(options.records.as_deref())?;
    let settings = settings(options.config.as_deref(), &base_url)?.settings;
    crate::server::log(&settings)?;
    let (clock, random) = (Arc::new(SystemClock), Arc::new(OsRandom));
    let platform = Local::open_to_clean(&options.state, records.path(), settings, clock, random)?;
    Ok(cleanup::run(Arc::new(platform)).await?)
}

#[expect(clippy::print_stdout, reason = "the command prints the settings")]
fn print_sandbox_settings(file: &std::path::Path) -> Result<(), Failure> {
    let (text, passwords, key) = sandbox_settings()?;
    key.write(file)?;
    for (username, password) in passwords {
        eprintln!("Staff: user {username}, password {password}");
    }
    print!("{text}");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the command prints the hash")]
fn hash_password() -> Result<(), Failure> {
    let mut password = String::new();
    std::io::stdin().read_line(&mut password)?;
    let password = password.trim_end_matches(['\r', '\n']);
    if password.chars().count() < 12 {
        return Err(Failure::new("a password needs at least 12 characters"));
    }
    println!("{}", security::passwords::hash(password, &OsRandom)?);
    Ok(())
}
