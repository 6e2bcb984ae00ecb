//! Who calls: staff by cookie or by a token with the role, or the owner of jobs by token.

use std::sync::Arc;

use domain::error::{Error, Result};
use http::{HeaderMap, Method};
use security::verify::Caller;
use web::caller::bearer_token;
use web::session::{STAFF, StaffSession, check_origin, current};

use crate::Admin;

pub(crate) enum Who {
    /// By name.
    Staff(String),
    Owner(Arc<Caller>),
}

const UNAUTHORIZED: Error = Error::Unauthorized("staff must sign in first");

impl Admin {
    /// The caller; a cookie alone changes nothing when another site sent it.
    pub(crate) async fn who(&self, method: &Method, headers: &HeaderMap) -> Result<Who> {
        if let Some(token) = bearer_token(headers) {
            let caller = self.verifier.verify(token).await?;
            return Ok(if caller.is_staff { Who::Staff(caller.subject.clone()) } else { Who::Owner(caller) });
        }
        let session: Option<StaffSession> = current(STAFF, headers, &*self.expiring, &*self.clock).await?;
        let session = session.ok_or(UNAUTHORIZED)?;
        if !method.is_safe() {
            check_origin(headers, &self.settings)?;
        }
        Ok(Who::Staff(session.username))
    }

    /// The member of staff, by name.
    pub(crate) async fn staff(&self, method: &Method, headers: &HeaderMap) -> Result<String> {
        match self.who(method, headers).await? {
            Who::Staff(name) => Ok(name),
            Who::Owner(_) => Err(Error::Forbidden("this is for staff".to_owned())),
        }
    }
}
