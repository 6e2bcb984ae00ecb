//! Verifies the passwords of staff and patients and the secrets of clients, and limits wrong guesses.
//!
//! An attempt is counted before its password is hashed, so that parallel guesses are all counted. If the password is
//! right, the attempt is returned. There are three limits; used attempts return one by one within `login_window_seconds`:
//!
//! - for a user from one address (`login_attempts`): it slows down guesses of one password;
//! - for one address and all users (`login_attempts_by_address`): it slows down guesses for many users;
//! - for a user from all addresses (`login_attempts_by_user`): it slows down guesses from many addresses. It does not
//!   apply to addresses from which the user has signed in before, so that strangers cannot lock the user out.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Mutex, OnceLock, PoisonError};

use crypto::fingerprint;
use domain::clock::Clock;
use domain::error::{Error, Result};
use domain::ports::expiring::{EntryKind, ExpiringEntry, ExpiringStore};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use settings::Limits;

use crate::address::network;
use crate::passwords;

/// The time for which an address is remembered after a user signed in from it.
const ADDRESS_LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 30);
/// The maximum number of tries to change a count while other requests change it.
const MAX_RACES: u32 = 50;

/// The account whose password is verified.
#[derive(Debug, Clone, Copy)]
pub enum Account<'a> {
    Staff(&'a str),
    Patient(&'a str),
    Client(&'a str),
}

/// The data that the limits need.
pub struct Guard<'a> {
    pub expiring: &'a dyn ExpiringStore,
    pub clock: &'a dyn Clock,
    pub limits: &'a Limits,
    /// The address of the client, if it is known.
    pub address: Option<IpAddr>,
}

/// Returns whether the password is right. Returns [`Error::Throttled`] after too many wrong ones. `hash` is `None` if
/// there is no such account; the check then takes the same time and has the same result as for a wrong password.
pub async fn verify(
    account: Account<'_>,
    password: &str,
    hash: Option<&str>,
    guard: &Guard<'_>,
) -> Result<bool> {
    let (kind, name) = match account {
        Account::Staff(name) => ("staff", name),
        Account::Patient(name) => ("patient", name),
        Account::Client(name) => ("client", name),
    };
    let is_client = kind == "client";
    let remembered = is_client.then(|| hash.map(|hash| fingerprint(&format!("{hash} {password}")))).flatten();
    if remembered.as_ref().is_some_and(|secret| right_secrets(|known| known.contains(secret))) {
        return Ok(true);
    }
    let buckets = guard.buckets(kind, name).await?;
    // An attempt that must be refused does not wait for a hash.
    for bucket in &buckets {
        guard.check(bucket).await?;
    }
    let turn = passwords::turn(guard.limits).await?;
    for (position, bucket) in buckets.iter().enumerate() {
        if let Err(error) = guard.count(bucket).await {
            for counted in &buckets[..position] {
                guard.return_attempt(counted).await?;
            }
            return Err(error);
        }
    }
    if !turn.verify(password, hash).await? {
        return Ok(false);
    }
    for bucket in &buckets {
        guard.return_attempt(bucket).await?;
    }
    match remembered {
        Some(secret) => right_secrets(|known| remember(known, secret)),
        None => guard.remember_address(kind, name).await?,
    }
    Ok(true)
}

/// Calls `access` with the digests of the client secrets that this process has verified. A client sends its secret with
/// every request, and hashing it each time would be slow.
fn right_secrets<T>(access: impl FnOnce(&mut HashSet<String>) -> T) -> T {
    static RIGHT: OnceLock<Mutex<HashSet<String>>> = OnceLock::new();
    access(&mut RIGHT.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner))
}

fn remember(known: &mut HashSet<String>, secret: String) {
    if known.len() >= 1_000 {
        known.clear();
    }
    known.insert(secret);
}

/// A bucket of attempts, which is refilled over time.
struct Bucket {
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

    async fn buckets(&self, kind: &str, name: &str) -> Result<Vec<Bucket>> {
        let limits = self.limits;
        // If the secret of a client changes, many of its servers may fail at once. Its limit can be higher, because
        // such a secret cannot be guessed.
        let by_pair = if kind == "client" { limits.login_attempts_by_address } else { limits.login_attempts };
        let Some(address) = self.address.map(network) else {
            return Ok(vec![self.bucket(&format!("{kind} {name}"), by_pair)]);
        };
        let mut buckets = vec![
            self.bucket(&format!("{kind} {name} from {address}"), by_pair),
            self.bucket(&format!("from {address}"), limits.login_attempts_by_address),
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

    async fn check(&self, bucket: &Bucket) -> Result<()> {
        let (_, full_at) = self.read(bucket).await?;
        self.after_one(bucket, full_at).map(|_| ())
    }

    async fn count(&self, bucket: &Bucket) -> Result<()> {
        self.change(bucket, |full_at| self.after_one(bucket, full_at)).await
    }

    async fn return_attempt(&self, bucket: &Bucket) -> Result<()> {
        self.change(bucket, |full_at| Ok(full_at.saturating_sub(bucket.interval_ms))).await
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

    async fn remember_address(&self, kind: &str, name: &str) -> Result<()> {
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
