//! Starts exports.
//!
//! - this module: `POST {base}/Patient/{patient}/$ehi-export` (contract, section 1).
//! - [`bulk`]: the three `$export` operations. [`parameters`] reads the parameters, [`selection`] checks and compiles them, and [`tuning`]
//!   reads those that control the work; [`headers`] reads the preferences;
//! - [`groups`]: reads and searches groups; [`patients`]: reads the patient of a token; [`visible`]: reads the security labels of both.

mod bulk;
mod groups;
mod headers;
mod parameters;
mod patients;
mod request;
mod selection;
mod tuning;
mod visible;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use domain::audit::{Action, Actor, Event};
use domain::choices::Choices;
use domain::dialect::Dialect;
use domain::error::{Error, NO_PATIENT, Result};
use domain::request::{Base, Cohort, ExportRequest, OutputOptions, SandboxShortcut};
use http::header::{CONTENT_LOCATION, LINK};
use http::{HeaderValue, StatusCode};
use platform::Platform;
use platform::exports::{NewExport, patient_of_job, start};
use security::verify::EhiAccess;
use web::ApiError;
use web::caller::Bearer;
use web::describe::{FORMAT, fhir};
use web::extract::{Content, PatientPath, Query, Unread};
use web::respond::notice;
use web::routes::{Access, At, Below, PARAMETERS, Route, Routes};
use web::urls::{client_of, interaction_link, status_url};

use self::bulk::{Operation, export};
use self::headers::KickoffHeaders;
use self::parameters::short;
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
            let start = async move |state, bearer, patient, query, body| {
                ehi_export(shortcut, base, state, bearer, patient, query, body).await
            };
            routes = routes.below(Below::of(shortcut, base), |at| {
                at.post(
                    "/Patient/{patient}/$ehi-export",
                    Access::Owner,
                    ("Starts an EHI export of one patient", &[202]),
                    start,
                )
                .taking(PARAMETERS)
                .reading(&[FORMAT])
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
        routes = routes.below(Below::Base(dialect.base), |at| {
            let at = bulk_exports(at, "/$export", dialect, ExportLevel::System);
            let at = bulk_exports(at, "/Patient/$export", dialect, ExportLevel::Patient);
            bulk_exports(at, "/Group/{group}/$export", dialect, ExportLevel::Group)
                .get("/Group", Access::Client, ("Searches Groups", &[200]), groups::list)
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

async fn ehi_export(
    prefix: SandboxShortcut,
    base: Base,
    State(state): State<KickOff>,
    Bearer(caller): Bearer,
    PatientPath(patient): PatientPath,
    query: Query,
    body: Unread<Content>,
) -> Result<Response, ApiError> {
    let is_internal = match caller.may_export_ehi(&patient) {
        EhiAccess::Patient => false,
        EhiAccess::System => true,
        EhiAccess::OtherPatient => return Err(NO_PATIENT.into()),
        EhiAccess::MissingScope(scope) => {
            return Err(Error::Forbidden(format!("the token lacks the scope {scope}")).into());
        }
        EhiAccess::LimitedByTags => {
            return Err(Error::Forbidden(
                "the token is limited by access/ scopes, but an EHI export always contains everything"
                    .to_owned(),
            )
            .into());
        }
    };
    // The caller is authorized before the query and the body are checked. `_format` is FHIR's parameter for the format of the response.
    if let Some((name, _)) = query.0.iter().find(|(name, _)| name != "_format") {
        return Err(Error::invalid(format!("'{}' is not a parameter of this operation", short(name))).into());
    }
    let choices = choices(body.read().await?)?;
    let summary = patient_of_job(&*state.records, &patient, &state.settings, state.clock.now()).await?;
    let summary = summary.ok_or(NO_PATIENT)?;
    let owner = caller.owner();
    let client = client_of(&state.settings, &owner);
    let id = state.random.job(state.clock.now());
    let event = Event::new(Actor::client(&owner.client), Action::ExportStarted).of_job(&id);
    let event = event.of_patient(&patient);
    let new = NewExport {
        id: Some(id.clone()),
        patient: Some(summary),
        form: choices.is_none() && !is_internal && !prefix.no_form,
        review: state.settings.review && !prefix.auto_approve,
        request_id: web::request_context::request_id(),
        by_patient: caller.is_patient,
        language: None,
        request: ExportRequest {
            url: state.settings.url(&format!("{}{}/Patient/{patient}/$ehi-export", prefix.path, base.path())),
            base,
            cohort: Cohort::of(vec![patient]),
            confirmed_members: None,
            choices,
            receiver: None,
            selection: None,
            output: OutputOptions {
                one_document_per_file: client.is_some_and(|client| client.one_document_per_file),
                inline_attachments_bytes: client.map_or(0, |client| client.inline_attachments_bytes),
                ..OutputOptions::default()
            },
        },
        owner,
    };
    let started = start(new, &*state.jobs, &*state.queue, (&*state.clock, &*state.random));
    let job = state.audit.around(event, started).await?;
    web::request_context::started(job.id());
    let link = interaction_link(&job, &state.settings, &state.keys)?;
    let text = match &link {
        Some(_) => "The export waits for the patient's choices; see the Link header",
        None => "The export has begun; see the Content-Location header",
    };
    let mut response = notice(StatusCode::ACCEPTED, text);
    let location = HeaderValue::from_str(&status_url(&state.settings, &job)).map_err(Error::internal)?;
    response.headers_mut().insert(CONTENT_LOCATION, location);
    response.headers_mut().extend(link.map(|link| (LINK, link)));
    Ok(response)
}

/// Returns the choices of the body; `None` if there is no body, or if its Parameters resource has no parameter.
fn choices(content: Content) -> Result<Option<Choices>> {
    match content {
        Content::Empty => Ok(None),
        Content::Json(parameters) => Ok(domain::choices::reading::from_parameters(&parameters)?),
        Content::Form(_) => {
            Err(Error::UnsupportedMediaType("the body must be a FHIR Parameters resource".to_owned()))
        }
    }
}
