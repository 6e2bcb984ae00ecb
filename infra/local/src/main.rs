//! The `ehi` program's command line.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use crypto::OsRandom;
use domain::clock::SystemClock;
use ehi::Failure;
use ehi::defaults::{Passwords, Records, sandbox_settings, settings};
use ehi::greeting::{Started, greeting};
use ehi::server::{Server, Signals};
use local::Local;
use platform::Platform;
use tokio::net::TcpListener;

/// All of a patient's electronic health information, exported: a server and its tools.
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
    /// Export one patient's record, all the way, and verify the files
    Export(ehi::export::Options),
    /// Turn bulk NDJSON and FHIR Bundles into a records directory
    Load(ehi::load::Options),
    /// Write seeded synthetic patients for load tests
    Sample(ehi::sample::Options),
    /// Expire jobs and remove what they left behind, once
    Cleanup(Place),
    /// Register clients in a settings file
    #[command(subcommand)]
    Client(ehi::client::Command),
    /// Print a settings file for a sandbox, and on standard error the passwords of its staff
    SandboxSettings {
        /// Where the private key of its backend service goes
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Hash a password for the settings file, read from standard input
    HashPassword,
    /// Print the OpenAPI description of all routes
    Openapi {
        /// Print the table of routes of the documentation instead
        #[arg(long)]
        table: bool,
    },
}

#[derive(Args)]
struct Place {
    /// Where jobs and files are kept
    #[arg(long, default_value = ".ehi", value_name = "DIR")]
    state: PathBuf,
    /// Where the records are; the sample patients when not given
    #[arg(long, value_name = "DIR")]
    records: Option<PathBuf>,
    /// Settings in TOML; a sandbox when not given
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The public base URL, unless the settings name one; http:// and the address to listen on when not given
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
}

#[derive(Args)]
struct Serve {
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1:8888")]
    listen: SocketAddr,
    /// Chunks written at once; the number of cores when not given
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    #[command(flatten)]
    place: Place,
}

impl Default for Serve {
    fn default() -> Self {
        match Cli::parse_from(["ehi", "serve"]).command {
            Some(Command::Serve(serve)) => serve,
            _ => unreachable!("the words above are the serve command"),
        }
    }
}

/// Threads for files and SQLite. A few keep a disk busy; each more holds memory.
const BLOCKING_THREADS: usize = 16;

fn main() -> ExitCode {
    ehi::allocator::fix_threshold();
    let cli = Cli::parse();
    ehi::descriptors::raise();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build();
    let done = match runtime {
        Ok(runtime) => {
            let done = runtime.block_on(run(cli));
            // A thread that reads from a store that hangs must not keep the process.
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
        Some(Command::Export(options)) => ehi::export::run(options).await,
        Some(Command::Load(options)) => ehi::load::run(options).await,
        Some(Command::Sample(options)) => ehi::sample::run(&options),
        Some(Command::Cleanup(options)) => clean(options).await,
        Some(Command::Client(command)) => ehi::client::run(&command).await,
        Some(Command::SandboxSettings { key }) => print_sandbox_settings(&key),
        Some(Command::HashPassword) => hash_password(),
        Some(Command::Openapi { table }) => {
            let text = if table { ehi::openapi::table() } else { ehi::openapi::document() };
            std::io::stdout().write_all(text.as_bytes()).map_err(Failure::from)
        }
    }
}

async fn serve(options: Serve) -> Result<(), Failure> {
    if options.workers == Some(0) {
        return Err(Failure::new("--workers 0: no export would ever run; it must be at least 1"));
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
        // With a settings file no key is made.
        service_key: options.place.config.is_none().then_some(key.as_path()),
        patient: patient.as_deref(),
        program: &program,
    };
    eprintln!("{}", greeting(&started));
    signals.received().await;
    eprintln!("Stopping: requests finish, exports go on at the next start.");
    server.stop().await
}

fn open(options: &Place, records: &Records, base_url: &str) -> Result<(Local, Passwords), Failure> {
    let defaults = settings(options.config.as_deref(), base_url)?;
    ehi::server::log(&defaults.settings)?;
    let (clock, random) = (Arc::new(SystemClock), Arc::new(OsRandom));
    let platform = Local::open(&options.state, records.path(), defaults.settings, clock, random)?;
    if let Some(key) = defaults.service_key {
        key.write(&service_key(options))?;
    }
    Ok((platform, defaults.passwords))
}

/// Where the sandbox leaves the private key of its backend service.
fn service_key(place: &Place) -> PathBuf {
    place.state.join("bulk-client.json")
}

async fn clean(options: Place) -> Result<(), Failure> {
    let base_url = options.base_url.clone().unwrap_or_else(|| "http://127.0.0.1:8888".to_owned());
    let records = Records::open(options.records.as_deref())?;
    let settings = settings(options.config.as_deref(), &base_url)?.settings;
    ehi::server::log(&settings)?;
    let (clock, random) = (Arc::new(SystemClock), Arc::new(OsRandom));
    let platform = Local::open_to_clean(&options.state, records.path(), settings, clock, random)?;
    Ok(cleanup::run(Arc::new(platform)).await?)
}

#[expect(clippy::print_stdout, reason = "the settings are what the command is for")]
fn print_sandbox_settings(file: &std::path::Path) -> Result<(), Failure> {
    let (text, passwords, key) = sandbox_settings()?;
    key.write(file)?;
    for (username, password) in passwords {
        eprintln!("Staff: user {username}, password {password}");
    }
    print!("{text}");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the hash is what the command is for")]
fn hash_password() -> Result<(), Failure> {
    let mut password = String::new();
    std::io::stdin().read_line(&mut password)?;
    let password = password.trim_end_matches(['\r', '\n']);
    if password.len() < 12 {
        return Err(Failure::new("a password needs at least 12 characters"));
    }
    println!("{}", security::passwords::hash(password, &OsRandom)?);
    Ok(())
}
