//! The request of a bulk kick-off: its query, headers and parameters, read together.
#![expect(clippy::disallowed_types, reason = "an extractor")]

use axum::extract::{FromRequest, FromRequestParts, Request};
use web::ApiError;

use crate::headers::KickoffHeaders;
use crate::parameters::KickoffParameters;

/// What a kick-off asks for.
pub(crate) struct KickoffRequest {
    /// The query as it came, with its question mark; empty without one.
    pub(crate) query: String,
    pub(crate) headers: KickoffHeaders,
    pub(crate) parameters: KickoffParameters,
}

impl FromRequest<()> for KickoffRequest {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &()) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let headers = KickoffHeaders::from_request_parts(&mut parts, state).await?;
        let parameters = KickoffParameters::from_request(Request::from_parts(parts, body), state).await?;
        Ok(Self { query, headers, parameters })
    }
}
