//! The staff API, and the job list of clients.

use std::convert::Infallible;

use aws_lc_rs::digest;
use axum::extract::{FromRequestParts, Multipart, State};
use axum::response::{IntoResponse, Response};
use domain::clock::hex;
use domain::error::{self, Error};
use domain::ids::PatientId;
use domain::job::{Job, JobState};
use domain::ports::jobs::{JobQuery, StoredJob};
use futures_util::StreamExt;
use http::header::{ETAG, LINK};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde_json::Value;
use web::Result;
use web::caller::owned;
use web::conditional::IfNoneMatch;
use web::describe::{Kind, Parameter};
use web::extract::{ContentLength, JobPath, Query, Unread};
use web::job_json::job_json;
use web::manifest::manifest;
use web::respond::json;

use crate::Admin;
use crate::bodies::{AttachedNames, SentReason};
use crate::caller::{Caller, Staff};
use crate::review::Rejection;
use crate::seen::Seen;
use crate::uploads::Sender;

/// The number of jobs on a page: the default, and the maximum.
const PAGE: usize = 100;
const MAX_PAGE: usize = 1_000;

/// The maximum number of files of an export whose manifest is in a list, and the size of a list in bytes after which it has no more
/// manifests. Lambda returns at most 6 MB.
const MAX_LISTED_FILES: u64 = 200;
const LIST_BYTES: usize = 3 * 1024 * 1024;
/// The number of manifests that are read at the same time.
const READ_AT_ONCE: usize = 16;

/// The parameters of the lists of jobs.
pub(crate) const LIST: [Parameter; 4] = [
    Parameter::query("status", "Only jobs of this status"),
    Parameter::query("patient", "Only jobs of this patient"),
    Parameter::query("_count", "The number of jobs on a page").of(Kind::Integer),
    Parameter::query("page", "The page token from the link to a page"),
];
pub(crate) const ATTACHMENTS: Parameter = Parameter::field("attachments", "The files").of(Kind::Files);

/// The API that a request uses. Both have the same handlers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    /// The API of staff, below `/admin`.
    Staff,
    /// The API of the owners of jobs.
    Owner,
}

impl Api {
    fn jobs(self) -> &'static str {
        match self {
            Self::Staff => "/admin/jobs",
            Self::Owner => "/jobs",
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Api {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(if parts.uri.path().starts_with("/admin") { Self::Staff } else { Self::Owner })
    }
}

/// `GET /admin/jobs` and `GET /jobs`: all jobs for staff, their own for others.
pub(crate) async fn list(
    State(state): State<Admin>,
    caller: Caller,
    query: Query,
    api: Api,
    known: IfNoneMatch,
) -> Result<Response> {
    let mut job_query = job_query(&query)?;
    let mut staff = None;
    match caller {
        Caller::Staff(name) => staff = Some(name),
        Caller::Owner(_) if api == Api::Staff => {
            return Err(Error::Forbidden("this is for staff; your own jobs are at /jobs".to_owned()).into());
        }
        Caller::Owner(caller) => {
            job_query.owner = Some(caller.owner());
        }
    }
    let is_staff = staff.is_some();
    let mut page = state.jobs.list(&job_query).await?;
    let now = state.clock.now();
    page.jobs.retain(|stored| !stored.job.has_expired(now));
    // A job that its client deleted does not exist for the client.
    let is_shown = |stored: &&StoredJob| match &stored.job {
        Job::Rejected(rejected) => is_staff || !rejected.dismissed,
        _ => true,
    };
    let body = state.list_json(page.jobs.iter().filter(is_shown), is_staff).await?;
    let etag = format!("\"{}\"", &hex(digest::digest(&digest::SHA256, body.as_bytes()).as_ref())[..32]);
    let etag = HeaderValue::from_str(&etag).map_err(Error::internal)?;
    if known.names(&etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response());
    }
    if let Some(name) = staff {
        state.viewed_list(&name, page.jobs.iter().map(|stored| &stored.job)).await?;
    }
    let mut response =
        ([(ETAG, etag), (http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body)
            .into_response();
    response.headers_mut().insert(http::header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Some(next) = page.next {
        let link = next_link(&state.settings.url(api.jobs()), &query, &next)?;
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

/// Reads the query of a list: `?status=&patient=&_count=&page=`.
fn job_query(query: &Query) -> error::Result<JobQuery> {
    let get = |name| query.get(name).filter(|value| !value.is_empty());
    let states = match get("status") {
        None => JobState::ALL.into_iter().filter(|state| !state.is_gone()).collect(),
        Some(status) => {
            let states = JobState::with_ehi_status(status);
            if states.is_empty() {
                return Err(Error::invalid("'status' is no status of a job"));
            }
            states
        }
    };
    let patient =
        get("patient").map(|id| id.strip_prefix("Patient/").unwrap_or(id)).map(PatientId::parse).transpose();
    let count = get("_count").map(str::parse::<usize>).transpose();
    Ok(JobQuery {
        states,
        patient: patient.map_err(|_| Error::invalid("'patient' is no patient id"))?,
        count: count.map_err(|_| Error::invalid("'_count' is no number"))?.unwrap_or(PAGE).clamp(1, MAX_PAGE),
        after: get("page").map(str::to_owned),
        ..JobQuery::default()
    })
}

/// Returns the value of the `Link` header: the same query for the next page.
pub(crate) fn next_link(url: &str, query: &Query, next: &str) -> error::Result<HeaderValue> {
    HeaderValue::from_str(&format!("<{url}?{}>; rel=\"next\"", next_query(query, next)?))
        .map_err(Error::internal)
}

pub(crate) fn next_query(query: &Query, next: &str) -> error::Result<String> {
    query.fields().without(&["page"]).with("page", next).encode()
}

/// `GET /admin/jobs/{job}` and `GET /jobs/{job}`.
pub(crate) async fn show(
    State(state): State<Admin>,
    caller: Caller,
    JobPath(id): JobPath,
    api: Api,
) -> Result<Response> {
    match caller {
        Caller::Staff(name) => {
            let stored = state.job(&id).await?;
            state.viewed(&stored.job, &name).await?;
            Ok(state.job_response(&stored).await?)
        }
        Caller::Owner(caller) => {
            let stored = owned(state.jobs.get(&id).await?, &caller, state.clock.now())?;
            if api == Api::Staff {
                return Err(Error::Forbidden("this is for staff; your own job is at /jobs".to_owned()).into());
            }
            Ok(json(StatusCode::OK, &state.json(&stored, false).await?))
        }
    }
}

pub(crate) async fn approve(
    State(state): State<Admin>,
    Staff(name): Staff,
    JobPath(id): JobPath,
) -> Result<Response> {
    Ok(state.job_response(&state.approve_job(&id, &name, Seen::Any).await?).await?)
}

/// `POST /admin/jobs/{job}/reject`, with `{"reason"}` if the client should see a reason.
pub(crate) async fn reject(
    State(state): State<Admin>,
    Staff(name): Staff,
    JobPath(id): JobPath,
    SentReason(reason): SentReason,
) -> Result<Response> {
    let rejection = Rejection { reason, ..Rejection::default() };
    Ok(state.job_response(&state.reject_job(&id, rejection, &name, Seen::Any).await?).await?)
}

pub(crate) async fn add_files(
    State(state): State<Admin>,
    Staff(name): Staff,
    JobPath(id): JobPath,
    length: ContentLength,
    files: Unread<Multipart>,
) -> Result<Response> {
    Ok(state.job_response(&state.upload(&id, (length, files), Sender::Api(&name)).await?).await?)
}

/// `POST /admin/jobs/{job}/remove-files` with `{"params": [name]}`.
pub(crate) async fn remove_files(
    State(state): State<Admin>,
    Staff(name): Staff,
    JobPath(id): JobPath,
    AttachedNames(names): AttachedNames,
) -> Result<Response> {
    Ok(state.job_response(&state.detach(&id, &names, &name, Seen::Any).await?).await?)
}

pub(crate) async fn delete(
    State(state): State<Admin>,
    Staff(name): Staff,
    JobPath(id): JobPath,
) -> Result<Response> {
    let was = state.delete_job(&id, &name).await?;
    Ok(json(StatusCode::OK, &job_json(&was, &state.settings, None)))
}

impl Admin {
    /// Returns the job as staff see it.
    pub(crate) async fn job_response(&self, stored: &StoredJob) -> error::Result<Response> {
        Ok(json(StatusCode::OK, &self.json(stored, true).await?))
    }

    /// Returns the JSON of a list of jobs. The manifest of a job with many files is left out, and so are all manifests after
    /// [`LIST_BYTES`]: `/jobs/{job}` has them.
    async fn list_json<'s>(
        &self,
        jobs: impl Iterator<Item = &'s StoredJob>,
        is_staff: bool,
    ) -> error::Result<String> {
        let one = async |stored: &StoredJob| {
            let has_many = stored.job.summary().is_some_and(|summary| summary.files > MAX_LISTED_FILES);
            if has_many {
                Ok(job_json(stored, &self.settings, None))
            } else {
                self.json(stored, is_staff).await
            }
        };
        let mut read = futures_util::stream::iter(jobs).map(one).buffered(READ_AT_ONCE);
        let mut list = String::from("[");
        while let Some(job) = read.next().await {
            let mut job = job?;
            if list.len() > LIST_BYTES {
                job["manifest"] = Value::Null;
            }
            if list.len() > 1 {
                list.push(',');
            }
            list.push_str(&job.to_string());
        }
        list.push(']');
        Ok(list)
    }

    /// Returns the job's JSON. For a job in review, staff see the manifest; its owner does not, because the files cannot be downloaded yet.
    async fn json(&self, stored: &StoredJob, is_staff: bool) -> error::Result<Value> {
        let manifest = match &stored.job {
            Job::InReview(_) if is_staff => manifest(&stored.job, &*self.files, &self.settings).await?,
            Job::Complete(_) => manifest(&stored.job, &*self.files, &self.settings).await?,
            _ => None,
        };
        Ok(job_json(stored, &self.settings, manifest.as_ref()))
    }
}
