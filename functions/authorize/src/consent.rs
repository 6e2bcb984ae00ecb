//! `/authorize-app`: the patient allows or refuses access. If the patient allows it, the server creates an authorization code that is bound
//! to the app, its redirect URI and its PKCE challenge.

use axum::extract::State;
use axum::response::Response;
use crypto::fingerprint;
use domain::audit::{Action, Actor, Event};
use domain::error::{Error, Result};
use domain::ids::PatientId;
use domain::patient::summary;
use domain::ports::expiring::EntryKind;
use http::StatusCode;
use serde_json::json;
use url::Url;
use web::describe::Parameter;
use web::extract::{Query, SameSiteForm};
use web::pages::ConsentPage;
use web::patient_session::CurrentPatient;
use web::request_context;
use web::respond::{FormRedirect, PageError, found, html};
use web::scope_words::scopes_in_words;

use crate::launch::response_url;
use crate::{AuthorizationRequest, Authorize, CODE_LIFETIME, CodeGrant, SignIn};

pub(crate) const REQUEST: Parameter = Parameter::query("request", "The app's request");
pub(crate) const DECISION: Parameter =
    Parameter::field("decision", "allow: the patient agrees; every other value is a refusal");

pub(crate) async fn show(
    State(state): State<Authorize>,
    patient: CurrentPatient,
    query: Query,
) -> Result<Response, PageError> {
    let request = query.get("request").unwrap_or_default();
    let (_, pending) = state.pending(request).await?;
    let patient = signed_in(patient, &pending)?;
    let named = summary(&*state.records, &patient).await?;
    let name = named.map_or_else(|| patient.to_string(), |named| named.name);
    let app = state.app_name(&pending);
    let words = request_context::words();
    let organization = state.settings.pages.organization.clone();
    let organization = organization.unwrap_or_else(|| words.text("this-organization", &[]));
    let host = Url::parse(&pending.redirect_uri).ok();
    let host = host.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| app.clone());
    let page = ConsentPage {
        title: words.text("consent-title", &[("app", &app)]),
        you: words.text("consent-you", &[("name", &name)]),
        may: words.text("consent-may", &[("app", &app)]),
        scopes: scopes_in_words(&pending.scopes, &words),
        goes: words.text("consent-goes", &[("app", &app), ("org", &organization), ("host", &host)]),
        request: request.to_owned(),
        sign_in: format!("/patient-login?request={request}"),
    };
    let response = html(StatusCode::OK, &page);
    // Chromium checks a redirect after a form against the policy of the page with the form.
    Ok(match FormRedirect::app(&pending.redirect_uri) {
        Some(redirect) => redirect.add_to(response),
        None => response,
    })
}

pub(crate) async fn submit(
    State(state): State<Authorize>,
    patient: CurrentPatient,
    SameSiteForm(form): SameSiteForm,
) -> Result<Response, PageError> {
    let request = form.get("request");
    let (_, pending) = state.pending(request).await?;
    let patient = signed_in(patient, &pending)?;
    let is_allowed = form.get("decision") == "allow";
    let action = if is_allowed { Action::ConsentGiven } else { Action::ConsentDenied };
    let event = Event::new(Actor::patient(&patient), action).of_patient(&patient);
    // A request can be decided only once, and only after the decision is recorded. If it cannot be recorded, the patient can try again.
    let decided = async {
        let taken = state.expiring.take(EntryKind::Authorization, &fingerprint(request)).await?;
        taken.map(|_| ()).ok_or_else(|| Error::conflict("this request was already decided in another window"))
    };
    state.audit.around(event.about(pending.client.as_str()), decided).await?;
    let app_state = pending.state.clone();
    let redirect_uri = pending.redirect_uri.clone();
    if !is_allowed {
        let denied = [("error", "access_denied"), ("error_description", "the patient did not agree")];
        return Ok(found(&response_url(&redirect_uri, &denied, app_state.as_deref())?));
    }
    let code = state.random.secret();
    let grant = CodeGrant {
        client: pending.client,
        redirect_uri: pending.redirect_uri,
        scopes: pending.scopes,
        challenge: pending.challenge,
        sign_in: SignIn { patient, base: pending.base, at: pending.signed_in_at, nonce: pending.nonce },
        listed: true,
    };
    let (family, expires_at) = (fingerprint(&code), state.after(CODE_LIFETIME)?);
    state.begin_family(&family, &grant.client, &grant.scopes, &grant.sign_in, expires_at).await?;
    state.expiring.put(EntryKind::Code, &family, json!(grant), expires_at).await?;
    Ok(found(&response_url(&redirect_uri, &[("code", &code)], app_state.as_deref())?))
}

/// Returns the patient who signed in for this request in this browser.
fn signed_in(CurrentPatient(patient): CurrentPatient, pending: &AuthorizationRequest) -> Result<PatientId> {
    let patient = patient.filter(|patient| pending.patient.as_ref() == Some(patient));
    patient.ok_or(Error::Unauthorized("sign in first"))
}

impl Authorize {
    /// Returns the name of the app, or its client id if it has no name.
    pub(crate) fn app_name(&self, pending: &AuthorizationRequest) -> String {
        let client = self.settings.client(pending.client.as_str());
        client.and_then(|client| client.name.clone()).unwrap_or_else(|| pending.client.to_string())
    }
}
