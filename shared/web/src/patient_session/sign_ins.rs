//! The sign-ins of patients. A session ends when it is not used for some minutes; its sign-in lasts until the patient signs out, and for
//! [`LONGEST`] at most. The access of an app with `online_access` is bound to the sign-in: when an app refreshes its token, the session
//! may have ended, because the patient has opened no page.

use domain::clock::Clock;
use domain::error::{Error, Result};
use domain::ports::expiring::{EntryKind, ExpiringStore};
use serde::{Deserialize, Serialize};
use serde_json::json;
use settings::Settings;

use super::lasting;
use crate::session::{LONGEST, PatientSession};

/// A sign-in as it is stored.
#[derive(Serialize, Deserialize)]
struct SignIn {
    session: PatientSession,
    /// The key of the patient's sign-in before this one in the same browser. A sign-out ends it as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    earlier: Option<String>,
}

/// Stores the sign-in of a new session. `earlier` is the key of the browser's session before. If that was the session of another patient,
/// its sign-in ends: that patient has left.
pub(super) async fn begin(
    key: &str,
    session: PatientSession,
    mut earlier: Option<String>,
    expiring: &dyn ExpiringStore,
    clock: &dyn Clock,
) -> Result<()> {
    if let Some(before) = &earlier
        && let Some(known) = get(before, expiring).await?
        && known.session.patient != session.patient
    {
        end(before.clone(), expiring).await?;
        earlier = None;
    }
    let expires_at = clock.now().saturating_add(LONGEST).map_err(Error::internal)?;
    let value = json!(SignIn { session, earlier });
    expiring.put(EntryKind::PatientSignIn, key, value, expires_at).await?;
    Ok(())
}

async fn get(key: &str, expiring: &dyn ExpiringStore) -> Result<Option<SignIn>> {
    let entry = expiring.get(EntryKind::PatientSignIn, key).await?;
    entry.map(|entry| entry.read()).transpose()
}

/// Ends a sign-in and the earlier ones of the same browser.
pub(super) async fn end(key: String, expiring: &dyn ExpiringStore) -> Result<()> {
    let (mut keys, mut next) = (Vec::new(), Some(key));
    while let Some(key) = next {
        next = get(&key, expiring).await?.and_then(|sign_in| sign_in.earlier);
        keys.push(key);
    }
    // The earliest ends first: if a step fails, the next try still finds the others.
    for key in keys.iter().rev() {
        expiring.take(EntryKind::PatientSignIn, key).await?;
    }
    Ok(())
}

/// Returns whether the patient has not signed out since a session began, and could still sign in that way. `key` is the key of the session,
/// which may have ended because it was not used.
pub async fn sign_in_lasts(key: &str, expiring: &dyn ExpiringStore, settings: &Settings) -> Result<bool> {
    let Some(sign_in) = get(key, expiring).await? else { return Ok(false) };
    Ok(lasting(sign_in.session, expiring, settings).await?.is_some())
}
