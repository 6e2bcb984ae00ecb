//! The retries of the SDK for one client (`aws-smithy-runtime`, standard mode), for requests that are modelled.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws::RETRY_TOKENS;
use aws_config::retry::RetryConfig;

/// The tokens for sending a throttled request again.
const COST: u64 = 5;

/// The configuration of a client's retries, and its tokens.
#[derive(Debug)]
pub struct Retries {
    config: RetryConfig,
    tokens: AtomicU64,
}

impl Retries {
    pub fn new(config: RetryConfig) -> Self {
        Self { config, tokens: AtomicU64::new(RETRY_TOKENS as u64) }
    }

    /// Returns the wait before these requests are sent again after `attempts` attempts; `None` if the client gives up.
    pub(crate) fn wait(&self, attempts: u32, requests: u64) -> Option<Duration> {
        if attempts >= self.config.max_attempts() {
            return None;
        }
        let spend = |tokens: u64| tokens.checked_sub(requests * COST);
        self.tokens.fetch_update(Ordering::SeqCst, Ordering::SeqCst, spend).ok()?;
        let longest = self.config.initial_backoff() * 2_u32.saturating_pow(attempts - 1);
        Some(longest.min(self.config.max_backoff()).mul_f64(fastrand::f64()))
    }

    /// Notes requests whose first attempt was accepted.
    pub(crate) fn accepted(&self, requests: u64) {
        self.earn(requests);
    }

    /// Notes requests whose last retry was accepted: it is refunded.
    pub(crate) fn accepted_again(&self, requests: u64) {
        self.earn(requests * COST);
    }

    fn earn(&self, earned: u64) {
        let most = RETRY_TOKENS as u64;
        let earn = |tokens: u64| Some(most.min(tokens + earned));
        let _ = self.tokens.fetch_update(Ordering::SeqCst, Ordering::SeqCst, earn);
    }
}
