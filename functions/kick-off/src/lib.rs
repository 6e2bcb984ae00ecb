//! Starts exports.
//!
//! - [`ehi`]: `POST {base}/Patient/{patient}/$ehi-export` (contract, section 1);
//! - [`bulk`]: the three `$export` operations. [`parameters`] reads the parameters, [`selection`] checks and compiles them, and [`tuning`]
//!   reads those that control the work; [`headers`] reads the preferences;
//! - [`begin`]: starts the job of either, within the limit of its client;
//! - [`groups`]: reads and searches groups; [`patients`]: reads the patient of a token; [`visible`]: reads the security labels of both.

mod begin;
mod bulk;
mod ehi;
mod groups;
mod headers;
mod parameters;
mod patients;
mod request;
mod selection;
mod tuning;
mod visible;

use axum::Router;
use domain::dialect::Dialect;
use domain::error::Result;
use domain::request::{Base, SandboxShortcut};
use platform::Platform;
use web::describe::{FORMAT, fhir};
use web::routes::{Access, At, Below, PARAMETERS, Route, Routes};

use self::bulk::{Operation, export};
use self::headers::{IDEMPOTENCY_KEY, KickoffHeaders};
use self::selection::ExportLevel;

web::ports! {
    /// The ports of the kick-off.
    struct KickOff { jobs, queue, records, expiring, clock, random, settings, keys, verifier, audit }
}

/// Returns the routes that start exports. Only a sandbox has the routes below the sandbox's shortcuts.
pub fn routes() -> Vec<Route> {
    declared(&SandboxShortcut::ALL).list()
}

fn declared(shortcuts: &[SandboxShortcut]) -> Routes<KickOff> {
    let mut routes = Routes::new();
    for &shortcut in shortcuts {
        for base in Base::ALL {
            let start = async move |state, bearer, patient, request| {
                ehi::export(shortcut, base, state, bearer, patient, request).await
            };
            routes = routes.below(Below::of(shortcut, base), |at| {
                at.post(
                    "/Patient/{patient}/$ehi-export",
                    Access::Owner,
                    ("Starts an EHI export of one patient", &[202]),
                    start,
                )
                .taking(PARAMETERS)
                .reading(&[FORMAT, IDEMPOTENCY_KEY])
                .returning(&[fhir(202, "OperationOutcome")])
                .get(
                    "/Patient/{patient}",
                    Access::Owner,
                    ("Returns the Patient of the token", &[200]),
                    patients::read,
                )
                .returning(&[fhir(200, "Resource")])
            });
        }
    }
    for dialect in Dialect::all() {
        let list = async move |state, bearer, query| groups::list(dialect.base, state, bearer, query).await;
        routes = routes.below(Below::Base(dialect.base), |at| {
            let at = bulk_exports(at, "/$export", dialect, ExportLevel::System);
            let at = bulk_exports(at, "/Patient/$export", dialect, ExportLevel::Patient);
            bulk_exports(at, "/Group/{group}/$export", dialect, ExportLevel::Group)
                .get("/Group", Access::Client, ("Searches Groups", &[200]), list)
                .reading(&groups::searched())
                .returning(&[fhir(200, "Groups")])
                .get("/Group/{group}", Access::Client, ("Returns a Group", &[200]), groups::read)
                .reading(&[groups::SUMMARY])
                .returning(&[fhir(200, "Resource")])
        });
    }
    routes
}

/// Declares a bulk kick-off, by GET and by POST.
fn bulk_exports(at: At<KickOff>, path: &str, dialect: &'static Dialect, level: ExportLevel) -> At<KickOff> {
    let says = match level {
        ExportLevel::System => ("Starts an export of all patients and of shared resources", &[202][..]),
        ExportLevel::Patient => ("Starts an export of all patients", &[202][..]),
        ExportLevel::Group => ("Starts an export of the members of a Group", &[202][..]),
    };
    let operation = Operation { dialect, level };
    let handler = async move |state, bearer, group, request| {
        Box::pin(export(operation, state, bearer, group, request)).await
    };
    let (parameters, headers) = (parameters::declared(), KickoffHeaders::PARAMETERS);
    at.get(path, Access::Client, says, handler)
        .that_acts()
        .reading(&parameters)
        .reading(&headers)
        .returning(&[fhir(202, "OperationOutcome")])
        .post(path, Access::Client, says, handler)
        .taking(PARAMETERS)
        .reading(&parameters)
        .reading(&headers)
        .returning(&[fhir(202, "OperationOutcome")])
}

pub fn router(platform: &(impl Platform + ?Sized)) -> Result<Router> {
    let state = KickOff::of(platform)?;
    Ok(declared(state.settings.prefixes()).with_state(state))
}
