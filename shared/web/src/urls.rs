//! URLs and headers that several functions hand out.

use domain::error::{Error, Result};
use domain::job::{Job, JobHeader, Owner};
use http::HeaderValue;
use jiff::Timestamp;
use security::keys::Keys;
use settings::{Client, LinkStyle, Settings};

/// Where a job's client asks how far it is.
pub fn status_url(settings: &Settings, job: &Job) -> String {
    settings.url(&job.header().request.dialect().status_path(job.id()))
}

/// The registered client that a job belongs to.
pub fn client_of<'s>(settings: &'s Settings, owner: &Owner) -> Option<&'s Client> {
    settings.client(owner.client.as_str()).filter(|_| owner.issuer.is_none())
}

/// The `Link` header with the form's address, while the form is to be filled in (Argonaut EHI API, kick-off).
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

/// A time as HTTP spells it (RFC 9110, 5.6.7).
pub fn http_date(at: Timestamp) -> Result<HeaderValue> {
    HeaderValue::from_str(&httpdate::fmt_http_date(at.into())).map_err(Error::internal)
}
