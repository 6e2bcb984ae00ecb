//! The parameters of an app's authorization request, in the query of a GET or the form of a POST.
#![expect(clippy::disallowed_types, reason = "an extractor")]

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use web::describe::Parameter;
use web::extract::{Fields, Form, Query};

use crate::MAY_REPEAT;

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

/// The values of [`PARAMETERS`] and what is repeated. An empty value is the same as none.
pub(crate) struct AuthorizeParameters {
    pub(crate) response_type: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) redirect_uri: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) aud: Option<String>,
    pub(crate) code_challenge: Option<String>,
    pub(crate) code_challenge_method: Option<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) prompt: Option<String>,
    pub(crate) request: Option<String>,
    pub(crate) request_uri: Option<String>,
    /// The first parameter that is given more than once.
    pub(crate) repeated: Option<String>,
    pub(crate) is_state_repeated: bool,
}

impl AuthorizeParameters {
    /// Reads the parameters, which `get` finds by their names.
    fn of<'f>(fields: &Fields, get: impl Fn(&str) -> Option<&'f str>) -> Self {
        let get = |name| get(name).filter(|value| !value.is_empty()).map(str::to_owned);
        Self {
            response_type: get("response_type"),
            client_id: get("client_id"),
            redirect_uri: get("redirect_uri"),
            scope: get("scope"),
            state: get("state"),
            aud: get("aud"),
            code_challenge: get("code_challenge"),
            code_challenge_method: get("code_challenge_method"),
            nonce: get("nonce"),
            prompt: get("prompt"),
            request: get("request"),
            request_uri: get("request_uri"),
            repeated: fields.repeated(&MAY_REPEAT).map(str::to_owned),
            is_state_repeated: fields.all("state").nth(1).is_some(),
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for AuthorizeParameters {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        if request.method().is_safe() {
            let (mut parts, _) = request.into_parts();
            let query = Query::from_request_parts(&mut parts, state).await;
            let query = query.map_err(IntoResponse::into_response)?;
            return Ok(Self::of(query.fields(), |name| query.get(name)));
        }
        let form = Form::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        Ok(Self::of(form.fields(), |name| form.find(name)))
    }
}
