//! Responses whose body is in memory. This module depends on no other one.

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

/// Returns a response with these bytes as its body.
pub fn ready(status: StatusCode, content_type: &'static str, bytes: Bytes) -> Response {
    body(status, content_type, bytes)
}

/// Returns a response with a body. No cache may store it.
pub(crate) fn body(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = (status, body.into()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    // Most responses are for one person only; the few public ones replace this header.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
