//! Browser sessions of staff, of patients, and of people who opened the link to a job's form. The cookie is a secret; the store has only
//! its fingerprint.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use crypto::{fingerprint, same_secret};
use domain::clock::{Clock, Random};
use domain::error::{Error, Result};
use domain::ids::{JobId, PatientId};
use domain::ports::expiring::{EntryKind, ExpiringEntry, ExpiringStore};
use domain::roles::Roles;
use http::HeaderMap;
use http::header::{COOKIE, HeaderValue, ORIGIN};
use http::request::Parts;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use settings::{SameSite, Settings, SignInMethod, StaffAccount};

use crate::request_context::{self, Person};
use crate::respond::ApiError;
pub use crate::rules::LIFETIME;
use crate::rules::OTHER_ORIGIN;

/// The maximum lifetime of a session, however often it is used.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(12);
/// The minimum time between two updates of a session's expiry, so that polling does not write each time.
const TOUCH: SignedDuration = SignedDuration::from_secs(30);

/// A kind of session and its cookie.
#[derive(Debug, Clone, Copy)]
pub struct SessionKind {
    pub cookie: &'static str,
    entry: EntryKind,
}

pub const STAFF: SessionKind = SessionKind { cookie: "sid", entry: EntryKind::StaffSession };
pub const PATIENT: SessionKind = SessionKind { cookie: "patient", entry: EntryKind::PatientSession };

/// The session of a person who opened the link to a job's form. It is valid only for that form, and browsers send its cookie only to the
/// paths of the form.
pub const FORM: SessionKind = SessionKind { cookie: "form", entry: EntryKind::FormSession };

/// A member of staff who is signed in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StaffSession {
    pub username: String,
    /// The digest of the account; empty in sessions of older versions, which are invalid.
    #[serde(default)]
    account: String,
}

impl StaffSession {
    pub fn new(account: &StaffAccount) -> Self {
        Self { username: account.username.clone(), account: account.digest() }
    }
}

/// Returns the staff member who is signed in in this browser, with the roles that the settings give now. Returns `None` if the account is
/// no longer in the settings, or has another password than when the session began.
pub async fn current_staff(
    cookies: &Cookies,
    expiring: &dyn ExpiringStore,
    clock: &dyn Clock,
    settings: &Settings,
) -> Result<Option<(String, Roles)>> {
    let session: Option<StaffSession> = current(STAFF, cookies, expiring, clock).await?;
    let Some(session) = session else { return Ok(None) };
    let account = settings.staff.iter().find(|account| account.username == session.username);
    let Some(account) = account.filter(|account| same_secret(&account.digest(), &session.account)) else {
        return Ok(None);
    };
    request_context::person(Person::Staff(session.username.clone()));
    Ok(Some((session.username, account.roles.clone())))
}

/// A patient who is signed in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PatientSession {
    pub patient: PatientId,
    /// The name in the record; empty if the record has none.
    #[serde(default)]
    pub name: String,
    /// How the patient signed in; `None` in sessions of older versions, which are invalid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<SignInMethod>,
    /// The id of the last sign-out everywhere before this session began: see [`crate::patient_session`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sign_out: Option<String>,
}

/// The session of the form of one job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FormSession {
    pub job: JobId,
}

/// Starts a session; returns the `Set-Cookie` header.
pub async fn begin(
    kind: SessionKind,
    session: &impl Serialize,
    expiring: &dyn ExpiringStore,
    sources: (&dyn Clock, &dyn Random),
    settings: &Settings,
) -> Result<HeaderValue> {
    begin_below(kind, "", session, expiring, sources, settings).await
}

/// Starts a session whose cookie browsers send to paths below `path` only; returns the `Set-Cookie` header.
pub async fn begin_below(
    kind: SessionKind,
    path: &str,
    session: &impl Serialize,
    expiring: &dyn ExpiringStore,
    sources: (&dyn Clock, &dyn Random),
    settings: &Settings,
) -> Result<HeaderValue> {
    let (cookie, _) = begin_with_key(kind, path, session, expiring, sources, settings).await?;
    Ok(cookie)
}

/// Starts a session like [`begin_below`]; also returns the key of its entry.
pub(crate) async fn begin_with_key(
    kind: SessionKind,
    path: &str,
    session: &impl Serialize,
    expiring: &dyn ExpiringStore,
    (clock, random): (&dyn Clock, &dyn Random),
    settings: &Settings,
) -> Result<(HeaderValue, String)> {
    request_context::cookie();
    let (secret, now) = (random.secret(), clock.now());
    let (key, expires_at) = (fingerprint(&secret), now.saturating_add(LIFETIME).map_err(Error::internal)?);
    let mut value = serde_json::to_value(session)?;
    value[BEGUN] = json!(now.as_second());
    expiring.put(kind.entry, &key, value, expires_at).await?;
    Ok((cookie(kind, path, &secret, None, settings)?, key))
}

/// Returns the session of the request's cookie, if it has not expired, and extends it.
pub async fn current<T: DeserializeOwned>(
    kind: SessionKind,
    cookies: &Cookies,
    expiring: &dyn ExpiringStore,
    clock: &dyn Clock,
) -> Result<Option<T>> {
    let Some((key, entry)) = find(kind, cookies, expiring).await? else { return Ok(None) };
    prolong(kind, &key, &entry, expiring, clock).await?;
    entry.read().map(Some)
}

/// Returns the key and the entry for the request's cookie, or `None` if there is no valid session.
pub(crate) async fn find(
    kind: SessionKind,
    cookies: &Cookies,
    expiring: &dyn ExpiringStore,
) -> Result<Option<(String, ExpiringEntry)>> {
    let Some(key) = key_of(kind, cookies) else { return Ok(None) };
    Ok(expiring.get(kind.entry, &key).await?.map(|entry| (key, entry)))
}

/// Returns the key of the entry for the request's cookie, also if the session has expired.
pub(crate) fn key_of(kind: SessionKind, cookies: &Cookies) -> Option<String> {
    cookies.get(kind.cookie).map(fingerprint)
}

/// The member of a session's entry with the time at which it began, in seconds since 1970.
const BEGUN: &str = "begun";

/// Extends a session, up to [`LONGEST`] after it began. Sessions of older versions, which do not say when they began, are not extended.
pub(crate) async fn prolong(
    kind: SessionKind,
    key: &str,
    entry: &ExpiringEntry,
    expiring: &dyn ExpiringStore,
    clock: &dyn Clock,
) -> Result<()> {
    let Some(begun) = entry.value[BEGUN].as_i64() else { return Ok(()) };
    let end = Timestamp::from_second(begun).and_then(|begun| begun.checked_add(LONGEST));
    let expires_at = clock.now().saturating_add(LIFETIME).map_err(Error::internal)?;
    let expires_at = expires_at.min(end.map_err(Error::internal)?);
    if expires_at.duration_since(entry.expires_at) > TOUCH {
        // If the entry has changed, another request has extended the session.
        expiring.replace(kind.entry, key, &ExpiringEntry { expires_at, ..entry.clone() }).await?;
    }
    Ok(())
}

/// Returns the session of the request's cookie, if it has not expired, and does not extend it.
pub async fn glimpse<T: DeserializeOwned>(
    kind: SessionKind,
    cookies: &Cookies,
    expiring: &dyn ExpiringStore,
) -> Result<Option<T>> {
    let found = find(kind, cookies, expiring).await?;
    found.map(|(_, entry)| entry.read()).transpose()
}

/// Ends the session of the request's cookie; returns the session, if there was one, and the header that clears the cookie.
pub async fn end<T: DeserializeOwned>(
    kind: SessionKind,
    cookies: &Cookies,
    expiring: &dyn ExpiringStore,
    settings: &Settings,
) -> Result<(Option<T>, HeaderValue)> {
    end_below(kind, "", cookies, expiring, settings).await
}

/// Ends a session like [`end`], for a cookie of [`begin_below`].
pub async fn end_below<T: DeserializeOwned>(
    kind: SessionKind,
    path: &str,
    cookies: &Cookies,
    expiring: &dyn ExpiringStore,
    settings: &Settings,
) -> Result<(Option<T>, HeaderValue)> {
    let entry = match key_of(kind, cookies) {
        Some(key) => expiring.take(kind.entry, &key).await?,
        None => None,
    };
    let session = entry.map(|entry| entry.read()).transpose()?;
    Ok((session, cookie(kind, path, "", Some(0), settings)?))
}

/// The result of the CSRF check. A request may change state if a page of this server or of an allowed origin sends it, or a program that
/// is not a browser. Other sites must not change anything with the cookies of their visitors.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    is_allowed: bool,
}

impl Origin {
    pub fn of(headers: &HeaderMap, settings: &Settings) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let is_allowed = match (text(ORIGIN.as_str()), text("sec-fetch-site")) {
            (Some(origin), _) => {
                origin == settings.origin() || settings.staff_origins.iter().any(|known| known == origin)
            }
            (None, Some(site)) => matches!(site, "same-origin" | "none"),
            (None, None) => true,
        };
        Self { is_allowed }
    }

    /// Refuses a request from another site.
    pub fn check(self) -> Result<()> {
        match self.is_allowed {
            true => Ok(()),
            false => Err(Error::Forbidden(OTHER_ORIGIN.to_owned())),
        }
    }
}

/// A request whose [`Origin`] is allowed.
pub struct SameSiteRequest;

impl<S> FromRequestParts<S> for SameSiteRequest
where
    S: Send + Sync,
    Arc<Settings>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Origin::of(&parts.headers, &Arc::<Settings>::from_ref(state)).check()?;
        Ok(Self)
    }
}

/// The cookies of a request.
#[derive(Debug)]
pub struct Cookies(Vec<HeaderValue>);

impl Cookies {
    pub fn of(headers: &HeaderMap) -> Self {
        Self(headers.get_all(COOKIE).iter().cloned().collect())
    }

    /// Returns the value of a cookie. After a cookie was read, the cross-origin rules for cookies apply to the response.
    fn get(&self, name: &str) -> Option<&str> {
        request_context::cookie();
        let cookies = self.0.iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(';'));
        cookies
            .filter_map(|cookie| cookie.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Cookies {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

fn cookie(
    kind: SessionKind,
    below: &str,
    value: &str,
    max_age: Option<u32>,
    settings: &Settings,
) -> Result<HeaderValue> {
    let same_site = match settings.cookie_same_site {
        SameSite::None if kind.cookie == STAFF.cookie => "None",
        SameSite::None | SameSite::Lax => "Lax",
    };
    let secure = if settings.secure_cookies() { "; Secure" } else { "" };
    let path = settings.path() + below;
    let path = if path.is_empty() { "/" } else { &path };
    let max_age = max_age.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    let text =
        format!("{}={value}; Path={path}; HttpOnly; SameSite={same_site}{secure}{max_age}", kind.cookie);
    HeaderValue::from_str(&text).map_err(Error::internal)
}
