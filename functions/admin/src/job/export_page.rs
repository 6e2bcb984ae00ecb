//! What the pages of one export have in common: the export, the member of staff, and the message about a problem.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use domain::error::{Error, Result};
use domain::ids::JobId;
use domain::ports::jobs::StoredJob;
use http::StatusCode;
use http::request::Parts;
use web::extract::JobPath;
use web::pages::{FieldProblem, Message};
use web::respond::status_of;

use crate::Admin;
use crate::caller::PageStaff;

/// The error if the patient or the app has ended the time to undo a deletion.
pub(super) const UNDO_ENDED: &str =
    "the patient or the app has ended the time in which the deletion could be undone";

/// Returns the status and the message of a form whose export was changed after its page was loaded.
pub(super) fn changed() -> (StatusCode, Said) {
    (StatusCode::CONFLICT, Said::message("job-stale"))
}

/// The message of a page that shows a form again.
#[derive(Default)]
pub(super) struct Said {
    pub(super) message: Option<Message>,
    pub(super) problems: Vec<FieldProblem>,
}

impl Said {
    pub(super) fn message(key: &str) -> Self {
        Self { message: Some(Message::of_catalogue(key, &[])), problems: Vec::new() }
    }

    pub(super) fn problem(problem: FieldProblem) -> Self {
        Self { message: None, problems: vec![problem] }
    }
}

/// The export of a page, and the member of staff who uses the page. Each request of the pages of one export begins with it.
pub(crate) struct ExportPage {
    pub(super) state: Admin,
    pub(super) id: JobId,
    pub(super) username: String,
}

/// Another caller than a reviewer is redirected to sign in, or gets 401 or 403.
impl FromRequestParts<Admin> for ExportPage {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &Admin) -> Result<Self, Response> {
        let PageStaff(username) = PageStaff::from_request_parts(parts, state).await?;
        let id = JobPath::from_request_parts(parts, state).await;
        let JobPath(id) = id.map_err(IntoResponse::into_response)?;
        Ok(Self { state: state.clone(), id, username })
    }
}

impl ExportPage {
    pub(super) async fn stored(&self) -> Result<StoredJob> {
        self.state.job(&self.id).await
    }

    /// Returns the job, which must be in review.
    pub(super) async fn in_review(&self) -> Result<StoredJob> {
        let stored = self.stored().await?;
        stored.job.clone().in_review("decide about")?;
        Ok(stored)
    }

    pub(super) fn url(&self) -> String {
        self.state.settings.url(&format!("/staff/jobs/{}", self.id))
    }
}

/// Returns the status of a page that may show a problem.
pub(super) fn status(problem: Option<&Error>) -> StatusCode {
    problem.map_or(StatusCode::OK, status_of)
}
