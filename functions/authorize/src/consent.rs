//! `/authorize-app`: the patient allows or refuses access. If the patient allows it, the server creates an authorization code that is bound
//! to the app, its redirect URI and its PKCE challenge.

use axum::extract::State;
use axum::response::Response;
use crypto::fingerprint;
use domain::audit::{Action, Actor, Event};
use domain::error::{Error, Result};
use domain::ids::PatientId;
use domain::patient::summary;
use domain::ports::expiring::{EntryKind, ExpiringEntry};
use http::StatusCode;
use serde_json::json;
use url::Url;
use web::describe::Parameter;
use web::extract::{Query, SameSiteForm};
use web::pages::ConsentPage;
use web::patient_session::{CurrentPatient, SignedIn};
use web::request_context;
use web::respond::{FormRedirect, PageError, found, html};
use web::scope_words::scopes_in_words;

use crate::launch::response_url;
use crate::login::DECIDED;
use crate::{AuthorizationRequest, Authorize, CODE_LIFETIME, CodeGrant, REPEAT, SignIn};

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
    let Some(SignedIn { session, .. }) = signed_in(patient, &pending) else {
        return Ok(state.to_sign_in(request));
    };
    let named = summary(&*state.records, &session.patient).await?;
    let name = named.map_or_else(|| session.patient.to_string(), |named| named.name);
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
    let (entry, pending) = state.request(request).await?;
    let Some(signed_in) = signed_in(patient, &pending) else { return Ok(state.to_sign_in(request)) };
    if let Some(was_allowed) = pending.is_allowed {
        // A second click redirects to the same page as the first one.
        return Ok(state.to_app(request, &pending, was_allowed)?);
    }
    let is_allowed = form.get("decision") == "allow";
    let action = if is_allowed { Action::ConsentGiven } else { Action::ConsentDenied };
    let patient = signed_in.session.patient.clone();
    let event = Event::new(Actor::patient(&patient), action).of_patient(&patient);
    let decided = async {
        // The code exists before the decision. If a step fails, the patient can press the button again, and nobody knows the code yet.
        if is_allowed {
            state.grant(request, &pending, signed_in).await?;
        }
        state.decide(request, entry, &pending, is_allowed).await
    };
    // A request can be decided only once, and only after the decision is recorded. If it cannot be recorded, the patient can try again.
    let (decided, is_allowed) = match state.audit.around(event.about(pending.client.as_str()), decided).await
    {
        // If two clicks arrive at the same time, the other one has decided.
        Err(error @ Error::Conflict(_)) => {
            let (_, decided) = state.request(request).await?;
            let was_allowed = decided.is_allowed.filter(|_| decided.patient == pending.patient);
            (decided, was_allowed.ok_or(error)?)
        }
        done => done.map(|()| (pending, is_allowed))?,
    };
    if !is_allowed {
        // Another click may have created the code.
        state.withdraw(request, &decided).await?;
    }
    Ok(state.to_app(request, &decided, is_allowed)?)
}

/// Returns the session of the patient who signed in for this request in this browser.
fn signed_in(CurrentPatient(current): CurrentPatient, pending: &AuthorizationRequest) -> Option<SignedIn> {
    current.filter(|current| pending.patient.as_ref() == Some(&current.session.patient))
}

impl Authorize {
    /// Redirects to the sign-in page. After signing in, the patient returns to the request.
    fn to_sign_in(&self, request: &str) -> Response {
        found(&self.settings.url(&format!("/patient-login?request={request}")))
    }

    /// Stores the decision about a request. The request stays for a short time, for a second click.
    async fn decide(
        &self,
        request: &str,
        entry: ExpiringEntry,
        pending: &AuthorizationRequest,
        is_allowed: bool,
    ) -> Result<()> {
        let decided = AuthorizationRequest { is_allowed: Some(is_allowed), ..pending.clone() };
        let decided = ExpiringEntry { value: json!(decided), expires_at: self.after(REPEAT)?, ..entry };
        match self.expiring.replace(EntryKind::Authorization, &fingerprint(request), &decided).await? {
            true => Ok(()),
            false => Err(Error::conflict(DECIDED)),
        }
    }

    /// Creates the authorization and its code. Those of an attempt that failed get the lifetime of new ones.
    async fn grant(&self, request: &str, pending: &AuthorizationRequest, by: SignedIn) -> Result<()> {
        let (family, expires_at) = (fingerprint(&self.code(request, pending)), self.after(CODE_LIFETIME)?);
        let pending = pending.clone();
        let grant = CodeGrant {
            client: pending.client,
            redirect_uri: pending.redirect_uri,
            scopes: pending.scopes,
            challenge: pending.challenge,
            sign_in: SignIn {
                patient: by.session.patient,
                base: pending.base,
                at: pending.signed_in_at,
                nonce: pending.nonce,
                method: by.session.method,
                session: Some(by.key),
            },
            listed: true,
        };
        self.begin_family(&family, &grant.client, &grant.scopes, &grant.sign_in, expires_at).await?;
        self.store_consent(EntryKind::Code, &family, json!(grant), expires_at).await
    }

    /// Removes what [`Self::grant`] has created for a request that was refused in the end.
    async fn withdraw(&self, request: &str, refused: &AuthorizationRequest) -> Result<()> {
        let family = fingerprint(&self.code(request, refused));
        self.expiring.take(EntryKind::Code, &family).await?;
        self.expiring.take(EntryKind::Family, &family).await?;
        Ok(())
    }

    /// Returns the code of a request. It depends on the sign-in, so that the code of an attempt that failed is not that of another patient
    /// who signs in for the same request.
    fn code(&self, request: &str, pending: &AuthorizationRequest) -> String {
        let patient = pending.patient.as_ref().map_or("", PatientId::as_str);
        self.keys.authorization_code(&format!("{request} of {patient} at {}", pending.signed_in_at))
    }

    /// Redirects to the app with the code, or with the refusal.
    fn to_app(&self, request: &str, decided: &AuthorizationRequest, is_allowed: bool) -> Result<Response> {
        let code = self.code(request, decided);
        let fields: &[(&str, &str)] = match is_allowed {
            true => &[("code", &code)],
            false => &[("error", "access_denied"), ("error_description", "the patient did not agree")],
        };
        Ok(found(&response_url(&decided.redirect_uri, fields, decided.state.as_deref())?))
    }

    /// Returns the name of the app, or its client id if it has no name.
    pub(crate) fn app_name(&self, pending: &AuthorizationRequest) -> String {
        let client = self.settings.client(pending.client.as_str());
        client.and_then(|client| client.name.clone()).unwrap_or_else(|| pending.client.to_string())
    }
}
