//! `ehi export`: a client that goes the whole way of a patient's export: discovery, authorization,
//! kick-off, form, review, download, verification; or, with `--bulk`, of a bulk export.

mod bulk;
mod directory;
mod fetch;
mod job;
mod page;
mod retry;
mod smart;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use crypto::OsRandom;
use domain::clock::SystemClock;
use domain::ids::PatientId;
use indicatif::{ProgressBar, ProgressStyle};
use local::Local;
use tokio::net::TcpListener;

use self::directory::OutputDirectory;
use self::fetch::Exported;
use self::retry::Patience;
use crate::Failure;
use crate::client::ServiceKey;
use crate::defaults::{Records, settings};
use crate::server::{Server, Signals};

#[derive(Args)]
pub struct Options {
    /// The patient's id; of a bulk export any number of them
    #[arg(long, value_name = "ID", required_unless_present = "bulk")]
    pub patient: Vec<String>,
    #[command(flatten)]
    pub bulk: bulk::BulkOptions,
    /// Where the files go: a directory of this export's own. The same command goes on where it was cut off, and
    /// replaces the files of an export that is complete
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// How long a request is tried again when the server does not respond or is out of order
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub retry_for: u64,
    /// The FHIR base URL of a server; one is started inside when not given
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// Where the inside server finds records; the sample patients when not given
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    pub records: Option<PathBuf>,
    /// Skip the form: the complete record
    #[arg(long)]
    pub full: bool,
    /// Skip the review of staff
    #[arg(long)]
    pub auto_approve: bool,
    /// An access token, for servers where the patient cannot be picked
    #[arg(long, value_name = "FILE", requires = "server")]
    pub token_file: Option<PathBuf>,
}

/// What the client needs to know of the server it talks to.
pub(crate) struct Target {
    /// FHIR base URL, with the sandbox's shortcuts where asked for.
    base: String,
    /// User name and password of staff, where the client may play them.
    staff: Option<(String, String)>,
    /// What the client authenticates with as a backend service.
    service_key: Option<ServiceKey>,
}

/// Runs the export and tells what it came to.
pub async fn run(options: Options) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    for patient in &options.patient {
        PatientId::parse(patient).map_err(|_| Failure::new("--patient is no patient id"))?;
    }
    if !options.bulk.bulk && options.patient.len() != 1 {
        return Err(Failure::new("--patient is given once, unless the export is a --bulk one"));
    }
    let (target, inside) = match &options.server {
        Some(server) => {
            let service_key = options.bulk.key.as_deref().map(ServiceKey::read).transpose()?;
            (Target { base: server.trim_end_matches('/').to_owned(), staff: None, service_key }, None)
        }
        None => {
            let (target, server, records) = start_inside(options.records.as_deref()).await?;
            (target, Some((server, records)))
        }
    };
    let is_inside = inside.is_some();
    let exported = tokio::select! {
        exported = export(&options, target) => exported,
        () = signals.received() => {
            let goes_on = if is_inside { "" } else { ": run the same command again to go on" };
            Err(Failure::new(format!("the export was interrupted{goes_on}")))
        }
    };
    if let Some((server, _records)) = inside {
        // Its temporary directory holds records, and is removed with it.
        server.stop().await?;
    }
    report(&exported?, &options.out);
    Ok(())
}

/// Tells what was exported, and what of it was verified.
fn report(exported: &Exported, out: &Path) {
    eprintln!(
        "Exported {} resources in {} files and {} attachments ({} bytes) to {}",
        exported.resources,
        exported.files,
        exported.attachments,
        exported.bytes,
        out.display()
    );
    if exported.deleted > 0 {
        eprintln!("{} Bundles of what was deleted: see the manifest's 'deleted'", exported.deleted);
    }
    if let Some(patients) = exported.patients.filter(|patients| patients.exported < patients.planned) {
        eprintln!(
            "Of {} patients, {} have no record on the server and the records of {} could not be read in full",
            patients.planned, patients.absent, patients.failed
        );
    }
    if exported.problems > 0 {
        eprintln!(
            "{} problems were reported by the server: see the OperationOutcome files",
            exported.problems
        );
    }
    // "Verified" is said of nothing more than was verified.
    let files = exported.files_verified.phrases("file");
    let verified: Vec<_> = files.chain(exported.attachments_verified.phrases("attachment")).collect();
    if !verified.is_empty() {
        eprintln!("{}", verified.join("; "));
    }
}

async fn export(options: &Options, target: Target) -> Result<Exported, Failure> {
    let client = http_client()?;
    let token = options.token_file.as_deref().map(read_token).transpose()?;
    let base = match options.bulk.bulk {
        true => target.base.clone(),
        false => shortcut(&target.base, options.auto_approve, options.full)?,
    };
    let mut directory = open_directory(options, &base)?;
    let steps = progress();
    let patience = Patience::new(Duration::from_secs(options.retry_for), steps.clone());
    let exported = exchange(client, patience, options, target, &base, token, &mut directory, &steps).await;
    steps.finish_and_clear();
    let exported = exported.map_err(|failure| match directory.unfinished_job() {
        Some(job) if options.server.is_some() => {
            Failure::new(format!("{failure} (the job is {job}: run the same command again to go on with it)"))
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

/// The directory belongs to the request and the server; one inside is known by its records.
fn open_directory(options: &Options, base: &str) -> Result<OutputDirectory, Failure> {
    let request = match options.bulk.bulk {
        true => bulk::request(options)?,
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

/// From the authorization to the last file.
#[expect(clippy::too_many_arguments, reason = "called once, with what the caller keeps for afterwards")]
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
    // Nothing of a server inside is left after a run.
    if options.server.is_none() {
        directory.abandon();
    }
    steps.set_message("authorizing");
    if options.bulk.bulk {
        let session = bulk::session(client, patience, base, &options.bulk, target.service_key, token).await?;
        return bulk::export(session, base, options, directory, steps).await;
    }
    let patient = options.patient.first().ok_or_else(|| Failure::new("--patient is missing"))?;
    let session = match token {
        Some(token) => smart::Session::with_token(client, patience, token),
        None => smart::Session::authorize(client, patience, base, patient).await?,
    };
    let mut job = job::Job::begin(session, base, patient, directory).await?;
    let manifest = job.wait(&target, steps).await?;
    fetch::fetch(&job.session, &[manifest], directory, steps).await
}

fn http_client() -> Result<reqwest::Client, Failure> {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(Duration::from_mins(1));
    client.build().map_err(|error| Failure::new(error.to_string()))
}

/// An access token of a backend service.
pub(crate) async fn service_token(
    base: &str,
    id: &str,
    key: ServiceKey,
    scope: &str,
) -> Result<String, Failure> {
    let session = smart::Session::service(http_client()?, Patience::none(), base, id, key, scope).await?;
    session.token().await.ok_or_else(|| Failure::new("the server gave no access token"))
}

/// The base URL behind the sandbox's shortcuts.
fn shortcut(base: &str, auto_approve: bool, full: bool) -> Result<String, Failure> {
    let mut url = url::Url::parse(base).map_err(|_| Failure::new("--server is no URL"))?;
    let prefix = [(auto_approve, "/auto-approve"), (full, "/no-form")];
    let prefix: String = prefix.iter().filter(|(wanted, _)| *wanted).map(|(_, prefix)| *prefix).collect();
    let path = format!("{prefix}{}", url.path());
    url.set_path(&path);
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// A server of our own on a free port, with a state that is gone afterwards.
async fn start_inside(records: Option<&Path>) -> Result<(Target, Server, Records), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let defaults = settings(None, &format!("http://{}", listener.local_addr()?))?;
    let (clock, random) = (Arc::new(SystemClock), Arc::new(OsRandom));
    let records = Records::open(records)?;
    if records.path().is_dir() && !records.path().join("Patient").is_dir() {
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

/// Says something to people, above the bar where there is one.
fn say(progress: &ProgressBar, text: &str) {
    if progress.is_hidden() {
        eprintln!("{text}");
    } else {
        progress.println(text);
    }
}

/// Says that the export waits for a store, whenever the server says something new of it. A bar is not seen everywhere.
fn say_waiting(progress: &ProgressBar, state: &str, said: &mut String) {
    if state.starts_with("waiting for the store") && state != said {
        say(progress, &format!("The export goes on when the store answers; the server says: {state}"));
        state.clone_into(said);
    }
}

fn progress() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{spinner} {wide_bar} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
