//! The pauses between two requests for the status of a job.

use std::time::Duration;

use domain::clock::{Clock, SystemClock};
use http::header::RETRY_AFTER;
use reqwest::Response;

use super::retry::pause_until;

/// The number of status requests with a short pause, so that small exports end quickly.
const QUICK: u32 = 20;
/// The shortest pause after them. It is also the pause if the server requests none.
const SHORTEST: Duration = Duration::from_secs(1);

/// The pauses of one export.
#[derive(Debug)]
pub(super) struct Polling {
    /// The pause between the first requests.
    quick: Duration,
    /// It limits the pause that the server requests.
    longest: Duration,
    requests: u32,
}

impl Polling {
    pub(super) fn new(quick: Duration, longest: Duration) -> Self {
        Self { quick, longest, requests: 0 }
    }

    /// Returns the pause after a response that the export is running.
    pub(super) fn pause(&mut self, requested: Option<Duration>) -> Duration {
        self.requests = self.requests.saturating_add(1);
        if self.requests <= QUICK && requested.is_none_or(|pause| pause <= SHORTEST) {
            return self.quick;
        }
        requested.unwrap_or(SHORTEST).clamp(SHORTEST, self.longest)
    }
}

/// Returns the pause that the server requests.
pub(super) fn requested_pause(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    pause_until(text, SystemClock.now())
}

#[cfg(test)]
mod tests;
