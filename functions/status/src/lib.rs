//! Progress, manifest and cancelling, in the form of the job's dialect (contract, sections 1 to 3; FHIR asynchronous
//! pattern).

mod progress;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::audit::{Action, Actor, Event};
use domain::dialect::InProgressStyle;
use domain::error::{Error, NO_JOB, Result};
use domain::ids::JobId;
use domain::job::Job;
use domain::manifest::StoredManifest;
use domain::ports::jobs::StoredJob;
use fhir::outcome::outcome;
use http::header::{CACHE_CONTROL, EXPIRES, HeaderName, LINK, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use platform::Platform;
use platform::exports::{running_page, withdraw};
use serde_json::Value;
use storage::bounded::Bounded;
use web::ApiError;
use web::caller::{Bearer, owned, owned_or_restorable};
use web::describe::{self as described, Kind, Parameter};
use web::extract::{JobPath, Query};
use web::job_json::job_json;
use web::manifest::{self, Page, Part};
use web::respond::{fhir, json as json_response, notice, ready};
use web::routes::{Access, At, Below, Route, Routes};
use web::urls::{http_date, interaction_link};

use self::progress::{amount, in_words, retry_after};

const X_PROGRESS: HeaderName = HeaderName::from_static("x-progress");

web::ports! {
    /// The ports of this function, and the pages of manifests that it keeps in memory.
    struct Status { jobs, files, clock, settings, keys, verifier, audit }
    with {
        manifests: Arc<Manifests> = |platform| Ok(Arc::new(Bounded::new(half(platform.settings().limits.manifest_cache_bytes)))),
        pages: Arc<Pages> = |platform| Ok(Arc::new(Bounded::new(half(platform.settings().limits.manifest_cache_bytes)))),
    }
}

/// Rendered parts of pages of manifests, by job, version of the job, and part.
type Manifests = Bounded<(JobId, u64, Part), Bytes>;

/// Stored pages of running and complete jobs, by job and number. A stored page never changes.
type Pages = Bounded<(JobId, bool, u32), Arc<StoredManifest>>;

/// The approximate size of an entry of a page in memory, in bytes.
const ENTRY_BYTES: u64 = 400;

const NO_PAGE: Error = Error::NotFound("the manifest has no such page");

/// Returns half of the memory for manifests, in bytes: one cache has rendered pages, the other stored ones.
fn half(manifest_cache_bytes: u64) -> u64 {
    manifest_cache_bytes / 2
}

/// The parameters of the links in a manifest.
const PAGE: [Parameter; 2] = [
    Parameter::query("page", "The number of a page of the manifest").of(Kind::Integer),
    Parameter::query("from", "The position of a file in the page: the response begins with this file")
        .of(Kind::Integer),
];

/// Returns the routes of the status and the manifest. The path of the status is part of the dialect.
pub fn routes() -> Vec<Route> {
    declared().list()
}

fn declared() -> Routes<Status> {
    let status_at = |at: At<Status>, path: &str| {
        at.get(
            path,
            Access::Owner,
            ("Returns the progress, or the manifest of a complete export", &[200, 202]),
            status,
        )
        .reading(&PAGE)
        .returning(&[
            described::json(200, "Status"),
            described::fhir(200, "OperationOutcome"),
            described::json(202, "Manifest"),
        ])
        .delete(path, Access::Owner, ("Cancels an export, or deletes its files", &[202, 204]), delete)
        .returning(&[described::fhir(202, "OperationOutcome")])
    };
    Routes::new().below(Below::Root, |at| {
        let at = status_at(at, "/jobs/{job}/status");
        let at = status_at(at, "/4_0_0/$export/{job}");
        status_at(at, "/fhir/r4/$export-status/{job}")
            .get(
                "/jobs/{job}/metadata",
                Access::Owner,
                ("Returns a job with its state, choices and manifest", &[200]),
                metadata,
            )
            .returning(&[described::json(200, "Job")])
    })
}

pub fn router(platform: &(impl Platform + ?Sized)) -> Result<Router> {
    Ok(declared().with_state(Status::of(platform)?))
}

async fn status(
    State(state): State<Status>,
    JobPath(id): JobPath,
    Bearer(caller): Bearer,
    query: Query,
) -> Result<Response, ApiError> {
    let stored = owned(state.jobs.peek(&id).await?, &caller, state.clock.now())?;
    let response = state.status_response(&stored, part_of(&query)?).await?;
    match stored.job.header().request.output.separate_status {
        true => Ok(separated(response, status_of(&stored.job))?),
        false => Ok(response),
    }
}

/// Returns the part of the manifest that a request asks for.
fn part_of(query: &Query) -> Result<Part> {
    let page = query.get("page").map_or(Ok(0), str::parse);
    let page = page.map_err(|_| Error::invalid("'page' must be the number of a page"))?;
    let from = query.get("from").map_or(Ok(0), str::parse);
    let from = from.map_err(|_| Error::invalid("'from' must be the position of a file in the page"))?;
    Ok(Part { page, from })
}

impl Status {
    async fn status_response(&self, stored: &StoredJob, part: Part) -> Result<Response> {
        let dialect = stored.job.header().request.dialect();
        let now = self.clock.now();
        match (&stored.job, dialect.running) {
            (Job::Complete(complete), _) => {
                let manifest = self.manifest(stored, part, now).await?;
                let mut response = ready(StatusCode::OK, "application/json", manifest);
                response.headers_mut().insert(EXPIRES, http_date(complete.expires_at)?);
                if dialect.running == InProgressStyle::Word {
                    response.headers_mut().insert(X_PROGRESS, HeaderValue::from_static("completed"));
                }
                Ok(response)
            }
            (Job::Cancelled(_) | Job::Expired(_), _) => Err(NO_JOB),
            (Job::Rejected(_) | Job::Failed(_), InProgressStyle::Json) => {
                Ok(json_response(StatusCode::OK, &in_words(stored)))
            }
            (Job::Rejected(rejected), _) => {
                let text = format!("The export was rejected: {}", rejected.reason);
                Ok(fhir(StatusCode::UNPROCESSABLE_ENTITY, &outcome("error", "business-rule", &text)))
            }
            (Job::Failed(failed), _) => {
                let text = format!("The export failed: {}", failed.reason);
                Ok(fhir(StatusCode::INTERNAL_SERVER_ERROR, &outcome("fatal", &failed.code, &text)))
            }
            (Job::Running(_), _) if stored.job.header().request.output.partial_manifests => {
                self.partial(stored, part, now).await
            }
            (Job::AwaitingInput(_) | Job::Queued(_) | Job::Running(_) | Job::InReview(_), _) => {
                self.unfinished(stored, now)
            }
        }
    }

    /// Returns a part of a page of the manifest as JSON. It changes only with the job's version, so it is rendered once for each
    /// version. A page with signed URLs is rendered for each request. The caller has checked access to the current job.
    async fn manifest(&self, stored: &StoredJob, part: Part, now: Timestamp) -> Result<Bytes> {
        let key = (stored.job.id().clone(), stored.version, part);
        if let Some(kept) = self.manifests.get(&key) {
            return Ok(kept);
        }
        let is_signed = manifest::is_signed(&stored.job, &self.settings);
        let signer = Some((&*self.keys, now));
        let written = self.page(stored, part.page, is_signed).await?.ok_or(NO_PAGE)?;
        let manifest =
            manifest::render(&stored.job, part, &written, &self.settings, signer).ok_or(NO_PAGE)?;
        let bytes = Bytes::from(manifest.to_string());
        if !is_signed {
            self.manifests.put(key, bytes.clone(), bytes.len() as u64);
        }
        Ok(bytes)
    }

    /// Returns a stored page, which is cached if it is rendered for each request.
    async fn page(
        &self,
        stored: &StoredJob,
        number: u32,
        is_kept: bool,
    ) -> Result<Option<Arc<StoredManifest>>> {
        let running = match &stored.job {
            Job::Running(running) => Some(running.transaction_time),
            _ => None,
        };
        let key = (stored.job.id().clone(), running.is_some(), number);
        if let Some(kept) = self.pages.get(&key) {
            return Ok(Some(kept));
        }
        let page = match running {
            Some(transaction_time) => {
                let files = running_page(stored, &*self.jobs, number).await?;
                files.map(|files| StoredManifest { transaction_time, files })
            }
            None => manifest::stored_page(&stored.job, number, &*self.files).await?,
        };
        let page = page.map(Arc::new);
        if let Some(page) = page.as_ref().filter(|_| is_kept) {
            self.pages.put(key, page.clone(), (page.files.len() as u64 + 1) * ENTRY_BYTES);
        }
        Ok(page)
    }

    /// Returns the response for a running export that has no files to download yet, in the form of its dialect.
    fn unfinished(&self, stored: &StoredJob, now: Timestamp) -> Result<Response> {
        let seconds = retry_after(stored, now);
        match (&stored.job, stored.job.header().request.dialect().running) {
            (_, InProgressStyle::Json) => {
                let mut response = json_response(StatusCode::OK, &in_words(stored));
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
                Ok(response)
            }
            (Job::Queued(_), InProgressStyle::Word) => Ok(in_progress("accepted", seconds)),
            (_, InProgressStyle::Word) => Ok(in_progress("in-progress", seconds)),
            (Job::AwaitingInput(_), InProgressStyle::Percent) => {
                let mut response = in_progress("waiting for the patient's choices", seconds);
                let link = interaction_link(&stored.job, &self.settings, &self.keys)?;
                response.headers_mut().extend(link.map(|link| (LINK, link)));
                Ok(response)
            }
            (Job::Queued(_), InProgressStyle::Percent) => Ok(in_progress("0%", seconds)),
            (Job::InReview(_), InProgressStyle::Percent) => Ok(in_progress("100%, in review", seconds)),
            (_, InProgressStyle::Percent) => Ok(in_progress(&amount(stored, now), seconds)),
        }
    }

    /// Returns the files that are ready, and the progress of the running export in the form of its dialect (Bulk Data
    /// 3.0, `allowPartialManifests`).
    async fn partial(&self, stored: &StoredJob, part: Part, now: Timestamp) -> Result<Response> {
        let running = self.unfinished(stored, now)?;
        let Some(written) = self.page(stored, part.page, true).await? else { return Ok(running) };
        let has_next = self.page(stored, part.page.saturating_add(1), true).await?.is_some();
        let (files, next) =
            part.of((&written.files, has_next), &stored.job, &self.settings).ok_or(NO_PAGE)?;
        let signer = manifest::is_signed(&stored.job, &self.settings).then_some((&*self.keys, now));
        let page = Page { job: &stored.job, transaction_time: written.transaction_time, files, next, signer };
        let mut manifest = page.to_json(&self.settings);
        if stored.job.header().request.dialect().running == InProgressStyle::Json
            && let (Some(manifest), Value::Object(words)) = (manifest.as_object_mut(), in_words(stored))
        {
            manifest.extend(words);
        }
        let mut response = json_response(running.status(), &manifest);
        let headers = running
            .headers()
            .iter()
            .filter(|(name, _)| **name == X_PROGRESS || **name == RETRY_AFTER || **name == CACHE_CONTROL);
        for (name, value) in headers {
            response.headers_mut().insert(name, value.clone());
        }
        Ok(response)
    }
}

/// Returns the HTTP status of the export itself, even if its dialect responds with another one.
fn status_of(job: &Job) -> StatusCode {
    match job {
        Job::Complete(_) => StatusCode::OK,
        Job::AwaitingInput(_) | Job::Queued(_) | Job::Running(_) | Job::InReview(_) => StatusCode::ACCEPTED,
        Job::Rejected(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Job::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        Job::Cancelled(_) | Job::Expired(_) => StatusCode::NOT_FOUND,
    }
}

/// Returns the response with status 200 and the export's status in a header (Bulk Data 3.0, `separate-export-status`).
fn separated(mut response: Response, status: StatusCode) -> Result<Response> {
    let status = HeaderValue::from_str(&status.to_string()).map_err(Error::internal)?;
    response.headers_mut().insert(HeaderName::from_static("x-export-status"), status);
    *response.status_mut() = StatusCode::OK;
    Ok(response)
}

/// Returns 202 without a body, with the progress, and the seconds after which the client should ask again.
fn in_progress(progress: &str, retry_after: u32) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    if let Ok(progress) = HeaderValue::from_str(progress) {
        headers.insert(X_PROGRESS, progress);
    }
    headers.insert(RETRY_AFTER, HeaderValue::from(retry_after));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn delete(
    State(state): State<Status>,
    JobPath(id): JobPath,
    Bearer(caller): Bearer,
) -> Result<Response, ApiError> {
    let stored = owned_or_restorable(state.jobs.get(&id).await?, &caller, state.clock.now())?;
    let is_gone = stored.job.state().is_gone();
    let cancelled_status = stored.job.header().request.dialect().cancelled;
    let event = Event::new(Actor::client(&caller.client), Action::Deleted).of(&stored.job);
    let cancelled = withdraw(&*state.jobs, &*state.files, &id, caller.client.as_str(), state.clock.now());
    match state.audit.around(event, cancelled).await {
        // For the client, the export is gone since staff deleted it. Only staff learn that it cannot be restored any more.
        Ok(()) if is_gone => Err(NO_JOB.into()),
        Ok(()) => match cancelled_status {
            204 => Ok(StatusCode::NO_CONTENT.into_response()),
            _ => Ok(notice(StatusCode::ACCEPTED, "The export was cancelled and its files are removed")),
        },
        Err(Error::Conflict(_)) => Err(NO_JOB.into()),
        Err(error) => Err(error.into()),
    }
}

async fn metadata(
    State(state): State<Status>,
    JobPath(id): JobPath,
    Bearer(caller): Bearer,
) -> Result<Response, ApiError> {
    let stored = owned(state.jobs.get(&id).await?, &caller, state.clock.now())?;
    let manifest = match &stored.job {
        Job::Complete(_) => manifest::manifest(&stored.job, &*state.files, &state.settings).await?,
        _ => None,
    };
    Ok(json_response(StatusCode::OK, &job_json(&stored, &state.settings, manifest.as_ref())))
}
