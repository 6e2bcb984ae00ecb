//! Checks that the client accepts FHIR JSON, the only format of the server.

use axum::extract::FromRequestParts;
use domain::error::{Error, Result};
use http::header::ACCEPT;
use http::request::Parts;
use web::ApiError;
use web::extract::Query;

/// A request whose client accepts FHIR JSON (FHIR RESTful API, content types; `_format` overrides `Accept`). Other requests get 406.
pub(crate) struct AcceptsJson;

impl<S: Send + Sync> FromRequestParts<S> for AcceptsJson {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::from_request_parts(parts, state).await?;
        match accepts_json(&query, parts) {
            true => Ok(Self),
            false => Err(Error::NotAcceptable(
                "this server returns FHIR resources only as application/fhir+json".to_owned(),
            )
            .into()),
        }
    }
}

fn accepts_json(query: &Query, parts: &Parts) -> bool {
    /// The accepted values of `_format`. A `+` that was not percent-encoded arrives as a space.
    const JSON: [&str; 5] =
        ["json", "application/json", "application/fhir+json", "application/fhir json", "text/json"];
    const ACCEPTED: [&str; 5] =
        ["*/*", "application/*", "application/json", "application/fhir+json", "text/json"];

    let essence = |text: &str| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match query.get("_format").filter(|format| !format.is_empty()) {
        Some(format) => JSON.contains(&essence(format).as_str()),
        None => {
            let mut lines = parts.headers.get_all(ACCEPT).iter().peekable();
            let has_none = lines.peek().is_none();
            let mut ranges =
                lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')).map(essence);
            has_none || ranges.any(|range| ACCEPTED.contains(&range.as_str()))
        }
    }
}
