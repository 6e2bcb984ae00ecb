//! Progress, manifest and cancelling, in the words of the job's dialect (contract, sections 1 to 3; FHIR asynchronous
//! pattern).

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{EXPIRES, HeaderName, LINK, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::config::Settings;
use shared::domain::dialect::Running;
use shared::domain::job::Job;
use shared::domain::states;
use shared::error::{Error, Result};
use shared::exports::{cancel, running_page};
use shared::fhir::outcome::outcome;
use shared::http::caller::{Bearer, HasVerifier, owned};
use shared::http::extract::{JobPath, NO_JOB, Query};
use shared::http::job_json::job_json;
use shared::http::links::{http_date, interaction_link};
use shared::http::manifest::{self, Page};
use shared::http::respond::{fhir, json as json_answer, notice};
use shared::platform::Platform;
use shared::ports::files::Files;
use shared::ports::jobs::{Jobs, StoredJob};
use shared::security::keys::Keys;
use shared::security::verify::Verifier;

/// The longest time after which a client shall ask again: every client is done soon after its export is.
const MAX_RETRY_AFTER: u64 = 30;

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
    // Each dialect's status, where its table says.
    Router::new()
        .route("/jobs/{job}/status", get(status).delete(delete))
        .route("/4_0_0/$export/{job}", get(status).delete(delete))
        .route("/fhir/r4/$export-status/{job}", get(status).delete(delete))
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
    query: Query,
) -> Result<Response> {
    let stored = owned(state.jobs.get(&id).await?, &caller)?;
    let page = match query.get("page") {
        None => 0,
        Some(page) => page.parse().map_err(|_| Error::invalid("'page' must be the number of a page"))?,
    };
    let answer = state.answer(&stored, page).await?;
    match stored.job.core().request.output.separate_status {
        true => separated(answer),
        false => Ok(answer),
    }
}

impl Status {
    async fn answer(&self, stored: &StoredJob, page: u32) -> Result<Response> {
        let dialect = stored.job.core().request.dialect();
        let now = self.clock.now();
        match (&stored.job, dialect.running) {
            (Job::Complete(complete), _) => {
                let signer = Some((&*self.keys, now));
                let manifest =
                    manifest::page(&stored.job, page, &*self.files, &self.settings, signer).await?;
                let manifest = manifest.ok_or(Error::NotFound("the manifest has no such page"))?;
                let mut response = json_answer(StatusCode::OK, &manifest);
                response.headers_mut().insert(EXPIRES, http_date(complete.expires_at)?);
                Ok(response)
            }
            (Job::Cancelled(_) | Job::Expired(_), _) => Err(NO_JOB),
            (Job::Rejected(_) | Job::Failed(_), Running::Json) => {
                Ok(json_answer(StatusCode::OK, &in_words(stored)))
            }
            (Job::Rejected(rejected), _) => {
                let text = format!("The export was rejected: {}", rejected.reason);
                Ok(fhir(StatusCode::UNPROCESSABLE_ENTITY, &outcome("error", "business-rule", &text)))
            }
            (Job::Failed(failed), _) => {
                let text = format!("The export failed: {}", failed.reason);
                Ok(fhir(StatusCode::INTERNAL_SERVER_ERROR, &outcome("fatal", &failed.code, &text)))
            }
            (Job::AwaitingInput(_) | Job::Queued(_) | Job::Running(_) | Job::InReview(_), Running::Json) => {
                let mut response = json_answer(StatusCode::OK, &in_words(stored));
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after(stored, now)));
                Ok(response)
            }
            (Job::Queued(_) | Job::Running(_), Running::Word) => {
                Ok(in_progress("in-progress", retry_after(stored, now)))
            }
            (Job::Running(_), Running::Percent) if stored.job.core().request.output.partial_manifests => {
                self.partial(stored, page, now).await
            }
            (Job::AwaitingInput(_), _) => {
                let mut response = in_progress("waiting for the patient's choices", 1);
                let link = interaction_link(&stored.job, &self.settings, &self.keys)?;
                response.headers_mut().extend(link.map(|link| (LINK, link)));
                Ok(response)
            }
            (Job::Queued(_), _) => Ok(in_progress("0%", 1)),
            (Job::Running(_), _) => Ok(in_progress(&amount(stored, now), retry_after(stored, now))),
            (Job::InReview(_), _) => Ok(in_progress("100%, in review", 5)),
        }
    }

    /// 202 with what can be fetched already (Bulk Data 3.0, `allowPartialManifests`).
    async fn partial(&self, stored: &StoredJob, page: u32, now: Timestamp) -> Result<Response> {
        let running = in_progress(&amount(stored, now), retry_after(stored, now));
        let Job::Running(states::Running { transaction_time, .. }) = &stored.job else { return Ok(running) };
        let files = running_page(stored, &*self.jobs, page).await?;
        let Some(files) = files else { return Ok(running) };
        let has_next = running_page(stored, &*self.jobs, page.saturating_add(1)).await?.is_some();
        let signer = manifest::is_signed(&stored.job, &self.settings).then_some((&*self.keys, now));
        let page = Page {
            job: &stored.job,
            transaction_time: *transaction_time,
            files: &files,
            number: page,
            has_next,
            signer,
        };
        let mut response = json_answer(StatusCode::ACCEPTED, &page.to_json(&self.settings));
        let headers = running.headers().clone();
        response.headers_mut().extend(headers);
        Ok(response)
    }
}

/// The same answer as 200, with its status in a header (Bulk Data 3.0, `separate-export-status`).
fn separated(mut response: Response) -> Result<Response> {
    let status = HeaderValue::from_str(&response.status().to_string()).map_err(Error::internal)?;
    response.headers_mut().insert(HeaderName::from_static("x-export-status"), status);
    *response.status_mut() = StatusCode::OK;
    Ok(response)
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

/// The status as the quick-reference dialect says it.
fn in_words(stored: &StoredJob) -> Value {
    let (status, reason) = match &stored.job {
        Job::AwaitingInput(_) | Job::Queued(_) => ("pending", None),
        Job::Running(_) | Job::InReview(_) => ("in_progress", None),
        Job::Complete(_) => ("completed", None),
        Job::Rejected(rejected) => ("failed", Some(&rejected.reason)),
        Job::Failed(failed) => ("failed", Some(&failed.reason)),
        Job::Cancelled(_) | Job::Expired(_) => ("cancelled", None),
    };
    let mut words = json!({
        "status": status,
        "progress": stored.percent(),
        "totalResources": stored.progress.resources,
    });
    if let Some(reason) = reason {
        words["error"] = json!(reason);
    }
    words
}

/// Seconds until the end at the rate so far; `None` before anything can be said.
fn remaining(stored: &StoredJob, now: Timestamp) -> Option<u64> {
    let Job::Running(running) = &stored.job else { return None };
    let progress = &stored.progress;
    if !progress.plan_complete || progress.bytes_done == 0 {
        return None;
    }
    let elapsed = u64::try_from(now.duration_since(running.transaction_time).as_secs()).ok()?.max(1);
    let left = progress.bytes_planned.saturating_sub(progress.bytes_done);
    let seconds = u128::from(elapsed) * u128::from(left) / u128::from(progress.bytes_done);
    u64::try_from(seconds).ok()
}

/// Seconds after which asking again tells something new: a tenth of what remains.
fn retry_after(stored: &StoredJob, now: Timestamp) -> u32 {
    let tenth = remaining(stored, now).unwrap_or_default() / 10;
    u32::try_from(tenth.clamp(1, MAX_RETRY_AFTER)).unwrap_or(1)
}

/// `45% (12.3 GB of 27.4 GB, about 3 min left)`, by stored bytes.
fn amount(stored: &StoredJob, now: Timestamp) -> String {
    let progress = &stored.progress;
    let left = remaining(stored, now).filter(|seconds| *seconds >= 5).map(|seconds| match seconds {
        0..100 => format!(", about {seconds} s left"),
        100..6_000 => format!(", about {} min left", seconds.div_ceil(60)),
        6_000..360_000 => format!(", about {} h left", seconds.div_ceil(3600)),
        _ => ", days left".to_owned(),
    });
    format!(
        "{}% ({} of {}{})",
        progress.percent(),
        size(progress.bytes_done),
        size(progress.bytes_planned),
        left.unwrap_or_default()
    )
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
    let stored = owned(state.jobs.get(&id).await?, &caller)?;
    let cancelled_status = stored.job.core().request.dialect().cancelled;
    let cancelled = cancel(&*state.jobs, &*state.files, &id, caller.client.as_str(), state.clock.now()).await;
    match cancelled {
        Ok(()) => match cancelled_status {
            204 => Ok(StatusCode::NO_CONTENT.into_response()),
            _ => Ok(notice(StatusCode::ACCEPTED, "The export was cancelled and its files are removed")),
        },
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
        Job::Complete(_) => manifest::manifest(&stored.job, &*state.files, &state.settings).await?,
        _ => None,
    };
    Ok(json_answer(StatusCode::OK, &job_json(&stored, &state.settings, manifest.as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short_and_readable() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (450_000_000, "450.0 MB"),
            (999_960_000, "1.0 GB"),
            (27_400_000_000, "27.4 GB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert!(size(u64::MAX).len() < 20);
    }
}
