//! The form before any job: a patient who is signed in chooses, and the export begins with the choices as
//! its Parameters. It belongs to the app that `client_id` names, which finds it by `GET /jobs`.

use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use domain::choices::reading::{from_form, from_parameters, to_parameters};
use domain::error::{Error, NO_PATIENT, Result};
use domain::ids::PatientId;
use domain::job::Owner;
use domain::patient::summary;
use domain::request::{Base, Cohort, ExportRequest, OutputOptions};
use domain::scopes::ScopeLevel;
use http::StatusCode;
use http::request::Parts;
use platform::exports::{NewExport, start};
use settings::Client;
use web::extract::{PatientPath, Query, SameSiteForm};
use web::pages::FormPage;
use web::respond::{PageError, found, html, see_other};
use web::session::{Cookies, PATIENT, PatientSession, current};

use crate::{Customize, allowed_return, done};

/// The patient of the address, who is signed in. Whoever only looks is sent to sign in; others are 401.
pub(crate) struct SignedInPatient(PatientId);

impl FromRequestParts<Customize> for SignedInPatient {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &Customize) -> Result<Self, Response> {
        let named = PatientPath::from_request_parts(parts, state).await.ok();
        let cookies = Cookies::of(&parts.headers);
        let session = current::<PatientSession>(PATIENT, &cookies, &*state.expiring, &*state.clock).await;
        let session = session.map_err(|error| PageError(error).into_response())?;
        match named.zip(session) {
            Some((PatientPath(named), session)) if named == session.patient => Ok(Self(named)),
            _ if parts.method.is_safe() => Err(state.to_sign_in(parts)),
            _ => Err(PageError(Error::Unauthorized("sign in as the patient first")).into_response()),
        }
    }
}

pub(crate) async fn show(
    base: Base,
    State(state): State<Customize>,
    SignedInPatient(patient): SignedInPatient,
    query: Query,
) -> Result<Response, PageError> {
    let client = state.client(query.get("client_id"))?;
    let summary = summary(&*state.records, &patient).await?.ok_or(NO_PATIENT)?;
    let redirect = query.get("redirect").filter(|text| !text.is_empty());
    let redirect = redirect.map(|text| allowed_return(text, Some(client))).transpose()?;
    Ok(html(StatusCode::OK, &form_page(summary.name, &path(base, &patient), client, redirect)))
}

/// The form's path.
fn path(base: Base, patient: &PatientId) -> String {
    format!("{}/Patient/{patient}/$ehi-export/customize", base.path())
}

fn form_page(patient: String, path: &str, client: &Client, redirect: Option<String>) -> FormPage {
    let mut hidden = vec![("client_id", client.id.to_string())];
    hidden.extend(redirect.map(|redirect| ("redirect", redirect)));
    FormPage::new(patient, path.to_owned(), hidden)
}

pub(crate) async fn submit(
    base: Base,
    State(state): State<Customize>,
    SignedInPatient(patient): SignedInPatient,
    query: Query,
    SameSiteForm(form): SameSiteForm,
) -> Result<Response, PageError> {
    let client = state.client(form.find("client_id").or(query.get("client_id")))?;
    let redirect = form.find("redirect").filter(|text| !text.is_empty());
    let redirect = redirect.map(|text| allowed_return(text, Some(client))).transpose()?;
    let summary = summary(&*state.records, &patient).await?.ok_or(NO_PATIENT)?;
    let choices = match from_form(&form.0, &["client_id", "redirect"]) {
        Ok(choices) => choices,
        Err(problem) => {
            let page =
                form_page(summary.name, &path(base, &patient), client, redirect).again(&form.0, &problem);
            return Ok(html(StatusCode::BAD_REQUEST, &page));
        }
    };
    let new = NewExport {
        id: None,
        owner: Owner::new(client.id.clone(), None, Some(patient.clone()), &format!("Patient/{patient}")),
        patient: Some(summary),
        request: ExportRequest {
            url: state.settings.url(&format!("{}/Patient/{patient}/$ehi-export", base.path())),
            base,
            cohort: Cohort::of(vec![patient]),
            // The same reading as the kick-off's of a Parameters body.
            choices: from_parameters(&to_parameters(&choices))?,
            selection: None,
            output: OutputOptions {
                one_document_per_file: client.one_document_per_file,
                inline_attachments_bytes: client.inline_attachments_bytes,
                ..OutputOptions::default()
            },
        },
        form: false,
        review: state.settings.review,
        request_id: web::request_context::request_id(),
    };
    let job = start(new, &*state.jobs, &*state.queue, (&*state.clock, &*state.random)).await?;
    web::request_context::started(job.id());
    Ok(redirect.map_or_else(|| done(&job), |redirect| see_other(&redirect)))
}

impl Customize {
    /// The sign-in page, which leads back to what was asked for.
    fn to_sign_in(&self, asked: &Parts) -> Response {
        let next = asked.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", &next).finish();
        found(&self.settings.url(&format!("/patient-login?{query}")))
    }

    /// The app that the export is for; the only one that there is need not be named.
    fn client(&self, id: Option<&str>) -> Result<&Client> {
        let mut able = self
            .settings
            .clients
            .iter()
            .filter(|client| client.scopes.allows_operation(ScopeLevel::Patient, "$ehi-export"))
            // An EHI export cannot be limited by tags, and the client could not read it.
            .filter(|client| client.scopes.access_tags().is_none());
        let client = match id {
            Some(id) => able.find(|client| client.id.as_str() == id),
            None => able.next().filter(|_| able.next().is_none()),
        };
        client.ok_or_else(|| Error::invalid("'client_id' must name an app that may export records"))
    }
}
