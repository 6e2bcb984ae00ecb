//! `/auth/authorize`, by GET and by POST: checks an app's authorization request and redirects the patient to the sign-in page (SMART App
//! Launch 2.2, request authorization code; RFC 6749, 4.1.1).

use axum::extract::State;
use axum::response::Response;
use crypto::fingerprint;
use domain::error::{Error, Result};
use domain::ports::expiring::EntryKind;
use domain::scopes::{MAX_REQUESTED, Scopes};
use serde_json::json;
use settings::Client;
use url::Url;
use web::respond::{PageError, found};

use crate::parameters::AuthorizeParameters;
use crate::request::scope_too_long;
use crate::{AuthorizationRequest, Authorize, REQUEST_LIFETIME};

/// The maximum length of a `nonce` in bytes.
const MAX_NONCE: usize = 512;
/// The maximum length of a `state` in bytes.
const MAX_STATE: usize = 2 * 1024;
/// The maximum length of a `redirect_uri` in bytes. The query of an app's URI may vary.
const MAX_REDIRECT_URI: usize = 2 * 1024;

pub(crate) async fn authorize(
    State(state): State<Authorize>,
    parameters: AuthorizeParameters,
) -> Result<Response, PageError> {
    let repeated = parameters.repeated.as_deref();
    if let Some(name @ ("client_id" | "redirect_uri")) = repeated {
        return Err(Error::invalid(format!("'{name}' is given more than once")).into());
    }
    // The client and its redirect URI are checked first, because errors must not be sent to an unregistered URI.
    let client = parameters.client_id.as_deref().and_then(|id| state.settings.client(id));
    let client = client.ok_or_else(|| Error::invalid("'client_id' is not registered here"))?;
    let redirect_uri = parameters.redirect_uri.as_deref();
    if redirect_uri.is_some_and(|uri| uri.len() > MAX_REDIRECT_URI) {
        let text = format!("'redirect_uri' has more than {MAX_REDIRECT_URI} bytes; the app must shorten it");
        return Err(Error::invalid(text).into());
    }
    let redirect_uri = redirect_uri.filter(|uri| client.allows_redirect(uri));
    let redirect_uri =
        redirect_uri.ok_or_else(|| Error::invalid("'redirect_uri' is not registered for this app"))?;
    // A state that is too long is not repeated in the error.
    let app_state = parameters.state.as_deref();
    let app_state = app_state.filter(|state| !parameters.is_state_repeated && state.len() <= MAX_STATE);
    let checked = match repeated {
        Some(_) => Err(("invalid_request", "a parameter is given more than once".to_owned())),
        None => check(&state, client, &parameters),
    };
    let scopes = match checked {
        Ok(scopes) => scopes,
        Err((code, description)) => {
            let fields = [("error", code), ("error_description", description.as_str())];
            return Ok(found(&response_url(redirect_uri, &fields, app_state)?));
        }
    };
    let request = AuthorizationRequest {
        client: client.id.clone(),
        redirect_uri: redirect_uri.to_owned(),
        scopes,
        state: app_state.map(str::to_owned),
        challenge: parameters.code_challenge.clone(),
        base: parameters.aud.as_deref().map(|aud| aud.trim_end_matches('/').to_owned()),
        nonce: parameters.nonce.clone(),
        patient: None,
        signed_in_at: 0,
        is_allowed: None,
    };
    let id = state.random.secret();
    let expires_at = state.after(REQUEST_LIFETIME)?;
    state.expiring.put(EntryKind::Authorization, &fingerprint(&id), json!(request), expires_at).await?;
    Ok(found(&state.settings.url(&format!("/patient-login?request={id}"))))
}

/// Returns the scopes to ask the patient for, or an error code and a description for the app.
fn check(
    state: &Authorize,
    client: &Client,
    parameters: &AuthorizeParameters,
) -> Result<Scopes, (&'static str, String)> {
    let invalid = |text: &str| ("invalid_request", text.to_owned());
    let is_too_long = |value: &Option<String>, max| value.as_ref().is_some_and(|value| value.len() > max);
    if parameters.response_type.as_deref() != Some("code") {
        return Err(("unsupported_response_type", "'response_type' must be code".to_owned()));
    }
    if parameters.state.is_none() && !client.state_optional {
        return Err(invalid("'state' is missing: the app recognizes its own request by it"));
    }
    if is_too_long(&parameters.state, MAX_STATE) {
        return Err(("invalid_request", format!("'state' has more than {MAX_STATE} bytes")));
    }
    if is_too_long(&parameters.nonce, MAX_NONCE) {
        return Err(invalid("'nonce' is too long"));
    }
    if parameters.request.is_some() || parameters.request_uri.is_some() {
        let code = match &parameters.request {
            Some(_) => "request_not_supported",
            None => "request_uri_not_supported",
        };
        return Err((code, "parameters must be in the request itself".to_owned()));
    }
    // The sign-in page is always shown, so `prompt=none` cannot succeed (OpenID Connect Core 1.0, 3.1.2.1).
    let prompt = parameters.prompt.as_deref();
    if prompt.is_some_and(|prompt| prompt.split(' ').any(|word| word == "none")) {
        return Err(("login_required", "the patient must sign in".to_owned()));
    }
    match &parameters.aud {
        Some(aud) if state.settings.is_fhir_base(aud) => {}
        Some(_) => return Err(invalid("'aud' is not a FHIR base URL of this server")),
        None => return Err(invalid("'aud' is missing: the FHIR base URL of this server")),
    }
    match (&parameters.code_challenge, parameters.code_challenge_method.as_deref()) {
        (Some(challenge), Some("S256")) if (43..=128).contains(&challenge.len()) => {}
        (Some(_), Some("S256")) => return Err(invalid("'code_challenge' is not the digest of a verifier")),
        (Some(_), _) => return Err(invalid("'code_challenge_method' must be S256")),
        (None, _) if client.is_public() => {
            return Err(invalid("'code_challenge' is missing: public apps must use PKCE"));
        }
        (None, _) => {}
    }
    let requested = parameters.scope.as_deref().unwrap_or_default();
    if requested.len() > MAX_REQUESTED {
        return Err(("invalid_scope", scope_too_long()));
    }
    let scopes = Scopes::parse(requested).narrowed_to(&client.scopes);
    if scopes.is_empty() {
        return Err(("invalid_scope", "none of the scopes is registered for this app".to_owned()));
    }
    Ok(scopes)
}

/// Returns the app's redirect URI with the response in its query.
pub(crate) fn response_url(
    redirect_uri: &str,
    fields: &[(&str, &str)],
    app_state: Option<&str>,
) -> Result<String> {
    let mut url = Url::parse(redirect_uri).map_err(Error::internal)?;
    url.query_pairs_mut().extend_pairs(fields).extend_pairs(app_state.map(|state| ("state", state)));
    Ok(url.into())
}
