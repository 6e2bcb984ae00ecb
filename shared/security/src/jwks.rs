//! Fetches the key sets of clients and issuers by URL, and caches them.
//!
//! The number of requests that an unauthenticated caller can cause is limited: there is one request at a time to a URL,
//! and at least `limits.key_set_seconds` between two requests, even if the last one failed or `Cache-Control` allows no
//! caching.
//!
//! A request to a URL runs in a task of its own. So a caller who closes the connection does not cancel it, and later
//! callers get the set.

mod fetch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use domain::error::{Error, Result};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use settings::{IssuerKeys, Limits};
use tokio::sync::OwnedMutexGuard;

use self::fetch::fetch;

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
    /// The time at which the last request began. The task of a request holds the lock until the request ends.
    last_request: Arc<tokio::sync::Mutex<Option<Timestamp>>>,
}

/// A request for the set of one URL, which is about to begin.
struct Request {
    source: Arc<Source>,
    url: String,
    client: reqwest::Client,
    /// No other request to the URL begins as long as this lock is held.
    turn: OwnedMutexGuard<Option<Timestamp>>,
    min_interval: SignedDuration,
    now: Timestamp,
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
        let turn = source.last_request.clone().lock_owned().await;
        // Another request may have fetched the set meanwhile.
        match source.find(id, now, self.min_interval) {
            Known::Key(key) => return Ok(Some(*key)),
            Known::NoSuchKey => return Ok(None),
            Known::MustFetch => {}
        }
        if turn.is_some_and(|last| now.duration_since(last) < self.min_interval) {
            return Err(Error::unavailable("the key set could not be fetched a moment ago"));
        }
        let (client, url) = (self.client()?, url.to_owned());
        let request = Request { source, url, client, turn, min_interval: self.min_interval, now };
        // Lambda may stop the process between two invocations, and with it this task. The next invocation continues the
        // task, which ends at its timeout at the latest.
        let set = tokio::spawn(request.run()).await.map_err(Error::internal)??;
        Ok(set.find(id).cloned())
    }

    fn client(&self) -> Result<reqwest::Client> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let client = fetch::client()?;
        Ok(self.client.get_or_init(|| client).clone())
    }
}

impl Request {
    /// Fetches and caches the set.
    async fn run(mut self) -> Result<Arc<JwkSet>> {
        *self.turn = Some(self.now);
        let (set, lifetime) = fetch(&self.client, &self.url).await?;
        let (set, lifetime) = (Arc::new(set), lifetime.max(self.min_interval));
        *lock(&self.source.known) = Some(Fetched { at: self.now, lifetime, set: set.clone() });
        Ok(set)
    }
}

#[cfg(test)]
mod tests;
