//! `ehi export --bulk`: a Bulk Data client for any server (HL7 Bulk Data 2.0 and 3.0). It gets a token as a backend service, starts the
//! export, shows the progress, downloads several files at once, resumes downloads, and verifies the files.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use http::{Method, StatusCode};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use url::Url;

use super::directory::OutputDirectory;
use super::exported::Exported;
use super::fetch::fetch;
use super::job::{StatusResponse, fhir_base, poll, read_status, resume, status_url};
use super::manifest::{ManifestPage, all_pages};
use super::polling::{Polling, requested_pause};
use super::progress::print_waiting;
use super::response::succeeded;
use super::retry::{Patience, Repeat};
use super::smart::Session;
use crate::Failure;
use crate::defaults::BULK_CLIENT;
use crate::service_key::ServiceKey;

/// The maximum pause between two status requests. It limits the pause that the server requests.
const MAX_PAUSE: Duration = Duration::from_mins(2);
/// The pause between the first status requests.
const QUICK_PAUSE: Duration = Duration::from_millis(50);

/// The options of a bulk export.
#[derive(Args, Default)]
pub struct BulkOptions {
    /// Export many patients, as a backend service
    #[arg(long)]
    pub bulk: bool,
    /// Export the members of this group
    #[arg(long, value_name = "ID", requires = "bulk")]
    pub group: Option<String>,
    /// Export the records of all patients, without resources that belong to no patient
    #[arg(long, requires = "bulk", conflicts_with = "group")]
    pub all_patients: bool,
    /// Export only resources that changed after this instant
    #[arg(long, value_name = "INSTANT", requires = "bulk")]
    pub since: Option<String>,
    /// Export only these resource types, separated by commas
    #[arg(long = "type", value_name = "TYPES", requires = "bulk")]
    pub types: Option<String>,
    /// A search that resources of its type must match, such as Observation?category=laboratory; may be repeated
    #[arg(long, value_name = "SEARCH", requires = "bulk")]
    pub type_filter: Vec<String>,
    /// The backend service's id
    #[arg(long, value_name = "ID", requires = "bulk", default_value = BULK_CLIENT)]
    pub client_id: String,
    /// The file with the backend service's private key (a JWK for ES384)
    #[arg(long, value_name = "FILE", requires = "bulk")]
    pub key: Option<PathBuf>,
    /// The scopes to request
    #[arg(long, requires = "bulk", default_value = "system/*.read")]
    pub scope: String,
}

/// Runs and verifies an export. If there are no `patients`, all are exported.
pub(crate) async fn export(
    session: Session,
    base: &str,
    (options, patients): (&BulkOptions, &[String]),
    directory: &mut OutputDirectory,
    progress: &ProgressBar,
) -> Result<Exported, Failure> {
    let kick_off = kick_off(base, options, patients)?;
    let status_url = begin(&session, &kick_off, &parameters(options, patients), directory).await?;
    let manifest = wait(&session, &status_url, directory, progress).await?;
    let manifest = all_pages(&session, manifest).await?;
    fetch(&session, &fhir_base(base)?, &manifest, directory, progress).await
}

/// Returns a session with the token, with a new token of the backend service, or without a token if there is neither.
pub(crate) async fn session(
    client: reqwest::Client,
    patience: Patience,
    base: &str,
    options: &BulkOptions,
    key: Option<ServiceKey>,
    token: Option<String>,
) -> Result<Session, Failure> {
    match (token, key) {
        (Some(token), _) => Session::with_token(client, patience, base, token),
        (None, Some(key)) => {
            Session::service(client, patience, base, &options.client_id, key, &options.scope).await
        }
        (None, None) => Session::without_token(client, patience, base),
    }
}

/// Returns the operation and its parameters, which identify the output directory of the request.
pub(crate) fn request(options: &BulkOptions, patients: &[String]) -> Result<String, Failure> {
    let base = "http://server";
    let mut url = kick_off(base, options, patients)?;
    let parameters = parameters(options, patients);
    if !parameters.is_empty() {
        url.query_pairs_mut().extend_pairs(parameters.iter().map(|(name, value, _)| (name, value)));
    }
    Ok(url.as_str().trim_start_matches(base).trim_start_matches('/').to_owned())
}

/// Returns the URL of the kick-off, without parameters.
fn kick_off(base: &str, options: &BulkOptions, patients: &[String]) -> Result<Url, Failure> {
    let operation = match &options.group {
        Some(group) => format!("Group/{group}/$export"),
        None if options.all_patients || !patients.is_empty() => "Patient/$export".to_owned(),
        None => "$export".to_owned(),
    };
    Url::parse(&format!("{base}/{operation}")).map_err(|_| Failure::new("--server is not a URL"))
}

/// Returns the parameters of the kick-off: the name, the value, and the member of the value in a body.
fn parameters(options: &BulkOptions, patients: &[String]) -> Vec<(&'static str, String, &'static str)> {
    let single = [("_since", &options.since, "valueInstant"), ("_type", &options.types, "valueString")];
    let single = single.into_iter().filter_map(|(name, value, kind)| Some((name, value.clone()?, kind)));
    let filters = options.type_filter.iter().map(|filter| ("_typeFilter", filter.clone(), "valueString"));
    let patients = patients.iter().map(|patient| ("patient", format!("Patient/{patient}"), "valueReference"));
    single.chain(filters).chain(patients).collect()
}

/// Starts the export, or resumes the job that an earlier run recorded in this directory. Returns the URL of the job's status.
async fn begin(
    session: &Session,
    kick_off: &Url,
    parameters: &[(&'static str, String, &'static str)],
    directory: &mut OutputDirectory,
) -> Result<String, Failure> {
    if resume(session, directory).await?.is_some() {
        return Ok(directory.unfinished_job().unwrap_or_default().to_owned());
    }
    let key = directory.begin()?;
    // Patients can be sent only in a body. Every server accepts the other parameters in a query.
    let posts = parameters.iter().any(|(name, ..)| *name == "patient");
    let mut url = kick_off.clone();
    if !parameters.is_empty() {
        url.query_pairs_mut().extend_pairs(parameters.iter().map(|(name, value, _)| (name, value)));
    }
    let body = parameters_resource(parameters).to_string();
    let (method, url) = if posts { (Method::POST, kick_off) } else { (Method::GET, &url) };
    let with_headers = |request: reqwest::RequestBuilder| {
        let request = request.header("accept", "application/fhir+json").header("prefer", "respond-async");
        let request = request.header("idempotency-key", &key);
        match posts {
            true => request.header("content-type", "application/fhir+json").body(body.clone()),
            false => request,
        }
    };
    let response = session.send_again(Repeat::IfRefused, method, url.as_str(), with_headers).await?;
    let status_url = status_url(&succeeded(response).await?)?;
    directory.begun(&status_url)?;
    Ok(status_url)
}

/// Returns the parameters as a Parameters resource.
fn parameters_resource(parameters: &[(&'static str, String, &'static str)]) -> Value {
    let parameters = parameters.iter().map(|(name, value, kind)| match *name {
        "patient" => json!({ "name": name, *kind: { "reference": value } }),
        _ => json!({ "name": name, *kind: value }),
    });
    json!({ "resourceType": "Parameters", "parameter": parameters.collect::<Vec<_>>() })
}

/// Waits for the first page of the manifest.
async fn wait(
    session: &Session,
    status_url: &str,
    directory: &mut OutputDirectory,
    progress: &ProgressBar,
) -> Result<ManifestPage, Failure> {
    progress.set_length(100);
    let (mut polling, mut waiting) = (Polling::new(QUICK_PAUSE, MAX_PAUSE), String::new());
    loop {
        let response = succeeded(poll(session, status_url, directory).await?).await?;
        let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let state = text("x-progress").unwrap_or("in progress").to_owned();
        let pause = requested_pause(&response);
        if response.status() == StatusCode::OK {
            match read_status(response, directory).await? {
                StatusResponse::Manifest(manifest) => return Ok(manifest),
                StatusResponse::Running(body) => {
                    progress.set_position(body["progress"].as_u64().unwrap_or_default());
                }
            }
        } else if let Some(percent) = state.split('%').next().and_then(|percent| percent.trim().parse().ok())
        {
            progress.set_position(percent);
        }
        progress.set_message(format!("exporting: {state}"));
        print_waiting(progress, &state, &mut waiting);
        tokio::time::sleep(polling.pause(pause)).await;
    }
}
