//! Verifies the passwords of staff and patients and the secrets of clients, and limits wrong guesses. The limits are written by hand
//! because all processes must count together, in the shared store: a limiter that counts in the memory of its process would allow the
//! attempts once for each instance of a function.
//!
//! An attempt is counted before its password is hashed, so that parallel guesses are all counted. If the password is
//! right, the attempt is returned. There are three limits; used attempts return one by one within `login_window_seconds`:
//!
//! - for a user from one address (`login_attempts`): it slows down guesses of one password;
//! - for one address and all users (`login_attempts_by_address`): it slows down guesses for many users;
//! - for a user from all addresses (`login_attempts_by_user`): it slows down guesses from many addresses. It does not
//!   apply to addresses from which the user has signed in before, so that strangers cannot lock the user out.
//!
//! A failed signature of a client counts as well ([`count_failure`]), so that strangers cannot fill the audit trail. Clients
//! and people have separate limits for one address: a service with a wrong key does not lock out the people behind the
//! same address.

mod guard;

use std::collections::HashSet;
use std::sync::{Mutex, OnceLock, PoisonError};

use crypto::fingerprint;
use domain::error::Result;

pub use self::guard::Guard;
use crate::passwords;

/// The account whose password is verified.
#[derive(Debug, Clone, Copy)]
pub enum Account<'a> {
    Staff(&'a str),
    Patient(&'a str),
    /// A client with a secret.
    Client(&'a str),
    /// A client that signs assertions.
    SigningClient(&'a str),
}

impl<'a> Account<'a> {
    fn is_client(self) -> bool {
        matches!(self, Self::Client(_) | Self::SigningClient(_))
    }

    /// Returns the kind and the name of the account.
    fn parts(self) -> (&'static str, &'a str) {
        match self {
            Self::Staff(name) => ("staff", name),
            Self::Patient(name) => ("patient", name),
            Self::Client(name) => ("client", name),
            Self::SigningClient(name) => ("signing client", name),
        }
    }
}

/// Returns whether the password is right. Returns [`Error::Throttled`](domain::error::Error::Throttled) after too many
/// wrong ones. `hash` is `None` if there is no such account; the check then takes the same time and has the same result as
/// for a wrong password.
pub async fn verify(
    account: Account<'_>,
    password: &str,
    hash: Option<&str>,
    guard: &Guard<'_>,
) -> Result<bool> {
    verify_any(account, &[password], hash, guard).await
}

/// Returns whether one of the readings of a password is right; see [`verify`]. All readings together are one attempt, and
/// each of them is hashed, so that the time does not depend on which one is right.
pub async fn verify_any(
    account: Account<'_>,
    readings: &[&str],
    hash: Option<&str>,
    guard: &Guard<'_>,
) -> Result<bool> {
    let (kind, name) = account.parts();
    let is_client = account.is_client();
    let secret = |reading: &str| hash.map(|hash| fingerprint(&format!("{hash} {reading}")));
    if is_client {
        let secrets: Vec<String> = readings.iter().filter_map(|reading| secret(reading)).collect();
        if right_secrets(|known| secrets.iter().any(|secret| known.contains(secret))) {
            return Ok(true);
        }
    }
    let buckets = guard.buckets(account).await?;
    // An attempt that must be refused does not wait for a hash.
    guard.check(&buckets).await?;
    let turn = passwords::turn(guard.limits).await?;
    guard.count(&buckets).await?;
    let Some(right) = turn.find(readings, hash).await? else { return Ok(false) };
    guard.return_attempt(&buckets).await?;
    match secret(right).filter(|_| is_client) {
        Some(secret) => right_secrets(|known| remember(known, secret)),
        None => guard.remember_address(kind, name).await?,
    }
    Ok(true)
}

/// Counts a failed authentication that needed no password, such as a wrong signature. Returns
/// [`Error::Throttled`](domain::error::Error::Throttled) after too many of them.
pub async fn count_failure(account: Account<'_>, guard: &Guard<'_>) -> Result<()> {
    let buckets = guard.buckets(account).await?;
    guard.check(&buckets).await?;
    guard.count(&buckets).await
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
