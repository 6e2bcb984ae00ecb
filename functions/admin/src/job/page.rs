//! The page of one export.

use axum::response::Response;
use domain::error::{Error, NO_JOB, Result};
use domain::ids::JobId;
use domain::job::{Job, JobState};
use domain::ports::jobs::StoredJob;
use web::caller::living;
use web::describe::{Kind, Parameter};
use web::extract::Query;
use web::manifest::stored_page;
use web::pages::Message;
use web::pages::job::{EndedPage, JobView, StaffJobPage, UploadLimits};
use web::receiver::client_name;
use web::request_context;
use web::respond::{PageError, html, see_other};

use super::export_page::{ExportPage, UNDO_ENDED, status};
use super::opened::Place;
use super::refusal;
use crate::Admin;
use crate::review::PERMISSION_OVER;
use crate::seen::STALE;
use crate::uploads::MAX_FILES;

/// The numbers of the first files and documents that the page lists.
pub(crate) const LISTS: [Parameter; 3] = [
    Parameter::query("part", "The page of the manifest whose files are listed").of(Kind::Integer),
    Parameter::query("files", "The first file that is listed").of(Kind::Integer),
    Parameter::query("documents", "The first document that is listed").of(Kind::Integer),
];

/// What the page shows in addition to the job.
#[derive(Default)]
pub(super) struct Shown {
    pub(super) problem: Option<Error>,
    /// The message about the problem, if it says more than the text of the problem.
    pub(super) message: Option<Message>,
    /// The page of the manifest, and the first file in it.
    pub(super) files_from: (u32, usize),
    pub(super) documents_from: usize,
}

pub(crate) async fn show(page: ExportPage, query: Query) -> Result<Response, PageError> {
    let number = |name| query.get(name).and_then(|text| text.parse().ok()).unwrap_or_default();
    let [part, files, documents] = LISTS;
    let part = u32::try_from(number(part.name)).unwrap_or_default();
    let files_from = (part, number(files.name));
    let shown = Shown { files_from, documents_from: number(documents.name), ..Shown::default() };
    Ok(page.state.page(&page.id, page.username, shown).await?)
}

impl ExportPage {
    /// Redirects to the page, or shows it with the reason why a change was refused.
    pub(super) async fn back(self, done: Result<()>) -> Result<Response, PageError> {
        match done {
            Ok(()) => Ok(see_other(&self.url())),
            Err(
                error @ (Error::Conflict(_)
                | Error::TooLarge(_)
                | Error::Invalid(_)
                | Error::NotLeftOut { .. }),
            ) => {
                let shown = Shown { problem: Some(error), ..Shown::default() };
                Ok(self.state.page(&self.id, self.username, shown).await?)
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Admin {
    pub(super) fn upload_limits(&self) -> UploadLimits {
        UploadLimits {
            files: MAX_FILES,
            file_bytes: self.settings.max_upload_bytes,
            all_bytes: self.max_total_bytes(),
            has_large: self.files.takes_uploads(),
        }
    }

    pub(super) async fn page(&self, id: &JobId, username: String, shown: Shown) -> Result<Response> {
        let stored = self.jobs.get(id).await?.ok_or(NO_JOB)?;
        let said = |problem: &Error| in_words(problem, &stored);
        let message = shown.message.or_else(|| shown.problem.as_ref().map(said));
        let app = client_name(&stored.job.header().owner, &self.settings, &request_context::words());
        let now = self.clock.now();
        self.viewed(&stored.job, &username).await?;
        if living(Some(&stored), now).is_err() {
            let page = EndedPage::new(username, &stored.job, app, now, message).ok_or(NO_JOB)?;
            return Ok(html(status(shown.problem.as_ref()), &page));
        }
        let manifest = stored_page(&stored.job, shown.files_from.0, &*self.files).await?;
        let opened = self.opened(id, Place::Files).await?;
        let page = StaffJobPage::new(
            username,
            JobView {
                stored: &stored,
                manifest: manifest.as_ref(),
                files_from: shown.files_from,
                documents: self.document_rows(&stored, shown.documents_from, &opened).await?,
                attached: Self::attached_rows(&stored, &opened),
                not_left_out: not_left_out(&stored),
                full_at: opened.full_at(),
                app,
                due_days: self.settings.pages.due_days,
                now,
                upload: self.upload_limits(),
                message,
            },
        );
        Ok(html(status(shown.problem.as_ref()), &page))
    }
}

/// Returns in words why nothing can be left out of an export in review.
fn not_left_out(stored: &StoredJob) -> Option<String> {
    let in_review = Some(&stored.job).filter(|job| job.state() == JobState::InReview);
    let totals = in_review.and_then(Job::summary)?;
    refusal::of_export(totals).map(refusal::in_words)
}

/// Returns a problem in the reader's language, if the catalogues have a message for it; otherwise in English.
fn in_words(problem: &Error, stored: &StoredJob) -> Message {
    if let Some(refusal) = problem.refusal() {
        return refusal::message(refusal);
    }
    let words = request_context::words();
    let decided = match stored.job.state() {
        JobState::Complete => Some("job-decided-approved"),
        JobState::Rejected => Some("job-decided-rejected"),
        _ => None,
    };
    let decision = stored.job.header().decision();
    match (problem, decided.zip(decision)) {
        (Error::Conflict(_), Some((key, decision))) => {
            let values = [("who", &*decision.actor), ("time", &*words.moment(decision.at))];
            Message::of_catalogue(key, &values)
        }
        (Error::Conflict(text), None) if text.as_str() == STALE => Message::of_catalogue("job-stale", &[]),
        (Error::Conflict(text), _) if text.as_str() == UNDO_ENDED => {
            Message::of_catalogue("deleted-undo-ended", &[])
        }
        (Error::Conflict(text), _) if text.as_str() == PERMISSION_OVER => {
            Message::of_catalogue("approve-permission-ended", &[])
        }
        _ => Message { text: problem.to_string(), in_english: words.language.tag() != "en" },
    }
}
