//! The limits of failed attempts, as buckets in the store of expiring entries.

use std::net::IpAddr;

use crypto::fingerprint;
use domain::clock::Clock;
use domain::error::{Error, Result};
use domain::ports::expiring::{EntryKind, ExpiringEntry, ExpiringStore};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use settings::Limits;

use super::Account;
use crate::address::network;

/// The time for which an address is remembered after a user signed in from it.
const ADDRESS_LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 30);
/// The maximum number of tries to change a count while other requests change it.
const MAX_RACES: u32 = 50;

/// The data that the limits need.
pub struct Guard<'a> {
    pub expiring: &'a dyn ExpiringStore,
    pub clock: &'a dyn Clock,
    pub limits: &'a Limits,
    /// The address of the client, if it is known.
    pub address: Option<IpAddr>,
}

/// A bucket of attempts, which is refilled over time.
pub(super) struct Bucket {
    key: String,
    /// The time after which one attempt returns.
    interval_ms: i64,
    capacity: i64,
}

impl Guard<'_> {
    fn bucket(&self, name: &str, capacity: u64) -> Bucket {
        let window_ms = self.limits.login_window_seconds.saturating_mul(1_000);
        let interval_ms = i64::try_from(window_ms / capacity.max(1)).unwrap_or(i64::MAX).max(1);
        let capacity = i64::try_from(capacity).unwrap_or(i64::MAX);
        Bucket { key: fingerprint(name), interval_ms, capacity }
    }

    pub(super) async fn buckets(&self, account: Account<'_>) -> Result<Vec<Bucket>> {
        let (limits, (kind, name)) = (self.limits, account.parts());
        // If the secret of a client changes, many of its servers may fail at once. Its limit can be higher, because
        // such a secret cannot be guessed.
        let (by_pair, senders) = match account.is_client() {
            true => (limits.login_attempts_by_address, "clients from"),
            false => (limits.login_attempts, "from"),
        };
        let Some(address) = self.address.map(network) else {
            return Ok(vec![self.bucket(&format!("{kind} {name}"), by_pair)]);
        };
        let mut buckets = vec![
            self.bucket(&format!("{kind} {name} from {address}"), by_pair),
            self.bucket(&format!("{senders} {address}"), limits.login_attempts_by_address),
        ];
        let known = self.expiring.get(EntryKind::Failures, &known_key(kind, name, &address)).await?;
        if known.is_none() {
            buckets.push(self.bucket(&format!("{kind} {name} from anywhere"), limits.login_attempts_by_user));
        }
        Ok(buckets)
    }

    async fn read(&self, bucket: &Bucket) -> Result<(Option<ExpiringEntry>, i64)> {
        let entry = self.expiring.get(EntryKind::Failures, &bucket.key).await?;
        let full_at = entry.as_ref().and_then(|entry| entry.value["full_at"].as_i64()).unwrap_or_default();
        Ok((entry, full_at.max(self.clock.now().as_millisecond())))
    }

    /// Returns the time at which the bucket is full again after one more attempt, in milliseconds since the epoch.
    /// Returns an error if no attempt is left.
    fn after_one(&self, bucket: &Bucket, full_at: i64) -> Result<i64> {
        let next = full_at.saturating_add(bucket.interval_ms);
        let now = self.clock.now().as_millisecond();
        let wait_ms = next.saturating_sub(now) - bucket.interval_ms.saturating_mul(bucket.capacity);
        if wait_ms > 0 {
            return Err(Error::Throttled { retry_after: wait_ms.unsigned_abs().div_ceil(1_000) });
        }
        Ok(next)
    }

    /// Returns an error if a bucket has no attempt left. Changes no bucket.
    pub(super) async fn check(&self, buckets: &[Bucket]) -> Result<()> {
        for bucket in buckets {
            let (_, full_at) = self.read(bucket).await?;
            self.after_one(bucket, full_at)?;
        }
        Ok(())
    }

    /// Counts an attempt in every bucket. If one of them has no attempt left, it is an error, and counts in none.
    pub(super) async fn count(&self, buckets: &[Bucket]) -> Result<()> {
        for (position, bucket) in buckets.iter().enumerate() {
            let counted = self.change(bucket, |full_at| self.after_one(bucket, full_at)).await;
            if let Err(error) = counted {
                self.return_attempt(&buckets[..position]).await?;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Returns an attempt to every bucket.
    pub(super) async fn return_attempt(&self, buckets: &[Bucket]) -> Result<()> {
        for bucket in buckets {
            self.change(bucket, |full_at| Ok(full_at.saturating_sub(bucket.interval_ms))).await?;
        }
        Ok(())
    }

    async fn change(&self, bucket: &Bucket, decide: impl Fn(i64) -> Result<i64>) -> Result<()> {
        for _ in 0..MAX_RACES {
            let (entry, full_at) = self.read(bucket).await?;
            let full_at = decide(full_at)?;
            let value = json!({ "full_at": full_at });
            // The entry is kept for a while after the bucket is full, because a store may drop an expired entry at once.
            let expires_at =
                Timestamp::from_millisecond(full_at.saturating_add(60_000)).map_err(Error::internal)?;
            let stored = match entry {
                Some(entry) => {
                    let changed = ExpiringEntry { value, expires_at, ..entry };
                    self.expiring.replace(EntryKind::Failures, &bucket.key, &changed).await?
                }
                None => self.expiring.put(EntryKind::Failures, &bucket.key, value, expires_at).await?,
            };
            if stored {
                return Ok(());
            }
        }
        // A person does not send so many concurrent attempts.
        Err(Error::Throttled { retry_after: 1 })
    }

    pub(super) async fn remember_address(&self, kind: &str, name: &str) -> Result<()> {
        let Some(address) = self.address.map(network) else { return Ok(()) };
        let key = known_key(kind, name, &address);
        let expires_at = self.clock.now().saturating_add(ADDRESS_LIFETIME).map_err(Error::internal)?;
        match self.expiring.get(EntryKind::Failures, &key).await? {
            Some(entry) => self
                .expiring
                .replace(EntryKind::Failures, &key, &ExpiringEntry { expires_at, ..entry })
                .await
                .map(|_| ()),
            None => self.expiring.put(EntryKind::Failures, &key, json!({}), expires_at).await.map(|_| ()),
        }
    }
}

fn known_key(kind: &str, name: &str, address: &str) -> String {
    fingerprint(&format!("{kind} {name} signed in from {address}"))
}
