//! The caller: staff by cookie or by a token with the role, or the owner of jobs by token.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::response::{IntoResponse, Response};
use domain::error::{Error, Result};
use http::request::Parts;
use security::verify;
use settings::Settings;
use web::ApiError;
use web::caller::bearer_token;
use web::respond::{PageError, see_other};
use web::session::{Cookies, Origin, STAFF, StaffSession, current};

use crate::Admin;

const UNAUTHORIZED: Error = Error::Unauthorized("staff must sign in first");

impl FromRef<Admin> for Arc<Settings> {
    fn from_ref(state: &Admin) -> Self {
        state.settings.clone()
    }
}

pub(crate) enum Caller {
    /// A member of staff, by name.
    Staff(String),
    Owner(Arc<verify::Caller>),
}

impl Caller {
    /// Refuses a state-changing request from another site if only a cookie authenticates it.
    async fn of(parts: &Parts, state: &Admin) -> Result<Self> {
        if let Some(token) = bearer_token(&parts.headers) {
            let caller = state.verifier.verify(token).await?;
            let name = caller.is_staff.then(|| caller.subject.clone());
            return Ok(name.map_or(Self::Owner(caller), Self::Staff));
        }
        let session: Option<StaffSession> =
            current(STAFF, &Cookies::of(&parts.headers), &*state.expiring, &*state.clock).await?;
        let session = session.ok_or(UNAUTHORIZED)?;
        if !parts.method.is_safe() {
            Origin::of(&parts.headers, &state.settings).check()?;
        }
        Ok(Self::Staff(session.username))
    }

    fn staff(self) -> Result<String> {
        match self {
            Self::Staff(name) => Ok(name),
            Self::Owner(_) => Err(Error::Forbidden("this is for staff".to_owned())),
        }
    }
}

impl FromRequestParts<Admin> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Admin) -> Result<Self, ApiError> {
        Ok(Self::of(parts, state).await?)
    }
}

/// A member of staff, by name. Other callers get 401 or 403.
pub(crate) struct Staff(pub(crate) String);

impl FromRequestParts<Admin> for Staff {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Admin) -> Result<Self, ApiError> {
        Ok(Self(Caller::of(parts, state).await?.staff()?))
    }
}

/// The same for a page. A GET without a session redirects to the sign-in page.
pub(crate) struct PageStaff(pub(crate) String);

impl FromRequestParts<Admin> for PageStaff {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &Admin) -> Result<Self, Response> {
        match Caller::of(parts, state).await.and_then(Caller::staff) {
            Ok(name) => Ok(Self(name)),
            Err(Error::Unauthorized(_)) if parts.method.is_safe() => {
                Err(see_other(&state.settings.url("/staff/login")))
            }
            Err(error) => Err(PageError(error).into_response()),
        }
    }
}
