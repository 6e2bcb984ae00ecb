//! Responses: FHIR resources, JSON, pages, redirects, and errors as an OperationOutcome, a page or the JSON of OAuth.

use askama::Template;
use axum::response::{IntoResponse, Response};
use domain::error::{Error, INVALID_TOKEN};
use fhir::FHIR_JSON;
use fhir::outcome::{information, outcome};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::in_memory::body;
pub use crate::in_memory::ready;
use crate::pages::{ErrorPage, Frame, Wait};

/// The causes of an error, which the host logs and the caller never sees.
#[derive(Debug, Clone)]
pub struct Logged(pub String);

/// The error of a response. The host renders it again: as a page for a browser, as an OperationOutcome for a program, and in the
/// JSON of OAuth for an OAuth client.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    text: String,
    code: &'static str,
    wait: Option<Wait>,
    /// Whether the server has kept what was sent: see [`unkept`].
    is_kept: bool,
}

impl Shown {
    fn of(error: &Error) -> Self {
        Self { text: error.to_string(), code: error.issue_code(), wait: Wait::of(error), is_kept: true }
    }

    fn page(&self, status: StatusCode) -> Response {
        let page = ErrorPage::new(status, &self.text, self.wait);
        html(status, &if self.is_kept { page } else { page.of_unkept_form() })
    }
}

/// The target outside this server that a page's form may redirect to: an origin, or a scheme with its colon.
#[derive(Debug, Clone)]
pub struct FormRedirect(pub String);

impl FormRedirect {
    /// Returns the source expression that a Content Security Policy needs for a redirect to an app's address.
    pub fn app(address: &str) -> Option<Self> {
        let url = url::Url::parse(address).ok()?;
        match settings::origin_of(address) {
            // An app may redirect to another of its hosts, and Chromium checks each of these redirects against the policy.
            Some(origin) if origin.starts_with("https:") => Some(Self("https:".to_owned())),
            Some(origin) => Some(Self(origin)),
            None => Some(Self(format!("{}:", url.scheme()))),
        }
    }

    /// Adds the target to the response, so that the host permits it in the Content Security Policy.
    pub fn add_to(self, mut response: Response) -> Response {
        response.extensions_mut().insert(self);
        response
    }
}

/// Returns the HTTP status of an error (contract, section 7).
pub fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::NotLeftOut { refusal, .. } if refusal.is_by_size() => StatusCode::PAYLOAD_TOO_LARGE,
        Error::Invalid(_) | Error::NotSupported(_) | Error::NotLeftOut { .. } => StatusCode::BAD_REQUEST,
        Error::Unauthorized(_) => StatusCode::UNAUTHORIZED,
        Error::Forbidden(_) => StatusCode::FORBIDDEN,
        Error::NotFound(_) | Error::Dismissed(_) => StatusCode::NOT_FOUND,
        Error::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Error::Conflict(_) => StatusCode::CONFLICT,
        Error::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Error::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Error::NotAcceptable(_) => StatusCode::NOT_ACCEPTABLE,
        Error::RangeNotSatisfiable { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
        Error::Throttled { .. } | Error::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::Reused(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Error::StorageFull(_) => StatusCode::INSUFFICIENT_STORAGE,
        Error::Unavailable(_) | Error::Newer(_) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Damaged(_) | Error::Unbalanced(_) | Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The result of an API handler.
pub type Result<T, E = ApiError> = std::result::Result<T, E>;

/// An error that becomes an OperationOutcome. The host renders it as a page if a browser asks for one.
#[derive(Debug)]
pub struct ApiError(pub Error);

impl<E: Into<Error>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self(error) = self;
        let shown = Shown::of(&error);
        let body = outcome("error", shown.code, &shown.text);
        let mut response = with_error_headers(&error, fhir(status_of(&error), &body));
        response.extensions_mut().insert(shown);
        response
    }
}

/// Renders the error of a response as a page. The status and the headers do not change.
pub(super) fn as_page(response: Response) -> Response {
    rendered(response, |status, shown| shown.page(status))
}

/// Renders the error of a response as an OperationOutcome.
pub(super) fn as_outcome(response: Response) -> Response {
    rendered(response, |status, shown| fhir(status, &outcome("error", shown.code, &shown.text)))
}

/// Renders the error of a response in the JSON of OAuth.
pub(super) fn as_oauth(response: Response) -> Response {
    rendered(response, |status, shown| oauth(status, &shown.text))
}

/// Returns an error for which the specifications of OAuth define no code of their own.
fn oauth(status: StatusCode, text: &str) -> Response {
    let code = match status {
        StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
        StatusCode::UNAUTHORIZED => "invalid_token",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request",
    };
    json(status, &json!({ "error": code, "error_description": text }))
}

fn rendered(response: Response, render: impl FnOnce(StatusCode, &Shown) -> Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let Some(shown) = parts.extensions.get::<Shown>() else { return Response::from_parts(parts, body) };
    let (other, body) = render(parts.status, shown).into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.extend(other.headers);
    Response::from_parts(parts, body)
}

/// An error that becomes a page.
pub struct PageError(pub Error);

impl<E: Into<Error>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        shown_page(&self.0, Shown::of(&self.0))
    }
}

/// Returns the page of an error for a patient's form that was sent at once. The server has kept none of its fields, so the page does not
/// lead to a step of the form, which may have other ones.
pub fn unkept(error: &Error) -> Response {
    shown_page(error, Shown { is_kept: false, ..Shown::of(error) })
}

fn shown_page(error: &Error, shown: Shown) -> Response {
    let mut response = with_error_headers(error, shown.page(status_of(error)));
    response.extensions_mut().insert(shown);
    response
}

/// An error of an OAuth endpoint (RFC 6749, 5.2).
#[derive(Debug)]
pub enum OAuthError {
    /// `invalid_client` for a client whose assertion is not valid. The status is 400 because the client used no scheme of HTTP
    /// authentication.
    Assertion,
    /// One of the specification's codes, and a text for the developer of the client.
    Refused {
        code: &'static str,
        description: String,
    },
    /// 403 for a token without a scope that is needed (RFC 6750, 3.1).
    InsufficientScope(&'static str),
    Other(Error),
}

impl OAuthError {
    pub fn new(code: &'static str, description: impl Into<String>) -> Self {
        Self::Refused { code, description: description.into() }
    }
}

impl<E: Into<Error>> From<E> for OAuthError {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        match self {
            Self::Assertion => {
                let body = json!({
                    "error": "invalid_client", "error_description": "the client did not authenticate",
                });
                json(StatusCode::BAD_REQUEST, &body)
            }
            Self::Refused { code, description } => {
                let status =
                    if code == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
                let mut response = json(status, &json!({ "error": code, "error_description": description }));
                if status == StatusCode::UNAUTHORIZED {
                    // RFC 7617, 2 and 2.1.
                    let challenge =
                        HeaderValue::from_static("Basic realm=\"OAuth clients\", charset=\"UTF-8\"");
                    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                }
                response
            }
            Self::InsufficientScope(text) => json(
                StatusCode::FORBIDDEN,
                &json!({ "error": "insufficient_scope", "error_description": text }),
            ),
            Self::Other(error) => with_error_headers(&error, oauth(status_of(&error), &error.to_string())),
        }
    }
}

/// The `Retry-After` in seconds of a request that failed because a store did not respond.
const UNAVAILABLE_SECONDS: u64 = 5;

fn with_error_headers(error: &Error, mut response: Response) -> Response {
    let headers = response.headers_mut();
    match error {
        // RFC 6750, 3.
        Error::Unauthorized(INVALID_TOKEN) => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""));
        }
        Error::Unauthorized(_) => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Error::Throttled { retry_after } | Error::TooMany { retry_after, .. } => {
            headers.insert(RETRY_AFTER, HeaderValue::from(*retry_after));
        }
        Error::Unavailable(_) | Error::Newer(_) => {
            headers.insert(RETRY_AFTER, HeaderValue::from(UNAVAILABLE_SECONDS));
        }
        Error::RangeNotSatisfiable { size } => {
            if let Ok(range) = HeaderValue::from_str(&format!("bytes */{size}")) {
                headers.insert(http::header::CONTENT_RANGE, range);
            }
        }
        _ => {}
    }
    let causes = error.causes();
    if !causes.is_empty() {
        response.extensions_mut().insert(Logged(causes));
    }
    response
}

/// Returns a FHIR resource.
pub fn fhir(status: StatusCode, resource: &Value) -> Response {
    body(status, FHIR_JSON, resource.to_string().into_bytes())
}

/// Returns a FHIR resource as it is stored.
pub fn fhir_text(resource: Vec<u8>) -> Response {
    body(StatusCode::OK, FHIR_JSON, resource)
}

/// Returns a notice as an OperationOutcome.
pub fn notice(status: StatusCode, text: &str) -> Response {
    fhir(status, &information(text))
}

pub fn json(status: StatusCode, value: &Value) -> Response {
    body(status, "application/json", value.to_string().into_bytes())
}

/// Returns a page.
pub fn html(status: StatusCode, page: &impl Template) -> Response {
    let frame: Box<dyn std::any::Any> = Box::new(Frame::current());
    match page.render_with_values(&(crate::pages::FRAME, frame)) {
        Ok(text) => body(status, "text/html; charset=utf-8", text.into_bytes()),
        Err(error) => ApiError(Error::internal(error)).into_response(),
    }
}

/// Redirects to another page, which the browser requests by GET (303).
pub fn see_other(url: &str) -> Response {
    redirect(StatusCode::SEE_OTHER, url)
}

/// Redirects to another page with 302, which browsers follow by GET.
pub fn found(url: &str) -> Response {
    redirect(StatusCode::FOUND, url)
}

fn redirect(status: StatusCode, url: &str) -> Response {
    match HeaderValue::from_str(url) {
        Ok(url) => {
            (status, [(LOCATION, url), (CACHE_CONTROL, HeaderValue::from_static("no-store"))]).into_response()
        }
        Err(error) => ApiError(Error::internal(error)).into_response(),
    }
}

/// Lets every cache keep the response for five minutes.
pub fn cacheable(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}
