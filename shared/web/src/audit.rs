//! How handlers record what is done, in the [audit trail](domain::audit).
//!
//! An event is recorded before what it tells of is done or shown: what cannot be recorded is not done, and a caller who breaks
//! the connection leaves an entry all the same. Where the action then fails, a second event says so ([`Audit::around`]).

use std::sync::Arc;

use domain::audit::{ActorKind, Event, Origin, Outcome};
use domain::error::{Error, Result};
use domain::ports::audit::AuditLog;
use platform::Platform;

use crate::request_context;

/// Records events of requests. See the [module](self).
#[derive(Clone)]
pub struct Audit(Arc<dyn AuditLog>);

impl Audit {
    pub fn of(platform: &dyn Platform) -> Result<Self> {
        Ok(Self(platform.audit()?))
    }

    /// Records an event with the address and the id of the request. It is durable when this returns.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] whatever the store's error was, because the caller's request is not at fault.
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
        self.0.append(&event).await.map_err(|error| match error {
            Error::Unavailable(_) => error,
            other => Error::unavailable(other),
        })
    }

    /// Records that an action failed after its event was recorded, and returns the error. The error stays the same if that
    /// cannot be recorded, because the trail then tells of more than was done, and not of less.
    pub async fn failed(&self, event: Event, error: Error) -> Error {
        if let Err(unrecorded) = self.record(event.with(Outcome::Failed)).await {
            tracing::error!(
                error = %unrecorded,
                cause = unrecorded.causes(),
                "the audit trail has an action that failed as one that was done"
            );
        }
        error
    }

    /// Records an event, and then does the action that it tells of. If the action fails, a second event says so; but not if a
    /// store did not respond, because the action may then have been done.
    ///
    /// # Errors
    ///
    /// Those of [`Audit::record`], in which case nothing is done, and those of the action.
    pub async fn around<T>(&self, event: Event, action: impl Future<Output = Result<T>>) -> Result<T> {
        self.record(event.clone()).await?;
        match action.await {
            Ok(done) => Ok(done),
            Err(error @ Error::Unavailable(_)) => Err(error),
            Err(error) => Err(self.failed(event, error).await),
        }
    }

    /// The store, for whoever reads it.
    pub fn log(&self) -> &Arc<dyn AuditLog> {
        &self.0
    }
}
