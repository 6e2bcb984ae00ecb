//! Limits the number of concurrent exports of a client (contract, sections 1 and 2, 429). Bulk exports of a client are counted
//! together; EHI exports are counted for each patient.
//!
//! A slot is an expiring entry that names its job. It is free again when that job is finished, so that it never has to be released.
//! If two jobs race for the last slot, the version of the entry decides which of them gets it.

use std::hash::{DefaultHasher, Hash, Hasher};

use crypto::fingerprint;
use domain::error::{Error, Result};
use domain::ids::{JobId, PatientId};
use domain::owner::Owner;
use domain::ports::expiring::{EntryKind, ExpiringEntry, ExpiringStore};
use domain::ports::jobs::Jobs;
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

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

impl ExportSlots<'_> {
    /// Acquires a slot for the bulk export of this owner. Returns an error if other jobs hold all `limit` slots. A repeated call for the
    /// same job finds the slot of the first call.
    pub async fn acquire(&self, owner: &Owner, limit: u64, job: &JobId, now: Timestamp) -> Result<()> {
        match self.take(&owner.account_key(), limit, job, now).await? {
            true => Ok(()),
            false => Err(Error::TooMany(format!(
                "this client has {limit} unfinished bulk exports, which is the limit: wait until one ends, or cancel one"
            ))),
        }
    }

    /// Like [`Self::acquire`], for an EHI export of this patient. Exports that wait for the patient or for staff hold their slots.
    pub async fn acquire_ehi(
        &self,
        (owner, patient): (&Owner, &PatientId),
        limit: u64,
        job: &JobId,
        now: Timestamp,
    ) -> Result<()> {
        match self.take(&format!("ehi {} {patient}", owner.account_key()), limit, job, now).await? {
            true => Ok(()),
            false => Err(Error::TooMany(format!(
                "this client has {limit} unfinished EHI exports of this patient, which is the limit: wait until one ends, or cancel one"
            ))),
        }
    }

    async fn take(&self, account: &str, limit: u64, job: &JobId, now: Timestamp) -> Result<bool> {
        let slot = json!(Holder { job: job.clone(), since: now });
        // An export waits at most once for the patient and once for staff.
        let kept = self.unfinished.saturating_add(self.unfinished).saturating_add(KEPT);
        let expires_at = now.saturating_add(kept).unwrap_or(Timestamp::MAX);
        let keys = keys(account, limit, job);
        let held = try_join_all(keys.iter().map(|key| self.holder(key))).await?;
        if held.iter().flatten().any(|(_, holder)| holder.job == *job) {
            return Ok(true);
        }
        for (key, held) in keys.iter().zip(held) {
            let acquired = match held {
                None => self.expiring.put(EntryKind::ExportSlot, key, slot.clone(), expires_at).await?,
                Some((_, holder)) if self.is_unfinished(&holder, now).await? => continue,
                // The job of the slot has ended.
                Some((entry, _)) => {
                    let entry = ExpiringEntry { value: slot.clone(), expires_at, ..entry };
                    self.expiring.replace(EntryKind::ExportSlot, key, &entry).await?
                }
            };
            // Another call may have acquired the slot: a repetition of the same kick-off, or one for another job.
            if acquired || self.is_held_by(key, job).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn is_unfinished(&self, holder: &Holder, now: Timestamp) -> Result<bool> {
        Ok(match self.jobs.get(&holder.job).await? {
            Some(stored) => stored.job.is_unfinished(),
            None => now.duration_since(holder.since) < STARTING,
        })
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
