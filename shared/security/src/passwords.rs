//! Hashes and verifies passwords with argon2. A hash needs 19 MiB and a core for tens of milliseconds. So only a few
//! are made at once, and on separate threads, so that the threads for files and SQLite stay free.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, Params, PasswordHasher, PasswordVerifier};
use domain::clock::Random;
use domain::error::{Error, Result};
use settings::Limits;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

/// The maximum length of a password, in bytes.
const MAX_PASSWORD: usize = 256;

/// Hashes a password with argon2id, 19 MiB and 2 passes, which is the minimum that OWASP recommends.
pub fn hash(password: &str, random: &dyn Random) -> Result<String> {
    let mut salt = [0; 16];
    random.fill(&mut salt);
    let params = Params::new(19 * 1024, 2, 1, None).map_err(|error| Error::internal(error.to_string()))?;
    let argon2 = Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let hash = argon2.hash_password_with_salt(password.as_bytes(), &salt);
    Ok(hash.map_err(|error| Error::internal(error.to_string()))?.to_string())
}

/// The permission to compute one hash.
pub struct Turn {
    hashers: &'static Hashers,
    permit: SemaphorePermit<'static>,
}

/// Waits for a permission. Returns [`Error::Throttled`] if too many requests are waiting.
pub async fn turn(limits: &Limits) -> Result<Turn> {
    /// One pool for the process, because its memory is limited. The first settings decide the size.
    static HASHERS: OnceLock<Hashers> = OnceLock::new();
    let hashers = HASHERS.get_or_init(|| Hashers::start(limits));
    let _waiter = Waiter::begin(&hashers.waiting, limits.hashes_waiting)?;
    let permit = hashers.turns.acquire().await.map_err(Error::internal)?;
    Ok(Turn { hashers, permit })
}

impl Turn {
    /// Returns the first of these passwords that matches a hash. All of them are checked, so that the time does not depend
    /// on which one matches. `None` takes the same time and never matches, so that a response does not reveal which users
    /// exist.
    pub async fn find<'p>(self, passwords: &[&'p str], hash: Option<&str>) -> Result<Option<&'p str>> {
        /// The hash of an unknown password.
        const UNKNOWN: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$f3rAHYQmlyMNjvFjE7cdWU4yGYZzT9UeCZP2Fz9Xh0A";

        let usable = passwords.iter().copied().filter(|password| password.len() <= MAX_PASSWORD);
        let usable: Vec<&'p str> = usable.collect();
        if usable.is_empty() {
            return Ok(None);
        }
        let (result, right) = oneshot::channel();
        let checked: Vec<String> = usable.iter().map(|password| (*password).to_owned()).collect();
        let known = hash.map(str::to_owned);
        let is_known = known.is_some();
        let permit = self.permit;
        let work = move || {
            // The permission is held until the hash is computed, even if the request is cancelled before.
            let _permit = permit;
            let hash = known.as_deref().unwrap_or(UNKNOWN);
            let parsed = PasswordHash::new(hash).ok();
            let is_right = |password: &String| {
                let hash = parsed.as_ref();
                hash.is_some_and(|hash| Argon2::default().verify_password(password.as_bytes(), hash).is_ok())
            };
            let right: Vec<bool> = checked.iter().map(is_right).collect();
            // The request may have been cancelled.
            let _ = result.send(right);
        };
        self.hashers.submit(Box::new(work))?;
        let right = right.await.map_err(Error::internal)?.into_iter().position(|is_right| is_right);
        Ok(right.filter(|_| is_known).map(|position| usable[position]))
    }
}

type Work = Box<dyn FnOnce() + Send>;

/// The hashing threads, and the permissions that limit them.
struct Hashers {
    turns: Semaphore,
    waiting: AtomicU64,
    work: Mutex<mpsc::Sender<Work>>,
}

impl Hashers {
    fn start(limits: &Limits) -> Self {
        let threads = usize::try_from(limits.hashes_at_once).unwrap_or(1);
        let (work, receiver) = mpsc::channel::<Work>();
        let receiver = std::sync::Arc::new(Mutex::new(receiver));
        for number in 0..threads {
            let receiver = receiver.clone();
            let hashing = move || {
                loop {
                    let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(work) = next else { return };
                    work();
                }
            };
            if let Err(error) = std::thread::Builder::new().name(format!("hash-{number}")).spawn(hashing) {
                tracing::error!(error = %error, "a thread that hashes passwords cannot be started");
            }
        }
        Self { turns: Semaphore::new(threads), waiting: AtomicU64::new(0), work: Mutex::new(work) }
    }

    fn submit(&self, work: Work) -> Result<()> {
        let sender = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        sender.send(work).map_err(|_| Error::internal("no thread that hashes passwords is left"))
    }
}

/// Counts a waiting request until it is dropped.
struct Waiter<'w>(&'w AtomicU64);

impl<'w> Waiter<'w> {
    fn begin(waiting: &'w AtomicU64, limit: u64) -> Result<Self> {
        let waiter = Self(waiting);
        if waiting.fetch_add(1, Ordering::Relaxed) < limit {
            Ok(waiter)
        } else {
            Err(Error::Throttled { retry_after: 1 })
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
