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
use web::describe::Parameter;
use web::extract::{Form, Query, field};
use web::pages::job::{ApprovePage, Decided, DeletePage, Message, OTHER, RejectPage};
use web::receiver::receiver;
use web::request_context;
use web::respond::{PageError, html, see_other};

use super::{ExportPage, PERMISSION_ENDED, STALE, Seen, UNDO_ENDED, changed};
use crate::api::REASON;
use crate::kept::{STAY, StaffForm};
use crate::review::Rejection;

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
    let message = kept.as_ref().map(|_| Message::of_catalogue("staff-kept", &[]));
    let typed = Typed::of(&kept.unwrap_or_default());
    match page.in_review().await {
        Ok(stored) => page.reject_page(&stored, typed, (StatusCode::OK, message)).await,
        Err(error) => page.back(Err(error)).await,
    }
}

pub(crate) async fn reject(StaffForm(page, form): StaffForm<ExportPage>) -> Result<Response, PageError> {
    let (seen, typed) = (Seen::of(&form)?, Typed::of(&form.0));
    if form.find(STAY.name).is_some() {
        return page.reject_again(seen, typed, (StatusCode::OK, None)).await;
    }
    let rejection = match rejection(&form) {
        Ok(rejection) => rejection,
        Err(missing) => {
            return page.reject_again(seen, typed, (StatusCode::BAD_REQUEST, Some(missing))).await;
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
    fn of(fields: &[(String, String)]) -> Self {
        let text = |name| field(fields, name).unwrap_or_default().to_owned();
        Self { because: text(BECAUSE.name), reason: text(REASON.name) }
    }
}

/// The reason of the form: the one chosen from the list, and the text beside it. The error is the message about what is missing.
fn rejection(form: &Form) -> Result<Rejection, Message> {
    let missing = |key: &str| Err(Message::of_catalogue(key, &[]));
    let (because, written) = (form.get(BECAUSE.name), form.get(REASON.name).trim());
    let chosen = RejectionReason::ALL.into_iter().find(|known| known.key() == because);
    match (chosen, written) {
        (None, _) if because != OTHER => return missing("reject-missing"),
        (None, "") => return missing("reject-missing-words"),
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
    let undo = page.state.settings.retention.undo;
    Ok(html(StatusCode::OK, &DeletePage::new(page.username, decided, &stored.job, undo)))
}

pub(crate) async fn delete(StaffForm(page, form): StaffForm<ExportPage>) -> Result<Response, PageError> {
    let seen = Seen::of(&form)?;
    match page.delete_seen(seen).await {
        // The page of the deleted export offers to undo that.
        Ok(true) => Ok(see_other(&page.url())),
        Ok(false) => Ok(see_other(&page.state.settings.url("/staff"))),
        Err(error) => page.back(Err(error)).await,
    }
}

pub(crate) async fn undo(page: ExportPage) -> Result<Response, PageError> {
    let done = page.undo().await;
    page.back(done).await
}

impl ExportPage {
    /// What a page shows that asks for confirmation. Records that staff have viewed it.
    async fn decided(&self, stored: &StoredJob) -> Result<Decided> {
        self.state.viewed_part(&stored.job, "decision", &self.username).await?;
        let counts = self.state.count_documents(stored).await?;
        let words = request_context::words();
        let receiver = receiver(stored.job.header(), &self.state.settings, &words);
        Ok(Decided::new(stored, receiver, &counts))
    }

    /// Shows the form again with what was typed. Says so if the export is not the one any more that the member of staff has seen.
    async fn reject_again(
        self,
        seen: Seen,
        typed: Typed,
        why: (StatusCode, Option<Message>),
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
        (status, message): (StatusCode, Option<Message>),
    ) -> Result<Response, PageError> {
        let decided = self.decided(stored).await?;
        let (username, Typed { because, reason }) = (self.username, typed);
        Ok(html(status, &RejectPage { username, decided, message, because, reason }))
    }

    /// Deletes the job if it has the version that was seen. Returns whether that can be undone.
    async fn delete_seen(&self, seen: Seen) -> Result<bool> {
        let Self { state, id, username } = self;
        let stored = self.stored().await?;
        seen.check(stored.version)?;
        let undo = state.settings.retention.undo;
        let can_be_undone = stored.job.can_be_restored() && undo.is_positive();
        let event = Event::new(Actor::staff(username), Action::Deleted).of(&stored.job);
        let at = (state.clock.now(), undo);
        let deleted = delete_for_now(&*state.jobs, &*state.files, stored, username, at);
        match state.audit.around(event, deleted).await {
            Err(Error::Conflict(_)) => Err(Error::conflict(STALE)),
            done => {
                done?;
                staff_action("deleted", id, username);
                Ok(can_be_undone)
            }
        }
    }

    async fn undo(&self) -> Result<()> {
        let Self { state, id, username } = self;
        let stored = state.jobs.get(id).await?.ok_or(NO_JOB)?;
        let Job::Cancelled(gone) = &stored.job else { return Err(NO_JOB) };
        if gone.restorable(state.clock.now()).is_none() {
            // The page says who ended the time.
            return Err(gone.undo_end().map_or(NO_JOB, |_| Error::conflict(UNDO_ENDED)));
        }
        state.check_permission(&stored.job).map_err(|_| Error::conflict(PERMISSION_ENDED))?;
        let event = Event::new(Actor::staff(username), Action::Restored).of(&stored.job);
        let restored = restore(&*state.jobs, id, username, state.clock.now());
        state.audit.around(event, restored).await?;
        staff_action("deletion undone", id, username);
        Ok(())
    }
}
