//! The sessions of patients. A patient who signs out everywhere ends all of them at once. A session also ends when the patient could no
//! longer sign in as before: the operator has changed the account, or turned the sandbox off ([`SignInMethod`]).
//!
//! Signing out everywhere writes an entry with a new id ([`EntryKind::SignOut`]). A session keeps the id that was current when it began,
//! and is invalid if the current entry has another id. The entry expires later than every session and sign-in that began before it.

mod sign_ins;

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use domain::clock::{Clock, Random};
use domain::error::{Error, Result};
use domain::ids::PatientId;
use domain::ports::expiring::{EntryKind, ExpiringEntry, ExpiringStore};
use http::HeaderValue;
use http::request::Parts;
use serde_json::json;
use settings::{Settings, SignInMethod};

pub use self::sign_ins::sign_in_lasts;
use crate::request_context::{self, Person};
use crate::respond::PageError;
use crate::session::{
    Cookies, LIFETIME, LONGEST, PATIENT, PatientSession, begin_with_key, end, find, key_of, prolong,
};

/// Begins the session of a patient and returns the `Set-Cookie` header. `cookies` are those of the browser.
pub async fn sign_in(
    (patient, method): (PatientId, SignInMethod),
    name: String,
    cookies: &Cookies,
    expiring: &dyn ExpiringStore,
    sources: (&dyn Clock, &dyn Random),
    settings: &Settings,
) -> Result<HeaderValue> {
    let sign_out = last_sign_out(&patient, expiring).await?;
    let session = PatientSession { patient, name, method: Some(method), sign_out };
    let (cookie, key) = begin_with_key(PATIENT, "", &session, expiring, sources, settings).await?;
    sign_ins::begin(&key, session, key_of(PATIENT, cookies), expiring, sources.0).await?;
    Ok(cookie)
}

/// Signs the patient out in this browser; returns the session, if there was one, and the header that clears the cookie.
pub async fn sign_out(
    cookies: &Cookies,
    expiring: &dyn ExpiringStore,
    settings: &Settings,
) -> Result<(Option<PatientSession>, HeaderValue)> {
    if let Some(key) = key_of(PATIENT, cookies) {
        sign_ins::end(key, expiring).await?;
    }
    end(PATIENT, cookies, expiring, settings).await
}

/// Returns the session of the patient who is signed in, and extends it.
pub async fn current_patient(
    cookies: &Cookies,
    expiring: &dyn ExpiringStore,
    clock: &dyn Clock,
    settings: &Settings,
) -> Result<Option<PatientSession>> {
    let current = current_with_key(cookies, expiring, clock, settings).await?;
    Ok(current.map(|SignedIn { session, .. }| session))
}

async fn current_with_key(
    cookies: &Cookies,
    expiring: &dyn ExpiringStore,
    clock: &dyn Clock,
    settings: &Settings,
) -> Result<Option<SignedIn>> {
    let Some((key, entry)) = find(PATIENT, cookies, expiring).await? else { return Ok(None) };
    let Some(session) = lasting(entry.read()?, expiring, settings).await? else { return Ok(None) };
    record(&session);
    prolong(PATIENT, &key, &entry, expiring, clock).await?;
    Ok(Some(SignedIn { session, key }))
}

/// Returns the same session as [`current_patient`] without extending it, for requests that a page sends without the patient.
pub async fn glimpse_patient(
    cookies: &Cookies,
    expiring: &dyn ExpiringStore,
    settings: &Settings,
) -> Result<Option<PatientSession>> {
    let Some((_, entry)) = find(PATIENT, cookies, expiring).await? else { return Ok(None) };
    let session = lasting(entry.read()?, expiring, settings).await?;
    Ok(session.inspect(record))
}

/// Records the patient for the header of the page.
fn record(session: &PatientSession) {
    let PatientSession { patient, name, .. } = session;
    let name = if name.is_empty() { patient.to_string() } else { name.clone() };
    request_context::person(Person::Patient(name));
}

/// Returns the session, or `None` if the patient has signed out everywhere since it began, or could no longer sign in the same way.
async fn lasting(
    session: PatientSession,
    expiring: &dyn ExpiringStore,
    settings: &Settings,
) -> Result<Option<PatientSession>> {
    if !session.method.as_ref().is_some_and(|method| settings.can_sign_in(method, &session.patient)) {
        return Ok(None);
    }
    let sign_out = last_sign_out(&session.patient, expiring).await?;
    Ok(Some(session).filter(|session| sign_out.is_none() || sign_out == session.sign_out))
}

async fn last_sign_out(patient: &PatientId, expiring: &dyn ExpiringStore) -> Result<Option<String>> {
    let entry = expiring.get(EntryKind::SignOut, patient.as_str()).await?;
    entry.map(|entry| entry.read()).transpose()
}

/// Ends all sessions of a patient, in every browser.
pub async fn sign_out_everywhere(
    patient: &PatientId,
    expiring: &dyn ExpiringStore,
    (clock, random): (&dyn Clock, &dyn Random),
) -> Result<()> {
    const TRIES: usize = 5;
    // The entry must expire later than a sign-in of just now.
    let expires_at = clock.now().saturating_add(LONGEST + LIFETIME).map_err(Error::internal)?;
    let value = json!(random.secret());
    for _ in 0..TRIES {
        let is_written = match expiring.get(EntryKind::SignOut, patient.as_str()).await? {
            Some(entry) => {
                let entry = ExpiringEntry { value: value.clone(), expires_at, ..entry };
                expiring.replace(EntryKind::SignOut, patient.as_str(), &entry).await?
            }
            None => expiring.put(EntryKind::SignOut, patient.as_str(), value.clone(), expires_at).await?,
        };
        if is_written {
            return Ok(());
        }
    }
    Err(Error::conflict("this account was signed out by several browsers at the same time; try again"))
}

/// A session and the key of its entry.
pub struct SignedIn {
    pub session: PatientSession,
    pub key: String,
}

/// The session of the patient who is signed in in this browser, or `None`.
pub struct CurrentPatient(pub Option<SignedIn>);

impl<S> FromRequestParts<S> for CurrentPatient
where
    S: Send + Sync,
    Arc<dyn ExpiringStore>: FromRef<S>,
    Arc<dyn Clock>: FromRef<S>,
    Arc<Settings>: FromRef<S>,
{
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let (expiring, clock) =
            (Arc::<dyn ExpiringStore>::from_ref(state), Arc::<dyn Clock>::from_ref(state));
        let settings = Arc::<Settings>::from_ref(state);
        Ok(Self(current_with_key(&Cookies::of(&parts.headers), &*expiring, &*clock, &settings).await?))
    }
}
