//! Verifies access tokens. A valid token becomes a [`Caller`]; any other is [`Error::Unauthorized`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest;
use futures_util::future::try_join;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub use crate::caller::{Caller, EhiAccess};
use crypto::fingerprint;
use domain::clock::Clock;
use domain::error::{Error, INVALID_TOKEN, Result};
use domain::ports::expiring::{EntryKind, ExpiringStore};
use settings::{Issuer, Settings};

use crate::authorizations::CameFrom;
use crate::jwks::JwksCache;
use crate::jwt::{Refused, Unverified, signed_part};
use crate::keys::Keys;
use crate::tokens;

/// The time for which a verified token is cached without checking whether it was revoked.
const CACHED: SignedDuration = SignedDuration::from_secs(30);
/// The maximum number of cached tokens.
const MAX_CACHED: usize = 10_000;

const UNAUTHORIZED: Error = Error::Unauthorized(INVALID_TOKEN);

/// The time of verification and the caller of each token, by the digest of the token. With a digest, the time of a
/// look-up reveals nothing about the bytes of a token.
type Verified = HashMap<[u8; 32], (Timestamp, Arc<Caller>)>;

/// The cache of verified tokens. It has no keys, so that a function that only ends authorizations does not need a
/// [`Verifier`].
///
/// A revoked token must be refused at once. So a process may have a cache only if it makes all revocations itself, and
/// empties the cache after each.
#[derive(Default)]
pub struct VerifiedTokens(Option<Mutex<Cache>>);

#[derive(Default)]
struct Cache {
    verified: Verified,
    /// The number of times that the cache was emptied.
    emptied: u64,
}

impl VerifiedTokens {
    /// Creates the cache of a process that makes all revocations.
    pub fn of_one_process() -> Self {
        Self(Some(Mutex::default()))
    }

    /// Creates a cache that stores nothing, for one of several processes.
    pub fn none() -> Self {
        Self(None)
    }

    /// Removes all tokens, after a revocation.
    pub fn forget(&self) {
        if let Some(mut cache) = self.lock() {
            cache.verified.clear();
            cache.emptied += 1;
        }
    }

    fn find(&self, digest: &[u8; 32], now: Timestamp) -> Option<Arc<Caller>> {
        let cache = self.lock()?;
        let (checked, caller) = cache.verified.get(digest)?;
        (caller.expires_at > now && now.duration_since(*checked) < CACHED).then(|| caller.clone())
    }

    /// Returns the number of times that the cache was emptied.
    fn emptied(&self) -> u64 {
        self.lock().map_or(0, |cache| cache.emptied)
    }

    /// Caches a token, unless the cache was emptied since `emptied`: the token may have been revoked while it was verified.
    fn insert(&self, digest: [u8; 32], caller: &Arc<Caller>, now: Timestamp, emptied: u64) {
        let Some(mut cache) = self.lock().filter(|cache| cache.emptied == emptied) else { return };
        if cache.verified.len() >= MAX_CACHED {
            cache.verified.clear();
        }
        cache.verified.insert(digest, (now, caller.clone()));
    }

    fn lock(&self) -> Option<MutexGuard<'_, Cache>> {
        self.0.as_ref().map(|cache| cache.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Verifies access tokens of this server and of trusted issuers.
pub struct Verifier {
    settings: Arc<Settings>,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    expiring: Arc<dyn ExpiringStore>,
    jwks: JwksCache,
    verified: Arc<VerifiedTokens>,
}

impl Verifier {
    pub fn new(
        settings: Arc<Settings>,
        keys: Arc<Keys>,
        clock: Arc<dyn Clock>,
        expiring: Arc<dyn ExpiringStore>,
        verified: Arc<VerifiedTokens>,
    ) -> Self {
        let jwks = JwksCache::new(&settings.limits);
        Self { settings, keys, clock, expiring, jwks, verified }
    }

    /// Returns the caller of an access token, or [`Error::Unauthorized`].
    pub async fn verify(&self, token: &str) -> Result<Arc<Caller>> {
        let now = self.clock.now();
        let digest = digest_of(token);
        if let Some(caller) = self.verified.find(&digest, now) {
            return Ok(caller);
        }
        let emptied = self.verified.emptied();
        let caller = match tokens::verify(&self.keys, token, &self.settings.base_url, now) {
            Some(claims) => Caller::of_own(claims).ok_or(UNAUTHORIZED)?,
            None => self.verify_external(token, now).await?,
        };
        if self.is_revoked(&caller).await? {
            return Err(UNAUTHORIZED);
        }
        let caller = Arc::new(caller);
        self.verified.insert(digest, &caller, now, emptied);
        Ok(caller)
    }

    /// Removes all cached tokens after a revocation.
    pub fn forget(&self) {
        self.verified.forget();
    }

    /// Returns whether the token itself, or the authorization from which it was issued, was revoked, or whether the
    /// account of the patient has changed since.
    async fn is_revoked(&self, caller: &Caller) -> Result<bool> {
        let revoked = self.expiring.get(EntryKind::Revoked, &caller.revocation_key);
        let has_ended = async {
            match &caller.family {
                Some(family) => match self.expiring.get(EntryKind::Family, family).await? {
                    Some(entry) => Ok(!CameFrom::lasts(&entry, &self.settings)?),
                    None => Ok(true),
                },
                None => Ok(false),
            }
        };
        let (revoked, has_ended) = try_join(revoked, has_ended).await?;
        Ok(revoked.is_some() || has_ended)
    }

    /// Verifies a token of another issuer with the issuer's keys.
    async fn verify_external(&self, token: &str, now: Timestamp) -> Result<Caller> {
        // Only asymmetric algorithms are accepted, so that a public key can never be used as a shared secret.
        let unverified = Unverified::read(
            token,
            &["RS256", "RS384", "ES256", "ES384"],
            &["jwt", "at+jwt", "application/at+jwt"],
        )
        .map_err(refused)?;
        let named = unverified.claimed("iss");
        let issuer = self.settings.issuers.iter().find(|issuer| named == Some(issuer.issuer.as_str()));
        let issuer = issuer.ok_or(UNAUTHORIZED)?;
        let key = self.jwks.find(issuer.keys(), &unverified.key_id, now).await?.ok_or(UNAUTHORIZED)?;
        let claims = unverified.verify(&key).map_err(refused)?;
        if !claims.is_for(&self.audiences(issuer), false) {
            return Err(refused("an audience that is not this server"));
        }
        // The digest covers only the signed part, because the same signature can be encoded differently.
        let revocation_key = fingerprint(signed_part(token));
        Caller::of_issuer(issuer, &self.bases(), &claims, revocation_key, now).map_err(refused)
    }

    /// Returns the URLs of this server below which resources have their addresses.
    fn bases(&self) -> Vec<String> {
        let bases = domain::request::Base::ALL.iter().map(|base| self.settings.url(base.path()));
        bases.chain([self.settings.base_url.clone()]).collect()
    }

    fn audiences(&self, issuer: &Issuer) -> Vec<String> {
        if let Some(audience) = &issuer.audience {
            return vec![audience.clone()];
        }
        self.bases()
    }

    /// Revokes the token of a caller until it expires.
    pub async fn revoke(&self, caller: &Caller) -> Result<()> {
        let revoked = self.store_revocation(caller).await;
        // Even a failed call may have ended the authorization.
        self.forget();
        revoked
    }

    async fn store_revocation(&self, caller: &Caller) -> Result<()> {
        if let Some(family) = &caller.family {
            self.expiring.take(EntryKind::Family, family).await?;
        }
        self.expiring.put(EntryKind::Revoked, &caller.revocation_key, Value::Null, caller.expires_at).await?;
        Ok(())
    }
}

/// Logs the reason, which is not sent to the caller.
fn refused(reason: Refused) -> Error {
    tracing::debug!(reason, "a token is not valid");
    UNAUTHORIZED
}

fn digest_of(token: &str) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests;
