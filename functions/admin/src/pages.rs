//! The staff pages. Every button posts, does the same as the API, and redirects to the page.

use axum::extract::{Multipart, State};
use axum::response::Response;
use domain::error::{Error, Result};
use domain::ids::JobId;
use domain::job::JobState;
use domain::ports::jobs::JobQuery;
use http::StatusCode;
use web::describe::Parameter;
use web::extract::{Form, JobPath, Query, Unread};
use web::manifest::stored_page;
use web::pages::{JobRow, StaffJobPage, StaffJobsPage, StaffLoginPage};
use web::respond::{PageError, html, see_other, status_of};

use crate::Admin;
use crate::api::{job_query, next_query};
use crate::caller::PageStaff;

pub(crate) const NAME: Parameter = Parameter::field("name", "The name of the file");

/// Exports per page.
const PAGE: usize = 50;

pub(crate) async fn login() -> Response {
    html(StatusCode::OK, &StaffLoginPage { error: None })
}

pub(crate) async fn list(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    query: Query,
) -> Result<Response, PageError> {
    let mut page = state.jobs.list(&JobQuery { count: PAGE, ..job_query(&query)? }).await?;
    let now = state.clock.now();
    page.jobs.retain(|stored| !stored.job.has_expired(now));
    state.viewed_list(&username).await?;
    let chosen = query.get("status").unwrap_or_default();
    let mut statuses: Vec<_> = JobState::ALL
        .into_iter()
        .filter(|job_state| !job_state.is_gone())
        .map(JobState::ehi_status)
        .collect();
    statuses.dedup();
    Ok(html(
        StatusCode::OK,
        &StaffJobsPage {
            username,
            statuses: statuses.into_iter().map(|status| (status, status == chosen)).collect(),
            patient: query.get("patient").unwrap_or_default().to_owned(),
            jobs: page.jobs.iter().map(JobRow::new).collect(),
            next: page
                .next
                .map(|next| next_query(&query, &next))
                .transpose()?
                .map(|query| format!("/staff?{query}")),
        },
    ))
}

pub(crate) async fn show(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    JobPath(id): JobPath,
) -> Result<Response, PageError> {
    Ok(state.page(&id, username, None).await?)
}

pub(crate) async fn approve(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    JobPath(id): JobPath,
) -> Result<Response, PageError> {
    let done = state.approve_job(&id, &username).await.map(|_| ());
    state.back(&id, username, done).await
}

pub(crate) async fn reject(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    JobPath(id): JobPath,
    form: Form,
) -> Result<Response, PageError> {
    let done = state.reject_job(&id, form.get("reason"), &username).await.map(|_| ());
    state.back(&id, username, done).await
}

pub(crate) async fn add_files(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    JobPath(id): JobPath,
    files: Unread<Multipart>,
) -> Result<Response, PageError> {
    let done = state.upload(&id, files, &username).await.map(|_| ());
    state.back(&id, username, done).await
}

pub(crate) async fn remove_files(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    JobPath(id): JobPath,
    form: Form,
) -> Result<Response, PageError> {
    let done = state.detach(&id, &[form.get("name").to_owned()], &username).await.map(|_| ());
    state.back(&id, username, done).await
}

pub(crate) async fn delete(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    JobPath(id): JobPath,
) -> Result<Response, PageError> {
    state.delete_job(&id, &username).await?;
    Ok(see_other(&state.settings.url("/staff")))
}

impl Admin {
    /// Redirects to the job's page, which shows what the job's state did not allow.
    async fn back(&self, id: &JobId, username: String, done: Result<()>) -> Result<Response, PageError> {
        match done {
            Ok(()) => Ok(see_other(&self.settings.url(&format!("/staff/jobs/{id}")))),
            Err(error)
                if status_of(&error).is_client_error() && status_of(&error) != StatusCode::NOT_FOUND =>
            {
                Ok(self.page(id, username, Some(error)).await?)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn page(&self, id: &JobId, username: String, problem: Option<Error>) -> Result<Response> {
        let stored = self.job(id).await?;
        self.viewed(&stored.job, &username).await?;
        let manifest = stored_page(&stored.job, 0, &*self.files).await?;
        let status = problem.as_ref().map_or(StatusCode::OK, status_of);
        let message = problem.map(|problem| problem.to_string());
        let limit = self.settings.max_upload_bytes;
        Ok(html(status, &StaffJobPage::new(&stored, manifest.as_ref(), username, message, limit)))
    }
}
