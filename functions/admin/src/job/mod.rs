//! The pages of one export: what is in it, and what staff decide about it.
//!
//! - [`page`]: the page itself; [`decide`]: approve, reject, delete and undo, each with a page that asks for confirmation;
//! - [`rows`]: the resources of a file, read by [`lines`] and shown by [`fields`];
//! - [`documents`]: the documents; [`inside`]: those inside resources; [`sniff`] finds out their types, and [`opened`] remembers which of them staff have opened;
//! - [`leave_out`]: the page that asks for confirmation before something is left out; [`redact`] leaves it out, and [`cut`] removes
//!   it from a stream;
//! - [`take`]: the download of a file;
//! - [`attach`]: files that staff add and remove; [`large`]: a file that is too large for a request.

pub(crate) mod attach;
mod cut;
pub(crate) mod decide;
pub(crate) mod documents;
mod fields;
pub(crate) mod inside;
pub(crate) mod large;
pub(crate) mod leave_out;
mod lines;
mod opened;
pub(crate) mod page;
mod redact;
pub(crate) mod rows;
mod sniff;
mod take;
mod urls;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use domain::error::{Error, Result};
use domain::ids::JobId;
use domain::ports::jobs::StoredJob;
use http::StatusCode;
use http::request::Parts;
use web::describe::{self as described, Kind, Parameter};
use web::download::FileRequest;
use web::extract::{Form, JobPath};
use web::pages::FieldProblem;
use web::pages::job::Message;
use web::respond::{PageError, see_other, status_of};
use web::routes::{Access, At, FORM, MULTIPART};

use crate::caller::PageStaff;
use crate::kept::{KEPT, STAY};
use crate::{Admin, api};

pub(crate) const VERSION: Parameter =
    Parameter::field("version", "The version of the export that the page showed").of(Kind::Integer);

/// The routes of the pages.
#[allow(
    clippy::too_many_lines,
    reason = "a table of routes, which clippy does not count after the first `*/*`"
)]
pub(crate) fn declared(at: At<Admin>) -> At<Admin> {
    let of_staff = Access::StaffPage;
    let shows = |summary| (summary, &[200][..]);
    let back = |summary| (summary, &[303][..]);
    // The form is shown again, if the member of staff only wants to stay signed in.
    let back_or_again = |summary| (summary, &[200, 303][..]);
    at.get("/staff/jobs/{job}", of_staff, shows("Shows an export"), page::show)
        .reading(&page::LISTS)
        .returning(&[described::page(200)])
        .get("/staff/jobs/{job}/files/{file}", of_staff, shows("Shows the resources of a file"), rows::show)
        .reading(&rows::PLACE)
        .returning(&[described::page(200)])
        .get(
            "/staff/jobs/{job}/files/{file}/download",
            of_staff,
            ("Downloads a file of a complete export", &[200, 206, 304, 307]),
            take::file,
        )
        .reading(&FileRequest::PARAMETERS)
        .returning(&[described::file(200, fhir::FHIR_NDJSON), described::file(206, fhir::FHIR_NDJSON)])
        .get(
            "/staff/jobs/{job}/documents/{file}",
            of_staff,
            ("Shows a document of an export, or sends it as a download", &[200, 206, 304, 307]),
            documents::show,
        )
        .reading(&FileRequest::PARAMETERS)
        .returning(&[described::file(200, "*/*"), described::file(206, "*/*")])
        .get(
            "/staff/jobs/{job}/inside",
            of_staff,
            shows("Searches for documents inside resources"),
            inside::list,
        )
        .reading(&inside::PLACE)
        .returning(&[described::page(200)])
        .get(
            "/staff/jobs/{job}/inside/{file}",
            of_staff,
            ("Shows a document inside a resource, or sends it as a download", &[200, 307]),
            inside::show,
        )
        .reading(&inside::ONE)
        .returning(&[described::file(200, "*/*")])
        .get(
            "/staff/jobs/{job}/leave-out",
            of_staff,
            shows("Asks before something is left out"),
            leave_out::ask,
        )
        .reading(&leave_out::ASKED)
        .reading(&[KEPT])
        .returning(&[described::page(200)])
        .post(
            "/staff/jobs/{job}/leave-out",
            of_staff,
            back_or_again("Leaves a resource or a document out of an export"),
            leave_out::leave_out,
        )
        .taking(FORM)
        .reading(&leave_out::SENT)
        .reading(&[leave_out::SHOWN, VERSION, api::REASON, STAY])
        .returning(&[described::page(200)])
        .get(
            "/staff/jobs/{job}/approve",
            of_staff,
            shows("Asks before an export is approved"),
            decide::ask_approve,
        )
        .returning(&[described::page(200)])
        .post("/staff/jobs/{job}/approve", of_staff, back("Approves an export"), decide::approve)
        .taking(FORM)
        .reading(&[VERSION])
        .get(
            "/staff/jobs/{job}/reject",
            of_staff,
            shows("Asks why an export is rejected"),
            decide::ask_reject,
        )
        .reading(&[KEPT])
        .returning(&[described::page(200)])
        .post("/staff/jobs/{job}/reject", of_staff, back_or_again("Rejects an export"), decide::reject)
        .taking(FORM)
        .reading(&[VERSION, decide::BECAUSE, api::REASON, STAY])
        .returning(&[described::page(200)])
        .get(
            "/staff/jobs/{job}/delete",
            of_staff,
            shows("Asks before an export is deleted"),
            decide::ask_delete,
        )
        .returning(&[described::page(200)])
        .post(
            "/staff/jobs/{job}/delete",
            of_staff,
            back("Deletes an export, which can be undone"),
            decide::delete,
        )
        .taking(FORM)
        .reading(&[VERSION])
        .post(
            "/staff/jobs/{job}/undo",
            of_staff,
            back("Brings back an export that was deleted"),
            decide::undo,
        )
        .post("/staff/jobs/{job}/add-files", of_staff, back("Attaches files to an export"), attach::add_files)
        .taking(MULTIPART)
        .reading(&[VERSION, api::ATTACHMENTS])
        .get(
            "/staff/jobs/{job}/upload",
            of_staff,
            shows("Asks for the name of a file that is too large for a request"),
            large::ask,
        )
        .reading(&[KEPT])
        .returning(&[described::page(200)])
        .post("/staff/jobs/{job}/upload", of_staff, back("Begins the upload of such a file"), large::begin)
        .taking(FORM)
        .reading(&[attach::NAME])
        .get(
            "/staff/jobs/{job}/upload/{upload}",
            of_staff,
            shows("Shows the form that sends the file to the store, or asks before the file is attached"),
            large::show,
        )
        .returning(&[described::page(200)])
        .post(
            "/staff/jobs/{job}/upload/{upload}",
            of_staff,
            back("Attaches the file that was sent"),
            large::attach,
        )
        .taking(FORM)
        .reading(&[VERSION])
        .post(
            "/staff/jobs/{job}/remove-files",
            of_staff,
            back("Removes an attached file"),
            attach::remove_files,
        )
        .taking(FORM)
        .reading(&[VERSION, attach::NAME])
}

/// The error if the export was changed after its page was loaded and before the form was sent.
const STALE: &str = "the export was changed since its page was loaded: look at it again";

/// The error if the patient or the app has ended the time to undo a deletion.
const UNDO_ENDED: &str = "the patient or the app has ended the time in which the deletion could be undone";
/// The error if staff undo a deletion after the permission for private topics has ended.
const PERMISSION_ENDED: &str = "the patient's permission for private topics has ended: the export stays deleted, and the patient can ask again";

/// The status and the message of a form whose export was changed after its page was loaded.
fn changed() -> (StatusCode, Said) {
    (StatusCode::CONFLICT, Said::message("job-stale"))
}

/// What a page says that shows a form again.
#[derive(Default)]
struct Said {
    message: Option<Message>,
    problems: Vec<FieldProblem>,
}

impl Said {
    fn message(key: &str) -> Self {
        Self { message: Some(Message::of_catalogue(key, &[])), problems: Vec::new() }
    }

    fn problem(problem: FieldProblem) -> Self {
        Self { message: None, problems: vec![problem] }
    }
}

/// The version of a job that the caller has seen. The API does not name one: it changes the current version.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seen {
    Any,
    Version(u64),
}

impl Seen {
    /// Reads the version in a page's form.
    fn of(form: &Form) -> Result<Self> {
        let version = form.get(VERSION.name).parse();
        version
            .map(Self::Version)
            .map_err(|_| Error::invalid("the form does not say which version it was made for"))
    }

    /// Refuses a change of a job that has another version.
    pub(crate) fn check(self, version: u64) -> Result<()> {
        match self {
            Self::Version(seen) if seen != version => Err(Error::conflict(STALE)),
            Self::Any | Self::Version(_) => Ok(()),
        }
    }
}

/// The export of a page, and the member of staff who uses the page. Each request of the pages of one export begins with it.
pub(crate) struct ExportPage {
    state: Admin,
    id: JobId,
    username: String,
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
    async fn stored(&self) -> Result<StoredJob> {
        self.state.job(&self.id).await
    }

    /// The job, which must be in review.
    async fn in_review(&self) -> Result<StoredJob> {
        let stored = self.stored().await?;
        stored.job.clone().in_review("decide about")?;
        Ok(stored)
    }

    fn url(&self) -> String {
        self.state.settings.url(&format!("/staff/jobs/{}", self.id))
    }

    /// Redirects to the page, or shows it with the reason why a change was refused.
    async fn back(self, done: Result<()>) -> Result<Response, PageError> {
        match done {
            Ok(()) => Ok(see_other(&self.url())),
            Err(error @ (Error::Conflict(_) | Error::TooLarge(_) | Error::Invalid(_))) => {
                let shown = page::Shown { problem: Some(error), ..page::Shown::default() };
                Ok(self.state.page(&self.id, self.username, shown).await?)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The status of a page that may show a problem.
fn status(problem: Option<&Error>) -> StatusCode {
    problem.map_or(StatusCode::OK, status_of)
}
