//! Progress, manifest and cancelling (contract, section 1; FHIR asynchronous pattern).

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::header::{EXPIRES, HeaderName, LINK, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use shared::clock::Clock;
use shared::config::Settings;
use shared::domain::chunk::Progress;
use shared::domain::job::Job;
use shared::error::{Error, Result};
use shared::exports::cancel;
use shared::fhir::outcome::outcome;
use shared::http::caller::{Bearer, HasVerifier, owned};
use shared::http::extract::{JobPath, NO_JOB};
use shared::http::job_json::{job_json, manifest};
use shared::http::links::{http_date, interaction_link};
use shared::http::respond::{fhir, json, notice};
use shared::platform::Platform;
use shared::ports::files::Files;
use shared::ports::jobs::Jobs;
use shared::security::keys::Keys;
use shared::security::verify::Verifier;

/// The ports of the status.
#[derive(Clone)]
struct Status {
    jobs: Arc<dyn Jobs>,
    files: Arc<dyn Files>,
    clock: Arc<dyn Clock>,
    settings: Arc<Settings>,
    keys: Arc<Keys>,
    verifier: Arc<Verifier>,
}

impl HasVerifier for Status {
    fn verifier(&self) -> &Verifier {
        &self.verifier
    }
}

pub fn router(platform: &dyn Platform) -> Router {
    Router::new()
        .route("/jobs/{job}/status", get(status).delete(delete))
        .route("/jobs/{job}/metadata", get(metadata))
        .with_state(Status {
            jobs: platform.jobs(),
            files: platform.files(),
            clock: platform.clock(),
            settings: platform.settings(),
            keys: platform.keys(),
            verifier: platform.verifier(),
        })
}

async fn status(
    State(state): State<Status>,
    JobPath(id): JobPath,
    Bearer(caller): Bearer,
) -> Result<Response> {
    let stored = owned(state.jobs.get(&id).await?, &caller)?;
    match &stored.job {
        Job::AwaitingInput(_) => {
            let mut response = in_progress("waiting for the patient's choices", 1);
            let link = interaction_link(&stored.job, &state.settings, &state.keys)?;
            response.headers_mut().extend(link.map(|link| (LINK, link)));
            Ok(response)
        }
        Job::Queued(_) => Ok(in_progress("0%", 1)),
        Job::Running(_) => Ok(in_progress(&amount(&stored.progress), 1)),
        Job::InReview(_) => Ok(in_progress("100%, in review", 5)),
        Job::Complete(complete) => {
            let manifest = manifest(&stored.job, &*state.files, &state.settings).await?.ok_or(NO_JOB)?;
            let mut response = json(StatusCode::OK, &manifest);
            response.headers_mut().insert(EXPIRES, http_date(complete.expires_at)?);
            Ok(response)
        }
        Job::Rejected(rejected) => {
            let text = format!("The export was rejected: {}", rejected.reason);
            Ok(fhir(StatusCode::UNPROCESSABLE_ENTITY, &outcome("error", "business-rule", &text)))
        }
        Job::Failed(failed) => {
            let text = format!("The export failed: {}", failed.reason);
            Ok(fhir(StatusCode::INTERNAL_SERVER_ERROR, &outcome("fatal", &failed.code, &text)))
        }
        Job::Cancelled(_) | Job::Expired(_) => Err(NO_JOB),
    }
}

/// 202 without a body: how far it is, and when to ask again in seconds.
fn in_progress(progress: &str, retry_after: u32) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    if let Ok(progress) = HeaderValue::from_str(progress) {
        headers.insert(HeaderName::from_static("x-progress"), progress);
    }
    headers.insert(RETRY_AFTER, HeaderValue::from(retry_after));
    headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `45% (12.3 MB of 27.4 MB)`, by stored bytes.
fn amount(progress: &Progress) -> String {
    format!("{}% ({} of {})", progress.percent(), size(progress.bytes_done), size(progress.bytes_planned))
}

#[expect(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

async fn delete(
    State(state): State<Status>,
    JobPath(id): JobPath,
    Bearer(caller): Bearer,
) -> Result<Response> {
    owned(state.jobs.get(&id).await?, &caller)?;
    let cancelled = cancel(&*state.jobs, &*state.files, &id, caller.client.as_str(), state.clock.now()).await;
    match cancelled {
        Ok(()) => Ok(notice(StatusCode::ACCEPTED, "The export was cancelled and its files are removed")),
        Err(Error::Conflict(_)) => Err(NO_JOB),
        Err(error) => Err(error),
    }
}

async fn metadata(
    State(state): State<Status>,
    JobPath(id): JobPath,
    Bearer(caller): Bearer,
) -> Result<Response> {
    let stored = owned(state.jobs.get(&id).await?, &caller)?;
    let manifest = match &stored.job {
        Job::Complete(_) => manifest(&stored.job, &*state.files, &state.settings).await?,
        _ => None,
    };
    Ok(json(StatusCode::OK, &job_json(&stored, &state.settings, manifest.as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_short_and_readable() {
        let progress =
            Progress { bytes_done: 450_000_000, bytes_planned: 999_960_000, ..Progress::default() };
        assert_eq!(amount(&progress), "45% (450.0 MB of 1.0 GB)");
        assert_eq!(amount(&Progress::default()), "0% (0 B of 0 B)");
        let most = Progress { bytes_done: u64::MAX, bytes_planned: u64::MAX, ..Progress::default() };
        assert!(amount(&most).len() < 100);
    }
}
