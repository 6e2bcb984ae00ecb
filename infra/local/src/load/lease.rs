//! The lock of a lake in a bucket: one load at a time changes it.
//!
//! A bucket knows no processes, so the lock is an object that its load renews, and that another load may replace when it is not renewed any
//! more. Every change of the object is conditional on its content ([`Files::swap`]): of several loads that take the lock, one succeeds, and a
//! load that has lost it learns this at its next renewal and stops.
//!
//! The clocks of two machines may differ, so the times in the object only decide whether a load is refused at once. A lock that seems to be
//! old, or is of the future, is replaced only if it is not renewed while the next load watches it for longer than its lifetime. A load stops
//! by itself if it could not renew its lock within the lifetime. The time of the last renewal counts, whatever work was done since then: many
//! short steps renew the lock like a long one.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use domain::clock::{Clock, SystemClock};
use domain::error::{Error, Result as Stored};
use domain::ports::files::{Files, read_all};
use indicatif::ProgressBar;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use storage::layout::INDEX;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::lock::{host, seconds};
use crate::Failure;
use crate::generation::generation;

/// The maximum number of bytes of the object.
const MAX_BYTES: usize = 4096;
/// The time between two looks at a lock that may be abandoned.
const LOOK: Duration = Duration::from_secs(5);
/// The time between two looks at the clock. A machine that was suspended renews its lock soon after it continues.
const TICK: Duration = Duration::from_secs(1);
/// The number of attempts to replace the object.
const TRIES: usize = 3;

fn key() -> String {
    format!("{INDEX}/lock/load.json")
}

/// The times of a lock.
#[derive(Clone)]
pub struct Times {
    pub clock: Arc<dyn Clock>,
    /// The time between two renewals.
    pub renewal: Duration,
    /// The time after which a load without a renewal stops.
    pub lifetime: Duration,
    /// The time for which a lock is watched before it is replaced. It is longer than the lifetime.
    pub watch: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            renewal: Duration::from_secs(15),
            lifetime: Duration::from_mins(1),
            watch: Duration::from_secs(75),
        }
    }
}

/// The content of the object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    /// The name of the load, which no other load has.
    load: String,
    process: u32,
    host: String,
    since: Timestamp,
    renewed: Timestamp,
    /// The number of renewals, so that each of them changes the object whatever the clock says.
    renewals: u64,
    #[serde(default)]
    has_ended: bool,
}

/// A lock that this load holds until it is released.
pub struct Lease {
    files: Arc<dyn Files>,
    times: Times,
    /// The content of the object, as far as it is known.
    stored: Mutex<Holder>,
    moments: std::sync::Mutex<Moments>,
}

/// When the lock was renewed.
struct Moments {
    /// When the last renewal was begun that succeeded.
    renewed: Instant,
    /// When the last renewal was begun, by two clocks.
    tried: (Instant, Timestamp),
}

impl Lease {
    /// Takes the lock of a lake. If it seems to be abandoned, this watches it first.
    ///
    /// # Errors
    ///
    /// Another load holds the lock, or the bucket does not respond.
    pub async fn acquire(files: Arc<dyn Files>, times: Times, bar: &ProgressBar) -> Result<Self, Failure> {
        loop {
            let found = read(&*files).await?;
            if let Some(text) = &found {
                until_free(&*files, &times, text, bar).await?;
            }
            let (begun, since) = (Instant::now(), times.clock.now());
            let (load, process) = (generation().0, std::process::id());
            let holder =
                Holder { load, process, host: host(), since, renewed: since, renewals: 0, has_ended: false };
            // If another load was faster, its lock is found next.
            if files.swap(&key(), found.as_deref(), text_of(&holder)?).await? {
                let moments = std::sync::Mutex::new(Moments { renewed: begun, tried: (begun, since) });
                return Ok(Self { files, times, stored: Mutex::new(holder), moments });
            }
        }
    }

    /// Does work while the lock is renewed. The work is dropped if the lock is lost.
    ///
    /// # Errors
    ///
    /// The work failed, or the lock is lost.
    pub async fn during<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let mut work = pin!(work);
        if self.is_due() {
            self.renew().await?;
        }
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = self.until_due() => {}
            }
            // If the lock may expire before the bucket responds, the work waits. It goes on if it renews the lock itself at this moment.
            if self.expires_soon() && self.stored.try_lock().is_ok() {
                self.renew().await?;
                continue;
            }
            tokio::select! {
                done = &mut work => return done,
                renewed = self.renew() => renewed?,
            }
        }
    }

    /// Waits for work on another thread while the lock is renewed. The work is told to stop if the lock is lost.
    ///
    /// # Errors
    ///
    /// The work failed, or the lock is lost.
    pub(super) async fn during_blocking<T>(
        &self,
        mut work: JoinHandle<Result<T, Failure>>,
        stop: &AtomicBool,
    ) -> Result<T, Failure> {
        tokio::select! {
            done = &mut work => done.map_err(|error| Failure::new(error.to_string()))?,
            lost = self.until_lost() => {
                stop.store(true, Ordering::Relaxed);
                // The temporary directory contains records, so the work ends before it is removed.
                let _ = work.await;
                Err(lost)
            }
        }
    }

    /// Renews the lock now, before a change that must not be made without it.
    ///
    /// # Errors
    ///
    /// The lock is lost, or the bucket does not respond.
    pub async fn confirm(&self) -> Result<(), Failure> {
        match self.replace(false).await? {
            true => Ok(()),
            false => Err(taken()),
        }
    }

    /// Ends the lock. If the bucket does not respond, the next load waits until the lock has expired.
    pub async fn release(self) {
        let _ = timeout(self.times.lifetime.max(TICK), self.replace(true)).await;
    }

    /// Renews the lock until it is lost. Returns the reason.
    async fn until_lost(&self) -> Failure {
        loop {
            self.until_due().await;
            if let Err(lost) = self.renew().await {
                return lost;
            }
        }
    }

    /// Waits until the next renewal is due.
    async fn until_due(&self) {
        while !self.is_due() {
            sleep(self.times.renewal.min(TICK)).await;
        }
    }

    /// Returns whether the last attempt to renew the lock is long ago. It may have been made before the present work began.
    fn is_due(&self) -> bool {
        let (tried, by_clock) = self.moments().tried;
        // The second clock does not stop while the machine is suspended.
        let by_clock = self.times.clock.now().duration_since(by_clock).unsigned_abs();
        tried.elapsed().max(by_clock) >= self.times.renewal
    }

    /// Returns whether the lock may expire before the next renewal is due.
    fn expires_soon(&self) -> bool {
        self.end() < Instant::now() + self.times.renewal
    }

    /// Renews the lock if the bucket responds in time. An error is ignored if there is time for another attempt.
    async fn renew(&self) -> Result<(), Failure> {
        let end = self.end();
        // The response decides whether the lock is still that of this load, even if it has expired.
        let until = end.max(Instant::now() + self.times.renewal);
        match timeout_at(until, self.replace(false)).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(taken()),
            Ok(Err(_)) if Instant::now() < end => Ok(()),
            Ok(Err(error)) => Err(unrenewed(&error.to_string())),
            Err(_) => Err(unrenewed("the bucket does not respond")),
        }
    }

    fn moments(&self) -> MutexGuard<'_, Moments> {
        self.moments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the lock expires.
    fn end(&self) -> Instant {
        self.moments().renewed + self.times.lifetime
    }

    /// Replaces the object. Returns whether the lock was still that of this load.
    async fn replace(&self, has_ended: bool) -> Stored<bool> {
        let mut stored = self.stored.lock().await;
        for _ in 0..TRIES {
            let (begun, renewed) = (Instant::now(), self.times.clock.now());
            self.moments().tried = (begun, renewed);
            let next = Holder { renewed, renewals: stored.renewals + 1, has_ended, ..stored.clone() };
            if self.files.swap(&key(), Some(&text_of(&stored)?), text_of(&next)?).await? {
                *stored = next;
                self.moments().renewed = begun;
                return Ok(true);
            }
            // A renewal can have been stored although its response did not arrive, or was not awaited.
            match read(&*self.files).await?.as_deref().and_then(holder_of) {
                Some(found) if found.load == stored.load && !found.has_ended => *stored = found,
                _ => return Ok(false),
            }
        }
        Ok(false)
    }
}

/// Returns when the lock with this content is free, or has changed in another way than by a renewal.
///
/// # Errors
///
/// Another load holds the lock.
async fn until_free(files: &dyn Files, times: &Times, text: &[u8], bar: &ProgressBar) -> Result<(), Failure> {
    let holder = holder_of(text);
    if holder.as_ref().is_some_and(|holder| holder.has_ended) {
        return Ok(());
    }
    if let Some(holder) = &holder
        && let Some(left) = left(holder, times)
    {
        return Err(in_use(Some(holder), left));
    }
    bar.suspend(|| eprintln!("{}", watched(holder.as_ref(), times.watch)));
    let until = Instant::now() + times.watch;
    while Instant::now() < until {
        sleep(LOOK.min(times.watch)).await;
        let found = read(files).await?;
        if found.as_deref() != Some(text) {
            let holder = found.as_deref().and_then(holder_of);
            return match (found, holder) {
                (None, _) | (_, Some(Holder { has_ended: true, .. })) => Ok(()),
                (Some(_), holder) => Err(in_use(holder.as_ref(), times.lifetime)),
            };
        }
    }
    Ok(())
}

/// Returns the time until a lock expires; `None` if it has expired, or if its time is so far in the future that the clocks differ.
fn left(holder: &Holder, times: &Times) -> Option<Duration> {
    let lifetime = SignedDuration::try_from(times.lifetime).ok()?;
    let age = times.clock.now().duration_since(holder.renewed);
    let left = lifetime.checked_sub(age)?;
    (age.abs() < lifetime).then(|| left.unsigned_abs())
}

fn in_use(holder: Option<&Holder>, left: Duration) -> Failure {
    let about = holder.map(|holder| format!(" ({})", about(holder))).unwrap_or_default();
    let seconds = left.as_secs() + 1;
    Failure::new(format!(
        "another load into this lake is running{about}, and nothing was changed: wait until it has ended, and run this load again. If it was killed, run this load again in {seconds} seconds: its lock expires then"
    ))
}

fn watched(holder: Option<&Holder>, watch: Duration) -> String {
    let about = holder.map(|holder| format!(" ({})", about(holder))).unwrap_or_default();
    format!(
        "Another load into this lake has not ended properly{about}. This load waits {} seconds, and begins if the other one does not renew its lock.",
        watch.as_secs()
    )
}

/// Returns what is known of a load. It is shown on a terminal, so it has no control characters.
fn about(holder: &Holder) -> String {
    let Holder { process, host, since, .. } = holder;
    let host: String = host.chars().filter(|letter| !letter.is_control()).take(100).collect();
    format!("since {}, process {process} on {host}", seconds(*since))
}

fn taken() -> Failure {
    Failure::new(
        "another load has taken the lock of this lake, because this one did not renew it in time: wait until the other one has ended, and run this load again",
    )
}

fn unrenewed(reason: &str) -> Failure {
    Failure::new(format!(
        "the lock of this lake could not be renewed in time ({reason}), so another load may begin: run this load again when the bucket responds"
    ))
}

fn text_of(holder: &Holder) -> Stored<Vec<u8>> {
    Ok(serde_json::to_vec(holder)?)
}

fn holder_of(text: &[u8]) -> Option<Holder> {
    serde_json::from_slice(text).ok()
}

/// Returns the content of the object; `None` if there is none.
async fn read(files: &dyn Files) -> Stored<Option<Vec<u8>>> {
    match read_all(files, &key(), MAX_BYTES).await {
        Ok(text) => Ok(Some(text)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
