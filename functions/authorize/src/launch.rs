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
use web::describe::Parameter;
use web::extract::{Form, Query, field};
use web::respond::{PageError, found};

use crate::request::scope_too_long;
use crate::{AuthorizationRequest, Authorize, REQUEST_LIFETIME, repeated};

/// The parameters of an app's request (RFC 6749, 4.1.1; RFC 7636, 4.3; SMART App Launch 2.2; OpenID Connect Core 1.0, 3.1.2.1).
pub(crate) const PARAMETERS: [Parameter; 12] = [
    Parameter::query("response_type", "code"),
    Parameter::query("client_id", "The client id of the app"),
    Parameter::query("redirect_uri", "The URI to which the code is sent; the app must have registered it"),
    Parameter::query("scope", "The scopes that the app requests from the patient"),
    Parameter::query("state", "A value by which the app recognizes its request"),
    Parameter::query("aud", "A FHIR base URL of this server"),
    Parameter::query(
        "code_challenge",
        "The code challenge: the SHA-256 digest of the code verifier (RFC 7636)",
    ),
    Parameter::query("code_challenge_method", "S256"),
    Parameter::query("nonce", "A value by which the app recognizes its ID token"),
    Parameter::query("prompt", "none is refused, because the patient must always sign in"),
    Parameter::query("request", "Not supported"),
    Parameter::query("request_uri", "Not supported"),
];

/// The maximum length of a `nonce` in bytes.
const MAX_NONCE: usize = 512;
/// The maximum length of a `state` in bytes.
const MAX_STATE: usize = 2 * 1024;
/// The maximum length of a `redirect_uri` in bytes. The query of an app's URI may vary.
const MAX_REDIRECT_URI: usize = 2 * 1024;

pub(crate) async fn by_query(state: State<Authorize>, query: Query) -> Result<Response, PageError> {
    authorize(state, query.0).await
}

pub(crate) async fn by_form(state: State<Authorize>, Form(fields): Form) -> Result<Response, PageError> {
    authorize(state, fields).await
}

async fn authorize(
    State(state): State<Authorize>,
    fields: Vec<(String, String)>,
) -> Result<Response, PageError> {
    let get = |name: &str| {
        debug_assert!(PARAMETERS.iter().any(|known| known.name == name), "'{name}' is not declared");
        field(&fields, name).filter(|value| !value.is_empty())
    };
    let repeated = repeated(&fields);
    if let Some(name @ ("client_id" | "redirect_uri")) = repeated {
        return Err(Error::invalid(format!("'{name}' is given more than once")).into());
    }
    // The client and its redirect URI are checked first, because errors must not be sent to an unregistered URI.
    let client = get("client_id").and_then(|id| state.settings.client(id));
    let client = client.ok_or_else(|| Error::invalid("'client_id' is not registered here"))?;
    let redirect_uri = get("redirect_uri");
    if redirect_uri.is_some_and(|uri| uri.len() > MAX_REDIRECT_URI) {
        let text = format!("'redirect_uri' has more than {MAX_REDIRECT_URI} bytes; the app must shorten it");
        return Err(Error::invalid(text).into());
    }
    let redirect_uri = redirect_uri.filter(|uri| client.allows_redirect(uri));
    let redirect_uri =
        redirect_uri.ok_or_else(|| Error::invalid("'redirect_uri' is not registered for this app"))?;
    let is_ambiguous = fields.iter().filter(|(name, _)| name == "state").count() > 1;
    // A state that is too long is not repeated in the error.
    let app_state = get("state").filter(|state| !is_ambiguous && state.len() <= MAX_STATE);
    let checked = match repeated {
        Some(_) => Err(("invalid_request", "a parameter is given more than once".to_owned())),
        None => check(&state, client, &get),
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
        challenge: get("code_challenge").map(str::to_owned),
        base: get("aud").map(|aud| aud.trim_end_matches('/').to_owned()),
        nonce: get("nonce").map(str::to_owned),
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
fn check<'f>(
    state: &Authorize,
    client: &Client,
    get: &impl Fn(&str) -> Option<&'f str>,
) -> Result<Scopes, (&'static str, String)> {
    let invalid = |text: &str| ("invalid_request", text.to_owned());
    if get("response_type") != Some("code") {
        return Err(("unsupported_response_type", "'response_type' must be code".to_owned()));
    }
    if get("state").is_none() && !client.state_optional {
        return Err(invalid("'state' is missing: the app recognizes its own request by it"));
    }
    if get("state").is_some_and(|state| state.len() > MAX_STATE) {
        return Err(("invalid_request", format!("'state' has more than {MAX_STATE} bytes")));
    }
    if get("nonce").is_some_and(|nonce| nonce.len() > MAX_NONCE) {
        return Err(invalid("'nonce' is too long"));
    }
    if get("request").is_some() || get("request_uri").is_some() {
        let code =
            if get("request").is_some() { "request_not_supported" } else { "request_uri_not_supported" };
        return Err((code, "parameters must be in the request itself".to_owned()));
    }
    // The sign-in page is always shown, so `prompt=none` cannot succeed (OpenID Connect Core 1.0, 3.1.2.1).
    if get("prompt").is_some_and(|prompt| prompt.split(' ').any(|word| word == "none")) {
        return Err(("login_required", "the patient must sign in".to_owned()));
    }
    match get("aud") {
        Some(aud) if state.settings.is_fhir_base(aud) => {}
        Some(_) => return Err(invalid("'aud' is not a FHIR base URL of this server")),
        None => return Err(invalid("'aud' is missing: the FHIR base URL of this server")),
    }
    match (get("code_challenge"), get("code_challenge_method")) {
        (Some(challenge), Some("S256")) if (43..=128).contains(&challenge.len()) => {}
        (Some(_), Some("S256")) => return Err(invalid("'code_challenge' is not the digest of a verifier")),
        (Some(_), _) => return Err(invalid("'code_challenge_method' must be S256")),
        (None, _) if client.is_public() => {
            return Err(invalid("'code_challenge' is missing: public apps must use PKCE"));
        }
        (None, _) => {}
    }
    let requested = get("scope").unwrap_or_default();
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
