//! What is tried again, and when: back-off with jitter, `Retry-After`, and an end.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use domain::clock::{Clock, SystemClock};
use http::StatusCode;
use http::header::RETRY_AFTER;
use indicatif::ProgressBar;
use reqwest::Response;
use serde_json::Value;
use tokio::time::Instant;

use super::say;
use super::smart::{refusal, unreachable};
use crate::Failure;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How a request went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It would go wrong again.
    Final,
    /// The server did not take it: any request may be sent again.
    Refused,
    /// Whether the server did it is not known: only a request that may be done twice is sent again.
    Broken,
}

/// Why there is no response that can be used.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) failure: Failure,
    pub(crate) kind: Kind,
    /// When the server wants to be asked again.
    retry_after: Option<Duration>,
}

impl Trouble {
    pub(crate) fn broken(failure: Failure) -> Self {
        Self { failure, kind: Kind::Broken, retry_after: None }
    }

    pub(crate) fn of_transport(error: reqwest::Error) -> Self {
        let kind = match () {
            () if error.is_builder() => Kind::Final,
            () if error.is_connect() => Kind::Refused,
            () => Kind::Broken,
        };
        Self { failure: unreachable(error), kind, retry_after: None }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self { failure, kind: Kind::Final, retry_after: None }
    }
}

/// Which requests are sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It may be done twice.
    Safe,
    /// Only where the server did not take it.
    IfRefused,
}

/// How long one request is tried again.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    limit: Duration,
    progress: ProgressBar,
}

impl Patience {
    pub(crate) fn new(limit: Duration, progress: ProgressBar) -> Self {
        Self { limit, progress }
    }

    /// For requests that a person waits for.
    pub(crate) fn none() -> Self {
        Self::new(Duration::ZERO, ProgressBar::hidden())
    }

    /// Tries until there is a response, until it cannot get better, or until the time is over.
    pub(crate) async fn send(
        &self,
        repeat: Repeat,
        mut request: impl AsyncFnMut() -> Result<Response, Trouble>,
    ) -> Result<Response, Failure> {
        let mut attempts = self.attempts();
        loop {
            let trouble = match request().await {
                Ok(response) => match usable(response).await {
                    Ok(response) => return Ok(response),
                    Err(trouble) => trouble,
                },
                Err(trouble) => trouble,
            };
            if trouble.kind == Kind::Broken && repeat == Repeat::IfRefused {
                return Err(trouble.failure);
            }
            attempts.pause(trouble).await?;
        }
    }

    pub(crate) fn attempts(&self) -> Attempts<'_> {
        Attempts { patience: self, pauses: pauses(), since: None }
    }
}

fn pauses() -> backon::ExponentialBackoff {
    let backoff = ExponentialBuilder::new().with_min_delay(FIRST_PAUSE).with_max_delay(LONGEST_PAUSE);
    backoff.with_jitter().without_max_times().build()
}

/// The attempts of one request.
pub(crate) struct Attempts<'p> {
    patience: &'p Patience,
    pauses: backon::ExponentialBackoff,
    /// When the first attempt since the last progress went wrong.
    since: Option<Instant>,
}

impl Attempts<'_> {
    /// Something arrived: the time for retries starts again.
    pub(crate) fn progressed(&mut self) {
        (self.pauses, self.since) = (pauses(), None);
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// The trouble itself, when another attempt would not help or would be too late.
    pub(crate) async fn pause(&mut self, trouble: Trouble) -> Result<(), Failure> {
        if trouble.kind == Kind::Final {
            return Err(trouble.failure);
        }
        let pause = self.pauses.next().unwrap_or(LONGEST_PAUSE).max(trouble.retry_after.unwrap_or_default());
        let is_first = self.since.is_none();
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() + pause > self.patience.limit {
            return Err(trouble.failure);
        }
        let told = format!("{}; trying again in {:.0?}", trouble.failure, pause);
        if is_first {
            say(&self.patience.progress, &told);
        }
        self.patience.progress.set_message(told);
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// The response, if the server has said what it has to say.
async fn usable(response: Response) -> Result<Response, Trouble> {
    let status = response.status();
    let kind = match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Kind::Refused,
        StatusCode::REQUEST_TIMEOUT => Kind::Broken,
        status if status.is_server_error() => Kind::Broken,
        _ => return Ok(response),
    };
    let retry_after = retry_after(&response);
    let path = response.url().path().to_owned();
    let text = response.text().await.unwrap_or_default();
    // An export that failed is told with the same status as a server that is out of order. Only the latter, or one that
    // says so, passes (Bulk Data 2.0, status request, error response).
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    let code = body["issue"][0]["code"].as_str();
    let has_failed = status == StatusCode::INTERNAL_SERVER_ERROR
        && code.is_some_and(|code| !["transient", "throttled", "timeout", "lock-error"].contains(&code));
    let kind = if has_failed { Kind::Final } else { kind };
    Err(Trouble { failure: refusal(status, &path, &body), kind, retry_after })
}

/// `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3).
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    pause_until(text, SystemClock.now())
}

/// The pause that a `Retry-After` of this text asks for; `None` for one that cannot be read.
pub(crate) fn pause_until(text: &str, now: jiff::Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "2026-01-02T03:04:05Z".parse().expect("an instant");
        assert_eq!(pause_until(" 7 ", now), Some(Duration::from_secs(7)));
        assert_eq!(pause_until("Fri, 02 Jan 2026 03:05:05 GMT", now), Some(Duration::from_mins(1)));
        assert_eq!(pause_until("Fri, 02 Jan 2026 03:04:00 GMT", now), Some(Duration::ZERO), "it is past");
        assert_eq!(pause_until("soon", now), None);
    }
}
