//! The bearer of the request's access token, verified.

use std::borrow::Borrow;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use domain::error::{Error, NO_JOB, Result};
use domain::job::Job;
use domain::ports::jobs::StoredJob;
use domain::scopes::ScopeLevel;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use jiff::Timestamp;
use security::verify::{Caller, Verifier};

use crate::respond::ApiError;

/// The bearer of a token. A request without a token gets 401.
pub struct Bearer(pub Arc<Caller>);

impl<S> FromRequestParts<S> for Bearer
where
    S: Send + Sync,
    Arc<Verifier>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let token = bearer_token(&parts.headers)
            .ok_or(Error::Unauthorized("an access token is needed: Authorization: Bearer …"))?;
        let caller = Arc::<Verifier>::from_ref(state).verify(token).await?;
        super::request_context::client(&caller.client);
        super::request_context::issued_by(caller.issuer.as_deref());
        Ok(Self(caller))
    }
}

/// Returns the token of `Authorization: Bearer …`.
pub fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Returns the job, if it exists, is not deleted or cancelled, and has not expired; otherwise `NO_JOB`.
pub fn living<J: Borrow<StoredJob>>(found: Option<J>, now: Timestamp) -> Result<J> {
    let is_living = |found: &J| {
        let job = &found.borrow().job;
        !job.state().is_gone() && !job.has_expired(now)
    };
    found.filter(is_living).ok_or(NO_JOB)
}

/// Returns the job, if it belongs to this caller and [`living`] finds it. A job of another owner is 404, as if it did not exist.
/// A rejected job that the caller has deleted is 404 with the reason of the rejection.
pub fn owned<J: Borrow<StoredJob>>(found: Option<J>, caller: &Caller, now: Timestamp) -> Result<J> {
    allowed(living(found, now)?, caller)
}

/// Returns the job that a client deletes: one that [`owned`] finds, or one that staff have deleted and could still restore.
pub fn owned_or_restorable<J: Borrow<StoredJob>>(
    found: Option<J>,
    caller: &Caller,
    now: Timestamp,
) -> Result<J> {
    let is_restorable = |found: &J| found.borrow().job.restorable_until(now).is_some();
    match found {
        Some(found) if is_restorable(&found) => allowed(found, caller),
        found => owned(found, caller, now),
    }
}

fn allowed<J: Borrow<StoredJob>>(found: J, caller: &Caller) -> Result<J> {
    let stored = found.borrow();
    if stored.job.header().owner != caller.owner() {
        return Err(NO_JOB);
    }
    if let Job::Rejected(rejected) = &stored.job
        && rejected.dismissed
    {
        return Err(Error::Dismissed(format!("the export was rejected: {}", rejected.reason)));
    }
    if let Some(selection) = &stored.job.header().request.selection {
        let dialect = stored.job.header().request.dialect();
        return match caller.coverage(dialect).covers_export(selection) {
            true => Ok(found),
            false => Err(Error::Forbidden("the token does not cover all that the job exports".to_owned())),
        };
    }
    let level = if caller.patient.is_some() { ScopeLevel::Patient } else { ScopeLevel::System };
    if !caller.scopes.allows_operation(level, "$ehi-export") || caller.scopes.access_tags().is_some() {
        return Err(Error::Forbidden(
            "the token does not cover what the job exports: it needs $ehi-export, and no access/ scopes"
                .to_owned(),
        ));
    }
    Ok(found)
}
