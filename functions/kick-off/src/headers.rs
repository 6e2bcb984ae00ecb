//! The headers of a bulk kick-off.

use axum::extract::FromRequestParts;
use domain::error::{Error, Result};
use http::request::Parts;
use web::ApiError;
use web::describe::Parameter;

/// The maximum length of an `Idempotency-Key`.
const MAX_KEY: usize = 255;

pub(crate) const IDEMPOTENCY_KEY: Parameter = Parameter::header(
    "Idempotency-Key",
    "A key for the request: a second request with the same key within a day returns the first job",
);

/// See the [module](self).
pub(crate) struct KickoffHeaders {
    /// `Prefer: handling=lenient` (RFC 7240).
    pub(crate) lenient: bool,
    /// `Prefer: handling=strict`.
    pub(crate) strict: bool,
    /// `Prefer: separate-export-status`.
    pub(crate) separate_status: bool,
    pub(crate) idempotency_key: Option<String>,
}

impl KickoffHeaders {
    /// The headers that are read.
    pub(crate) const PARAMETERS: [Parameter; 2] = [
        Parameter::header(
            "Prefer",
            "respond-async, with handling=lenient, handling=strict or separate-export-status",
        ),
        IDEMPOTENCY_KEY,
    ];
}

impl<S: Send + Sync> FromRequestParts<S> for KickoffHeaders {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let preferences: Vec<_> = parts
            .headers
            .get_all("prefer")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split([',', ';']))
            .map(|word| word.trim().to_ascii_lowercase())
            .collect();
        let has = |word: &str| preferences.iter().any(|known| known == word);
        Ok(Self {
            lenient: has("handling=lenient"),
            strict: has("handling=strict"),
            separate_status: has("separate-export-status"),
            idempotency_key: idempotency_key(parts)?,
        })
    }
}

/// Returns the `Idempotency-Key`, if the request has one.
pub(crate) fn idempotency_key(parts: &Parts) -> Result<Option<String>> {
    let Some(key) = parts.headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| (1..=MAX_KEY).contains(&key.len()));
    let wrong = || Error::invalid(format!("'Idempotency-Key' must have 1 to {MAX_KEY} characters"));
    Ok(Some(key.ok_or_else(wrong)?.to_owned()))
}
