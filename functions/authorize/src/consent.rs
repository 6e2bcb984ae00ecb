//! `/authorize-app`: the patient agrees or not. Agreeing makes a code, bound to the app, its address and its challenge.

use axum::extract::State;
use axum::response::Response;
use crypto::fingerprint;
use domain::error::{Error, Result};
use domain::ids::PatientId;
use domain::patient::summary;
use domain::ports::expiring::EntryKind;
use domain::scopes::Scopes;
use http::StatusCode;
use serde_json::json;
use web::describe::Parameter;
use web::extract::{Query, SameSiteForm};
use web::pages::ConsentPage;
use web::respond::{PageError, found, html};
use web::session::CurrentPatient;

use crate::launch::answer_url;
use crate::{AuthorizationRequest, Authorize, CODE_LIFETIME, CodeGrant, SignIn};

pub(crate) const REQUEST: Parameter = Parameter::query("request", "The app's request");
pub(crate) const DECISION: Parameter = Parameter::field("decision", "allow, or anything else to refuse");

pub(crate) async fn show(
    State(state): State<Authorize>,
    patient: CurrentPatient,
    query: Query,
) -> Result<Response, PageError> {
    let request = query.get("request").unwrap_or_default();
    let (_, pending) = state.pending(request).await?;
    let patient = signed_in(patient, &pending)?;
    let named = summary(&*state.records, &patient).await?;
    let client = state.settings.client(pending.client.as_str());
    Ok(html(
        StatusCode::OK,
        &ConsentPage {
            client: client
                .and_then(|client| client.name.clone())
                .unwrap_or_else(|| pending.client.to_string()),
            patient: named.map_or_else(|| patient.to_string(), |named| named.name),
            request: request.to_owned(),
            scopes: in_words(&pending.scopes),
            redirect_origin: settings::origin_of(&pending.redirect_uri).unwrap_or_default(),
        },
    ))
}

pub(crate) async fn submit(
    State(state): State<Authorize>,
    patient: CurrentPatient,
    SameSiteForm(form): SameSiteForm,
) -> Result<Response, PageError> {
    let request = form.get("request");
    let (_, pending) = state.pending(request).await?;
    let patient = signed_in(patient, &pending)?;
    // A request is decided once.
    if state.expiring.take(EntryKind::Authorization, &fingerprint(request)).await?.is_none() {
        return Err(Error::conflict("this request was answered in another window").into());
    }
    let app_state = pending.state.clone();
    let redirect_uri = pending.redirect_uri.clone();
    if form.get("decision") != "allow" {
        let denied = [("error", "access_denied"), ("error_description", "the patient did not agree")];
        return Ok(found(&answer_url(&redirect_uri, &denied, app_state.as_deref())?));
    }
    let code = state.random.secret();
    let grant = CodeGrant {
        client: pending.client,
        redirect_uri: pending.redirect_uri,
        scopes: pending.scopes,
        challenge: pending.challenge,
        sign_in: SignIn { patient, base: pending.base, at: pending.signed_in_at, nonce: pending.nonce },
    };
    state
        .expiring
        .put(EntryKind::Code, &fingerprint(&code), json!(grant), state.after(CODE_LIFETIME)?)
        .await?;
    Ok(found(&answer_url(&redirect_uri, &[("code", &code)], app_state.as_deref())?))
}

/// The patient who signed in for this request, in this very browser.
fn signed_in(CurrentPatient(patient): CurrentPatient, pending: &AuthorizationRequest) -> Result<PatientId> {
    let patient = patient.filter(|patient| pending.patient.as_ref() == Some(patient));
    patient.ok_or(Error::Unauthorized("sign in first"))
}

/// What the scopes mean, for the patient.
fn in_words(scopes: &Scopes) -> Vec<String> {
    let line = |word: String| match word.as_str() {
        "patient/$ehi-export" => "export your complete health record".to_owned(),
        "offline_access" => "do so later, when you are not there, until you revoke it".to_owned(),
        "online_access" => "do so while you are signed in".to_owned(),
        "launch/patient" => "know which patient you are".to_owned(),
        "openid" | "fhirUser" | "profile" => "know who you are".to_owned(),
        word if word.starts_with("access/") => format!("only what carries a label of {word}"),
        "patient/Patient.r" | "patient/Patient.rs" | "patient/Patient.read" => {
            "read who you are and how to reach you".to_owned()
        }
        _ => word,
    };
    scopes.words().map(line).collect()
}
