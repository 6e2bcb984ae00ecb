//! Cross-origin rules (contract, section 1). Every origin may read the responses of routes that take a token. Only registered origins
//! may read the responses of routes that take a cookie, with credentials.
//!
//! The rules for cookies apply if the route declares a cookie, and also if its handler reads one, so that a wrong declaration does not
//! open a route. A layer of tower-http cannot do this, because it decides before the handler has responded.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, ORIGIN, VARY,
};
use http::{HeaderMap, Method};
use settings::Settings;

const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Content-Location, Location, Link, X-Progress, X-Export-Status, X-Request-Id, Preference-Applied, Retry-After, Expires, ETag, \
     Accept-Ranges, Content-Range, Content-Disposition, WWW-Authenticate",
);

/// Returns whether a request is a preflight. Its response is 204 without a body.
pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The origin that may read a response.
pub struct Allowed {
    origin: Option<HeaderValue>,
    credentials: bool,
}

impl Allowed {
    /// Returns the origin that may read a response. `takes_cookie` is whether the response may depend on a cookie.
    pub fn of(takes_cookie: bool, origin: Option<HeaderValue>, settings: &Settings) -> Self {
        let Some(origin) = origin else { return Self { origin: None, credentials: false } };
        let registered = settings.staff_origins.iter().any(|known| known.as_bytes() == origin.as_bytes());
        let is_allowed = registered || !takes_cookie;
        Self { origin: is_allowed.then_some(origin), credentials: registered && takes_cookie }
    }

    /// Adds the CORS headers to a response.
    pub fn add_to(self, headers: &mut HeaderMap) {
        headers.append(VARY, HeaderValue::from_static("Origin"));
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        if let Some(origin) = self.origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

/// Returns the headers that a preflight response has in addition to those of [`Allowed`].
pub fn preflight_headers(request: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE, OPTIONS"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    let requested = request.get(ACCESS_CONTROL_REQUEST_HEADERS);
    if let Some(requested) = requested.filter(|requested| requested.len() <= 1000) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, requested.clone());
    }
    headers
}

/// Returns whether the route at a path takes a cookie. Preflight requests need this function, because they may reach a Lambda function
/// that does not have the route. A test compares the result with the declarations ([`crate::routes`]).
pub fn takes_cookie(path: &str) -> bool {
    if path.ends_with("/customize") {
        return true;
    }
    let mut segments = path.trim_start_matches('/').split('/');
    matches!(
        (segments.next(), segments.next(), segments.next()),
        (Some("admin" | "staff" | "my" | "patient-login" | "patient-logout" | "authorize-app"), _, _)
            | (Some("jobs"), _, None)
    )
}
