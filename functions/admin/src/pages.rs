//! The pages that staff begin with: the sign-in page and the list of exports.

use axum::extract::State;
use axum::response::Response;
use domain::job::JobState;
use domain::ports::jobs::JobQuery;
use http::StatusCode;
use web::extract::Query;
use web::pages::{JobRow, StaffJobsPage, StaffLoginPage};
use web::respond::{PageError, html};

use crate::Admin;
use crate::api::{job_query, next_query};
use crate::caller::PageStaff;

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
