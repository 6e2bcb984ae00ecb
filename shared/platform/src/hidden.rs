//! Hides a task from other workers while one worker handles it. All hosts use this rule.
//!
//! A worker extends the visibility timeout of its task at every [`HEARTBEAT`]. If the worker dies, another one gets the
//! task after [`VISIBILITY`]. Including the delivery by the queue, that takes at most two minutes.

use std::pin::pin;
use std::time::Duration;

use domain::error::Result;
use futures_util::FutureExt;
use futures_util::future::{Fuse, FusedFuture};
use jiff::SignedDuration;
use tokio::time::{Instant, sleep_until};

/// The time for which a task is hidden from other workers. Two heartbeats may be lost.
pub const VISIBILITY: SignedDuration = SignedDuration::from_secs(90);
/// The interval at which that time is extended.
pub const HEARTBEAT: Duration = Duration::from_secs(30);

/// Runs `work`, and calls `hide` after `first` and then at every [`HEARTBEAT`], without delaying the work. When it
/// returns, no call of `hide` is pending that could undo how the task is settled.
pub async fn hidden_during<T, H: Future<Output = Result<()>>>(
    work: impl Future<Output = T>,
    first: Duration,
    hide: impl Fn() -> H,
) -> T {
    let (mut work, mut hiding) = (pin!(work), pin!(Fuse::terminated()));
    let mut beat = pin!(sleep_until(Instant::now() + first));
    loop {
        tokio::select! {
            biased;
            done = &mut work => {
                if !hiding.is_terminated() {
                    report(hiding.await);
                }
                return done;
            }
            hidden = &mut hiding => report(hidden),
            () = &mut beat, if hiding.is_terminated() => {
                hiding.set(hide().fuse());
                beat.as_mut().reset(Instant::now() + HEARTBEAT);
            }
        }
    }
}

/// Logs a failed heartbeat. Another worker may then get the task as well, which only costs time.
fn report(hidden: Result<()>) {
    if let Err(error) = hidden {
        tracing::warn!(error = %error, cause = error.causes(), "the visibility timeout of a task could not be extended");
    }
}

#[cfg(test)]
mod tests;
