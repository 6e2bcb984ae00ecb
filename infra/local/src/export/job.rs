//! From the kick-off to the manifest.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::header::{CONTENT_LOCATION, LINK, RETRY_AFTER};
use http::{Method, StatusCode};
use indicatif::ProgressBar;
use serde_json::Value;
use shared::domain::choices::Choices;
use url::Url;

use super::Target;
use super::smart::{Session, checked, json, send};
use crate::Failure;

/// Longer than any server should keep a client waiting between two questions.
const MAX_PAUSE: Duration = Duration::from_mins(1);
/// Questions asked quickly, because most exports of one patient take no longer.
const QUICK: u32 = 20;

pub(crate) struct Job {
    pub(crate) session: Session,
    status_url: String,
    form: Option<String>,
}

/// Where a client that was cut off finds its job again.
pub(super) fn note(out: &Path) -> PathBuf {
    out.join(".ehi-export")
}

/// The export is complete: nothing is left to find again.
pub(crate) fn forget(out: &Path) -> Result<(), Failure> {
    Ok(std::fs::remove_file(note(out))?)
}

impl Job {
    /// Kicks an export off, or goes on with the one that an earlier run left in this directory.
    pub(crate) async fn begin(
        session: Session,
        base: &str,
        patient: &str,
        out: &Path,
    ) -> Result<Self, Failure> {
        let kick_off = format!("{base}/Patient/{patient}/$ehi-export");
        if let Some(status_url) = left_before(out, &kick_off) {
            let response = session.send(Method::GET, &status_url, |request| request).await?;
            if matches!(response.status(), StatusCode::OK | StatusCode::ACCEPTED) {
                return Ok(Self { form: form(&response), session, status_url });
            }
        }
        let response = session
            .send(Method::POST, &kick_off, |request| request.header("prefer", "respond-async"))
            .await?;
        let response = checked(response).await?;
        let location = response.headers().get(CONTENT_LOCATION).and_then(|value| value.to_str().ok());
        let status_url =
            location.ok_or_else(|| Failure::new("the kick-off has no Content-Location"))?.to_owned();
        std::fs::write(note(out), format!("{kick_off}\n{status_url}\n"))?;
        Ok(Self { form: form(&response), session, status_url })
    }

    /// Fills in the form, approves where that is the client's to do, and waits for the manifest.
    pub(crate) async fn wait(&mut self, target: &Target, progress: &ProgressBar) -> Result<Value, Failure> {
        if let Some(form) = self.form.take() {
            progress.set_message("filling in the form");
            self.submit(&form).await?;
        }
        let mut asked = 0;
        let mut told = false;
        loop {
            let status_url = self.status_url.clone();
            let response = self.session.send(Method::GET, &status_url, |request| request).await?;
            if response.status() == StatusCode::OK {
                return json(response).await;
            }
            let response = checked(response).await?;
            if response.status() != StatusCode::ACCEPTED {
                return Err(Failure::new(format!("the status answers {}", response.status())));
            }
            let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
            let state = text("x-progress").unwrap_or("in progress").to_owned();
            progress.set_message(state.clone());
            if state.contains("review") && !told {
                told = true;
                match &target.staff {
                    Some(staff) => self.approve(staff).await?,
                    None => eprintln!(
                        "The export waits for staff to approve it at {}",
                        self.origin()?.join("/staff").map_err(broken)?
                    ),
                }
                continue;
            }
            asked += 1;
            let seconds = text(RETRY_AFTER.as_str()).and_then(|value| value.parse().ok()).unwrap_or(1);
            let pause = if asked <= QUICK { Duration::from_millis(25) } else { Duration::from_secs(seconds) };
            tokio::time::sleep(pause.min(MAX_PAUSE)).await;
        }
    }

    /// The complete record: every group, every sensitive category.
    async fn submit(&mut self, form: &str) -> Result<(), Failure> {
        let mut url = Url::parse(form).map_err(broken)?;
        let path = url.path().strip_suffix("/customize").map(str::to_owned);
        url.set_path(
            &path.ok_or_else(|| Failure::new("the form's address is not one of this kind of server"))?,
        );
        let everything = Choices::everything();
        let parameters = shared::fhir::choices::to_parameters(&everything).to_string();
        let request =
            self.session.client.post(url).header("content-type", "application/fhir+json").body(parameters);
        send(request).await.map(|_| ())
    }

    /// Plays the member of staff of a server of our own.
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

/// The job of an earlier run for the same kick-off.
pub(super) fn left_before(out: &Path, kick_off: &str) -> Option<String> {
    let text = std::fs::read_to_string(note(out)).ok()?;
    let (of, status_url) = text.trim().split_once('\n')?;
    (of == kick_off).then(|| status_url.to_owned())
}

/// The address of the form, while it is to be filled in; with and without the brackets of RFC 8288.
fn form(response: &reqwest::Response) -> Option<String> {
    let link = response.headers().get(LINK)?.to_str().ok()?;
    let (url, parameters) = link.split_once(';')?;
    let is_form = parameters.contains("patient-interaction");
    is_form.then(|| url.trim().trim_start_matches('<').trim_end_matches('>').to_owned())
}

fn broken(error: url::ParseError) -> Failure {
    Failure::new(format!("the server gave an address that is none: {error}"))
}
