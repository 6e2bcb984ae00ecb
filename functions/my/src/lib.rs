//! The patient's own pages, which need no app: the copies of the patient's record, and the apps that have access.
//!
//! - [`signed_in`]: the patient who is signed in; other visitors are redirected to the sign-in page;
//! - [`list`]: `/my`; [`one`]: a copy, with the [`account`] of the record; [`live`]: how pages load again by themselves;
//! - [`files`] and [`zip`]: its downloads;
//! - [`remove`]: cancelling, deleting, and taking back the permission;
//! - [`apps`]: the apps with access, and signing out everywhere.
//!
//! The pages list the copies that the patient requested, here or in an app, and those that staff started for the patient: see
//! [`domain::own_copy`]. An export of a clinician's app with choices of the form is listed without its content, so that the patient can
//! end it. Exports of services are not listed.

mod account;
mod apps;
mod files;
mod list;
mod live;
mod one;
mod remove;
mod signed_in;
mod zip;

use axum::Router;
use axum::extract::FromRequestParts;
use domain::audit::{Action, Actor, Event};
use domain::error::{NO_JOB, Result};
use domain::header::JobHeader;
use domain::ids::{JobId, PatientId};
use domain::job::{Job, JobState};
use domain::ports::jobs::StoredJob;
use fhir::FHIR_NDJSON;
use http::request::Parts;
use jiff::Timestamp;
use platform::Platform;
use settings::OWN_PAGES;
use web::ApiError;
use web::describe::{self as described, Parameter, ParameterIn, page};
use web::download::FileRequest;
use web::extract::Query;
use web::pages::MyFrame;
use web::request_context;
use web::routes::{Access, At, Below, FORM, Route, Routes};
use web::urls::client_of;

use self::live::LIVE;
use self::signed_in::SignedIn;

web::ports! {
    /// The ports of the patient's own pages.
    pub(crate) struct My { jobs, queue, files, expiring, clock, random, settings, verified_tokens, audit }
}

const AFTER: Parameter = Parameter::query("after", "The page token from the link to older copies");
const SAID: Parameter = Parameter::query(
    "said",
    "The message at the top of the page: sent, already, cancelled, deleted, taken-back or stopped",
);
const SEEN: Parameter = Parameter::field("seen", "The state that the page showed: open, ready or removed");
const APP: Parameter = Parameter::query("app", "The client id of the app");

/// The statuses of a response with a file.
const FILE: &[u16] = &[200, 206, 303, 304, 307];

/// Returns the routes of the patient's own pages.
pub fn routes() -> Vec<Route> {
    declared().list()
}

fn declared() -> Routes<My> {
    Routes::new().below(Below::Root, |at| apps_routes(ending_routes(download_routes(copy_routes(at)))))
}

/// Declares the list of copies, and the page of one copy.
fn copy_routes(at: At<My>) -> At<My> {
    at.get("/my", Access::PatientPage, ("Lists the copies of a patient's record", &[200]), list::show)
        .reading(&[AFTER, SAID])
        .returning(&[page(200)])
        .get(
            "/my/exports/{job}",
            Access::PatientPage,
            ("Shows a copy of a patient's record", &[200]),
            one::show,
        )
        .reading(&[LIVE, SAID, files::FROM])
        .returning(&[page(200)])
}

/// Declares the files of a copy.
fn download_routes(at: At<My>) -> At<My> {
    at.get(
        "/my/exports/{job}/files/{file}",
        Access::PatientPage,
        ("Returns a file of a patient's copy", FILE),
        files::file,
    )
    .reading(&FileRequest::PARAMETERS)
    .returning(&[described::file(200, FHIR_NDJSON), described::file(206, FHIR_NDJSON)])
    .get(
        "/my/exports/{job}/attachments/{file}",
        Access::PatientPage,
        ("Returns an attachment of a patient's copy", FILE),
        files::attachment,
    )
    .reading(&FileRequest::PARAMETERS)
    .returning(&[described::file(200, "*/*"), described::file(206, "*/*")])
    .get(
        "/my/exports/{job}/zip",
        Access::PatientPage,
        ("Returns the complete copy of a patient as a ZIP", &[200, 303]),
        zip::download,
    )
    .returning(&[described::file(200, "application/zip")])
    .post(
        "/my/exports/{job}/zip",
        Access::PatientPage,
        ("Prepares the ZIP of a large copy", &[303]),
        zip::ask,
    )
    .taking(FORM)
    .get(
        "/my/exports/{job}/zip/progress",
        Access::PatientPage,
        ("Shows whether the ZIP of a large copy is ready", &[200]),
        zip::progress,
    )
    .reading(&[LIVE])
    .returning(&[page(200)])
}

/// Declares the pages that end a copy.
fn ending_routes(at: At<My>) -> At<My> {
    let at = asked(
        at,
        "/my/exports/{job}/cancel",
        "Cancels or deletes a copy",
        remove::ask_cancel,
        remove::cancel,
    )
    .reading(&[SEEN]);
    asked(
        at,
        "/my/exports/{job}/take-back",
        "Takes back the permission for a copy",
        remove::ask_take_back,
        remove::take_back,
    )
}

/// Declares the pages for the apps with access, and for signing out.
fn apps_routes(at: At<My>) -> At<My> {
    let at = at
        .get(
            "/my/apps",
            Access::PatientPage,
            ("Lists the apps that have access to a record", &[200]),
            apps::show,
        )
        .reading(&[SAID])
        .returning(&[page(200)])
        .get(
            "/my/apps/stop",
            Access::PatientPage,
            ("Asks whether to stop an app's access", &[200, 303]),
            apps::ask_stop,
        )
        .reading(&[APP])
        .returning(&[page(200)])
        .post("/my/apps/stop", Access::PatientPage, ("Stops the access of an app", &[303]), apps::stop)
        .taking(FORM)
        .reading(&[Parameter { place: ParameterIn::Body, ..APP }]);
    asked(at, "/my/sign-out-everywhere", "Ends all sessions of a patient", apps::ask_sign_out, apps::sign_out)
}

/// Declares a page that asks for confirmation, and its button.
fn asked<A, B, S, T>(at: At<My>, path: &str, does: &'static str, ask: A, act: B) -> At<My>
where
    A: axum::handler::Handler<S, My>,
    B: axum::handler::Handler<T, My>,
    S: 'static,
    T: 'static,
{
    at.get(path, Access::PatientPage, ("Asks for confirmation", &[200, 303]), ask)
        .returning(&[page(200)])
        .post(path, Access::PatientPage, (does, &[303]), act)
        .taking(FORM)
}

pub fn router(platform: &(impl Platform + ?Sized)) -> Result<Router> {
    Ok(declared().with_state(My::of(platform)?))
}

/// Returns the state that the patient sees: a job has expired when its time is over, even if cleanup has not removed it yet.
fn state_of(job: &Job, now: Timestamp) -> JobState {
    if job.has_expired(now) { JobState::Expired } else { job.state() }
}

impl My {
    /// Returns a copy that this patient may download. For every other job the error is [`NO_JOB`], as if it did not exist.
    async fn copy(&self, id: &JobId, patient: &PatientId) -> Result<StoredJob> {
        let stored = self.listed(id, patient).await?;
        if stored.job.header().is_own_copy_of(patient) { Ok(stored) } else { Err(NO_JOB) }
    }

    /// Returns an export that this patient sees and may end. For every other job the error is [`NO_JOB`], as if it did not exist.
    async fn listed(&self, id: &JobId, patient: &PatientId) -> Result<StoredJob> {
        let stored = self.jobs.get(id).await?;
        stored.filter(|stored| stored.job.header().may_be_ended_by(patient)).ok_or(NO_JOB)
    }

    /// Returns the sentence about who requested a copy, and when.
    fn asked(&self, header: &JobHeader, is_own: bool) -> String {
        let words = request_context::words();
        let date = words.date(header.created_at);
        if header.owner.client.as_str() == OWN_PAGES && header.owner.issuer.is_none() {
            return words.text("my-asked-here", &[("date", &date)]);
        }
        if header.owner.is_staff() {
            return match &header.request.receiver {
                Some(receiver) => {
                    words.text("my-asked-staff-for", &[("date", &date), ("receiver", receiver)])
                }
                None => words.text("my-asked-staff", &[("date", &date)]),
            };
        }
        let app = client_of(&self.settings, &header.owner).and_then(|client| client.name.as_deref());
        let app = app.unwrap_or_else(|| header.owner.client.as_str());
        match &header.owner.issuer {
            Some(issuer) if !is_own => {
                words.text("my-asked-other", &[("app", app), ("issuer", issuer), ("date", &date)])
            }
            _ => words.text("my-asked-app", &[("app", app), ("date", &date)]),
        }
    }
}

/// The message at the top of a page about what was just done, which the query names. A browser that follows a link, from a mail or from
/// another site, shows none: nothing was done.
pub(crate) struct Said(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for Said {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        const KNOWN: [&str; 6] = ["sent", "already", "cancelled", "deleted", "taken-back", "stopped"];
        let query = Query::from_request_parts(parts, state).await?;
        let from = parts.headers.get("sec-fetch-site");
        let is_redirected = from.is_none_or(|from| from == "same-origin");
        let said = query.get("said").filter(|said| is_redirected && KNOWN.contains(said));
        Ok(Self(said.map(|said| request_context::words().text(&format!("my-said-{said}"), &[]))))
    }
}

impl SignedIn {
    /// Returns the audit event for an action of the patient.
    fn event(&self, action: Action) -> Event {
        Event::new(Actor::patient(&self.patient), action).of_patient(&self.patient)
    }

    /// Returns the frame of a page: the name of the patient and the navigation. `here` is the part to which the page belongs.
    fn frame(&self, here: &'static str) -> MyFrame {
        MyFrame { name: self.name.clone(), here }
    }
}
