//! The form before any job: a patient who is signed in chooses, and the export begins with the choices as
//! its Parameters. It belongs to the app that `client_id` names, which finds it by `GET /jobs`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use domain::choices::reading::{from_form, from_parameters, to_parameters};
use domain::error::{Error, NO_PATIENT, Result};
use domain::ids::PatientId;
use domain::job::Owner;
use domain::patient::summary;
use domain::request::{Base, Cohort, ExportRequest, OutputOptions};
use domain::scopes::ScopeLevel;
use http::{HeaderMap, StatusCode};
use platform::exports::{NewExport, start};
use settings::Client;
use web::ApiError;
use web::extract::{PatientPath, Query, field, read_form};
use web::pages::FormPage;
use web::respond::{PageError, found, html, see_other};
use web::session::{PATIENT, PatientSession, check_origin, current};

use crate::{Customize, allowed_return, done};

pub(crate) async fn show(
    State(state): State<Customize>,
    patient: Result<PatientPath, ApiError>,
    query: Query,
    headers: HeaderMap,
    uri: http::Uri,
) -> Result<Response, PageError> {
    let Some(patient) = state.signed_in(patient, &headers).await? else {
        let next: String = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        let mut login = url::Url::parse(&state.settings.url("/patient-login")).map_err(Error::internal)?;
        login.query_pairs_mut().append_pair("next", &next);
        return Ok(found(login.as_str()));
    };
    let client = state.client(query.get("client_id"))?;
    let patient = summary(&*state.records, &patient).await?.ok_or(NO_PATIENT)?;
    let redirect = query.get("redirect").filter(|text| !text.is_empty());
    let redirect = redirect.map(|text| allowed_return(text, Some(client))).transpose()?;
    Ok(html(StatusCode::OK, &form_page(patient.name, uri.path(), client, redirect)))
}

fn form_page(patient: String, path: &str, client: &Client, redirect: Option<String>) -> FormPage {
    let mut hidden = vec![("client_id", client.id.to_string())];
    hidden.extend(redirect.map(|redirect| ("redirect", redirect)));
    FormPage::new(patient, path.to_owned(), hidden)
}

pub(crate) async fn submit(
    base: Base,
    State(state): State<Customize>,
    patient: Result<PatientPath, ApiError>,
    query: Query,
    headers: HeaderMap,
    uri: http::Uri,
    body: Body,
) -> Result<Response, PageError> {
    let Some(patient) = state.signed_in(patient, &headers).await? else {
        return Err(Error::Unauthorized("sign in as the patient first").into());
    };
    check_origin(&headers, &state.settings)?;
    let fields = read_form(&headers, body).await?;
    let client = state.client(field(&fields, "client_id").or(query.get("client_id")))?;
    let redirect = field(&fields, "redirect").filter(|text| !text.is_empty());
    let redirect = redirect.map(|text| allowed_return(text, Some(client))).transpose()?;
    let summary = summary(&*state.records, &patient).await?.ok_or(NO_PATIENT)?;
    let choices = match from_form(&fields, &["client_id", "redirect"]) {
        Ok(choices) => choices,
        Err(problem) => {
            let page = form_page(summary.name, uri.path(), client, redirect).again(&fields, &problem);
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
    /// The patient of the address, if it is the one who is signed in.
    async fn signed_in(
        &self,
        patient: Result<PatientPath, ApiError>,
        headers: &HeaderMap,
    ) -> Result<Option<PatientId>> {
        let session: Option<PatientSession> =
            current(PATIENT, headers, &*self.expiring, &*self.clock).await?;
        let patient = patient.ok().map(|PatientPath(patient)| patient);
        Ok(patient.filter(|patient| session.is_some_and(|session| session.patient == *patient)))
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
