//! URLs and headers that several functions return.

use domain::error::{Error, Result};
use domain::header::JobHeader;
use domain::ids::PatientId;
use domain::job::Job;
use domain::owner::Owner;
use domain::request::Base;
use http::HeaderValue;
use jiff::Timestamp;
use security::keys::Keys;
use settings::{Client, LinkStyle, OWN_PAGES, Settings};

/// Returns the URL at which the client polls the status of a job.
pub fn status_url(settings: &Settings, job: &Job) -> String {
    settings.url(&job.header().request.dialect().status_path(job.id()))
}

/// Returns the registered client that started a job; `None` if another server issued the token.
pub fn client_of<'s>(settings: &'s Settings, owner: &Owner) -> Option<&'s Client> {
    settings.client(owner.client.as_str()).filter(|_| owner.issuer.is_none())
}

/// Returns the path of the form with which a patient asks for a copy without an app.
pub fn ask_path(patient: &PatientId) -> String {
    format!("{}/Patient/{patient}/$ehi-export/customize?client_id={OWN_PAGES}", Base::Fhir.path())
}

/// Returns the `Link` header with the URL of the form; `None` unless the job waits for the form (Argonaut EHI API, kick-off).
pub fn interaction_link(job: &Job, settings: &Settings, keys: &Keys) -> Result<Option<HeaderValue>> {
    let Job::AwaitingInput(state) = job else { return Ok(None) };
    let JobHeader { id, owner, patient, .. } = &state.header;
    let patient = patient.as_ref().map_or("", |patient| patient.id.as_str());
    let url = settings.url(&format!("/jobs/{id}/customize?_patient={patient}&code={}", keys.form_code(id)));
    let style = client_of(settings, owner).map(|client| client.link_style).unwrap_or_default();
    let text = match style {
        LinkStyle::Angle => format!("<{url}>; rel=\"patient-interaction\""),
        LinkStyle::Bare => format!("{url}; rel=\"patient-interaction\""),
    };
    HeaderValue::from_str(&text).map(Some).map_err(Error::internal)
}

/// Formats a time as HTTP does (RFC 9110, 5.6.7).
pub fn http_date(at: Timestamp) -> Result<HeaderValue> {
    HeaderValue::from_str(&httpdate::fmt_http_date(at.into())).map_err(Error::internal)
}
