//! Who calls: an access token becomes a [`Caller`], or 401.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub use crate::caller::{Caller, EhiAccess};
use crypto::fingerprint;
use domain::clock::Clock;
use domain::error::{Error, INVALID_TOKEN, Result};
use domain::ports::expiring::{EntryKind, ExpiringStore};
use settings::{Issuer, Settings};

use crate::jwks::JwksCache;
use crate::jwt::{Refused, Unverified, signed_part};
use crate::keys::Keys;
use crate::tokens;

/// How long a verified token is believed without asking whether it was revoked. Within one process
/// a revocation counts at once.
const BELIEVED: SignedDuration = SignedDuration::from_secs(30);
/// How many tokens are remembered.
const MAX_REMEMBERED: usize = 10_000;

const UNAUTHORIZED: Error = Error::Unauthorized(INVALID_TOKEN);

/// When a token was checked and whose it is, by its digest, so that looking one up tells nothing of its bytes by time.
type Remembered = HashMap<[u8; 32], (Timestamp, Arc<Caller>)>;

pub struct Verifier {
    settings: Arc<Settings>,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    expiring: Arc<dyn ExpiringStore>,
    jwks: JwksCache,
    remembered: Mutex<Remembered>,
}

impl Verifier {
    pub fn new(
        settings: Arc<Settings>,
        keys: Arc<Keys>,
        clock: Arc<dyn Clock>,
        expiring: Arc<dyn ExpiringStore>,
    ) -> Self {
        let jwks = JwksCache::new(&settings.limits);
        Self { settings, keys, clock, expiring, jwks, remembered: Mutex::default() }
    }

    /// The bearer of an access token, or [`Error::Unauthorized`].
    pub async fn verify(&self, token: &str) -> Result<Arc<Caller>> {
        let now = self.clock.now();
        let digest = digest_of(token);
        if let Some(caller) = self.recall(&digest, now) {
            return Ok(caller);
        }
        let caller = match tokens::verify(&self.keys, token, &self.settings.base_url, now) {
            Some(claims) => self.verify_local(claims).await?,
            None => self.verify_external(token, now).await?,
        };
        if self.expiring.get(EntryKind::Revoked, &caller.revocation_key).await?.is_some() {
            return Err(UNAUTHORIZED);
        }
        let caller = Arc::new(caller);
        let mut remembered = self.lock();
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(digest, (now, caller.clone()));
        Ok(caller)
    }

    /// Forgets what was verified, after a revocation.
    pub fn forget(&self) {
        self.lock().clear();
    }

    fn recall(&self, digest: &[u8; 32], now: Timestamp) -> Option<Arc<Caller>> {
        let remembered = self.lock();
        let (checked, caller) = remembered.get(digest)?;
        (caller.expires_at > now && now.duration_since(*checked) < BELIEVED).then(|| caller.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn verify_local(&self, claims: tokens::AccessTokenClaims) -> Result<Caller> {
        if let Some(family) = &claims.family
            && self.expiring.get(EntryKind::Family, family).await?.is_none()
        {
            return Err(UNAUTHORIZED);
        }
        Caller::of_own(claims).ok_or(UNAUTHORIZED)
    }

    /// A token of another issuer, by its published keys.
    async fn verify_external(&self, token: &str, now: Timestamp) -> Result<Caller> {
        // Only signatures by private keys: a public key must never serve as a shared secret.
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
            return Err(refused("another audience"));
        }
        // By what is signed, and not by the signature, which somebody else could spell differently.
        let revocation_key = fingerprint(signed_part(token));
        Caller::of_issuer(issuer, &claims, revocation_key, now).map_err(refused)
    }

    fn audiences(&self, issuer: &Issuer) -> Vec<String> {
        if let Some(audience) = &issuer.audience {
            return vec![audience.clone()];
        }
        let bases = domain::request::Base::ALL.iter().map(|base| self.settings.url(base.path()));
        bases.chain([self.settings.base_url.clone()]).collect()
    }

    /// Revokes the token a caller came with until it expires by itself.
    pub async fn revoke(&self, caller: &Caller) -> Result<()> {
        if let Some(family) = &caller.family {
            self.expiring.take(EntryKind::Family, family).await?;
        }
        self.expiring.put(EntryKind::Revoked, &caller.revocation_key, Value::Null, caller.expires_at).await?;
        self.forget();
        Ok(())
    }
}

/// The reason goes to the log only.
fn refused(reason: Refused) -> Error {
    tracing::debug!(reason, "a token that does not hold");
    UNAUTHORIZED
}

fn digest_of(token: &str) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}
