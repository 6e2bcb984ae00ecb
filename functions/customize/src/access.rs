//! Authorizes callers to fill in the form of a job.
#![expect(clippy::disallowed_types, reason = "an extractor")]

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use domain::audit::{Action, Actor, Event};
use domain::error::{Error, Result};
use domain::header::HistoryEntry;
use domain::ids::{ClientId, JobId};
use domain::job::Job;
use domain::ports::jobs::StoredJob;
use domain::roles::Role;
use http::Method;
use http::request::Parts;
use web::caller::{bearer_token, living, owned};
use web::patient_session::{current_patient, glimpse_patient};
use web::request_context;
use web::session::{Cookies, FORM, FormSession, Origin, current, current_staff, glimpse};

use crate::Customize;

const UNAUTHORIZED: Error =
    Error::Unauthorized("the link's code, the patient's or a staff session, or the job's token is needed");

/// The object of events in the audit trail about a caller who has the form's link.
const BY_LINK: &str = "by-the-link";

/// The person or program that makes the choices.
pub(crate) enum Chooser {
    /// The patient, who is signed in.
    Patient,
    /// A caller with the code of the link, or with the session of the form that it began. The link is for the patient.
    LinkHolder,
    /// An app with the job's token.
    App(ClientId),
    /// A staff member with this name.
    Staff(String),
}

impl Chooser {
    /// Returns the name of the actor in the job's history.
    pub(crate) fn actor(&self) -> &str {
        match self {
            Self::Patient => HistoryEntry::PATIENT,
            Self::LinkHolder => HistoryEntry::LINK_HOLDER,
            Self::App(client) => client.as_str(),
            Self::Staff(name) => name,
        }
    }

    /// Returns the event of an action of the chooser in the form of this job.
    pub(crate) fn event(&self, action: Action, job: &Job) -> Event {
        let person = || {
            let patient = job.header().patient.as_ref();
            patient.map_or_else(Actor::unknown, |patient| Actor::patient(&patient.id))
        };
        let actor = match self {
            Self::Patient | Self::LinkHolder => person(),
            Self::App(client) => Actor::client(client),
            Self::Staff(name) => Actor::staff(name),
        };
        let event = Event::new(actor, action).of(job);
        match self {
            Self::LinkHolder => event.about(BY_LINK),
            Self::Patient | Self::App(_) | Self::Staff(_) => event,
        }
    }
}

/// The credentials of a request, apart from the code of the link.
pub(crate) struct Credentials {
    method: Method,
    bearer: Option<String>,
    pub(crate) cookies: Cookies,
    pub(crate) origin: Origin,
}

impl FromRequestParts<Customize> for Credentials {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &Customize) -> Result<Self, Infallible> {
        Ok(Self {
            method: parts.method.clone(),
            bearer: bearer_token(&parts.headers).map(str::to_owned),
            cookies: Cookies::of(&parts.headers),
            origin: Origin::of(&parts.headers, &state.settings),
        })
    }
}

impl Customize {
    pub(crate) async fn job(&self, id: &JobId) -> Result<StoredJob> {
        living(self.jobs.get(id).await?, self.clock.now())
    }

    pub(crate) async fn is_patient_of(&self, stored: &StoredJob, cookies: &Cookies) -> Result<bool> {
        let session = current_patient(cookies, &*self.expiring, &*self.clock, &self.settings).await?;
        let patient = stored.job.header().patient.as_ref();
        Ok(session.zip(patient).is_some_and(|(session, patient)| session.patient == patient.id))
    }

    /// Returns whether the caller may open the job's form: the patient is signed in, or the browser has opened the form's link before.
    pub(crate) async fn may_fill_in(&self, stored: &StoredJob, cookies: &Cookies) -> Result<bool> {
        let session: Option<FormSession> = current(FORM, cookies, &*self.expiring, &*self.clock).await?;
        if session.is_some_and(|session| session.job == *stored.job.id()) {
            return Ok(true);
        }
        self.is_patient_of(stored, cookies).await
    }

    /// Returns the person who fills in the form: [`Self::may_fill_in`] is true, or the request has the code of the link.
    pub(crate) async fn person(&self, stored: &StoredJob, cookies: &Cookies) -> Result<Chooser> {
        Ok(match self.is_patient_of(stored, cookies).await? {
            true => Chooser::Patient,
            false => Chooser::LinkHolder,
        })
    }

    /// Returns the same as [`Self::may_fill_in`] without extending the session.
    pub(crate) async fn is_signed_in(&self, stored: &StoredJob, cookies: &Cookies) -> Result<bool> {
        let form: Option<FormSession> = glimpse(FORM, cookies, &*self.expiring).await?;
        let patient = glimpse_patient(cookies, &*self.expiring, &self.settings).await?;
        let is_patient = stored.job.header().patient.as_ref().zip(patient);
        Ok(form.is_some_and(|session| session.job == *stored.job.id())
            || is_patient.is_some_and(|(patient, session)| session.patient == patient.id))
    }

    /// Returns the job and the person who makes the choices. An unauthorized caller gets the same 401 for every id, whether or not the job
    /// exists.
    pub(crate) async fn known_to(
        &self,
        id: &JobId,
        code: Option<&str>,
        credentials: &Credentials,
    ) -> Result<(StoredJob, Chooser)> {
        let stored = self.job(id).await;
        if let Ok(stored) = &stored
            && code.is_some_and(|code| self.keys.is_form_code(id, code))
        {
            return Ok((stored.clone(), self.person(stored, &credentials.cookies).await?));
        }
        if let Some(token) = &credentials.bearer {
            let caller = self.verifier.verify(token).await?;
            request_context::issued_by(caller.issuer.as_deref());
            if caller.is_reviewer() {
                return Ok((stored?, Chooser::Staff(caller.subject.clone())));
            }
            let stored = owned(Some(stored?), &caller, self.clock.now())?;
            return Ok((stored, Chooser::App(caller.client.clone())));
        }
        if let Ok(stored) = &stored
            && self.may_fill_in(stored, &credentials.cookies).await?
        {
            credentials.origin.check()?;
            return Ok((stored.clone(), self.person(stored, &credentials.cookies).await?));
        }
        let staff =
            current_staff(&credentials.cookies, &*self.expiring, &*self.clock, &self.settings).await?;
        let (name, roles) = staff.ok_or(UNAUTHORIZED)?;
        credentials.origin.check()?;
        if !roles.has(Role::Reviewer) {
            let event = Event::new(Actor::staff(&name), Action::AccessRefused);
            let event = match &stored {
                Ok(stored) => event.of_job_alone(&stored.job),
                Err(_) => event,
            };
            self.audit.refused(event, &credentials.method).await;
            return Err(Error::Forbidden("only reviewers may change the choices of an export".to_owned()));
        }
        Ok((stored?, Chooser::Staff(name)))
    }
}
