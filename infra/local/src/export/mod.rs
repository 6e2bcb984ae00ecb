//! `ehi export`: a client that runs all steps of a patient's export: discovery, authorization, kick-off, form, review, download and
//! verification. With `--bulk`, it runs the steps of a bulk export.

mod attachments;
mod bulk;
mod directory;
mod download;
mod exported;
mod fetch;
mod follow;
mod job;
mod lock;
mod manifest;
mod page;
mod polling;
mod progress;
mod receive;
mod report;
mod response;
mod retry;
mod signed_urls;
mod smart;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use crypto::OsRandom;
use domain::clock::SystemClock;
use domain::ids::PatientId;
use indicatif::ProgressBar;
use local::Local;
use storage::layout::PATIENTS;
use tokio::net::TcpListener;

use self::directory::OutputDirectory;
use self::exported::Exported;
use self::lock::lock;
use self::progress::progress;
use self::report::report;
use self::retry::Patience;
use crate::Failure;
use crate::defaults::{Records, settings};
use crate::server::{Server, Signals};
use crate::service_key::ServiceKey;

#[derive(Args)]
pub struct Options {
    /// The patient's id; may be repeated with --bulk
    #[arg(long, value_name = "ID", required_unless_present = "bulk")]
    pub patient: Vec<String>,
    #[command(flatten)]
    pub bulk: bulk::BulkOptions,
    /// The directory for the files of this export. The same command resumes an interrupted export, and replaces the files of a
    /// complete one
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Give up an unfinished export in the directory, and start a new one
    #[arg(long)]
    pub restart: bool,
    /// The time during which a request is repeated if the server does not respond or has a temporary error
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub retry_for: u64,
    /// The FHIR base URL of a server; without it, a built-in server is started
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// The records directory of the built-in server; without it, the sample patients
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    pub records: Option<PathBuf>,
    /// Export the complete record, without the form
    #[arg(long)]
    pub full: bool,
    /// Skip staff review
    #[arg(long)]
    pub auto_approve: bool,
    /// A file with an access token, for servers where the patient cannot be chosen without signing in
    #[arg(long, value_name = "FILE", requires = "server")]
    pub token_file: Option<PathBuf>,
}

/// The server to which the client sends its requests, and the client's credentials for it.
pub(crate) struct Target {
    /// The FHIR base URL, without the sandbox's shortcuts.
    base: String,
    /// User name and password of a member of staff; only for the built-in server.
    staff: Option<(String, String)>,
    /// The key with which the client authenticates as a backend service.
    service_key: Option<ServiceKey>,
}

/// Runs the export and prints a report.
pub async fn run(options: Options) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    for patient in &options.patient {
        PatientId::parse(patient).map_err(|_| Failure::new("--patient is not a patient id"))?;
    }
    if !options.bulk.bulk && options.patient.len() != 1 {
        return Err(Failure::new("--patient may be given only once without --bulk"));
    }
    let (target, built_in) = match &options.server {
        Some(server) => {
            let service_key = options.bulk.key.as_deref().map(ServiceKey::read).transpose()?;
            (Target { base: server.trim_end_matches('/').to_owned(), staff: None, service_key }, None)
        }
        None => {
            let (target, server, records) = start_built_in(options.records.as_deref()).await?;
            (target, Some((server, records)))
        }
    };
    let is_built_in = built_in.is_some();
    let exported = tokio::select! {
        exported = export(&options, target) => exported,
        () = signals.received() => {
            let advice = if is_built_in { "" } else { ": run the same command again to resume it" };
            Err(Failure::new(format!("the export was interrupted{advice}")))
        }
    };
    if let Some((server, _records)) = built_in {
        // Stopping the server also removes its temporary directory, which contains records.
        server.stop().await?;
    }
    report(&exported?, &options.out);
    Ok(())
}

async fn export(options: &Options, target: Target) -> Result<Exported, Failure> {
    let client = http_client()?;
    let token = options.token_file.as_deref().map(read_token).transpose()?;
    let base = match options.bulk.bulk {
        true => target.base.clone(),
        false => shortcut(&target.base, options.auto_approve, options.full)?,
    };
    let _lock = lock(&options.out)?;
    let mut directory = open_directory(options, &base)?;
    let steps = progress();
    let patience = Patience::new(Duration::from_secs(options.retry_for), steps.clone());
    let exported = exchange(client, patience, options, target, &base, token, &mut directory, &steps).await;
    steps.finish_and_clear();
    let exported = exported.map_err(|failure| match directory.unfinished_job() {
        Some(job) if options.server.is_some() => {
            Failure::new(format!(
                "{failure} (the job is {job}: run the same command again to resume it, or with --restart to give it up and start a new export)"
            ))
        }
        _ => failure,
    })?;
    directory.complete()?;
    Ok(exported)
}

fn read_token(file: &Path) -> Result<String, Failure> {
    let token = std::fs::read_to_string(file).map_err(|error| Failure::of_path(file, &error))?;
    Ok(token.trim().to_owned())
}

/// Opens the output directory for the request and the server. A built-in server is identified by its records. The note in the directory
/// contains these texts, so they must not change.
fn open_directory(options: &Options, base: &str) -> Result<OutputDirectory, Failure> {
    let request = match options.bulk.bulk {
        true => bulk::request(&options.bulk, &options.patient)?,
        false => format!("Patient/{}/$ehi-export", options.patient.join(",")),
    };
    match (&options.server, &options.records) {
        (Some(_), _) => OutputDirectory::open(&options.out, base, &request),
        (None, Some(records)) => {
            let server = format!("a server inside with the records in {}", records.display());
            OutputDirectory::open(&options.out, &server, &request)
        }
        (None, None) => {
            OutputDirectory::open(&options.out, "a server inside with the sample patients", &request)
        }
    }
}

/// Runs all steps from the authorization to the last file.
#[expect(clippy::too_many_arguments, reason = "called once; the caller uses some of the values afterwards")]
async fn exchange(
    client: reqwest::Client,
    patience: Patience,
    options: &Options,
    target: Target,
    base: &str,
    token: Option<String>,
    directory: &mut OutputDirectory,
    steps: &ProgressBar,
) -> Result<Exported, Failure> {
    // The jobs of a built-in server no longer exist after a run.
    if options.server.is_none() {
        directory.forget_job();
    }
    steps.set_message("authorizing");
    if options.bulk.bulk {
        let session = bulk::session(client, patience, base, &options.bulk, target.service_key, token).await?;
        if options.restart {
            job::give_up(&session, directory).await?;
        }
        let requested = (&options.bulk, &options.patient[..]);
        return bulk::export(session, base, requested, directory, steps).await;
    }
    let patient = options.patient.first().ok_or_else(|| Failure::new("--patient is missing"))?;
    let session = match token {
        Some(token) => smart::Session::with_token(client, patience, base, token)?,
        None => smart::Session::authorize(client, patience, base, patient).await?,
    };
    if options.restart {
        job::give_up(&session, directory).await?;
    }
    let mut job = job::Job::begin(session, base, patient, directory).await?;
    let manifest = job.wait(target.staff.as_ref(), directory, steps).await?;
    let manifest = manifest::all_pages(&job.session, manifest).await?;
    fetch::fetch(&job.session, &job::fhir_base(base)?, &manifest, directory, steps).await
}

fn http_client() -> Result<reqwest::Client, Failure> {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(Duration::from_mins(1));
    client.build().map_err(|error| Failure::new(error.to_string()))
}

/// Returns an access token of a backend service.
pub(crate) async fn service_token(
    base: &str,
    id: &str,
    key: ServiceKey,
    scope: &str,
) -> Result<String, Failure> {
    let session = smart::Session::service(http_client()?, Patience::none(), base, id, key, scope).await?;
    session.token().await.ok_or_else(|| Failure::new("the server returned no access token"))
}

/// Returns the base URL with the sandbox's shortcuts.
fn shortcut(base: &str, auto_approve: bool, full: bool) -> Result<String, Failure> {
    let mut url = url::Url::parse(base).map_err(|_| Failure::new("--server is not a URL"))?;
    let prefix = [(auto_approve, "/auto-approve"), (full, "/no-form")];
    let prefix: String = prefix.iter().filter(|(wanted, _)| *wanted).map(|(_, prefix)| *prefix).collect();
    let path = format!("{prefix}{}", url.path());
    url.set_path(&path);
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Starts the built-in server on a free port. Its state is only in memory and in temporary files.
async fn start_built_in(records: Option<&Path>) -> Result<(Target, Server, Records), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let defaults = settings(None, &format!("http://{}", listener.local_addr()?))?;
    let (clock, random) = (Arc::new(SystemClock), Arc::new(OsRandom));
    let records = Records::open(records)?;
    if records.path().is_dir() && !records.path().join(PATIENTS).is_dir() {
        let path = records.path().display();
        eprintln!(
            "The records directory {path} has no directory 'Patient', so the export waits for one: fill it with 'ehi load INPUT --into {path}'"
        );
    }
    let platform = Local::in_memory(records.path(), defaults.settings, clock, random)?;
    let staff = defaults.passwords.into_iter().next().map(|(name, password)| (name.to_owned(), password));
    let server = Server::start(platform, listener, 1).await?;
    let base = format!("http://{}/fhir", server.address);
    Ok((Target { base, staff, service_key: defaults.service_key }, server, records))
}
