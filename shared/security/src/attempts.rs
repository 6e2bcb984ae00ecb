//! Log-ins of staff and patients and the secrets of clients, with a limit on guesses.
//!
//! An attempt is counted before its password is hashed, so that parallel guesses are all counted, and the count is given
//! back when the password was right. Three counts stand beside each other, each with attempts that come back one by
//! one within `login_window_seconds`:
//!
//! - of a user from one address (`login_attempts`): slows down whoever guesses;
//! - of one address, whatever the user (`login_attempts_by_address`): slows down one password tried on many users;
//! - of a user from anywhere (`login_attempts_by_user`): slows down many addresses that guess together. It does not
//!   hold for addresses where the user's password was right before, so that strangers cannot lock the owner out.

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

/// How long an address is remembered from which a user signed in.
const KNOWN: SignedDuration = SignedDuration::from_hours(24 * 30);
/// How often a count is tried to be changed while others change it.
const RACES: u32 = 50;

/// Whose password it is.
#[derive(Debug, Clone, Copy)]
pub enum Account<'a> {
    Staff(&'a str),
    Patient(&'a str),
    Client(&'a str),
}

/// What the limits need.
pub struct Guard<'a> {
    pub expiring: &'a dyn ExpiringStore,
    pub clock: &'a dyn Clock,
    pub limits: &'a Limits,
    /// Where the attempt comes from, if that is known.
    pub address: Option<IpAddr>,
}

/// Whether the password is right; [`Error::Throttled`] when there were too many wrong ones. `hash` is `None` when there
/// is no such account, which takes as long and looks the same.
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
    // Those who must wait anyway do not queue for a hash.
    for bucket in &buckets {
        guard.check(bucket).await?;
    }
    let turn = passwords::turn(guard.limits).await?;
    for (position, bucket) in buckets.iter().enumerate() {
        if let Err(error) = guard.count(bucket).await {
            for counted in &buckets[..position] {
                guard.give_back(counted).await?;
            }
            return Err(error);
        }
    }
    if !turn.verify(password, hash).await? {
        return Ok(false);
    }
    for bucket in &buckets {
        guard.give_back(bucket).await?;
    }
    match remembered {
        Some(secret) => right_secrets(|known| remember(known, secret)),
        None => guard.remember_address(kind, name).await?,
    }
    Ok(true)
}

/// Secrets of clients that were right, as digests, in this process: a client sends its secret with each request, many at
/// once, and one hash tells as much as a hundred.
fn right_secrets<T>(use_them: impl FnOnce(&mut HashSet<String>) -> T) -> T {
    static RIGHT: OnceLock<Mutex<HashSet<String>>> = OnceLock::new();
    use_them(&mut RIGHT.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner))
}

fn remember(known: &mut HashSet<String>, secret: String) {
    if known.len() >= 1_000 {
        known.clear();
    }
    known.insert(secret);
}

/// A count of attempts.
struct Bucket {
    key: String,
    /// After so long one attempt comes back.
    interval_ms: i64,
    most: i64,
}

impl Guard<'_> {
    fn bucket(&self, name: &str, most: u64) -> Bucket {
        let window_ms = self.limits.login_window_seconds.saturating_mul(1_000);
        let interval_ms = i64::try_from(window_ms / most.max(1)).unwrap_or(i64::MAX).max(1);
        Bucket { key: fingerprint(name), interval_ms, most: i64::try_from(most).unwrap_or(i64::MAX) }
    }

    async fn buckets(&self, kind: &str, name: &str) -> Result<Vec<Bucket>> {
        let limits = self.limits;
        // Many servers of one client may fail at once when its secret changes; its secrets are not guessed by people.
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
        let grant = self.expiring.get(EntryKind::Failures, &bucket.key).await?;
        let full_at = grant.as_ref().and_then(|grant| grant.value["full_at"].as_i64()).unwrap_or_default();
        Ok((grant, full_at.max(self.clock.now().as_millisecond())))
    }

    /// When the bucket will be full again after one more attempt; an error when there is none left.
    fn after_one(&self, bucket: &Bucket, full_at: i64) -> Result<i64> {
        let next = full_at.saturating_add(bucket.interval_ms);
        let now = self.clock.now().as_millisecond();
        let wait_ms = next.saturating_sub(now) - bucket.interval_ms.saturating_mul(bucket.most);
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

    async fn give_back(&self, bucket: &Bucket) -> Result<()> {
        self.change(bucket, |full_at| Ok(full_at.saturating_sub(bucket.interval_ms))).await
    }

    async fn change(&self, bucket: &Bucket, decide: impl Fn(i64) -> Result<i64>) -> Result<()> {
        for _ in 0..RACES {
            let (grant, full_at) = self.read(bucket).await?;
            let full_at = decide(full_at)?;
            let value = json!({ "full_at": full_at });
            // Kept for a while after it is full, because a store may forget what expires at once.
            let expires_at =
                Timestamp::from_millisecond(full_at.saturating_add(60_000)).map_err(Error::internal)?;
            let stored = match grant {
                Some(grant) => {
                    let changed = ExpiringEntry { value, expires_at, ..grant };
                    self.expiring.replace(EntryKind::Failures, &bucket.key, &changed).await?
                }
                None => self.expiring.put(EntryKind::Failures, &bucket.key, value, expires_at).await?,
            };
            if stored {
                return Ok(());
            }
        }
        // So many at once are no person.
        Err(Error::Throttled { retry_after: 1 })
    }

    async fn remember_address(&self, kind: &str, name: &str) -> Result<()> {
        let Some(address) = self.address.map(network) else { return Ok(()) };
        let key = known_key(kind, name, &address);
        let expires_at = self.clock.now().saturating_add(KNOWN).map_err(Error::internal)?;
        match self.expiring.get(EntryKind::Failures, &key).await? {
            Some(grant) => self
                .expiring
                .replace(EntryKind::Failures, &key, &ExpiringEntry { expires_at, ..grant })
                .await
                .map(|_| ()),
            None => self.expiring.put(EntryKind::Failures, &key, json!({}), expires_at).await.map(|_| ()),
        }
    }
}

fn known_key(kind: &str, name: &str, address: &str) -> String {
    fingerprint(&format!("{kind} {name} signed in from {address}"))
}
