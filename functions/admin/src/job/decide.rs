//! Approve, reject, delete and undo. Each decision has a page that asks for confirmation first, and its form names the version of
//! the export that the page showed.

use axum::response::Response;
use domain::audit::{Action, Actor, Event};
use domain::error::{Error, NO_JOB, Result};
use domain::job::Job;
use domain::ports::jobs::StoredJob;
use domain::rejection::{RejectionReason, TypedReason};
use http::StatusCode;
use platform::exports::{delete as delete_for_now, restore};
use platform::telemetry::staff_action;
use web::caller::living;
use web::describe::Parameter;
use web::extract::{Fields, Form, Query};
use web::pages::FieldProblem;
use web::pages::job::{ApprovePage, Decided, DeletePage, OTHER, RejectPage};
use web::receiver::receiver;
use web::request_context;
use web::respond::{PageError, html, see_other};

use super::export_page::{ExportPage, Said, UNDO_ENDED, changed};
use crate::bodies::REASON;
use crate::kept::{STAY, StaffForm};
use crate::review::Rejection;
use crate::seen::{STALE, Seen};

pub(crate) const BECAUSE: Parameter = Parameter::field("because", "The chosen reason from the list");

pub(crate) async fn ask_approve(page: ExportPage) -> Result<Response, PageError> {
    let decided = match page.in_review().await {
        Ok(stored) => page.decided(&stored).await?,
        Err(error) => return page.back(Err(error)).await,
    };
    Ok(html(StatusCode::OK, &ApprovePage { username: page.username, decided }))
}

pub(crate) async fn approve(StaffForm(page, form): StaffForm<ExportPage>) -> Result<Response, PageError> {
    let done = page.state.approve_job(&page.id, &page.username, Seen::of(&form)?).await.map(|_| ());
    page.back(done).await
}

pub(crate) async fn ask_reject(page: ExportPage, query: Query) -> Result<Response, PageError> {
    let kept = page.state.kept(&query, &page.username).await?;
    let said = kept.as_ref().map_or_else(Said::default, |_| Said::message("staff-kept"));
    let typed = Typed::of(&kept.unwrap_or_default());
    match page.in_review().await {
        Ok(stored) => page.reject_page(&stored, typed, (StatusCode::OK, said)).await,
        Err(error) => page.back(Err(error)).await,
    }
}

pub(crate) async fn reject(StaffForm(page, form): StaffForm<ExportPage>) -> Result<Response, PageError> {
    let (seen, typed) = (Seen::of(&form)?, Typed::of(form.fields()));
    if form.find(STAY.name).is_some() {
        return page.reject_again(seen, typed, (StatusCode::OK, Said::default())).await;
    }
    let rejection = match rejection(&form) {
        Ok(rejection) => rejection,
        Err(missing) => {
            return page.reject_again(seen, typed, (StatusCode::BAD_REQUEST, Said::problem(missing))).await;
        }
    };
    let done = page.state.reject_job(&page.id, rejection, &page.username, seen).await;
    match done {
        Err(Error::Conflict(_)) => page.reject_again(seen, typed, changed()).await,
        done => page.back(done.map(|_| ())).await,
    }
}

/// What was typed into the form, which is shown again.
struct Typed {
    because: String,
    reason: String,
}

impl Typed {
    fn of(fields: &Fields) -> Self {
        let text = |name| fields.get(name).to_owned();
        Self { because: text(BECAUSE.name), reason: text(REASON.name) }
    }
}

/// Returns the reason of the form: the one chosen from the list, and the text beside it. The error says what is missing.
fn rejection(form: &Form) -> Result<Rejection, FieldProblem> {
    let missing = |field: &str, key: &str| {
        let text = request_context::words().text(key, &[]);
        Err(FieldProblem { field: field.to_owned(), text })
    };
    let (because, written) = (form.get(BECAUSE.name), form.get(REASON.name).trim());
    let chosen = RejectionReason::ALL.into_iter().find(|known| known.key() == because);
    match (chosen, written) {
        (None, _) if because != OTHER => return missing(RejectPage::FIRST_REASON, "reject-missing"),
        (None, "") => return missing(REASON.name, "reject-missing-words"),
        _ => {}
    }
    let language = request_context::words().language.tag().to_owned();
    let english = request_context::english_words();
    let in_english = chosen.map(|chosen| english.text(&format!("reject-{}", chosen.key()), &[]));
    let typed = (!written.is_empty()).then_some(written);
    let reason: Vec<_> = in_english.as_deref().into_iter().chain(typed).collect();
    Ok(Rejection {
        reason: reason.join(" "),
        chosen,
        typed: typed.map(|text| TypedReason { text: text.to_owned(), language }),
    })
}

pub(crate) async fn ask_delete(page: ExportPage) -> Result<Response, PageError> {
    let stored = page.stored().await?;
    let decided = page.decided(&stored).await?;
    let until = stored.job.undo_until(page.state.clock.now(), page.state.undo_time(&stored.job));
    Ok(html(StatusCode::OK, &DeletePage::new(page.username, decided, until)))
}

pub(crate) async fn delete(StaffForm(page, form): StaffForm<ExportPage>) -> Result<Response, PageError> {
    let seen = Seen::of(&form)?;
    match Box::pin(page.delete_seen(seen)).await {
        // The page of the deleted export offers to undo that.
        Ok(true) => Ok(see_other(&page.url())),
        Ok(false) => Ok(see_other(&page.state.settings.url("/staff"))),
        Err(error) => page.back(Err(error)).await,
    }
}

pub(crate) async fn undo(StaffForm(page, _): StaffForm<ExportPage>) -> Result<Response, PageError> {
    let done = page.undo().await;
    page.back(done).await
}

impl ExportPage {
    /// Returns the content of a page that asks for confirmation. Records that staff have viewed it.
    async fn decided(&self, stored: &StoredJob) -> Result<Decided> {
        self.state.viewed_part(&stored.job, "decision", &self.username).await?;
        let counts = self.state.count_documents(stored).await?;
        let words = request_context::words();
        let receiver = receiver(stored.job.header(), &self.state.settings, &words);
        Ok(Decided::new(stored, receiver, &counts))
    }

    /// Shows the form again with what was typed. If the export has changed since the member of staff saw it, the page says so.
    async fn reject_again(
        self,
        seen: Seen,
        typed: Typed,
        why: (StatusCode, Said),
    ) -> Result<Response, PageError> {
        match self.in_review().await {
            Ok(stored) => {
                let why = if seen.check(stored.version).is_err() { changed() } else { why };
                self.reject_page(&stored, typed, why).await
            }
            Err(error) => self.back(Err(error)).await,
        }
    }

    async fn reject_page(
        self,
        stored: &StoredJob,
        typed: Typed,
        (status, said): (StatusCode, Said),
    ) -> Result<Response, PageError> {
        let decided = self.decided(stored).await?;
        let (username, Typed { because, reason }) = (self.username, typed);
        let Said { message, problems } = said;
        Ok(html(status, &RejectPage { username, decided, message, problems, because, reason }))
    }

    /// Deletes the job if it has the version that was seen. Returns whether that can be undone. A second click gets what the first one got.
    async fn delete_seen(&self, seen: Seen) -> Result<bool> {
        let Self { state, id, username } = self;
        let stored = state.jobs.get(id).await?.ok_or(NO_JOB)?;
        if let Some(can_be_undone) = self.was_deleted(&stored) {
            return Ok(can_be_undone);
        }
        let now = state.clock.now();
        let stored = living(Some(stored), now)?;
        seen.check(stored.version)?;
        let undo = state.undo_time(&stored.job);
        let can_be_undone = stored.job.undo_until(now, undo).is_some();
        let event = Event::new(Actor::staff(username), Action::Deleted).of(&stored.job);
        let deleted = delete_for_now(&*state.jobs, &*state.files, stored, username, (now, undo));
        match state.audit.around(event, deleted).await {
            Err(Error::Conflict(_)) => {
                let stored = state.jobs.get(id).await?.ok_or(NO_JOB)?;
                self.was_deleted(&stored).ok_or_else(|| Error::conflict(STALE))
            }
            done => {
                done?;
                staff_action("deleted", id, username);
                Ok(can_be_undone)
            }
        }
    }

    /// Returns whether the deletion of a job can be undone; `None` if staff have not deleted the job.
    fn was_deleted(&self, stored: &StoredJob) -> Option<bool> {
        let Job::Cancelled(gone) = &stored.job else { return None };
        let is_restorable = gone.restorable(self.state.clock.now()).is_some();
        let last = gone.header.history.last();
        let is_own = last.is_some_and(|last| last.action == "deleted" && last.actor == self.username);
        (is_restorable || is_own && gone.undo.is_none()).then_some(is_restorable)
    }

    async fn undo(&self) -> Result<()> {
        let Self { state, id, username } = self;
        let stored = state.jobs.get(id).await?.ok_or(NO_JOB)?;
        if is_restored(&stored) {
            return Ok(());
        }
        let Job::Cancelled(gone) = &stored.job else { return Err(NO_JOB) };
        if gone.restorable(state.clock.now()).is_none() {
            // The page says who ended the period for the undo.
            return Err(gone.undo_end().map_or(NO_JOB, |_| Error::conflict(UNDO_ENDED)));
        }
        // A deletion that an earlier version recorded can have a time to undo that is longer than the permission for private topics.
        if state.check_permission(&stored.job).is_err() {
            return Err(NO_JOB);
        }
        let event = Event::new(Actor::staff(username), Action::Restored).of(&stored.job);
        let restored = restore(&*state.jobs, id, username, state.clock.now());
        match state.audit.around(event, restored).await {
            // If two clicks arrive at the same time, the other one may have restored it.
            Err(error @ (Error::Conflict(_) | Error::NotFound(_))) => {
                let stored = state.jobs.get(id).await?.ok_or(NO_JOB)?;
                if is_restored(&stored) { Ok(()) } else { Err(error) }
            }
            done => {
                done?;
                staff_action("deletion undone", id, username);
                Ok(())
            }
        }
    }
}

/// Returns whether the last change of the job was the undo of its deletion.
fn is_restored(stored: &StoredJob) -> bool {
    let last = stored.job.header().history.last();
    !stored.job.state().is_gone() && last.is_some_and(|last| last.action == "undid the deletion")
}
