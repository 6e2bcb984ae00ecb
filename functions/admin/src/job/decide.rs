//! Approve, reject, delete and undo: each has a page that asks before, and carries the version that was seen.

use axum::extract::State;
use axum::response::Response;
use domain::audit::{Action, Actor, Event};
use domain::error::{Error, NO_JOB, Result};
use domain::ids::JobId;
use domain::job::Job;
use domain::ports::jobs::StoredJob;
use http::StatusCode;
use platform::exports::{delete as delete_for_now, restore};
use platform::telemetry::staff_action;
use web::describe::Parameter;
use web::extract::{Form, JobPath};
use web::pages::job::{ApprovePage, Decided, DeletePage, Message, REJECT_REASONS, RejectPage};
use web::request_context;
use web::respond::{PageError, html, see_other};

use super::{STALE, Seen};
use crate::Admin;
use crate::caller::PageStaff;

pub(crate) const BECAUSE: Parameter = Parameter::field("because", "The reason of the list that was chosen");
/// The reason that must be written.
const OTHER: &str = "other";
/// What is said where the patient has ended the time to undo a deletion.
const ENDED: &str = "the patient has ended the time in which the deletion could be undone";

pub(crate) async fn ask_approve(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    JobPath(id): JobPath,
) -> Result<Response, PageError> {
    let decided = match state.in_review(&id).await {
        Ok(stored) => state.decided(&stored, &username).await?,
        Err(error) => return state.back(&id, username, Err(error)).await,
    };
    Ok(html(StatusCode::OK, &ApprovePage { username, decided }))
}

pub(crate) async fn approve(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    JobPath(id): JobPath,
    form: Form,
) -> Result<Response, PageError> {
    let done = state.approve_job(&id, &username, Seen::of(&form)?).await.map(|_| ());
    state.back(&id, username, done).await
}

pub(crate) async fn ask_reject(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    JobPath(id): JobPath,
) -> Result<Response, PageError> {
    let stored = match state.in_review(&id).await {
        Ok(stored) => stored,
        Err(error) => return state.back(&id, username, Err(error)).await,
    };
    state.reject_page(&stored, username, Typed::default(), None).await
}

pub(crate) async fn reject(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    JobPath(id): JobPath,
    form: Form,
) -> Result<Response, PageError> {
    let seen = Seen::of(&form)?;
    let reason = match reason(&form) {
        Ok(reason) => reason,
        Err(missing) => {
            return match state.in_review(&id).await {
                Ok(stored) => state.reject_page(&stored, username, Typed::of(&form), Some(missing)).await,
                Err(error) => state.back(&id, username, Err(error)).await,
            };
        }
    };
    let done = state.reject_job(&id, &reason, &username, seen).await.map(|_| ());
    state.back(&id, username, done).await
}

/// What was typed into the form, which is shown again.
#[derive(Default)]
struct Typed {
    because: String,
    reason: String,
}

impl Typed {
    fn of(form: &Form) -> Self {
        Self { because: form.get(BECAUSE.name).to_owned(), reason: form.get("reason").to_owned() }
    }
}

/// What the patient reads: the reason of the list, and what was written beside it. What is missing is a message.
fn reason(form: &Form) -> Result<String, Message> {
    let words = request_context::words();
    let missing = |key: &str| Err(Message::of_catalogue(key, &[]));
    let written = form.get("reason").trim();
    match REJECT_REASONS.into_iter().find(|known| *known == form.get(BECAUSE.name)) {
        None => missing("reject-missing"),
        Some(OTHER) if written.is_empty() => missing("reject-missing-words"),
        Some(OTHER) => Ok(written.to_owned()),
        Some(chosen) => {
            let chosen = words.text(&format!("reject-{chosen}"), &[]);
            Ok(if written.is_empty() { chosen } else { format!("{chosen} {written}") })
        }
    }
}

pub(crate) async fn ask_delete(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    JobPath(id): JobPath,
) -> Result<Response, PageError> {
    let stored = state.job(&id).await?;
    let decided = state.decided(&stored, &username).await?;
    let undo = state.settings.retention.undo;
    Ok(html(StatusCode::OK, &DeletePage::new(username, decided, &stored.job, undo)))
}

pub(crate) async fn delete(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    JobPath(id): JobPath,
    form: Form,
) -> Result<Response, PageError> {
    let seen = Seen::of(&form)?;
    match state.delete_seen(&id, &username, seen).await {
        // The page of what can be brought back offers that.
        Ok(true) => Ok(see_other(&state.page_url(&id))),
        Ok(false) => Ok(see_other(&state.settings.url("/staff"))),
        Err(error) => state.back(&id, username, Err(error)).await,
    }
}

pub(crate) async fn undo(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    JobPath(id): JobPath,
) -> Result<Response, PageError> {
    let done = state.undo(&id, &username).await;
    state.back(&id, username, done).await
}

impl Admin {
    /// The job, which must be in review.
    pub(super) async fn in_review(&self, id: &JobId) -> Result<StoredJob> {
        let stored = self.job(id).await?;
        stored.job.clone().in_review("decide about")?;
        Ok(stored)
    }

    /// What a page shows that asks before a decision; the view is recorded.
    async fn decided(&self, stored: &StoredJob, who: &str) -> Result<Decided> {
        self.viewed_part(&stored.job, "decision", who).await?;
        let counts = self.count_documents(stored).await?;
        Ok(Decided::new(stored, self.app(stored), counts))
    }

    async fn reject_page(
        &self,
        stored: &StoredJob,
        username: String,
        typed: Typed,
        message: Option<Message>,
    ) -> Result<Response, PageError> {
        let status = if message.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        let decided = self.decided(stored, &username).await?;
        let page = RejectPage { username, decided, message, because: typed.because, reason: typed.reason };
        Ok(html(status, &page))
    }

    /// Deletes the job as it was seen. Returns whether that can be undone.
    async fn delete_seen(&self, id: &JobId, who: &str, seen: Seen) -> Result<bool> {
        let stored = self.job(id).await?;
        seen.check(stored.version)?;
        let undo = self.settings.retention.undo;
        let can_be_undone = stored.job.can_be_restored() && undo.is_positive();
        let event = Event::new(Actor::staff(who), Action::Deleted).of(&stored.job);
        let deleted = delete_for_now(&*self.jobs, &*self.files, stored, who, (self.clock.now(), undo));
        match self.audit.around(event, deleted).await {
            Err(Error::Conflict(_)) => Err(Error::conflict(STALE)),
            done => {
                done?;
                staff_action("deleted", id, who);
                Ok(can_be_undone)
            }
        }
    }

    async fn undo(&self, id: &JobId, who: &str) -> Result<()> {
        let stored = self.jobs.get(id).await?.ok_or(NO_JOB)?;
        let Job::Cancelled(gone) = &stored.job else { return Err(NO_JOB) };
        if gone.restorable(self.clock.now()).is_none() {
            // The page says what the patient did.
            return Err(gone.undo_end().map_or(NO_JOB, |_| Error::conflict(ENDED)));
        }
        self.check_permission(&stored.job)?;
        let event = Event::new(Actor::staff(who), Action::Restored).of(&stored.job);
        let restored = restore(&*self.jobs, id, who, self.clock.now());
        self.audit.around(event, restored).await?;
        staff_action("deletion undone", id, who);
        Ok(())
    }
}
