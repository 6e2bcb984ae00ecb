//! The request for a key set.

use std::time::Duration;

use domain::error::{Error, Result};
use futures_util::StreamExt;
use http::header::CACHE_CONTROL;
use jiff::SignedDuration;
use jsonwebtoken::jwk::JwkSet;

/// The maximum time for which a fetched set is cached.
const MAX_LIFETIME: SignedDuration = SignedDuration::from_mins(5);
/// The timeout of a request, including its body.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum size of a set, in bytes.
const MAX_SET: usize = 256 * 1024;

/// Creates the client for all requests. It follows no redirects.
pub(super) fn client() -> Result<reqwest::Client> {
    let builder = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none());
    builder.build().map_err(Error::internal)
}

/// Returns the set at a URL, and the time for which it may be cached.
pub(super) async fn fetch(client: &reqwest::Client, url: &str) -> Result<(JwkSet, SignedDuration)> {
    let response = client.get(url).send().await.and_then(reqwest::Response::error_for_status);
    let response = response.map_err(Error::unavailable)?;
    let lifetime = lifetime_of(response.headers().get(CACHE_CONTROL).and_then(|value| value.to_str().ok()));
    let mut stream = response.bytes_stream();
    let mut body = Vec::new();
    while let Some(bytes) = stream.next().await {
        body.extend_from_slice(&bytes.map_err(Error::unavailable)?);
        if body.len() > MAX_SET {
            return Err(Error::unavailable("the JWK set has more than 256 KiB"));
        }
    }
    let set = crypto::key_set(&body).ok_or_else(|| Error::unavailable("the response is not a JWK set"))?;
    Ok((set, lifetime))
}

/// Returns the time for which a set may be cached, which is at most that of its `Cache-Control` (SMART App Launch 2.2,
/// registering keys).
pub(super) fn lifetime_of(cache_control: Option<&str>) -> SignedDuration {
    let directives = cache_control.unwrap_or_default().split(',').map(str::trim);
    let shortest = directives.filter_map(|directive| match directive.split_once('=') {
        Some((name, seconds)) if name.eq_ignore_ascii_case("max-age") => {
            seconds.trim_matches('"').parse().ok().map(SignedDuration::from_secs)
        }
        None if directive.eq_ignore_ascii_case("no-store") || directive.eq_ignore_ascii_case("no-cache") => {
            Some(SignedDuration::ZERO)
        }
        _ => None,
    });
    shortest.min().unwrap_or(MAX_LIFETIME).clamp(SignedDuration::ZERO, MAX_LIFETIME)
}
