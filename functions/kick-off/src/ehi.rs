//! `POST {base}/Patient/{patient}/$ehi-export` (contract, section 1).
#![expect(clippy::disallowed_types, reason = "an extractor")]

use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::response::Response;
use domain::choices::Choices;
use domain::error::{Error, NO_PATIENT, Result};
use domain::ids::PatientId;
use domain::request::{Base, Cohort, ExportRequest, OutputOptions, SandboxShortcut};
use http::header::{CONTENT_LOCATION, LINK};
use http::{HeaderValue, StatusCode};
use platform::exports::{NewExport, patient_of_job};
use security::verify::{Caller, EhiAccess};
use serde_json::json;
use web::ApiError;
use web::caller::Bearer;
use web::extract::{Content, PatientPath, Query, Unread};
use web::respond::notice;
use web::urls::{client_of, interaction_link, status_url};

use crate::KickOff;
use crate::headers::idempotency_key;
use crate::parameters::short;

/// The content of a kick-off request.
pub(crate) struct EhiKickoff {
    idempotency_key: Option<String>,
    /// `None` if there is no body, or if its Parameters resource has no parameter.
    choices: Option<Choices>,
}

impl FromRequest<()> for EhiKickoff {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &()) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let query = Query::from_request_parts(&mut parts, state).await?;
        // `_format` is FHIR's parameter for the format of the response.
        if let Some(name) = query.fields().names().find(|name| *name != "_format") {
            let text = format!("'{}' is not a parameter of this operation", short(name));
            return Err(Error::invalid(text).into());
        }
        let idempotency_key = idempotency_key(&parts)?;
        let choices = match Content::of(Request::from_parts(parts, body)).await? {
            Content::Empty => None,
            Content::Json(parameters) => {
                domain::choices::reading::from_parameters(&parameters).map_err(Error::from)?
            }
            Content::Form(_) => {
                let text = "the body must be a FHIR Parameters resource".to_owned();
                return Err(Error::UnsupportedMediaType(text).into());
            }
        };
        Ok(Self { idempotency_key, choices })
    }
}

pub(crate) async fn export(
    shortcut: SandboxShortcut,
    base: Base,
    State(state): State<KickOff>,
    Bearer(caller): Bearer,
    PatientPath(patient): PatientPath,
    request: Unread<EhiKickoff>,
) -> Result<Response, ApiError> {
    let is_internal = is_internal(&caller, &patient)?;
    // The caller is authorized before the query and the body are checked.
    let EhiKickoff { idempotency_key, choices } = request.read().await?;
    let form = choices.is_none() && !is_internal && !shortcut.no_form;
    let new = state.new_ehi_export(&caller, (shortcut, base), patient, choices).await?;
    let new = NewExport { form, ..new };
    let content = json!(new.request.choices).to_string();
    let started = state.begin_once(new, idempotency_key.as_deref(), &content);
    let job = Box::pin(started).await?;
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

/// Returns whether the caller is a system, whose exports need no form; an error if the caller may not export this patient.
fn is_internal(caller: &Caller, patient: &PatientId) -> Result<bool> {
    match caller.may_export_ehi(patient) {
        EhiAccess::Patient => Ok(false),
        EhiAccess::System => Ok(true),
        EhiAccess::OtherPatient => Err(NO_PATIENT),
        EhiAccess::MissingScope(scope) => Err(Error::Forbidden(format!("the token lacks the scope {scope}"))),
        EhiAccess::LimitedByTags => Err(Error::Forbidden(
            "the token is limited by access/ scopes, but an EHI export always contains everything".to_owned(),
        )),
    }
}

impl KickOff {
    /// Returns the export of a patient, with the registered options of the client and without a form.
    async fn new_ehi_export(
        &self,
        caller: &Caller,
        (shortcut, base): (SandboxShortcut, Base),
        patient: PatientId,
        choices: Option<Choices>,
    ) -> Result<NewExport> {
        let summary = patient_of_job(&*self.records, &patient, &self.settings, self.clock.now()).await?;
        let summary = summary.ok_or(NO_PATIENT)?;
        let owner = caller.owner();
        let client = client_of(&self.settings, &owner);
        let url = format!("{}{}/Patient/{patient}/$ehi-export", shortcut.path, base.path());
        let request = ExportRequest {
            url: self.settings.url(&url),
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
        };
        Ok(NewExport {
            id: None,
            owner,
            patient: Some(summary),
            request,
            form: false,
            review: self.settings.review && !shortcut.auto_approve,
            request_id: web::request_context::request_id(),
            by_patient: caller.is_patient,
            language: None,
        })
    }
}
