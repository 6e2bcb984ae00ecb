//! The layers that every host adds around its routers: fallbacks, the decoding of `%24`, CORS, security headers and the request log.
//!
//! Routers are merged without these layers. A host calls [`host`] once, with the merged router.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use domain::clock::{Clock, Random};
use domain::error::Error;
use domain::ids::JobId;
use futures_util::FutureExt;
use http::header::{
    ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, ORIGIN, SET_COOKIE, VARY,
};
use http::{HeaderMap, StatusCode, Uri};
use platform::Context;
use security::address::{PeerAddress, client_address};
use settings::Settings;
use tokio::time::{Instant, timeout_at};

use crate::cors::{self, Allowed};
use crate::request_context::{Observed, RequestContext};
use crate::respond::{ApiError, FormRedirect, Logged, Shown, as_oauth, as_outcome, as_page};
use crate::site::{Reader, Site, asked_for};

#[derive(Clone)]
struct Host {
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    site: Arc<Site>,
}

/// The time by which the response to a request must be complete, including its body. A host that stops requests after a time limit puts
/// this value into the extensions of a request. If the handler is not done by then, the client gets 503 instead of a closed connection.
#[derive(Debug, Clone, Copy)]
pub struct RespondBy(pub Instant);

/// The maximum size of a response in bytes on a host with [`RespondBy`], which keeps the response in memory.
const MAX_RESPONSE: usize = 8 * 1024 * 1024;

/// Adds the fallbacks and layers to the merged routers.
pub fn host(routers: Router, context: &Context) -> Router {
    let routed = routers
        .fallback(async || ApiError(Error::NotFound("there is nothing at this address")))
        .method_not_allowed_fallback(async || ApiError(Error::MethodNotAllowed));
    wrapped(routed, context.settings.clone(), context.clock.clone(), context.random.clone())
}

/// Returns the router of a server that cannot start: every request gets 503, and the log has the reason.
pub fn closed(reason: &str, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Router {
    let settings = Settings::parse("base_url = \"http://localhost\"", |_| None, None);
    let settings = settings.expect("a base URL is all that settings need");
    let reason: Arc<str> = reason.into();
    let refuse = move || std::future::ready(ApiError(Error::unavailable(reason.to_string())));
    wrapped(Router::new().fallback(refuse), Arc::new(settings), clock, random)
}

fn wrapped(
    routed: Router,
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
) -> Router {
    let site = Arc::new(Site::new(&settings));
    let state = Host { settings, clock, random, site };
    // These layers are outside the router, because a router matches the path before its own layers run.
    Router::new().fallback_service(routed).layer(from_fn_with_state(state, around))
}

/// Rewrites the path to the form that routes declare: decodes the `%24` that some clients send in `%24ehi-export`, and removes the path of
/// the public base URL if no proxy has removed it.
fn normalize(request: &mut Request, prefix: &str) {
    let uri = request.uri();
    let inner = uri.path().strip_prefix(prefix).filter(|_| !prefix.is_empty());
    let inner = inner.filter(|inner| inner.is_empty() || inner.starts_with('/'));
    if let Some(path) = uri.path_and_query()
        && (inner.is_some() || path.path().contains("%24"))
    {
        let query = path.query().map(|query| format!("?{query}")).unwrap_or_default();
        let inner = inner.unwrap_or(path.path());
        let inner = if inner.is_empty() { "/" } else { inner };
        let path = inner.replace("%24", "$") + &query;
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = path.parse().ok();
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
}

async fn around(State(host): State<Host>, mut request: Request, next: Next) -> Response {
    normalize(&mut request, &host.site.prefix);
    let started = host.clock.now();
    let (method, uri) = (request.method().clone(), request.uri().clone());
    // The server generates the id. It never takes one from a header of the request.
    let request_id = host.random.attempt().to_string();
    let wanted = Wanted::of(request.headers(), uri.path());
    let reader = Reader::of(host.site.clone(), &method, &uri, request.headers());
    let address = request.extensions().get::<PeerAddress>();
    let address = address.map(|peer| client_address(*peer, request.headers(), &host.settings));
    let origin = request.headers().get(ORIGIN).cloned();
    let respond_by = request.extensions().get::<RespondBy>().copied();
    let mut observed = Observed::default();
    let mut response = if cors::is_preflight(&method, request.headers()) {
        let headers = cors::preflight_headers(request.headers());
        (StatusCode::NO_CONTENT, headers).into_response()
    } else {
        let context = RequestContext::new(request_id.clone(), address, reader.clone());
        // A panic is a defect, but other requests on the same connection must not fail because of it.
        let handled = AssertUnwindSafe(in_time(next.run(request), respond_by)).catch_unwind();
        let handled_response;
        (handled_response, observed) = context.during(handled).await;
        handled_response.unwrap_or_else(|_| ApiError(Error::internal("a handler panicked")).into_response())
    };
    // No handler runs for a preflight request, or for a method that the path does not have.
    let takes_cookie = observed.took_cookie || cors::takes_cookie(uri.path());
    if response.extensions().get::<Shown>().is_some() {
        let context = RequestContext::new(request_id.clone(), None, reader.clone()).with_person_of(&observed);
        (response, _) = context.during(async { wanted.rendered(response) }).await;
    }
    let form_redirect = response.extensions_mut().remove::<FormRedirect>();
    let headers = response.headers_mut();
    Allowed::of(takes_cookie, origin, &host.settings).add_to(headers);
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    // Not `no-referrer`: browsers would then send the forms of this server with `Origin: null`.
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("same-origin"));
    if headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html")) {
        if let Some(policy) = host.site.policy(form_redirect.as_ref().map(|FormRedirect(origin)| &**origin)) {
            headers.entry(CONTENT_SECURITY_POLICY).or_insert(policy);
        }
        headers.append(VARY, HeaderValue::from_static("Accept-Language, Cookie"));
        // A URL can choose a language. The cookie keeps the choice for pages whose URL does not.
        let chosen = asked_for(&uri).and_then(|language| host.site.language_cookie(language));
        if let Some(cookie) = chosen {
            headers.append(SET_COOKIE, cookie);
        }
    }
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    let request = Logline {
        id: &request_id,
        client: observed.client.as_ref().map_or("", |client| client.as_str()),
        method: &method,
        job: observed.job.as_ref().map_or_else(|| job(uri.path()), |job| job.as_str()),
        route: observed.route.as_deref().unwrap_or(NO_ROUTE),
        duration_ms: host.clock.elapsed(started),
    };
    log(&request, &response);
    response
}

/// Returns the handler's response if it is complete in time, otherwise 503. The rest of the handler's work is then cancelled, as if the
/// process had died.
async fn in_time(response: impl Future<Output = Response>, by: Option<RespondBy>) -> Response {
    let Some(RespondBy(by)) = by else { return response.await };
    let complete = async {
        let (parts, body) = response.await.into_parts();
        to_bytes(body, MAX_RESPONSE).await.map(|bytes| Response::from_parts(parts, Body::from(bytes)))
    };
    let failed = match timeout_at(by, complete).await {
        Ok(Ok(response)) => return response,
        Ok(Err(error)) => Error::unavailable(error),
        Err(_) => Error::unavailable("the request exceeded its time limit"),
    };
    ApiError(failed).into_response()
}

/// The form in which the caller reads an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// A page, for browsers: `Accept` has HTML and no JSON.
    Page,
    /// JSON, for programs: `Accept` has JSON and no HTML.
    Json,
    /// The JSON of OAuth, for the endpoints below `/auth/` that browsers do not open.
    OAuth,
    /// The form that the route returns by default.
    Usual,
}

impl Wanted {
    fn of(headers: &HeaderMap, path: &str) -> Self {
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match (accept.contains("text/html"), accept.contains("json")) {
            (true, false) => Self::Page,
            _ if path.starts_with("/auth/") && path != "/auth/authorize" => Self::OAuth,
            (false, true) => Self::Json,
            (true, true) | (false, false) => Self::Usual,
        }
    }

    fn rendered(self, response: Response) -> Response {
        match self {
            Self::Page => as_page(response),
            Self::Json => as_outcome(response),
            Self::OAuth => as_oauth(response),
            Self::Usual => response,
        }
    }
}

/// The route in the log for a request that matches no route, by path or by method.
const NO_ROUTE: &str = "none";

/// The fields of the log line that do not come from the response.
struct Logline<'a> {
    id: &'a str,
    client: &'a str,
    method: &'a http::Method,
    job: &'a str,
    route: &'a str,
    duration_ms: u64,
}

fn log(request: &Logline<'_>, response: &Response<Body>) {
    let status = response.status().as_u16();
    let bytes = response.body().size_hint().exact();
    let Logline { id, client, method, job, route, duration_ms } = request;
    if let Some(Logged(cause)) = response.extensions().get::<Logged>() {
        tracing::error!(target: "request", duration_ms, request.id = id, client.id = client, job.id = job, http.method = %method, http.route = route, http.status = status, error = cause, "request failed");
    } else if tracing::enabled!(target: "request", tracing::Level::INFO) {
        tracing::info!(target: "request", duration_ms, request.id = id, client.id = client, job.id = job, http.method = %method, http.route = route, http.status = status, bytes, "request");
    }
}

/// Returns the job id in a path; empty if the path has none.
fn job(path: &str) -> &str {
    path.split('/').find(|segment| JobId::parse(segment).is_ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
