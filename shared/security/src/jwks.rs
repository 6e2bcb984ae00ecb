//! Fetches the key sets of clients and issuers by URL, and caches them.
//!
//! The number of requests that an unauthenticated caller can cause is limited: there is one request at a time to a URL,
//! and at least `limits.key_set_seconds` between two requests, even if the last one failed or `Cache-Control` allows no
//! caching.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use domain::error::{Error, Result};
use futures_util::StreamExt;
use http::header::CACHE_CONTROL;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use settings::{IssuerKeys, Limits};

/// The maximum time for which a fetched set is cached.
const MAX_LIFETIME: SignedDuration = SignedDuration::from_mins(5);
/// The timeout of a request, including its body.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum size of a set, in bytes.
const MAX_SET: usize = 256 * 1024;

/// A set that was fetched.
#[derive(Clone)]
struct Fetched {
    at: Timestamp,
    lifetime: SignedDuration,
    set: Arc<JwkSet>,
}

/// The result of looking up a key in the cached set.
enum Known {
    Key(Box<Jwk>),
    NoSuchKey,
    /// There is no set that is fresh enough, so it must be fetched.
    MustFetch,
}

/// The cached set of one URL.
#[derive(Default)]
struct Source {
    known: Mutex<Option<Fetched>>,
    /// The time at which the last request began. The lock is held during a request.
    last_request: tokio::sync::Mutex<Option<Timestamp>>,
}

/// Fetches and caches JWK sets.
pub struct JwksCache {
    /// The minimum time between two requests to one URL.
    min_interval: SignedDuration,
    sources: Mutex<HashMap<String, Arc<Source>>>,
    client: OnceLock<reqwest::Client>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Source {
    /// Looks up a key in the cached set. If the key is not in the set, the set must be fetched again after `min_interval`.
    fn find(&self, id: &str, now: Timestamp, min_interval: SignedDuration) -> Known {
        let Some(fetched) = lock(&self.known).clone() else { return Known::MustFetch };
        let age = now.duration_since(fetched.at);
        match fetched.set.find(id) {
            Some(key) if age < fetched.lifetime => Known::Key(Box::new(key.clone())),
            None if age < min_interval => Known::NoSuchKey,
            _ => Known::MustFetch,
        }
    }
}

impl JwksCache {
    pub fn new(limits: &Limits) -> Self {
        let min_interval =
            i64::try_from(limits.key_set_seconds).map_or(SignedDuration::MAX, SignedDuration::from_secs);
        Self { min_interval, sources: Mutex::default(), client: OnceLock::new() }
    }

    /// Returns the key with this id, from a set in the settings or at a URL.
    pub async fn find(&self, keys: Option<IssuerKeys<'_>>, id: &str, now: Timestamp) -> Result<Option<Jwk>> {
        match keys {
            Some(IssuerKeys::Inline(set)) => Ok(set.find(id).cloned()),
            Some(IssuerKeys::Url(url)) => self.key(url, id, now).await,
            None => Ok(None),
        }
    }

    /// Returns the key with this id in the set at `url`. Returns [`Error::Unavailable`] if the set cannot be fetched
    /// now.
    pub async fn key(&self, url: &str, id: &str, now: Timestamp) -> Result<Option<Jwk>> {
        let source = lock(&self.sources).entry(url.to_owned()).or_default().clone();
        match source.find(id, now, self.min_interval) {
            Known::Key(key) => return Ok(Some(*key)),
            Known::NoSuchKey => return Ok(None),
            Known::MustFetch => {}
        }
        let mut last = source.last_request.lock().await;
        // Another request may have fetched the set meanwhile.
        match source.find(id, now, self.min_interval) {
            Known::Key(key) => return Ok(Some(*key)),
            Known::NoSuchKey => return Ok(None),
            Known::MustFetch => {}
        }
        if last.is_some_and(|last| now.duration_since(last) < self.min_interval) {
            return Err(Error::unavailable("the key set could not be fetched a moment ago"));
        }
        *last = Some(now);
        let (set, lifetime) = self.fetch(url).await?;
        let lifetime = lifetime.max(self.min_interval);
        let key = set.find(id).cloned();
        *lock(&source.known) = Some(Fetched { at: now, lifetime, set: Arc::new(set) });
        Ok(key)
    }

    async fn fetch(&self, url: &str) -> Result<(JwkSet, SignedDuration)> {
        let client = match self.client.get() {
            Some(client) => client,
            None => {
                let client = reqwest::Client::builder()
                    .timeout(TIMEOUT)
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
                return Err(Error::unavailable("the JWK set has more than 256 KiB"));
            }
        }
        let set =
            crypto::key_set(&body).ok_or_else(|| Error::unavailable("the response is not a JWK set"))?;
        Ok((set, lifetime))
    }
}

/// Returns the time for which a set may be cached, which is at most that of its `Cache-Control` (SMART App Launch 2.2,
/// registering keys).
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
    shortest.min().unwrap_or(MAX_LIFETIME).clamp(SignedDuration::ZERO, MAX_LIFETIME)
}

#[cfg(test)]
mod tests;
