//! Cancelling or deleting a copy, and taking back the permission for it. Each has a page that asks for confirmation.

use axum::extract::State;
use axum::response::Response;
use domain::audit::Action;
use domain::error::{Error, Result};
use domain::header::HistoryEntry;
use domain::ids::JobId;
use domain::job::{Job, JobState};
use domain::moves::{ChosenBy, Illegal};
use http::StatusCode;
use jiff::Timestamp;
use platform::exports::{change_any, remove_files};
use web::extract::{JobPath, SameSiteForm};
use web::pages::ConfirmPage;
use web::request_context;
use web::respond::{PageError, html, see_other};

use crate::one::{has_permission, is_open};
use crate::signed_in::SignedIn;
use crate::{My, state_of};

/// The actor in the job's history.
const PATIENT: &str = HistoryEntry::PATIENT;

/// Returns the state that the patient sees on the page that asks for confirmation: the copy can be downloaded, it has not ended, or staff
/// have removed it and can restore it. Returns `None` in every other state.
fn seen(job: &Job, now: Timestamp) -> Option<&'static str> {
    match state_of(job, now) {
        JobState::Complete => Some("ready"),
        state if is_open(state) => Some("open"),
        _ => job.restorable_until(now).map(|_| "removed"),
    }
}

pub(crate) async fn ask_cancel(
    State(state): State<My>,
    JobPath(id): JobPath,
    signed_in: SignedIn,
) -> Result<Response, PageError> {
    let stored = state.listed(&id, &signed_in.patient).await?;
    // A copy that has ended in the meantime is shown in its current state.
    let Some(seen) = seen(&stored.job, state.clock.now()) else {
        return Ok(see_other(&state.settings.url(&format!("/my/exports/{id}"))));
    };
    let key = if seen == "open" { "my-cancel" } else { "my-delete" };
    let page = question(&signed_in, &id, key, "cancel", vec![("seen", seen.to_owned())]);
    Ok(html(StatusCode::OK, &page))
}

pub(crate) async fn ask_take_back(
    State(state): State<My>,
    JobPath(id): JobPath,
    signed_in: SignedIn,
) -> Result<Response, PageError> {
    let stored = state.listed(&id, &signed_in.patient).await?;
    if !has_permission(&stored, state.clock.now()) {
        return Ok(see_other(&state.settings.url(&format!("/my/exports/{id}"))));
    }
    let mut page = question(&signed_in, &id, "my-take-back", "take-back", Vec::new());
    if stored.job.header().topics_chosen_by() == ChosenBy::App {
        page.lead = request_context::words().text("my-take-back-lead-app", &[]);
    }
    Ok(html(StatusCode::OK, &page))
}

pub(crate) async fn cancel(
    State(state): State<My>,
    JobPath(id): JobPath,
    signed_in: SignedIn,
    SameSiteForm(form): SameSiteForm,
) -> Result<Response, PageError> {
    let stored = state.listed(&id, &signed_in.patient).await?;
    let now = state.clock.now();
    let now_seen = seen(&stored.job, now);
    // The copy became ready since the patient was asked, or it has ended: the page says so.
    if now_seen != Some(form.get("seen")) {
        return Ok(see_other(&state.settings.url(&format!("/my/exports/{id}/cancel"))));
    }
    let said = if now_seen == Some("open") { "cancelled" } else { "deleted" };
    state
        .remove(&id, &signed_in, said, |job| {
            if seen(&job, now) != now_seen {
                return Err(Illegal { state: job.state(), action: "cancel" }.into());
            }
            Ok(Job::Cancelled(match job.state() {
                JobState::Cancelled => job.delete_for_good(PATIENT, now)?,
                _ => job.cancel(PATIENT, now)?,
            }))
        })
        .await
}

pub(crate) async fn take_back(
    State(state): State<My>,
    JobPath(id): JobPath,
    signed_in: SignedIn,
    _: SameSiteForm,
) -> Result<Response, PageError> {
    let stored = state.listed(&id, &signed_in.patient).await?;
    if !has_permission(&stored, state.clock.now()) {
        return Ok(see_other(&state.settings.url(&format!("/my/exports/{id}"))));
    }
    let taken_back = |job: Job| Ok(Job::Cancelled(job.take_back(PATIENT, state.clock.now())?));
    state.remove(&id, &signed_in, "taken-back", taken_back).await
}

/// Returns the page that asks for confirmation. `key` is the first part of the keys of its messages.
fn question(
    signed_in: &SignedIn,
    id: &JobId,
    key: &str,
    action: &str,
    fields: Vec<(&'static str, String)>,
) -> ConfirmPage {
    let words = request_context::words();
    ConfirmPage {
        my: signed_in.frame("copies"),
        title: words.text(&format!("{key}-title"), &[]),
        lead: words.text(&format!("{key}-lead"), &[]),
        action: format!("/my/exports/{id}/{action}"),
        fields,
        button: words.text(&format!("{key}-yes"), &[]),
        back: format!("/my/exports/{id}"),
    }
}

impl My {
    /// Ends the job, also one that staff could restore, and removes its files; a worker stops at the next patient.
    async fn remove(
        &self,
        id: &JobId,
        signed_in: &SignedIn,
        said: &str,
        mut end: impl FnMut(Job) -> Result<Job>,
    ) -> Result<Response, PageError> {
        self.audit.record(signed_in.event(Action::Deleted).of_job(id).about(said)).await?;
        let ended = change_any(&*self.jobs, id, |stored| {
            let header = stored.job.header();
            debug_assert!(header.may_be_ended_by(&signed_in.patient), "the caller has checked whose it is");
            end(stored.job)
        });
        match ended.await {
            Ok(_) => remove_files(&*self.files, id).await,
            // A request from another window ended it first.
            Err(error @ (Error::Conflict(_) | Error::NotFound(_))) => {
                self.audit.failed(signed_in.event(Action::Deleted).of_job(id).about(said), error).await;
                return Ok(see_other(&self.settings.url(&format!("/my/exports/{id}"))));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(see_other(&self.settings.url(&format!("/my?said={said}"))))
    }
}
