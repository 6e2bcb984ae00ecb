//! How many exports a client may have under way: so many places, each held by one job (contract, section 2, 429).
//!
//! A place is a grant that names its job. It is free again when that job is no longer under way, whatever ended it, so
//! that nothing must be given back; two who want the last one race on the grant's version, and one gets it.

use std::hash::{DefaultHasher, Hash, Hasher};

use crypto::fingerprint;
use domain::error::Result;
use domain::ids::JobId;
use domain::job::Owner;
use domain::ports::grants::{Grant, GrantKind, Grants};
use domain::ports::jobs::Jobs;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How long a place is held for a job that is not there yet: its kick-off may still be on its way.
const ARRIVING: SignedDuration = SignedDuration::from_mins(1);
/// How long a place is remembered at all.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24 * 7);

#[derive(Serialize, Deserialize)]
struct Place {
    job: JobId,
    since: Timestamp,
}

/// Takes one of the owner's `most` places for a job; false when all are held.
pub async fn take(
    owner: &Owner,
    most: u64,
    job: &JobId,
    grants: &dyn Grants,
    jobs: &dyn Jobs,
    now: Timestamp,
) -> Result<bool> {
    let place = json!(Place { job: job.clone(), since: now });
    let expires_at = now.saturating_add(REMEMBERED).unwrap_or(now);
    // Beginning anywhere, the first that is tried is mostly free.
    let mut hasher = DefaultHasher::new();
    job.hash(&mut hasher);
    let first = hasher.finish() % most.max(1);
    let keys: Vec<_> = (0..most)
        .map(|number| fingerprint(&format!("{} {}", owner.account_key(), (first + number) % most)))
        .collect();
    // A repeated kick-off has its job's place already, and tries the places in the same order as the first one.
    for key in &keys {
        if grants.put(GrantKind::Place, key, place.clone(), expires_at).await? {
            return Ok(true);
        }
        if holder(grants, key).await?.is_some_and(|(_, holder)| holder.job == *job) {
            return Ok(true);
        }
    }
    for key in &keys {
        let Some((held, holder)) = holder(grants, key).await? else {
            if grants.put(GrantKind::Place, key, place.clone(), expires_at).await? {
                return Ok(true);
            }
            continue;
        };
        let is_held = match jobs.get(&holder.job).await? {
            _ if holder.job == *job => return Ok(true),
            Some(stored) => stored.job.is_active(),
            None => now.duration_since(holder.since) < ARRIVING,
        };
        if is_held {
            continue;
        }
        let taken = Grant { value: place.clone(), expires_at, ..held };
        if grants.replace(GrantKind::Place, key, &taken).await? {
            return Ok(true);
        }
        // Somebody was faster: the same kick-off, perhaps.
        if self::holder(grants, key).await?.is_some_and(|(_, holder)| holder.job == *job) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Who has a place.
async fn holder(grants: &dyn Grants, key: &str) -> Result<Option<(Grant, Place)>> {
    let held = grants.get(GrantKind::Place, key).await?;
    held.map(|held| held.read().map(|holder| (held, holder))).transpose()
}
