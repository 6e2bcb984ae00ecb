//! The router of a function, which is created again when the secrets have changed. If it cannot be created, for example
//! without settings, every request gets 503, and the log says what to do.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use domain::clock::{Clock, Random};
use domain::error::{Error, Result};
use jiff::{SignedDuration, Timestamp};
use web::host::closed;

/// The time for which a process uses the secrets that it has read.
const FRESH: SignedDuration = SignedDuration::from_mins(5);
/// The wait after the first failure to read them; it doubles with each failure, up to [`FRESH`].
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(5);

/// The maximum time for reading the secrets at the start. Lambda restarts a function whose start takes ten seconds, and
/// the first request waits for both starts.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);
/// The maximum time for reading the secrets if earlier ones can be used for the request.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(3);

/// Creates the router that is served.
pub(super) trait Connect {
    /// Returns the router to serve from now on, and the version of the secrets it was created from. Returns `None` if the
    /// secrets still have the version `known`.
    async fn connect(&self, known: Option<&str>) -> Result<Option<(Router, String)>>;
}

/// A function's router, which is kept up to date.
pub(super) struct App<C> {
    connect: C,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    state: Mutex<State>,
}

struct State {
    router: Router,
    /// The version of the secrets in use; `None` before the first router was created.
    version: Option<String>,
    /// The time at which the secrets are read again.
    due: Timestamp,
    /// The number of consecutive failures to read them.
    failures: u32,
}

impl<C: Connect> App<C> {
    pub(super) async fn start(connect: C, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        let router = closed("the function has not started", clock.clone(), random.clone());
        let state = State { router, version: None, due: clock.now(), failures: 0 };
        let app = Self { connect, clock, random, state: Mutex::new(state) };
        let _ = app.router().await;
        app
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the router for a request that arrives now.
    pub(super) async fn router(&self) -> Router {
        let known = {
            let mut state = self.state();
            let now = self.clock.now();
            if now < state.due {
                return state.router.clone();
            }
            // Requests that arrive meanwhile do not read the secrets as well.
            state.due = now.saturating_add(FRESH).unwrap_or(now);
            state.version.clone()
        };
        let longest = if known.is_some() { REFRESH_TIMEOUT } else { CONNECT_TIMEOUT };
        let connected = tokio::time::timeout(longest, self.connect.connect(known.as_deref())).await;
        let connected =
            connected.unwrap_or_else(|_| Err(Error::unavailable("Secrets Manager does not respond in time")));
        let mut state = self.state();
        match connected {
            Ok(fresh) => {
                state.failures = 0;
                if let Some((router, version)) = fresh {
                    state.router = router;
                    state.version = Some(version);
                }
            }
            Err(error) => self.failed(&mut state, &error),
        }
        state.router.clone()
    }

    /// Keeps the earlier router, if there is one. After a failure, later requests wait before they read the secrets
    /// again.
    fn failed(&self, state: &mut State, error: &Error) {
        let pause = FIRST_PAUSE.saturating_mul(1 << state.failures.min(10)).min(FRESH);
        state.due = self.clock.now().saturating_add(pause).unwrap_or(Timestamp::MAX);
        state.failures = state.failures.saturating_add(1);
        let (cause, retry_seconds) = (error.causes(), pause.as_secs());
        if state.version.is_some() {
            tracing::error!(error = %error, cause, retry_seconds, "secrets cannot be read; the earlier ones are used");
        } else {
            tracing::error!(error = %error, cause, retry_seconds, "the function cannot serve requests and returns 503");
            let reason = if cause.is_empty() { error.to_string() } else { format!("{error}: {cause}") };
            state.router = closed(&reason, self.clock.clone(), self.random.clone());
        }
    }
}

#[cfg(test)]
mod tests;
