//! Acquires a slot for an EHI export. The oldest abandoned export of the same client and patient gives way, and the audit trail
//! records that.

use domain::audit::{Action, Actor, Event};
use domain::error::{Error, Result};
use domain::ids::{JobId, PatientId};
use domain::owner::Owner;
use jiff::Timestamp;
use platform::export_slots::{EhiSlot, ExportSlots};

use crate::audit::Audit;

/// The object of the entry in the audit trail.
const ABANDONED: &str = "abandoned";
/// The maximum number of attempts while other requests take the slots that became free.
const RACES: u32 = 10;
/// The `Retry-After` when all attempts were in vain, in seconds. The other requests are over by then.
const AFTER_RACES: u64 = 1;

/// Acquires a slot for the EHI export of this owner and patient. Returns [`Error::TooMany`] if none of the exports that hold the
/// `limit` slots may give way, and [`Error::Throttled`] if other requests at the same time take each slot that becomes free.
pub async fn acquire_ehi(
    slots: &ExportSlots<'_>,
    of: (&Owner, &PatientId),
    limit: u64,
    job: &JobId,
    now: Timestamp,
    audit: &Audit,
) -> Result<()> {
    for _ in 0..RACES {
        let abandoned = match slots.acquire_ehi(of, limit, job, now).await? {
            EhiSlot::Acquired => return Ok(()),
            EhiSlot::Abandoned(abandoned) => *abandoned,
        };
        let event = Event::new(Actor::server(), Action::Deleted).of(&abandoned.job).about(ABANDONED);
        match audit.around(event, slots.end_abandoned(abandoned, now)).await {
            // The patient has sent the form, or another request has ended the export.
            Ok(()) | Err(Error::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::Throttled { retry_after: AFTER_RACES })
}
