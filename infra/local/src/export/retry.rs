//! Repeats failed requests, with exponential back-off, jitter and `Retry-After`.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use domain::clock::{Clock, SystemClock};
use http::StatusCode;
use http::header::RETRY_AFTER;
use indicatif::ProgressBar;
use jiff::Timestamp;
use reqwest::{Response, ResponseBuilderExt};
use serde_json::Value;
use tokio::time::Instant;

use super::progress::print;
use super::response::{MAX_ERROR, beginning, refusal, unreachable};
use crate::Failure;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The kind of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No other request helps: for example, a file cannot be written, or the server does not renew the token.
    Fatal,
    /// The same request would fail again.
    Final,
    /// The time for retries is over.
    Over,
    /// The server did not handle the request, so it may be sent again.
    Refused,
    /// The server may have handled the request, so it may be sent again only if handling it twice is safe.
    Broken,
}

/// The reason why there is no usable response.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) failure: Failure,
    pub(crate) kind: Kind,
    /// The pause that the server requests.
    retry_after: Option<Duration>,
}

impl Trouble {
    /// Returns a failure that the server causes for this request only.
    pub(crate) fn of_server(failure: Failure) -> Self {
        Self { failure, kind: Kind::Final, retry_after: None }
    }

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
        Self { failure, kind: Kind::Fatal, retry_after: None }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        trouble.failure
    }
}

/// The condition for sending a request again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Handling the request twice is safe, so it is always repeated.
    Safe,
    /// The request is repeated only if the server did not handle it.
    IfRefused,
}

/// The time during which one request is repeated.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    limit: Duration,
    progress: ProgressBar,
}

impl Patience {
    pub(crate) fn new(limit: Duration, progress: ProgressBar) -> Self {
        Self { limit, progress }
    }

    /// Returns a value that permits no repetition.
    pub(crate) fn once(&self) -> Self {
        Self::new(Duration::ZERO, self.progress.clone())
    }

    /// Returns a value that permits no repetition, for requests for which a person waits.
    pub(crate) fn none() -> Self {
        Self::new(Duration::ZERO, ProgressBar::hidden())
    }

    /// Repeats a request until there is a usable response, until a failure is final, or until the time is over.
    pub(crate) async fn send(
        &self,
        repeat: Repeat,
        mut request: impl AsyncFnMut() -> Result<Response, Trouble>,
    ) -> Result<Response, Trouble> {
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
                return Err(Trouble::of_server(trouble.failure));
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
    /// The time at which the first attempt since the last progress failed.
    since: Option<Instant>,
}

impl Attempts<'_> {
    /// Restarts the time for retries, because bytes were received.
    pub(crate) fn progressed(&mut self) {
        (self.pauses, self.since) = (pauses(), None);
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    ///
    /// The failure itself, if no attempt follows. Its kind is [`Kind::Fatal`], [`Kind::Final`] or [`Kind::Over`].
    pub(crate) async fn pause(&mut self, trouble: Trouble) -> Result<(), Trouble> {
        if matches!(trouble.kind, Kind::Fatal | Kind::Final | Kind::Over) {
            return Err(trouble);
        }
        let pause = self.pauses.next().unwrap_or(LONGEST_PAUSE).max(trouble.retry_after.unwrap_or_default());
        let is_first = self.since.is_none();
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed().saturating_add(pause) > self.patience.limit {
            return Err(Trouble { kind: Kind::Over, ..trouble });
        }
        let text = format!("{}; trying again in {:.0?}", trouble.failure, pause);
        if is_first {
            print(&self.patience.progress, &text);
        }
        self.patience.progress.set_message(text);
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// Returns the response, unless its status means that the request may be repeated. The response of a failed export has status 500.
async fn usable(response: Response) -> Result<Response, Trouble> {
    let status = response.status();
    let kind = match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Kind::Refused,
        StatusCode::REQUEST_TIMEOUT => Kind::Broken,
        status if status.is_server_error() => Kind::Broken,
        _ => return Ok(response),
    };
    let retry_after = retry_after(&response);
    let url = response.url().clone();
    let text = beginning(response, MAX_ERROR).await.unwrap_or_default();
    // A failed export and a failing server have the same status. The request is retried only for a failing server, or if the code of the
    // error is temporary (Bulk Data 2.0, status request, error response).
    let body: Value = serde_json::from_slice(&text).unwrap_or_default();
    let code = body["issue"][0]["code"].as_str();
    let has_failed = status == StatusCode::INTERNAL_SERVER_ERROR
        && code.is_some_and(|code| !["transient", "throttled", "timeout", "lock-error"].contains(&code));
    if has_failed {
        let again = http::Response::builder().status(status).url(url).body(text);
        return Ok(again.map_err(|error| Failure::new(error.to_string()))?.into());
    }
    Err(Trouble { failure: refusal(status, url.path(), &body), kind, retry_after })
}

/// Returns the pause of the `Retry-After` header, in seconds or as a date (RFC 9110, section 10.2.3).
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    pause_until(text, SystemClock.now())
}

/// Returns the pause that a `Retry-After` with this text requests, or `None` if the text cannot be read.
pub(crate) fn pause_until(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text.trim()).ok()?;
    Some(at.duration_since(now.into()).unwrap_or_default())
}

#[cfg(test)]
mod tests;
