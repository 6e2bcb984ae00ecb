//! Records the actions of handlers in the [audit trail](domain::audit).
//!
//! An event is recorded before its action is done or its data is shown. Therefore an action that cannot be recorded is not done, and
//! a caller who closes the connection cannot prevent the entry. If the action then fails, a second event records the failure
//! ([`Audit::around`]).

use std::sync::Arc;

use domain::audit::{Actor, ActorKind, Event, NAMED_FOR, Origin, Outcome};
use domain::clock::Clock;
use domain::error::{Error, Result};
use domain::ids::{JobId, PatientId};
use domain::ports::audit::AuditLog;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use storage::bounded::Bounded;

use crate::request_context;

/// Writes the events of requests to the audit trail. See the [module](self).
#[derive(Clone)]
pub struct Audit {
    log: Arc<dyn AuditLog>,
    clock: Arc<dyn Clock>,
    named: Arc<Named>,
    refused: Arc<Refused>,
}

/// When this process named all patients of an export in entries with this actor and with these names of an action and an outcome. If many
/// such entries about the same export follow, such as one for each file that is downloaded, they do not name them again and again. Another
/// action or outcome names them, because a filter by action or outcome must find it by its patients.
type Named = Bounded<(Actor, JobId, &'static str, &'static str), Timestamp>;

/// When this process last recorded a refused event with this actor, object, job and patient.
type Refused = Bounded<(Actor, String, Option<JobId>, Option<PatientId>), Timestamp>;

/// For how long the refusals that follow an equal one are not recorded.
const REFUSED_FOR: SignedDuration = SignedDuration::from_hours(1);

/// The memory for [`Named`] and for [`Refused`], and the approximate size of one of its entries, in bytes.
const NAMED_BYTES: (u64, u64) = (64 * 1024, 256);

impl Audit {
    pub fn new(log: Arc<dyn AuditLog>, clock: Arc<dyn Clock>) -> Self {
        let (named, refused) = (Bounded::new(NAMED_BYTES.0), Bounded::new(NAMED_BYTES.0));
        Self { log, clock, named: Arc::new(named), refused: Arc::new(refused) }
    }

    /// Records an event with the address and the id of the request. It is durable when this returns. An event with many patients
    /// has several entries; if it is about an export, further events with the same actor, action and outcome have only the number of
    /// these patients for an hour.
    ///
    /// # Errors
    ///
    /// Every error of the store becomes [`Error::Unavailable`], because the caller's request is not at fault.
    pub async fn record(&self, event: Event) -> Result<()> {
        let event = with_origin(event);
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

    /// Records that an actor who is signed in was refused: the method and the route are the object of the event. Equal refusals within
    /// an hour are recorded once by each process, so that a page that is loaded again and again does not fill the trail. If the event
    /// cannot be recorded, the log has the error, and the caller still refuses the access.
    pub async fn refused(&self, event: Event, method: &Method) {
        let route = request_context::current_route().unwrap_or_default();
        let event = with_origin(event.about(&format!("{method} {route}")).with(Outcome::Refused));
        let object = event.object.clone().unwrap_or_default();
        let key = (event.actor.clone(), object, event.job.clone(), event.patient.clone());
        let now = self.clock.now();
        if self.refused.get(&key).is_some_and(|at| now.duration_since(at) < REFUSED_FOR) {
            return;
        }
        match self.append(event).await {
            Ok(()) => self.refused.put(key, now, NAMED_BYTES.1),
            Err(error) => tracing::error!(
                error = %error,
                cause = error.causes(),
                "a request was refused, and the audit trail does not have it"
            ),
        }
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

/// Adds the issuer of the actor's token, and the address and the id of the request.
fn with_origin(event: Event) -> Event {
    Event {
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
    }
}
