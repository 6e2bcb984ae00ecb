//! The actions of staff: list, inspect, approve, reject, attach and delete, as an API (contract, section 4) and as pages.
//!
//! - [`caller`]: authenticates the caller; [`login`]: sessions; [`kept`]: what was typed before the session ended;
//! - [`review`]: the decisions of staff about a job, for API and pages, if it has the version that they have [`seen`]; [`uploads`]: files that staff attach, and
//!   [`direct`]: files that are too large for a request;
//! - [`api`] with its [`bodies`], and [`pages`]: the routes of both; [`job`]: the pages of one export;
//! - [`queue`] and [`several`]: the list of exports, and approving several of them;
//! - [`patients`], [`groups`] and [`start`]: exports that staff start;
//! - [`audit`]: the audit trail for auditors; [`settings_page`]: the settings for administrators.

mod api;
mod audit;
mod bodies;
mod caller;
mod direct;
mod groups;
mod job;
mod kept;
mod login;
mod pages;
mod patients;
mod queue;
mod review;
mod seen;
mod settings_page;
mod several;
mod start;
mod uploads;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use domain::error::Result;
use platform::Platform;
use storage::packs::Attachments;
use web::conditional::IfNoneMatch;
use web::describe::{self as described, json};
use web::routes::{Access, Below, FORM, JSON, JSON_OR_FORM, MULTIPART, Route, Routes, undeclared};

web::ports! {
    /// The ports of this function.
    pub(crate) struct Admin {
        jobs, files, queue, records, expiring, clock, random, settings, verifier, audit
    }
    with {
        /// The documents that exports wrote.
        attachments: Arc<Attachments> = |platform| Ok(Arc::new(Attachments::new(platform.files()?))),
    }
}

/// Returns the routes of staff, and the job list of clients.
pub fn routes() -> Vec<Route> {
    declared().list()
}

#[expect(clippy::too_many_lines, reason = "a table of routes")]
fn declared() -> Routes<Admin> {
    let (staff, page, sign_in) = (Access::Staff, Access::StaffPage, Access::SignIn);
    let jobs = ("Lists jobs: all of them for staff, the owner's for others", &[200, 304][..]);
    let job = ("Returns a job with its state, choices and manifest", &[200][..]);
    let with_job = |summary| (summary, &[200][..]);
    let back = |summary| (summary, &[303][..]);
    // The form is shown again, if the member of staff only wants to stay signed in.
    let back_or_again = |summary| (summary, &[200, 303][..]);
    Routes::new()
        .below(Below::Root, |at| {
            at.post("/admin/login", sign_in, with_job("Signs staff in"), login::by_api)
                .taking(JSON_OR_FORM)
                .reading(&bodies::CREDENTIALS)
                .returning(&[json(200, "SignedIn")])
                .get("/admin/logout", sign_in, with_job("Signs staff out"), login::logout)
                .that_acts()
                .returning(&[json(200, "Empty")])
                .get("/admin/jobs", staff, jobs, api::list)
                .reading(&api::LIST)
                .reading(&[IfNoneMatch::PARAMETER])
                .returning(&[json(200, "Jobs")])
                .get("/jobs", Access::OwnerOrStaff, jobs, api::list)
                .reading(&api::LIST)
                .reading(&[IfNoneMatch::PARAMETER])
                .returning(&[json(200, "Jobs")])
                .get("/admin/jobs/{job}", staff, job, api::show)
                .returning(&[json(200, "Job")])
                .delete("/admin/jobs/{job}", staff, with_job("Deletes a job and its files"), api::delete)
                .returning(&[json(200, "Job")])
                .get("/jobs/{job}", Access::OwnerOrStaff, job, api::show)
                .returning(&[json(200, "Job")])
                .post("/admin/jobs/{job}/approve", staff, with_job("Approves an export"), api::approve)
                .returning(&[json(200, "Job")])
                .post("/admin/jobs/{job}/reject", staff, with_job("Rejects an export"), api::reject)
                .taking(JSON_OR_FORM)
                .reading(&[bodies::REASON])
                .returning(&[json(200, "Job")])
                .post(
                    "/admin/jobs/{job}/add-files",
                    staff,
                    with_job("Attaches files to an export"),
                    api::add_files,
                )
                .taking(MULTIPART)
                .reading(&[api::ATTACHMENTS])
                .returning(&[json(200, "Job")])
                .post(
                    "/admin/jobs/{job}/remove-files",
                    staff,
                    with_job("Removes attached files"),
                    api::remove_files,
                )
                .taking(JSON)
                .reading(&[bodies::NAMES])
                .returning(&[json(200, "Job")])
                .post(
                    "/admin/jobs/{job}/uploads",
                    staff,
                    with_job("Begins the upload of a file that is too large for a request"),
                    direct::begin,
                )
                .taking(JSON)
                .reading(&direct::FILE)
                .returning(&[json(200, "UploadForm")])
                .post(
                    "/admin/jobs/{job}/uploads/{upload}/complete",
                    staff,
                    with_job("Attaches the uploaded file"),
                    direct::complete,
                )
                .returning(&[json(200, "Job")])
        })
        .below(Below::Root, |at| {
            at.get("/staff/audit", page, with_job("Shows the audit trail to auditors"), audit::page)
                .reading(&audit::FILTER)
                .returning(&[described::page(200)])
                .get(
                    "/staff/settings",
                    page,
                    with_job("Shows the settings to administrators"),
                    settings_page::show,
                )
                .returning(&[described::page(200)])
                .get(audit::NDJSON, staff, with_job("Returns the audit trail as AuditEvents"), audit::ndjson)
                .reading(&audit::FILTER)
                .reading(&[audit::COUNT])
                .returning(&[described::file(200, fhir::FHIR_NDJSON)])
        })
        .below(Below::Root, |at| {
            at.get("/staff", page, with_job("Shows the list of exports"), queue::list)
                .reading(&queue::LIST)
                .returning(&[described::page(200)])
                .get(
                    "/staff/approve",
                    page,
                    with_job("Asks for confirmation before several exports are approved"),
                    several::ask,
                )
                .reading(&[several::TICKED, kept::KEPT])
                .returning(&[described::page(200)])
                .post("/staff/approve", page, with_job("Approves several exports"), several::approve)
                .taking(FORM)
                .reading(&[several::CONFIRMED])
                .returning(&[described::page(200)])
                .get(
                    "/staff/patients",
                    page,
                    with_job("Finds patients of the record store"),
                    patients::search,
                )
                .reading(&patients::SEARCHED)
                .returning(&[described::page(200)])
                .get(
                    "/staff/patients/{patient}/export",
                    page,
                    with_job("Shows the form of an export that staff start"),
                    start::ask,
                )
                .reading(&[kept::KEPT])
                .returning(&[described::page(200)])
                .post(
                    "/staff/patients/{patient}/export",
                    page,
                    back_or_again("Starts an export"),
                    start::begin,
                )
                .taking(FORM)
                .reading(&start::fields())
                .returning(&[described::page(200)])
                .get("/staff/groups", page, with_job("Lists the groups of the record store"), groups::list)
                .reading(&groups::LISTED)
                .returning(&[described::page(200)])
                .get(
                    "/staff/groups/{group}/export",
                    page,
                    with_job("Shows the form of an export of a group that staff start"),
                    groups::ask,
                )
                .reading(&[kept::KEPT])
                .returning(&[described::page(200)])
                .post(
                    "/staff/groups/{group}/export",
                    page,
                    back_or_again("Starts an export of a group"),
                    groups::begin,
                )
                .taking(FORM)
                .reading(&start::fields())
                .returning(&[described::page(200)])
                .get("/staff/login", sign_in, with_job("Shows the sign-in page of staff"), pages::login)
                .reading(&[login::NEXT])
                .returning(&[described::page(200)])
                .post("/staff/login", sign_in, back_or_again("Signs staff in"), login::by_page)
                .taking(FORM)
                .reading(&bodies::CREDENTIALS)
                .reading(&login::HIDDEN)
                .reading(&[login::STAY, login::SAID])
                .returning(&[described::page(200)])
                .post("/staff/logout", sign_in, back("Signs staff out"), login::leave)
        })
        .below(Below::Root, job::declared)
}

pub fn router(platform: &(impl Platform + ?Sized)) -> Result<Router> {
    let state = Admin::of(platform)?;
    // An address that is not declared is no route. The host's fallback does not know who is signed in.
    let unknown = undeclared("/staff", pages::unknown).with_state(state.clone());
    // The size of an upload is checked while it is read. Every other body is read with its own limit.
    Ok(declared().with_state(state).merge(unknown).layer(DefaultBodyLimit::disable()))
}
