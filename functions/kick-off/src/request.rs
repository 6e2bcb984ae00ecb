//! The request of a bulk kick-off: its query, headers and parameters, extracted together.
#![expect(clippy::disallowed_types, reason = "an extractor")]

use axum::extract::{FromRequest, FromRequestParts, Request};
use web::ApiError;

use crate::headers::KickoffHeaders;
use crate::parameters::KickoffParameters;

/// The content of a kick-off request.
pub(crate) struct KickoffRequest {
    /// The raw query with its question mark; empty if there is none.
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
