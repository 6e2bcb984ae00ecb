//! Records the actions of handlers in the [audit trail](domain::audit).
//!
//! An event is recorded before its action is done or its data is shown. Therefore an action that cannot be recorded is not done, and
//! a caller who closes the connection cannot prevent the entry. If the action then fails, a second event records the failure
//! ([`Audit::around`]).

use std::sync::Arc;

use domain::audit::{Actor, ActorKind, Event, NAMED_FOR, Origin, Outcome};
use domain::clock::Clock;
use domain::error::{Error, Result};
use domain::ids::JobId;
use domain::ports::audit::AuditLog;
use jiff::Timestamp;
use storage::bounded::Bounded;

use crate::request_context;

/// Writes the events of requests to the audit trail. See the [module](self).
#[derive(Clone)]
pub struct Audit {
    log: Arc<dyn AuditLog>,
    clock: Arc<dyn Clock>,
    named: Arc<Named>,
}

/// When this process named all patients of an export in entries with this actor and with these names of an action and an outcome. If many
/// such entries about the same export follow, such as one for each file that is downloaded, they do not name them again and again. Another
/// action or outcome names them, because a filter by action or outcome must find it by its patients.
type Named = Bounded<(Actor, JobId, &'static str, &'static str), Timestamp>;

/// The memory for [`Named`], and the approximate size of one of its entries, in bytes.
const NAMED_BYTES: (u64, u64) = (64 * 1024, 256);

impl Audit {
    pub fn new(log: Arc<dyn AuditLog>, clock: Arc<dyn Clock>) -> Self {
        Self { log, clock, named: Arc::new(Bounded::new(NAMED_BYTES.0)) }
    }

    /// Records an event with the address and the id of the request. It is durable when this returns. An event with many patients
    /// has several entries; if it is about an export, further events with the same actor, action and outcome have only the number of
    /// these patients for an hour.
    ///
    /// # Errors
    ///
    /// Every error of the store becomes [`Error::Unavailable`], because the caller's request is not at fault.
    pub async fn record(&self, event: Event) -> Result<()> {
        let event = Event {
            actor: match event.actor.kind {
                ActorKind::Staff | ActorKind::Client => {
                    event.actor.of_issuer(request_context::issuer().as_deref())
                }
                ActorKind::Patient | ActorKind::Server | ActorKind::Unknown => event.actor,
            },
            origin: Origin {
                address: request_context::address().map(|address| address.to_string()),
                request: request_context::request_id(),
            },
            ..event
        };
        let job = event.job.clone().filter(|_| event.has_many());
        let Some(job) = job else { return self.append(event).await };
        let key = (event.actor.clone(), job, event.action.name(), event.outcome.name());
        let now = self.clock.now();
        if self.named.get(&key).is_some_and(|named| now.duration_since(named) < NAMED_FOR) {
            return self.append(event.naming_nobody_again()).await;
        }
        self.append(event).await?;
        self.named.put(key, now, NAMED_BYTES.1);
        Ok(())
    }

    async fn append(&self, event: Event) -> Result<()> {
        for entry in event.entries() {
            self.log.append(&entry).await.map_err(|error| match error {
                Error::Unavailable(_) => error,
                other => Error::unavailable(other),
            })?;
        }
        Ok(())
    }

    /// Records that an action failed after its event was recorded, and returns the error of the action. If the failure cannot be
    /// recorded, the error stays the same: the trail then lists an action that was not done, but never misses one that was done.
    pub async fn failed(&self, event: Event, error: Error) -> Error {
        if let Err(unrecorded) = self.record(event.with(Outcome::Failed)).await {
            tracing::error!(
                error = %unrecorded,
                cause = unrecorded.causes(),
                "an action failed, and the audit trail still shows it as successful"
            );
        }
        error
    }

    /// Records an event, and then runs its action. If the action fails, a second event records the failure. There is no second event
    /// if a store did not respond, because the action may have been done.
    ///
    /// # Errors
    ///
    /// The errors of [`Audit::record`], after which the action is not run, and the errors of the action.
    pub async fn around<T>(&self, event: Event, action: impl Future<Output = Result<T>>) -> Result<T> {
        self.record(event.clone()).await?;
        match action.await {
            Ok(done) => Ok(done),
            Err(error @ Error::Unavailable(_)) => Err(error),
            Err(error) => Err(self.failed(event, error).await),
        }
    }

    /// Returns the store, for reading the trail.
    pub fn log(&self) -> &Arc<dyn AuditLog> {
        &self.log
    }
}
