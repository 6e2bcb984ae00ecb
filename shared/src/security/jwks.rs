//! Key sets of others, fetched by URL and remembered for a while.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{Jwk, JwkSet};

use crate::config::IssuerKeys;
use crate::error::{Error, Result};

/// How long a fetched set is good, and how soon an unknown key makes us look again.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(5);
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(30);
const TIME_OUT: Duration = Duration::from_secs(5);
const MAX_SET: usize = 256 * 1024;

/// Fetches and remembers JWK sets.
#[derive(Default)]
pub struct JwksCache {
    sets: Mutex<HashMap<String, (Timestamp, JwkSet)>>,
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
        if let Some((fetched, set)) = self.remembered(url) {
            let age = now.duration_since(fetched);
            let key = set.find(id).cloned();
            if (key.is_some() && age < REMEMBERED) || (key.is_none() && age < LOOK_AGAIN) {
                return Ok(key);
            }
        }
        let set = self.fetch(url).await?;
        let key = set.find(id).cloned();
        self.lock().insert(url.to_owned(), (now, set));
        Ok(key)
    }

    fn remembered(&self, url: &str) -> Option<(Timestamp, JwkSet)> {
        self.lock().get(url).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Timestamp, JwkSet)>> {
        self.sets.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn fetch(&self, url: &str) -> Result<JwkSet> {
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
        let mut stream = response.map_err(Error::unavailable)?.bytes_stream();
        let mut body = Vec::new();
        while let Some(bytes) = stream.next().await {
            body.extend_from_slice(&bytes.map_err(Error::unavailable)?);
            if body.len() > MAX_SET {
                return Err(Error::unavailable("a JWK set of over 256 kB"));
            }
        }
        serde_json::from_slice(&body).map_err(Error::unavailable)
    }
}
