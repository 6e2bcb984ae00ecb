//! Key sets of others, fetched by URL and remembered for a while.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::StreamExt;
use http::header::CACHE_CONTROL;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{Jwk, JwkSet};

use crate::config::IssuerKeys;
use crate::error::{Error, Result};

/// How long a fetched set is good, and how soon an unknown key makes us look again.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(5);
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(30);
const TIME_OUT: Duration = Duration::from_secs(5);
const MAX_SET: usize = 256 * 1024;

/// A set, when it was fetched, and for how long it is good.
type Remembered = (Timestamp, SignedDuration, JwkSet);

/// Fetches and remembers JWK sets.
#[derive(Default)]
pub struct JwksCache {
    sets: Mutex<HashMap<String, Remembered>>,
    client: std::sync::OnceLock<reqwest::Client>,
}

impl JwksCache {
    /// The key with this id, of a set that is known or published.
    pub async fn find(&self, keys: Option<IssuerKeys<'_>>, id: &str, now: Timestamp) -> Result<Option<Jwk>> {
        match keys {
            Some(IssuerKeys::Inline(set)) => Ok(set.find(id).cloned()),
            Some(IssuerKeys::Url(url)) => self.key(url, id, now).await,
            None => Ok(None),
        }
    }

    /// The key with this id in the set at `url`.
    pub async fn key(&self, url: &str, id: &str, now: Timestamp) -> Result<Option<Jwk>> {
        if let Some((fetched, lifetime, set)) = self.remembered(url) {
            let age = now.duration_since(fetched);
            let key = set.find(id).cloned();
            if (key.is_some() && age < lifetime) || (key.is_none() && age < LOOK_AGAIN.min(lifetime)) {
                return Ok(key);
            }
        }
        let (set, lifetime) = self.fetch(url).await?;
        let key = set.find(id).cloned();
        self.lock().insert(url.to_owned(), (now, lifetime, set));
        Ok(key)
    }

    fn remembered(&self, url: &str) -> Option<Remembered> {
        self.lock().get(url).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Remembered>> {
        self.sets.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn fetch(&self, url: &str) -> Result<(JwkSet, SignedDuration)> {
        let client = match self.client.get() {
            Some(client) => client,
            None => {
                let client = reqwest::Client::builder()
                    .timeout(TIME_OUT)
                    .redirect(reqwest::redirect::Policy::none())
                    .build()
                    .map_err(Error::internal)?;
                self.client.get_or_init(|| client)
            }
        };
        let response = client.get(url).send().await.and_then(reqwest::Response::error_for_status);
        let response = response.map_err(Error::unavailable)?;
        let lifetime =
            lifetime_of(response.headers().get(CACHE_CONTROL).and_then(|value| value.to_str().ok()));
        let mut stream = response.bytes_stream();
        let mut body = Vec::new();
        while let Some(bytes) = stream.next().await {
            body.extend_from_slice(&bytes.map_err(Error::unavailable)?);
            if body.len() > MAX_SET {
                return Err(Error::unavailable("a JWK set of over 256 kB"));
            }
        }
        Ok((serde_json::from_slice(&body).map_err(Error::unavailable)?, lifetime))
    }
}

/// How long a set is remembered: never past its `Cache-Control` (SMART App Launch 2.2, registering keys).
fn lifetime_of(cache_control: Option<&str>) -> SignedDuration {
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
    shortest.min().unwrap_or(REMEMBERED).min(REMEMBERED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_remembered_no_longer_than_its_owner_says() {
        for (cache_control, seconds) in [
            (None, 300),
            (Some("public"), 300),
            (Some("max-age=60"), 60),
            (Some("public, max-age=86400"), 300),
            (Some("no-store"), 0),
            (Some("No-Cache, max-age=60"), 0),
            (Some("max-age=soon"), 300),
        ] {
            assert_eq!(lifetime_of(cache_control), SignedDuration::from_secs(seconds), "{cache_control:?}");
        }
    }
}
