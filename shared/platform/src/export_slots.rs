//! Limits the number of concurrent exports of a client (status 429; contract, sections 1 and 2). Bulk exports of a client are counted
//! together; EHI exports are counted for each patient.
//!
//! A slot is an expiring entry that names its job. It is free again when that job is finished, so that it never has to be released.
//! If two jobs race for the last slot, the version of the entry decides which of them gets it.
//!
//! An export whose form nobody fills in would hold its slot for weeks. So it gives way to another export of the same client and patient
//! if it is [`ABANDONED`], was not opened since, and nothing was entered in its form.

mod holder;

use std::hash::{DefaultHasher, Hash, Hasher};

use crypto::fingerprint;
use domain::error::{Error, Result};
use domain::ids::{JobId, PatientId};
use domain::job::Job;
use domain::owner::Owner;
use domain::ports::expiring::{EntryKind, ExpiringEntry, ExpiringStore};
use domain::ports::jobs::{Jobs, StoredJob};
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::holder::{Held, abandoned_at, refusal};

/// The time after which an export whose form nobody has filled in may give way to another one: since its start, and since its form was
/// opened.
pub const ABANDONED: SignedDuration = SignedDuration::from_hours(1);
/// The time for which a slot is held for a job that does not exist yet, because its kick-off may still be running.
const STARTING: SignedDuration = SignedDuration::from_mins(1);
/// The time for which the entry of a slot is kept at least. A running export takes hours.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 7);

/// The job that holds a slot.
#[derive(Serialize, Deserialize)]
struct Holder {
    job: JobId,
    since: Timestamp,
}

/// The slots of all clients.
pub struct ExportSlots<'a> {
    pub expiring: &'a dyn ExpiringStore,
    pub jobs: &'a dyn Jobs,
    /// The time for which an export may wait for the patient or for staff; its slot is held meanwhile.
    pub unfinished: SignedDuration,
}

/// The result of [`ExportSlots::acquire_ehi`].
pub enum EhiSlot {
    Acquired,
    /// All slots are held. This export is the oldest one of those that may give way: see [`ExportSlots::end_abandoned`].
    Abandoned(Box<StoredJob>),
}

/// The outcome of reading all slots of an account.
enum Taken {
    Acquired,
    /// The unfinished jobs that hold the slots.
    Full(Vec<Held>),
}

impl ExportSlots<'_> {
    /// Acquires a slot for the bulk export of this owner. Returns [`Error::TooMany`] if other jobs hold all `limit` slots. A repeated
    /// call for the same job finds the slot of the first call.
    pub async fn acquire(&self, owner: &Owner, limit: u64, job: &JobId, now: Timestamp) -> Result<()> {
        match self.acquire_slot(&owner.account_key(), limit, job, now).await? {
            Taken::Acquired => Ok(()),
            Taken::Full(held) => Err(refusal(&format!("{limit} unfinished bulk exports"), &held, owner, now)),
        }
    }

    /// Like [`Self::acquire`], for an EHI export of this patient. Exports that wait for the patient or for staff hold their slots. If one
    /// of them may give way, it is returned, and the caller ends it and calls this again.
    pub async fn acquire_ehi(
        &self,
        (owner, patient): (&Owner, &PatientId),
        limit: u64,
        job: &JobId,
        now: Timestamp,
    ) -> Result<EhiSlot> {
        let held = match self
            .acquire_slot(&format!("ehi {} {patient}", owner.account_key()), limit, job, now)
            .await?
        {
            Taken::Acquired => return Ok(EhiSlot::Acquired),
            Taken::Full(held) => held,
        };
        match self.abandoned(&held, now).await? {
            Some(stored) => Ok(EhiSlot::Abandoned(Box::new(stored))),
            None => {
                Err(refusal(&format!("{limit} unfinished EHI exports of this patient"), &held, owner, now))
            }
        }
    }

    /// Cancels an export that [`Self::acquire_ehi`] returned. Returns [`Error::Conflict`] if it was changed meanwhile: the patient may
    /// have sent the form, or begun to fill it in.
    pub async fn end_abandoned(&self, abandoned: StoredJob, now: Timestamp) -> Result<()> {
        let StoredJob { job: Job::AwaitingInput(awaiting), version, .. } = abandoned else {
            return Err(Error::conflict("the export does not wait for its form"));
        };
        if !self.is_untouched(&awaiting.header.id, now).await? {
            return Err(Error::conflict("the patient fills in the form of the export"));
        }
        self.jobs.replace(&Job::Cancelled(awaiting.give_way(now)), version).await.map(|_| ())
    }

    /// Returns the oldest of these jobs that may give way.
    async fn abandoned(&self, held: &[Held], now: Timestamp) -> Result<Option<StoredJob>> {
        let waiting = held.iter().filter_map(|held| held.stored.as_ref());
        let mut waiting: Vec<_> =
            waiting.filter(|stored| abandoned_at(&stored.job).is_some_and(|at| at <= now)).collect();
        waiting.sort_by_key(|stored| (stored.job.header().created_at, stored.job.id()));
        for stored in waiting {
            if self.is_untouched(stored.job.id(), now).await? {
                return Ok(Some(stored.clone()));
            }
        }
        Ok(None)
    }

    /// Returns whether nothing was entered in the form of a job, and nobody has opened it for some time. A draft in which no step was
    /// saved was written when the form was opened.
    async fn is_untouched(&self, id: &JobId, now: Timestamp) -> Result<bool> {
        let Some(draft) = self.expiring.get(EntryKind::Draft, &id.to_string()).await? else {
            return Ok(true);
        };
        let versions = ["parts_version", "topics_version"];
        let is_empty = versions.iter().all(|version| draft.value[version] == 0);
        let opened = draft.expires_at.saturating_sub(self.unfinished).map_err(Error::internal)?;
        Ok(is_empty && now.duration_since(opened) >= ABANDONED)
    }

    async fn acquire_slot(&self, account: &str, limit: u64, job: &JobId, now: Timestamp) -> Result<Taken> {
        let slot = json!(Holder { job: job.clone(), since: now });
        // An export waits at most once for the patient and once for staff.
        let kept = self.unfinished.saturating_add(self.unfinished).saturating_add(KEPT);
        let expires_at = now.saturating_add(kept).unwrap_or(Timestamp::MAX);
        let keys = keys(account, limit, job);
        let held = try_join_all(keys.iter().map(|key| self.holder(key))).await?;
        if held.iter().flatten().any(|(_, holder)| holder.job == *job) {
            return Ok(Taken::Acquired);
        }
        let mut unfinished = Vec::new();
        for (key, held) in keys.iter().zip(held) {
            let acquired = match held {
                None => self.expiring.put(EntryKind::ExportSlot, key, slot.clone(), expires_at).await?,
                Some((entry, holder)) => {
                    let stored = self.jobs.get(&holder.job).await?;
                    let held = Held { since: holder.since, stored, unfinished: self.unfinished };
                    if held.is_unfinished(now) {
                        unfinished.push(held);
                        continue;
                    }
                    // The job of the slot has ended.
                    let entry = ExpiringEntry { value: slot.clone(), expires_at, ..entry };
                    self.expiring.replace(EntryKind::ExportSlot, key, &entry).await?
                }
            };
            // Another call may have acquired the slot: a repetition of the same kick-off, or one for another job.
            if acquired || self.is_held_by(key, job).await? {
                return Ok(Taken::Acquired);
            }
        }
        Ok(Taken::Full(unfinished))
    }

    async fn is_held_by(&self, key: &str, job: &JobId) -> Result<bool> {
        Ok(self.holder(key).await?.is_some_and(|(_, holder)| holder.job == *job))
    }

    async fn holder(&self, key: &str) -> Result<Option<(ExpiringEntry, Holder)>> {
        let entry = self.expiring.get(EntryKind::ExportSlot, key).await?;
        entry.map(|entry| entry.read().map(|holder| (entry, holder))).transpose()
    }
}

/// Returns the keys of the slots of an account, in an order that depends on the job. So different jobs mostly find an empty
/// slot at once, and a repeated kick-off uses the same order.
fn keys(account: &str, limit: u64, job: &JobId) -> Vec<String> {
    let mut hasher = DefaultHasher::new();
    job.hash(&mut hasher);
    let first = hasher.finish() % limit.max(1);
    (0..limit).map(|number| fingerprint(&format!("{account} {}", (first + number) % limit))).collect()
}
