//! `ehi export`: a client that goes the whole way of a patient's export: discovery, authorization,
//! kick-off, form, review, download, verification; or, with `--bulk`, of a bulk export.

mod bulk;
mod fetch;
mod job;
mod smart;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use shared::adapters::local::Local;
use shared::clock::{SystemClock, SystemIds};
use shared::domain::ids::PatientId;
use tokio::net::TcpListener;

use crate::Failure;
use crate::client::ServiceKey;
use crate::defaults::{sample_records, settings};
use crate::server::Server;

#[derive(Args)]
pub struct Options {
    /// The patient's id; of a bulk export any number of them
    #[arg(long, value_name = "ID", required_unless_present = "bulk")]
    pub patient: Vec<String>,
    #[command(flatten)]
    pub bulk: bulk::BulkOptions,
    /// Where the files go
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
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
            let (target, server) = start_inside(options.records.as_deref()).await?;
            (target, Some(server))
        }
    };
    let exported = export(&options, target).await;
    if let Some(server) = inside {
        server.stop().await?;
    }
    let exported = exported?;
    eprintln!(
        "Exported and verified {} resources in {} files and {} attachments ({} bytes) to {}",
        exported.resources,
        exported.files,
        exported.attachments,
        exported.bytes,
        options.out.display()
    );
    if exported.problems > 0 {
        eprintln!(
            "The server reports {} problems with the record: see the OperationOutcome files",
            exported.problems
        );
    }
    Ok(())
}

async fn export(options: &Options, target: Target) -> Result<fetch::Exported, Failure> {
    let client = http_client()?;
    let token = options.token_file.as_deref().map(std::fs::read_to_string).transpose()?;
    let token = token.map(|token| token.trim().to_owned());
    std::fs::create_dir_all(&options.out)?;
    let steps = progress();
    let exported = match options.bulk.bulk {
        true => {
            let Target { base, service_key, .. } = target;
            bulk::export(client, &base, options, service_key, token, &steps).await
        }
        false => of_patient(client, options, &target, token, &steps).await,
    };
    steps.finish_and_clear();
    let exported = exported?;
    job::forget(&options.out)?;
    Ok(exported)
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
    let session = smart::Session::service(http_client()?, base, id, key, scope).await?;
    session.token().await.ok_or_else(|| Failure::new("the server gave no access token"))
}

/// One patient's export, as their app.
async fn of_patient(
    client: reqwest::Client,
    options: &Options,
    target: &Target,
    token: Option<String>,
    steps: &ProgressBar,
) -> Result<fetch::Exported, Failure> {
    let base = shortcut(&target.base, options.auto_approve, options.full)?;
    let patient = options.patient.first().ok_or_else(|| Failure::new("--patient is missing"))?;
    steps.set_message("authorizing");
    let session = match token {
        Some(token) => smart::Session::with_token(client, token),
        None => smart::Session::authorize(client, &base, patient).await?,
    };
    let mut job = job::Job::begin(session, &base, patient, &options.out).await?;
    let manifest = job.wait(target, steps).await?;
    fetch::fetch(&job.session, &[manifest], &options.out, steps).await
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
async fn start_inside(records: Option<&Path>) -> Result<(Target, Server), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let defaults = settings(None, &format!("http://{}", listener.local_addr()?))?;
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
    let records = records.map_or_else(sample_records, Path::to_owned);
    let platform = Local::in_memory(&records, defaults.settings, clock, ids)?;
    let staff = defaults.passwords.into_iter().next().map(|(name, password)| (name.to_owned(), password));
    let server = Server::start(platform, listener, 1).await?;
    let base = format!("http://{}/fhir", server.address);
    Ok((Target { base, staff, service_key: defaults.service_key }, server))
}

fn progress() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{spinner} {wide_bar} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
