//! `If-None-Match`: the server does not send content again that the client already has (RFC 9110, 13.1.2).

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::{HeaderValue, IF_NONE_MATCH};
use http::request::Parts;

use crate::describe::Parameter;

/// The ETags of the `If-None-Match` header.
#[derive(Debug)]
pub struct IfNoneMatch(Vec<HeaderValue>);

impl IfNoneMatch {
    pub const PARAMETER: Parameter = Parameter::header(
        "If-None-Match",
        "The ETags that the client has; the response is 304 if one is current",
    );

    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self(headers.get_all(IF_NONE_MATCH).iter().cloned().collect())
    }

    /// Returns whether the header contains this ETag or `*`. Weak and strong ETags compare as equal (RFC 9110, 13.1.2).
    pub fn names(&self, etag: &HeaderValue) -> bool {
        let Ok(etag) = etag.to_str() else { return false };
        let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        let mut tags = self.0.iter().filter_map(|tags| tags.to_str().ok()).flat_map(|tags| tags.split(','));
        tags.any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}
