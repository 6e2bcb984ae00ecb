//! Sessions of people in browsers: staff and patients. The cookie is a secret; the store knows its fingerprint.

use crypto::fingerprint;
use domain::clock::{Clock, Random};
use domain::error::{Error, Result};
use domain::ids::PatientId;
use domain::ports::expiring::{EntryKind, ExpiringEntry, ExpiringStore};
use http::HeaderMap;
use http::header::{COOKIE, HeaderValue, ORIGIN};
use jiff::SignedDuration;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use settings::{SameSite, Settings};

/// How long a session lasts after its last use.
pub const LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// A session is written anew at most this often, so that polling does not write.
const TOUCH: SignedDuration = SignedDuration::from_secs(30);

/// A kind of session and its cookie.
#[derive(Debug, Clone, Copy)]
pub struct SessionKind {
    pub cookie: &'static str,
    entry: EntryKind,
}

pub const STAFF: SessionKind = SessionKind { cookie: "sid", entry: EntryKind::StaffSession };
pub const PATIENT: SessionKind = SessionKind { cookie: "patient", entry: EntryKind::PatientSession };

/// A member of staff who is signed in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StaffSession {
    pub username: String,
}

/// A patient who is signed in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PatientSession {
    pub patient: PatientId,
}

/// Begins a session; returns the `Set-Cookie` header.
pub async fn begin(
    kind: SessionKind,
    session: &impl Serialize,
    expiring: &dyn ExpiringStore,
    (clock, random): (&dyn Clock, &dyn Random),
    settings: &Settings,
) -> Result<HeaderValue> {
    super::request_context::cookie();
    let secret = random.secret();
    let expires_at = clock.now().saturating_add(LIFETIME).map_err(Error::internal)?;
    expiring.put(kind.entry, &fingerprint(&secret), serde_json::to_value(session)?, expires_at).await?;
    cookie(kind, &secret, None, settings)
}

/// The session of the request's cookie, if it lasts; using it makes it last longer.
pub async fn current<T: DeserializeOwned>(
    kind: SessionKind,
    headers: &HeaderMap,
    expiring: &dyn ExpiringStore,
    clock: &dyn Clock,
) -> Result<Option<T>> {
    let Some(secret) = cookie_value(headers, kind.cookie) else { return Ok(None) };
    let key = fingerprint(secret);
    let Some(entry) = expiring.get(kind.entry, &key).await? else { return Ok(None) };
    let expires_at = clock.now().saturating_add(LIFETIME).map_err(Error::internal)?;
    if expires_at.duration_since(entry.expires_at) > TOUCH {
        // Losing this race means that another request prolonged it.
        expiring.replace(kind.entry, &key, &ExpiringEntry { expires_at, ..entry.clone() }).await?;
    }
    entry.read().map(Some)
}

/// Ends the session of the request's cookie; returns it, unless there was none, and the header that clears the cookie.
pub async fn end<T: DeserializeOwned>(
    kind: SessionKind,
    headers: &HeaderMap,
    expiring: &dyn ExpiringStore,
    settings: &Settings,
) -> Result<(Option<T>, HeaderValue)> {
    let entry = match cookie_value(headers, kind.cookie) {
        Some(secret) => expiring.take(kind.entry, &fingerprint(secret)).await?,
        None => None,
    };
    let session = entry.map(|entry| entry.read()).transpose()?;
    Ok((session, cookie(kind, "", Some(0), settings)?))
}

/// Where a browser says a request that changes something comes from: our own pages or an allowed origin,
/// or no browser at all.
pub fn check_origin(headers: &HeaderMap, settings: &Settings) -> Result<()> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let allowed = match (text(ORIGIN.as_str()), text("sec-fetch-site")) {
        (Some(origin), _) => {
            origin == settings.origin() || settings.staff_origins.iter().any(|known| known == origin)
        }
        (None, Some(site)) => matches!(site, "same-origin" | "none"),
        (None, None) => true,
    };
    if allowed {
        Ok(())
    } else {
        Err(Error::Forbidden("requests from that origin cannot change anything".to_owned()))
    }
}

/// The value of a cookie. Whoever reads one has the response fall under the cross-origin rules for cookies.
fn cookie_value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    super::request_context::cookie();
    let cookies = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'));
    cookies
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

fn cookie(kind: SessionKind, value: &str, max_age: Option<u32>, settings: &Settings) -> Result<HeaderValue> {
    let same_site = match settings.cookie_same_site {
        SameSite::None if kind.cookie == STAFF.cookie => "None",
        SameSite::None | SameSite::Lax => "Lax",
    };
    let secure = if settings.secure_cookies() { "; Secure" } else { "" };
    let path = settings.path();
    let path = if path.is_empty() { "/" } else { &path };
    let max_age = max_age.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    let text =
        format!("{}={value}; Path={path}; HttpOnly; SameSite={same_site}{secure}{max_age}", kind.cookie);
    HeaderValue::from_str(&text).map_err(Error::internal)
}
