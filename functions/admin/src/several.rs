//! Approving several exports at once: a page that lists them, and then each of them by itself.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::Response;
use domain::error::{Error, Result};
use domain::ids::JobId;
use domain::job::Job;
use domain::ports::jobs::StoredJob;
use http::StatusCode;
use web::describe::{Kind, Parameter};
use web::extract::{Form, Query};
use web::pages::{Message, QueueRow, Refused, SeveralDonePage, SeveralPage};
use web::request_context;
use web::respond::{PageError, html, status_of};

use crate::Admin;
use crate::caller::PageStaff;
use crate::kept::StaffForm;
use crate::seen::Seen;

const JOB: &str = "job";
/// The exports, each with the version that staff have seen.
pub(crate) const TICKED: Parameter =
    Parameter::query(JOB, "The id of an export and the version that the page showed: id.version").repeated();
pub(crate) const CONFIRMED: Parameter =
    Parameter::field(JOB, "The id of an export and the version that the page showed: id.version")
        .of(Kind::Text)
        .repeated();

/// The maximum number of exports in one request; a page of the list has fewer.
const MAX_JOBS: usize = 100;

/// An export, and the version of it that staff have seen.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Ticked {
    id: JobId,
    version: u64,
}

/// The exports that a request names, each once, in their order. Other values are ignored.
pub(crate) struct AllTicked(Vec<Ticked>);

impl AllTicked {
    fn of<'v>(values: impl Iterator<Item = &'v str>) -> Self {
        let ticked = values.filter_map(|value| {
            let (id, version) = value.rsplit_once('.')?;
            Some(Ticked { id: JobId::parse(id).ok()?, version: version.parse().ok()? })
        });
        let mut known = BTreeSet::new();
        Self(ticked.filter(|ticked| known.insert(ticked.id.clone())).take(MAX_JOBS).collect())
    }
}

impl From<Form> for AllTicked {
    fn from(form: Form) -> Self {
        Self::of(form.all(JOB))
    }
}

/// `GET /staff/approve`: asks before anything is approved.
pub(crate) async fn ask(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    query: Query,
) -> Result<Response, PageError> {
    let (mut shown, mut refused) = (Vec::new(), Vec::new());
    let now = state.clock.now();
    let kept = state.kept(&query, &username).await?;
    let message = kept.as_ref().map(|_| Message::of_catalogue("staff-kept", &[]));
    let AllTicked(ticked) = match &kept {
        Some(typed) => AllTicked::of(typed.all(JOB)),
        None => AllTicked::of(query.all(JOB)),
    };
    for seen in ticked {
        match state.unchanged(&seen).await? {
            Ok(stored) => shown.push(stored),
            Err(why) => refused.push(why),
        }
    }
    state.viewed_list(&username, shown.iter().map(|stored| &stored.job)).await?;
    let rows = shown.iter().map(|stored| QueueRow::new(stored, &state.settings, now));
    let rows = rows.collect::<Result<Vec<_>>>()?;
    let words = request_context::words();
    let count = rows.len().to_string();
    Ok(html(
        StatusCode::OK,
        &SeveralPage {
            username,
            message,
            title: words.text("several-title", &[("count", &count)]),
            button: words.text("queue-approve-count", &[("count", &count)]),
            rows,
            refused,
        },
    ))
}

/// `POST /staff/approve`: approves each export that is still as it was seen.
pub(crate) async fn approve(
    State(state): State<Admin>,
    StaffForm(PageStaff(username), AllTicked(ticked)): StaffForm<PageStaff, AllTicked>,
) -> Result<Response, PageError> {
    let (mut approved, mut refused, mut fields) = (Vec::new(), Vec::new(), Vec::new());
    let now = state.clock.now();
    // Each approval has an entry of its own.
    state.viewed_list(&username, std::iter::empty()).await?;
    for seen in ticked {
        fields.push((JOB, format!("{}.{}", seen.id, seen.version)));
        match state.approve_seen(&seen, &username).await {
            Ok(Ok(stored)) => approved.push(QueueRow::new(&stored, &state.settings, now)?),
            Ok(Err(why)) => refused.push(why),
            // The page must still name the exports that were approved before.
            Err(error) => {
                tracing::error!(job.id = %seen.id, error = %error, cause = error.causes(), "an export could not be approved");
                let why = request_context::words().text("several-failed", &[]);
                refused.push(Refused::new(seen.id.as_str(), None, why));
            }
        }
    }
    let count = approved.len().to_string();
    let title = request_context::words().text("several-done-title", &[("count", &count)]);
    let status = if approved.is_empty() { StatusCode::CONFLICT } else { StatusCode::OK };
    let here = format!("/staff/approve?{}", serde_urlencoded::to_string(fields).map_err(Error::internal)?);
    Ok(html(status, &SeveralDonePage { username, here, title, approved, refused }))
}

impl Admin {
    /// Returns the export if it can be approved and has the version that was seen; otherwise the reason why not.
    async fn unchanged(&self, seen: &Ticked) -> Result<Result<StoredJob, Refused>> {
        let id = seen.id.as_str();
        let words = request_context::words();
        let stored = match self.job(&seen.id).await {
            Ok(stored) => stored,
            Err(error) if status_of(&error) == StatusCode::NOT_FOUND => {
                return Ok(Err(Refused::new(id, None, words.text("several-gone", &[]))));
            }
            Err(error) => return Err(error),
        };
        let why = match &stored.job {
            Job::InReview(_) if stored.version == seen.version => return Ok(Ok(stored)),
            Job::InReview(_) => words.text("several-changed", &[]),
            job => {
                let state = web::pages::staff_state(&words, job.state());
                match job.header().history.iter().rev().find(|event| event.action == "approved") {
                    Some(event) => {
                        let at = words.moment(event.at);
                        words.text("several-already", &[("who", &event.actor), ("time", &at)])
                    }
                    None => words.text("several-other-state", &[("state", &state)]),
                }
            }
        };
        Ok(Err(Refused::new(id, Some(&stored), why)))
    }

    async fn approve_seen(&self, seen: &Ticked, who: &str) -> Result<Result<StoredJob, Refused>> {
        let stored = match self.unchanged(seen).await? {
            Ok(stored) => stored,
            Err(why) => return Ok(Err(why)),
        };
        match Box::pin(self.approve_job(&seen.id, who, Seen::Version(seen.version))).await {
            Ok(approved) => Ok(Ok(approved)),
            Err(error) if status_of(&error).is_client_error() => {
                // Another call changed it first, or the export cannot be approved in its state.
                let why = match self.unchanged(seen).await? {
                    Ok(stored) if self.check_permission(&stored.job).is_err() => {
                        request_context::words().text("approve-permission-ended", &[])
                    }
                    Ok(_) => request_context::words().text("several-failed", &[]),
                    Err(why) => return Ok(Err(why)),
                };
                Ok(Err(Refused::new(seen.id.as_str(), Some(&stored), why)))
            }
            Err(error) => Err(error),
        }
    }
}
