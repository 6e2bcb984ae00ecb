//! What every host puts around its routers: the fallbacks, `%24`, CORS, security headers, the log.
//!
//! Routers are merged without any of it; a host calls [`host`] once, on the whole.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_request};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{StatusCode, Uri};

use super::cors;
use super::respond::Logged;
use crate::clock::Clock;
use crate::config::Settings;
use crate::error::Error;
use crate::platform::Platform;

#[derive(Clone)]
struct Host {
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
}

/// Wraps routers for serving.
pub fn host(routers: Router, platform: &dyn Platform) -> Router {
    let state = Host { settings: platform.settings(), clock: platform.clock() };
    let routed = routers
        .layer(from_fn(remember_route))
        .fallback(async || Error::NotFound("there is nothing at this address"))
        .method_not_allowed_fallback(async || Error::MethodNotAllowed);
    // Outside the router, because a router matches the path before its own layers run.
    Router::new()
        .fallback_service(routed)
        .layer(map_request(decode_dollar))
        .layer(from_fn_with_state(state, around))
}

/// The route that a request matched, for the log: unlike the path it names nobody.
#[derive(Clone)]
struct Route(MatchedPath);

async fn remember_route(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(Route(route));
    }
    response
}

/// Some clients send `%24ehi-export`; routes are spelt with `$`.
async fn decode_dollar(mut request: Request) -> Request {
    let uri = request.uri();
    if let Some(path) = uri.path_and_query()
        && path.path().contains("%24")
    {
        let query = path.query().map(|query| format!("?{query}")).unwrap_or_default();
        let path = path.path().replace("%24", "$") + &query;
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = path.parse().ok();
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

async fn around(State(host): State<Host>, request: Request, next: Next) -> Response {
    let started = host.clock.now();
    let method = request.method().clone();
    let cors_headers = cors::headers(request.uri().path(), request.headers(), &host.settings);
    let mut response = if cors::is_preflight(&method, request.headers()) {
        let headers = cors::preflight_headers(request.headers());
        (StatusCode::NO_CONTENT, headers).into_response()
    } else {
        // A panic is a defect, but it must not cost other requests their connection.
        let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
        answered.unwrap_or_else(|_| Error::internal("a handler panicked").into_response())
    };
    let headers = response.headers_mut();
    headers.extend(cors_headers);
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
    if headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html")) {
        headers.entry("content-security-policy").or_insert(PAGE_POLICY);
    }
    log(&method, &response, host.clock.now().duration_since(started).as_millis());
    response
}

/// Our pages load nothing and are framed by nobody; their one style stands in the page.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'",
);

fn log(method: &http::Method, response: &Response<Body>, duration_ms: i128) {
    let route = response.extensions().get::<Route>().map_or("none", |Route(path)| path.as_str());
    let status = response.status().as_u16();
    match response.extensions().get::<Logged>() {
        Some(Logged(cause)) => {
            tracing::error!(http.method = %method, http.route = route, http.status = status, duration_ms, error = cause, "request failed");
        }
        None => {
            tracing::debug!(http.method = %method, http.route = route, http.status = status, duration_ms, "request");
        }
    }
}
