//! The job of one patient's export, from the kick-off to the manifest.

use std::time::Duration;

use domain::choices::Choices;
use http::header::{CONTENT_LOCATION, LINK};
use http::{Method, StatusCode};
use indicatif::ProgressBar;
use reqwest::Response;
use serde_json::Value;
use url::Url;

use super::directory::OutputDirectory;
use super::manifest::ManifestPage;
use super::polling::{Polling, requested_pause};
use super::progress::print_waiting;
use super::response::{error_of, is_gone, json, redirect_target, redirected, resolve, send, succeeded};
use super::smart::Session;
use crate::Failure;

/// The maximum pause between two status requests. It limits the pause that the server requests.
const MAX_PAUSE: Duration = Duration::from_mins(1);
/// The pause between the first status requests.
const QUICK_PAUSE: Duration = Duration::from_millis(25);

pub(crate) struct Job {
    pub(crate) session: Session,
    status_url: String,
    form: Option<String>,
}

impl Job {
    /// Starts an export, or resumes the one that an earlier run recorded in this directory.
    pub(crate) async fn begin(
        session: Session,
        base: &str,
        patient: &str,
        directory: &mut OutputDirectory,
    ) -> Result<Self, Failure> {
        if let Some(response) = resume(&session, directory).await? {
            let status_url = directory.unfinished_job().unwrap_or_default().to_owned();
            return Ok(Self { form: form(&response), session, status_url });
        }
        let key = directory.begin()?;
        let kick_off = format!("{base}/Patient/{patient}/$ehi-export");
        let with_headers = |request: reqwest::RequestBuilder| {
            request.header("prefer", "respond-async").header("idempotency-key", &key)
        };
        let response = succeeded(session.send(Method::POST, &kick_off, with_headers).await?).await?;
        let status_url = status_url(&response)?;
        directory.begun(&status_url)?;
        Ok(Self { form: form(&response), session, status_url })
    }

    /// Fills in the form, approves the export as `staff` (user name and password) if they are known, and waits for the manifest.
    pub(crate) async fn wait(
        &mut self,
        staff: Option<&(String, String)>,
        directory: &mut OutputDirectory,
        progress: &ProgressBar,
    ) -> Result<ManifestPage, Failure> {
        if let Some(form) = self.form.take() {
            progress.set_message("filling in the form");
            self.submit(&form).await?;
        }
        let mut polling = Polling::new(QUICK_PAUSE, MAX_PAUSE);
        let (mut in_review, mut waiting) = (false, String::new());
        loop {
            let response = succeeded(poll(&self.session, &self.status_url, directory).await?).await?;
            let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
            let state = text("x-progress").unwrap_or("in progress").to_owned();
            let pause = requested_pause(&response);
            if response.status() == StatusCode::OK
                && let StatusResponse::Manifest(manifest) = read_status(response, directory).await?
            {
                return Ok(manifest);
            }
            progress.set_message(state.clone());
            print_waiting(progress, &state, &mut waiting);
            if state.contains("review") && !in_review {
                in_review = true;
                match staff {
                    Some(staff) => self.approve(staff).await?,
                    None => eprintln!(
                        "The export waits for staff to approve it at {}",
                        self.origin()?.join("/staff").map_err(broken)?
                    ),
                }
                continue;
            }
            tokio::time::sleep(polling.pause(pause)).await;
        }
    }

    /// Fills in the form for the complete record: every group and every sensitive category.
    async fn submit(&mut self, form: &str) -> Result<(), Failure> {
        let mut url = Url::parse(form).map_err(broken)?;
        let path = url.path().strip_suffix("/customize").map(str::to_owned);
        url.set_path(&path.ok_or_else(|| {
            Failure::new(
                "this client does not support the form at the URL of the Link header: open it in a browser",
            )
        })?);
        let everything = Choices::everything();
        let parameters = domain::choices::reading::to_parameters(&everything).to_string();
        let request =
            self.session.client.post(url).header("content-type", "application/fhir+json").body(parameters);
        send(request).await.map(|_| ())
    }

    /// Approves the export as a member of staff of the built-in server.
    async fn approve(&self, (username, password): &(String, String)) -> Result<(), Failure> {
        let origin = self.origin()?;
        let id = self.status_url.rsplit('/').nth(1).unwrap_or_default();
        let client = &self.session.client;
        let login = client.post(origin.join("/admin/login").map_err(broken)?);
        let signed_in = send(login.form(&[("username", username), ("password", password)])).await?;
        let cookie =
            signed_in.headers().get("set-cookie").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let cookie = cookie.split(';').next().unwrap_or_default();
        let approve = client.post(origin.join(&format!("/admin/jobs/{id}/approve")).map_err(broken)?);
        send(approve.header("cookie", cookie)).await.map(|_| ())
    }

    fn origin(&self) -> Result<Url, Failure> {
        Url::parse(&self.status_url).map_err(broken)
    }
}

/// Returns the response with the status of the job that an earlier run started; `None` if the server no longer has the job.
pub(super) async fn resume(
    session: &Session,
    directory: &mut OutputDirectory,
) -> Result<Option<Response>, Failure> {
    let Some(status_url) = directory.unfinished_job().map(str::to_owned) else { return Ok(None) };
    // An earlier version of this program stored relative URLs, which cannot be requested.
    if Url::parse(&status_url).is_err() {
        return Ok(None);
    }
    let response = poll(session, &status_url, directory).await?;
    if is_gone(response.status()) {
        return Ok(None);
    }
    directory.resume();
    Ok(Some(response))
}

/// Removes an unfinished job from the directory's note, so that the next kick-off starts a new one. Cancels it on the server if that is
/// possible.
pub(super) async fn give_up(session: &Session, directory: &mut OutputDirectory) -> Result<(), Failure> {
    let Some(status_url) = directory.unfinished_job().map(str::to_owned) else { return Ok(()) };
    let _ = session.attempt(&Method::DELETE, &status_url, &|request| request).await;
    directory.job_ended()
}

/// Requests the status of the job. The status of the returned response is 200 or 202, or 404 or 410 if the server no longer has the job.
///
/// # Errors
///
/// Any other status. It changes the directory only if it means that the job has failed: then the next run starts a new job. A job with a
/// manifest has not failed, so an error of the server after it changes nothing.
pub(super) async fn poll(
    session: &Session,
    status_url: &str,
    directory: &mut OutputDirectory,
) -> Result<Response, Failure> {
    let response = session.send(Method::GET, status_url, |request| request).await?;
    let status = response.status();
    if matches!(status, StatusCode::OK | StatusCode::ACCEPTED) || is_gone(status) {
        return Ok(response);
    }
    let target = redirect_target(&response);
    let (error, body) = error_of(response).await;
    let has_outcome = body["issue"][0]["code"].is_string();
    if is_final(status, has_outcome) && !directory.has_files() {
        return Err(failed(directory, &error.to_string()));
    }
    Err(match (status, target) {
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => Failure::new(format!(
            "{error}: the access token has expired or is not for this export, so it must be renewed"
        )),
        (_, Some(target)) => redirected(&error, &target),
        _ => error,
    })
}

/// Returns whether a status means that the job has failed. Proxies return most statuses too, but without an OperationOutcome.
fn is_final(status: StatusCode, has_outcome: bool) -> bool {
    match status {
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::REQUEST_TIMEOUT
        | StatusCode::TOO_MANY_REQUESTS => false,
        // The export has too many resources. Some servers return it as plain text.
        StatusCode::PAYLOAD_TOO_LARGE => true,
        // 422 is the status of an export that was rejected.
        _ => has_outcome && (status.is_client_error() || status == StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// Removes the job from the directory's note, and returns the failure for the user.
fn failed(directory: &mut OutputDirectory, reason: &str) -> Failure {
    let job = directory.unfinished_job().unwrap_or_default();
    let failure = Failure::new(format!(
        "the export failed: {reason} (the job was {job}): run the same command again to start a new export"
    ));
    directory.job_ended().err().unwrap_or(failure)
}

/// The content of a status response with status 200.
pub(super) enum StatusResponse {
    Manifest(ManifestPage),
    /// The export is running. In some dialects the status is 200 nevertheless.
    Running(Value),
}

/// Reads a status response with status 200.
pub(super) async fn read_status(
    response: Response,
    directory: &mut OutputDirectory,
) -> Result<StatusResponse, Failure> {
    let url = response.url().clone();
    let body = json(response).await?;
    match body["status"].as_str() {
        Some("failed" | "cancelled") => {
            Err(failed(directory, body["error"].as_str().unwrap_or("no reason given")))
        }
        Some(_) if body.get("output").is_none() => Ok(StatusResponse::Running(body)),
        _ => ManifestPage::new(url, body).map(StatusResponse::Manifest),
    }
}

/// Returns the absolute URL of the job's status from the response to the kick-off.
pub(super) fn status_url(response: &Response) -> Result<String, Failure> {
    let location = response.headers().get(CONTENT_LOCATION).and_then(|value| value.to_str().ok());
    let location =
        location.ok_or_else(|| Failure::new("the response to the kick-off has no Content-Location"))?;
    resolve(response.url(), location).map(String::from)
}

/// Returns the FHIR base as a URL.
pub(super) fn fhir_base(base: &str) -> Result<Url, Failure> {
    Url::parse(base).map_err(|_| Failure::new("--server is not a URL"))
}

/// Returns the address of the form if it must still be filled in. The brackets of RFC 8288 are optional.
fn form(response: &Response) -> Option<String> {
    let link = response.headers().get(LINK)?.to_str().ok()?;
    let (url, parameters) = link.split_once(';')?;
    let is_form = parameters.contains("patient-interaction");
    let url = url.trim().trim_start_matches('<').trim_end_matches('>');
    is_form.then(|| response.url().join(url).map_or_else(|_| url.to_owned(), String::from))
}

fn broken(error: url::ParseError) -> Failure {
    Failure::new(format!("the server returned an invalid URL: {error}"))
}
