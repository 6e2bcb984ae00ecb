//! `ehi audit`: verifies the audit trail, and exports it as AuditEvents. Both commands only read, and can run while the server runs.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use domain::audit::SHARDS;
use domain::clock::{Clock as _, SystemClock};
use domain::ids::PatientId;
use domain::ports::audit::{AuditLog, AuditQuery, all};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use storage::audit_chain::{Head, verify};
use web::audit_event::line;

use crate::Failure;

/// The number of entries that are read at once.
const PAGE: usize = 500;

#[derive(Subcommand)]
pub enum Command {
    /// Verify every entry and print the newest one of each chain; exit with 1 if a chain is broken
    Verify(Verify),
    /// Print the entries as FHIR AuditEvents, one in each line, newest first
    Export(Export),
}

#[derive(Args)]
pub struct Source {
    /// The state directory of the server
    #[arg(long, default_value = ".ehi", value_name = "DIR")]
    state: PathBuf,
    /// The DynamoDB table of the audit trail, instead of a state directory
    #[arg(long, value_name = "NAME", conflicts_with = "state")]
    table: Option<String>,
}

#[derive(Args)]
pub struct Verify {
    #[command(flatten)]
    source: Source,
    /// A file with the output of an earlier run. Its entries must still exist, so that a truncated chain is found
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
}

#[derive(Args)]
pub struct Export {
    #[command(flatten)]
    source: Source,
    /// The public base URL of the server, which the events name as their source
    #[arg(long, default_value = "http://127.0.0.1:8888", value_name = "URL")]
    base_url: String,
    /// Only entries of this actor, by id or user name
    #[arg(long, value_name = "ID")]
    who: Option<String>,
    /// Only entries about the record of this patient, or that show the patient in a list
    #[arg(long, value_name = "ID")]
    patient: Option<String>,
    /// Only entries at or after this instant, such as 2026-03-01T00:00:00Z
    #[arg(long, value_name = "INSTANT")]
    from: Option<Timestamp>,
    /// Only entries before this instant
    #[arg(long, value_name = "INSTANT")]
    until: Option<Timestamp>,
}

pub async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Verify(options) => verify_all(&options).await,
        Command::Export(options) => export(options).await,
    }
}

impl Source {
    async fn open(&self) -> Result<Arc<dyn AuditLog>, Failure> {
        match &self.table {
            Some(table) => at_table(table).await,
            None => Ok(local::audit_to_read(&self.state)?),
        }
    }
}

#[cfg(feature = "s3")]
async fn at_table(table: &str) -> Result<Arc<dyn AuditLog>, Failure> {
    Ok(aws::audit_at(&aws::sdk().await, table, Arc::new(SystemClock), Arc::new(crypto::OsRandom)))
}

#[cfg(not(feature = "s3"))]
#[expect(clippy::unused_async, reason = "it is async with the feature s3")]
async fn at_table(_: &str) -> Result<Arc<dyn AuditLog>, Failure> {
    Err(Failure::new("this build cannot read a table of AWS: build it with --features s3"))
}

async fn verify_all(options: &Verify) -> Result<(), Failure> {
    let expected = options.expect.as_deref().map(heads).transpose()?.unwrap_or_default();
    let log = options.source.open().await?;
    let report = verify(&*log, SystemClock.now(), &expected).await?;
    let mut out = std::io::stdout().lock();
    for head in &report.heads {
        writeln!(out, "{head}")?;
    }
    if !report.broken.is_empty() {
        let broken: Vec<_> = report.broken.iter().map(ToString::to_string).collect();
        return Err(Failure::new(format!("the audit trail is broken:\n{}", broken.join("\n"))));
    }
    let chains = report.heads.len();
    eprintln!("{} entries in {chains} of {SHARDS} chains are valid.", report.entries);
    if report.newer > 0 {
        let newer = report.newer;
        eprintln!("Written by a newer version of the server, and not listed by this one: {newer}.");
    }
    Ok(())
}

/// Reads the heads that an earlier run printed.
fn heads(path: &Path) -> Result<Vec<Head>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::of_path(path, &error))?;
    let heads = text.lines().filter(|line| !line.trim().is_empty()).map(str::parse);
    Ok(heads.collect::<Result<_, domain::error::Error>>()?)
}

async fn export(options: Export) -> Result<(), Failure> {
    let patient = options.patient.as_deref().map(PatientId::parse).transpose();
    let query = AuditQuery {
        actor: options.who,
        patient: patient.map_err(|_| Failure::new("--patient is not a patient id"))?,
        from: options.from,
        until: options.until,
        count: PAGE,
        ..AuditQuery::default()
    };
    let log = options.source.open().await?;
    let mut entries = all(&*log, query);
    let mut out = BufWriter::new(std::io::stdout());
    while let Some(entry) = entries.try_next().await? {
        out.write_all(line(&entry, options.base_url.trim_end_matches('/')).as_bytes())?;
    }
    Ok(out.flush()?)
}
