//! Key sets of others, fetched by URL and remembered for a while.
//!
//! What a stranger can make this server fetch is bounded: one request at a time to a URL, and none sooner than
//! `limits.key_set_seconds` after the last one, however that one ended and whatever `Cache-Control` says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use domain::error::{Error, Result};
use futures_util::StreamExt;
use http::header::CACHE_CONTROL;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use settings::{IssuerKeys, Limits};

/// How long a fetched set is good.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(5);
/// The longest that a request takes, its body included.
const TIME_OUT: Duration = Duration::from_secs(5);
/// The largest set, in bytes.
const MAX_SET: usize = 256 * 1024;

/// A set as it was fetched.
#[derive(Clone)]
struct Fetched {
    at: Timestamp,
    lifetime: SignedDuration,
    set: Arc<JwkSet>,
}

/// What a set that is fresh enough says of a key.
enum Known {
    Key(Box<Jwk>),
    NoSuchKey,
    /// There is no such set.
    Nothing,
}

/// One URL.
#[derive(Default)]
struct Source {
    known: Mutex<Option<Fetched>>,
    /// When the last request began; held while one is under way.
    flight: tokio::sync::Mutex<Option<Timestamp>>,
}

/// Fetches and remembers JWK sets.
pub struct JwksCache {
    /// The least time between two requests to one URL.
    floor: SignedDuration,
    sources: Mutex<HashMap<String, Arc<Source>>>,
    client: OnceLock<reqwest::Client>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Source {
    /// What is known of a key. A set is asked again for an unknown one when `floor` has passed.
    fn answer(&self, id: &str, now: Timestamp, floor: SignedDuration) -> Known {
        let Some(fetched) = lock(&self.known).clone() else { return Known::Nothing };
        let age = now.duration_since(fetched.at);
        match fetched.set.find(id) {
            Some(key) if age < fetched.lifetime => Known::Key(Box::new(key.clone())),
            None if age < floor => Known::NoSuchKey,
            _ => Known::Nothing,
        }
    }
}

impl JwksCache {
    pub fn new(limits: &Limits) -> Self {
        let floor =
            i64::try_from(limits.key_set_seconds).map_or(SignedDuration::MAX, SignedDuration::from_secs);
        Self { floor, sources: Mutex::default(), client: OnceLock::new() }
    }

    /// The key with this id, of a set that is known or published.
    pub async fn find(&self, keys: Option<IssuerKeys<'_>>, id: &str, now: Timestamp) -> Result<Option<Jwk>> {
        match keys {
            Some(IssuerKeys::Inline(set)) => Ok(set.find(id).cloned()),
            Some(IssuerKeys::Url(url)) => self.key(url, id, now).await,
            None => Ok(None),
        }
    }

    /// The key with this id in the set at `url`. [`Error::Unavailable`] when the set cannot be had now.
    pub async fn key(&self, url: &str, id: &str, now: Timestamp) -> Result<Option<Jwk>> {
        let source = lock(&self.sources).entry(url.to_owned()).or_default().clone();
        match source.answer(id, now, self.floor) {
            Known::Key(key) => return Ok(Some(*key)),
            Known::NoSuchKey => return Ok(None),
            Known::Nothing => {}
        }
        let mut last = source.flight.lock().await;
        // Somebody else may have fetched it meanwhile.
        match source.answer(id, now, self.floor) {
            Known::Key(key) => return Ok(Some(*key)),
            Known::NoSuchKey => return Ok(None),
            Known::Nothing => {}
        }
        if last.is_some_and(|last| now.duration_since(last) < self.floor) {
            return Err(Error::unavailable("the key set could not be fetched a moment ago"));
        }
        *last = Some(now);
        let (set, lifetime) = self.fetch(url).await?;
        let lifetime = lifetime.max(self.floor);
        let key = set.find(id).cloned();
        *lock(&source.known) = Some(Fetched { at: now, lifetime, set: Arc::new(set) });
        Ok(key)
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
        let set =
            crypto::key_set(&body).ok_or_else(|| Error::unavailable("what was fetched is no JWK set"))?;
        Ok((set, lifetime))
    }
}

/// How long a set may be remembered: never past its `Cache-Control` (SMART App Launch 2.2, registering keys).
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
    shortest.min().unwrap_or(REMEMBERED).clamp(SignedDuration::ZERO, REMEMBERED)
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
            (Some("max-age=0"), 0),
            (Some("max-age=-9"), 0),
            (Some("max-age=soon"), 300),
        ] {
            assert_eq!(lifetime_of(cache_control), SignedDuration::from_secs(seconds), "{cache_control:?}");
        }
    }
}
