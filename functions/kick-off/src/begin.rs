//! Starts the job of a kick-off: within the limit of its client, and once for each `Idempotency-Key`.

use crypto::fingerprint;
use domain::audit::{Action, Actor, Event};
use domain::error::{Error, Result};
use domain::ids::JobId;
use domain::job::Job;
use domain::ports::expiring::{EntryKind, ExpiringEntry};
use jiff::SignedDuration;
use platform::export_slots::ExportSlots;
use platform::exports::{NewExport, start};
use serde::{Deserialize, Serialize};
use serde_json::json;
use web::ehi_slot::acquire_ehi;
use web::urls::client_of;

use crate::KickOff;

/// The time during which a repeated kick-off returns the first job.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);
/// The maximum number of attempts while other requests change the record of the same key.
const RACES: u32 = 10;

/// The stored record of an `Idempotency-Key`.
#[derive(Serialize, Deserialize)]
struct Repeatable {
    job: JobId,
    /// A fingerprint of the request, so that a key is never used for two different requests.
    request: String,
}

impl KickOff {
    /// Starts the export, or returns the job of an earlier kick-off with the same key. `content` is the request without its URL.
    pub(crate) async fn begin_once(
        &self,
        mut new: NewExport,
        key: Option<&str>,
        content: &str,
    ) -> Result<Job> {
        if let Some(key) = key
            && let Some(job) = self.repeated(key, &mut new, content).await?
        {
            return Ok(job);
        }
        let id = new.id.get_or_insert_with(|| self.random.job(self.clock.now())).clone();
        self.acquire_slot(&new, &id).await?;
        let event = Event::new(Actor::client(&new.owner.client), Action::ExportStarted).of_job(&id);
        let event = event.of_request(&new.request);
        let sources = (&*self.clock, &*self.random);
        let started = start(new, &*self.jobs, &*self.queue, sources, &self.settings);
        match self.audit.around(event, started).await {
            // An identical kick-off at the same time created the job first.
            Err(Error::Conflict(_)) => {
                self.jobs.get(&id).await?.map(|stored| stored.job).ok_or_else(handled_elsewhere)
            }
            started => started,
        }
    }

    /// Returns an error if the client has too many unfinished exports.
    async fn acquire_slot(&self, new: &NewExport, id: &JobId) -> Result<()> {
        let limit = self.settings.max_running_exports_of(client_of(&self.settings, &new.owner));
        let now = self.clock.now();
        let slots = ExportSlots {
            expiring: &*self.expiring,
            jobs: &*self.jobs,
            unfinished: self.settings.retention.unfinished,
        };
        match &new.patient {
            Some(patient) => {
                acquire_ehi(&slots, (&new.owner, &patient.id), limit, id, now, &self.audit).await
            }
            None => slots.acquire(&new.owner, limit, id, now).await,
        }
    }

    /// Returns the job of an earlier kick-off with the same `Idempotency-Key`. If there is none, sets the job id of the new export and stores
    /// it for later requests with the key.
    async fn repeated(&self, key: &str, new: &mut NewExport, content: &str) -> Result<Option<Job>> {
        let owner = json!(new.owner);
        let key = fingerprint(&format!("{owner} {key}"));
        let request = fingerprint(&format!("{} {content}", new.request.url));
        let now = self.clock.now();
        let expires_at = now.saturating_add(REMEMBERED).map_err(Error::internal)?;
        for _ in 0..RACES {
            let fresh = Repeatable { job: self.random.job(now), request: request.clone() };
            if self.expiring.put(EntryKind::Idempotency, &key, json!(fresh), expires_at).await? {
                new.id = Some(fresh.job);
                return Ok(None);
            }
            // The entry expired in the meantime, so the key can be used again.
            let Some(entry) = self.expiring.get(EntryKind::Idempotency, &key).await? else { continue };
            let known: Repeatable = entry.read()?;
            if known.request != request {
                return Err(Error::Reused(
                    "this 'Idempotency-Key' was used for another request; use a new one",
                ));
            }
            match self.jobs.get(&known.job).await? {
                Some(stored) if !stored.job.state().is_gone() => return Ok(Some(stored.job)),
                // The job of the key was deleted, so this request starts a new job.
                Some(_) => {
                    let renewed = ExpiringEntry { value: json!(fresh), expires_at, ..entry };
                    if self.expiring.replace(EntryKind::Idempotency, &key, &renewed).await? {
                        new.id = Some(fresh.job);
                        return Ok(None);
                    }
                }
                // The first request did not create its job, because it was interrupted or the client had reached its limit. This request
                // creates the job with the same id.
                None => {
                    new.id = Some(known.job);
                    return Ok(None);
                }
            }
        }
        Err(handled_elsewhere())
    }
}

fn handled_elsewhere() -> Error {
    Error::conflict("the same kick-off is being handled by another request; try again in a few seconds")
}
