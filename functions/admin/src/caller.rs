//! The caller: staff by cookie or by a token, with the role that a route needs, or the owner of jobs by token. The settings say
//! at each request which roles a member has, so that a session does not keep a role that was taken away.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use domain::audit::{Action, Actor, Event};
use domain::error::{Error, Result};
use domain::patient::summary;
use domain::roles::{Role, Roles};
use http::request::Parts;
use security::verify;
use web::caller::bearer_token;
use web::extract::{JobPath, PatientPath};
use web::respond::{PageError, see_other};
use web::session::{Cookies, Origin, current_staff};
use web::{ApiError, request_context};

use crate::Admin;
use crate::login::sign_in_for;

const UNAUTHORIZED: Error = Error::Unauthorized("staff must sign in first");

/// A caller of the routes that reviewers and the owners of jobs share.
pub(crate) enum Caller {
    /// A reviewer, by name.
    Staff(String),
    Owner(Arc<verify::Caller>),
}

impl FromRequestParts<Admin> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Admin) -> Result<Self, ApiError> {
        Ok(match Known::of(parts, state).await? {
            Known::Member(member) => Self::Staff(state.name_with(member, Role::Reviewer, parts).await?),
            Known::Bearer(caller) if caller.is_reviewer() => Self::Staff(caller.subject.clone()),
            // The routes below `/admin` are not for the owners of jobs.
            Known::Bearer(caller) if !caller.roles.is_empty() && parts.uri.path().starts_with("/admin/") => {
                let member = Member { name: caller.subject.clone(), roles: caller.roles.clone() };
                Self::Staff(state.name_with(member, Role::Reviewer, parts).await?)
            }
            Known::Bearer(caller) => Self::Owner(caller),
        })
    }
}

/// Who sends a request.
enum Known {
    /// A member of staff who is signed in in this browser.
    Member(Member),
    Bearer(Arc<verify::Caller>),
}

/// A member of staff.
struct Member {
    name: String,
    roles: Roles,
}

impl Admin {
    /// Returns the member's name if the member has the role. Otherwise records the attempt in the audit trail, and returns 403.
    async fn name_with(&self, member: Member, role: Role, parts: &mut Parts) -> Result<String> {
        if member.roles.has(role) {
            return Ok(member.name);
        }
        let event = self.about_path(Event::new(Actor::staff(&member.name), Action::AccessRefused), parts);
        self.audit.refused(event.await, &parts.method).await;
        Err(Error::Forbidden(format!("this is for staff with the role {}", role.name())))
    }

    /// Adds the export and the patient that the path names. An id of nothing is not added, so that made-up ids do not cause more entries.
    async fn about_path(&self, event: Event, parts: &mut Parts) -> Event {
        if let Ok(JobPath(id)) = JobPath::from_request_parts(parts, self).await
            && let Ok(Some(stored)) = self.jobs.get(&id).await
        {
            return event.of_job_alone(&stored.job);
        }
        if let Ok(PatientPath(id)) = PatientPath::from_request_parts(parts, self).await
            && let Ok(Some(_)) = summary(&*self.records, &id).await
        {
            return event.of_patient(&id);
        }
        event
    }
}

impl Known {
    /// Refuses a state-changing request from another site if only a cookie authenticates it.
    async fn of(parts: &Parts, state: &Admin) -> Result<Self> {
        if let Some(token) = bearer_token(&parts.headers) {
            let caller = state.verifier.verify(token).await?;
            request_context::issued_by(caller.issuer.as_deref());
            request_context::staff_roles(&caller.roles);
            return Ok(Self::Bearer(caller));
        }
        let cookies = Cookies::of(&parts.headers);
        let member = current_staff(&cookies, &*state.expiring, &*state.clock, &state.settings).await?;
        let (name, roles) = member.ok_or(UNAUTHORIZED)?;
        request_context::staff_roles(&roles);
        if !parts.method.is_safe() {
            Origin::of(&parts.headers, &state.settings).check()?;
        }
        Ok(Self::Member(Member { name, roles }))
    }

    fn member(self) -> Result<Member> {
        match self {
            Self::Member(member) => Ok(member),
            Self::Bearer(caller) if caller.roles.is_empty() => {
                Err(Error::Forbidden("this is for staff".to_owned()))
            }
            Self::Bearer(caller) => Ok(Member { name: caller.subject.clone(), roles: caller.roles.clone() }),
        }
    }
}

/// Returns the name of the member of staff who sends a request, if the member has the role. Other callers get 401 or 403.
async fn member_with(role: Role, parts: &mut Parts, state: &Admin) -> Result<String> {
    let member = Known::of(parts, state).await?.member()?;
    state.name_with(member, role, parts).await
}

/// Does the same as [`member_with`] for a page. A GET without a session redirects to the sign-in page, which leads back to the same address.
async fn page_member_with(role: Role, parts: &mut Parts, state: &Admin) -> Result<String, Response> {
    let member = member_with(role, parts, state).await;
    member.map_err(|error| match error {
        Error::Unauthorized(_) if parts.method.is_safe() => match sign_in_for(parts.uri.path_and_query()) {
            Ok(sign_in) => see_other(&state.settings.url(&sign_in)),
            Err(error) => PageError(error).into_response(),
        },
        error => PageError(error).into_response(),
    })
}

/// Anybody. If a member of staff is signed in, the next step of an error page is one of the pages that their roles permit.
pub(crate) struct Anybody;

impl FromRequestParts<Admin> for Anybody {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &Admin) -> Result<Self, Infallible> {
        // A caller who cannot be recognized gets the same error as everybody else.
        let _ = Known::of(parts, state).await;
        Ok(Self)
    }
}

/// Defines extractors of a member of staff with a role, by name: for the API, and for pages.
macro_rules! staff_with {
    ($($(#[$doc:meta])* $name:ident: $role:ident by $found:ident or $refused:ty;)+) => {$(
        $(#[$doc])*
        pub(crate) struct $name(pub(crate) String);

        impl FromRequestParts<Admin> for $name {
            type Rejection = $refused;

            async fn from_request_parts(parts: &mut Parts, state: &Admin) -> Result<Self, $refused> {
                Ok(Self($found(Role::$role, parts, state).await?))
            }
        }
    )+};
}

staff_with! {
    /// A reviewer, by name. Other callers get 401 or 403.
    Staff: Reviewer by member_with or ApiError;
    /// The same for a page. A GET without a session redirects to the sign-in page.
    PageStaff: Reviewer by page_member_with or Response;
    /// An auditor, by name. Other callers get 401 or 403.
    Auditor: Auditor by member_with or ApiError;
    /// The same for a page.
    PageAuditor: Auditor by page_member_with or Response;
    /// An administrator, by name, for a page.
    PageAdministrator: Administrator by page_member_with or Response;
}
