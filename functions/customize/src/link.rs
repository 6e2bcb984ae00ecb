//! `/jobs/{job}/customize`: the form of an export. The kick-off's link contains a code. The server exchanges it for a session and removes it
//! from the URL.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::audit::{Action, Actor, Event};
use domain::error::{Error, NO_JOB, Result};
use domain::ids::JobId;
use domain::job::Job;
use domain::ports::jobs::StoredJob;
use http::StatusCode;
use http::header::SET_COOKIE;
use web::caller::living;
use web::extract::{JobPath, Query};
use web::pages::GonePage;
use web::patient_session::{current_patient, sign_out};
use web::request_context;
use web::respond::{PageError, found, html, see_other};
use web::session::{Cookies, FORM, FormSession, PatientSession, begin_below, end_below};
use web::urls::client_of;

use crate::Customize;
use crate::access::{Chooser, Credentials};
use crate::form_location::{FormLocation, Step, path, receiver};
use crate::sent::saved_page;
use crate::steps::{Next, Sent};
use crate::submitted::SentChoices;
use crate::view::Shows;

pub(crate) async fn show(
    State(state): State<Customize>,
    JobPath(id): JobPath,
    query: Query,
    cookies: Cookies,
) -> Result<Response, PageError> {
    let existing = match state.jobs.get(&id).await {
        // The patient cannot solve this by signing in, because the store is unavailable.
        Err(error @ Error::Unavailable(_)) => return Err(error.into()),
        existing => existing,
    };
    let code = query.get("code").filter(|code| state.keys.is_form_code(&id, code));
    let is_known = match &existing {
        Ok(Some(stored)) => code.is_some() || state.may_fill_in(stored, &cookies).await?,
        Ok(None) | Err(_) => code.is_some(),
    };
    // Unauthorized callers must not learn which jobs exist.
    if !is_known {
        // A redirect to the sign-in page would lead back here, because the patient is already signed in.
        if current_patient(&cookies, &*state.expiring, &*state.clock, &state.settings).await?.is_some() {
            return Ok(html(StatusCode::NOT_FOUND, &GonePage { here: path(&id) }));
        }
        return Ok(found(&state.settings.url(&format!("/patient-login?next={}", path(&id)))));
    }
    let stored = existing?.ok_or(NO_JOB)?;
    if living(Some(&stored), state.clock.now()).is_err() {
        return Ok(state.state_page(&stored, false));
    }
    let location = state.location(&stored);
    let redirect = state.redirect(&stored, query.get("redirect"))?;
    let step = query.get("step").unwrap_or_default();
    if code.is_some() || redirect.is_some() {
        return Ok(state.enter(&stored, &location, code.is_some(), redirect, step).await?);
    }
    Ok(state.page(&stored, &location, (step, query.get("show")), &cookies).await?)
}

pub(crate) async fn submit(
    State(state): State<Customize>,
    JobPath(id): JobPath,
    credentials: Credentials,
    form: SentChoices,
) -> Result<Response, PageError> {
    let login = state.settings.url(&format!("/patient-login?next={}", path(&id)));
    let Some(sent) = form.step() else { return Ok(see_other(&login)) };
    let stored = match state.job(&id).await {
        Ok(stored) => stored,
        // The response is the same as without a session, so that unauthorized callers do not learn which jobs exist.
        Err(Error::NotFound(_)) => return Ok(see_other(&login)),
        Err(error) => return Err(error.into()),
    };
    let location = state.location(&stored);
    if sent.go == "end" && state.is_signed_in(&stored, &credentials.cookies).await? {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    if sent.go == "end" || !state.may_fill_in(&stored, &credentials.cookies).await? {
        return Ok(state.signed_out(&stored, &location, &sent, &login).await?);
    }
    credentials.origin.check()?;
    let Job::AwaitingInput(_) = &stored.job else {
        if sent.go == "leave" {
            return Ok(state.leave(&stored, &credentials.cookies).await?);
        }
        return Ok(state.sent_before(&location, &sent).await?);
    };
    match state.press(&location, &sent).await? {
        // If two clicks arrive at the same time, the other one has sent the form, and its input is deleted.
        Next::GoTo(_) if sent.go == "send" && state.is_sent(&id).await? => {
            Ok(state.sent_before(&location, &sent).await?)
        }
        Next::GoTo(address) => Ok(see_other(&state.settings.url(&address))),
        Next::Leave => Ok(state.leave(&stored, &credentials.cookies).await?),
        Next::Send(choices, draft) => {
            let language = request_context::words().language.tag();
            let person = state.person(&stored, &credentials.cookies).await?;
            let done = state.customize(&stored, &choices, &person, Some(language)).await;
            if let Err(error) = done {
                // Another request may have sent the form first.
                if !state.is_sent(&id).await? {
                    return Err(error.into());
                }
                return Ok(state.sent_before(&location, &sent).await?);
            }
            state.forget_draft(&location.draft).await?;
            let receipt = state.settings.url(&location.at("sent", &[]));
            Ok(see_other(draft.redirect.as_deref().unwrap_or(&receipt)))
        }
    }
}

impl Customize {
    /// Returns the page of a step, or the page that follows the form. `show` names the message on the page.
    async fn page(
        &self,
        stored: &StoredJob,
        location: &FormLocation,
        (step, show): (&str, Option<&str>),
        cookies: &Cookies,
    ) -> Result<Response> {
        let parsed = Step::parse(step);
        match (&stored.job, step) {
            (Job::AwaitingInput(awaiting), "saved") => {
                // An export that waits for its form is removed then, however often the form is saved.
                let lifetime = self.settings.retention.unfinished;
                let until = awaiting.header.changed_at.saturating_add(lifetime).map_err(Error::internal)?;
                Ok(saved_page(location, until, self.settings.patients_can_sign_in()))
            }
            (Job::AwaitingInput(_), _) => {
                let draft = self.draft(&location.draft).await?;
                let step = parsed.unwrap_or(Step::Parts);
                self.step_page(StatusCode::OK, location, &draft, step, Shows::parse(show))
            }
            (job, "sent") => {
                let header = job.header();
                // The patient's pages list only the exports that the patient may end.
                let is_listed =
                    header.patient.as_ref().is_some_and(|patient| header.may_be_ended_by(&patient.id));
                let is_listed = is_listed && self.is_patient_of(stored, cookies).await?;
                let shown = match is_listed {
                    true => format!("/my/exports/{}", header.id),
                    false => location.path.clone(),
                };
                self.sent_page(job, shown)
            }
            _ => Ok(self.state_page(stored, parsed.is_some())),
        }
    }

    async fn is_sent(&self, id: &JobId) -> Result<bool> {
        Ok(!matches!(self.job(id).await?.job, Job::AwaitingInput(_)))
    }

    /// Handles a button of a form that was sent before. A second click redirects to the app, as the first one did; otherwise the page with
    /// the state says that the form was sent.
    async fn sent_before(&self, location: &FormLocation, sent: &Sent<'_>) -> Result<Response> {
        let draft = self.draft(&location.draft).await?;
        // The other request may not have deleted its input yet.
        let to = draft.returned_to(self.clock.now()).or(draft.redirect.as_deref());
        match to.filter(|_| sent.go == "send") {
            Some(to) => Ok(see_other(to)),
            None => Ok(see_other(&self.settings.url(&location.step(Step::Check, &[])))),
        }
    }

    pub(crate) fn location(&self, stored: &StoredJob) -> FormLocation {
        let header = stored.job.header();
        let client = client_of(&self.settings, &header.owner);
        let patient = header.patient.as_ref();
        FormLocation {
            path: path(&header.id),
            query: Vec::new(),
            draft: header.id.to_string(),
            patient: patient.map(|patient| patient.name.clone()).unwrap_or_default(),
            review: header.review,
            receiver: receiver(&header.owner.client, client),
        }
    }

    /// Removes the code and the return URL from the URL: the code is exchanged for a session, and the return URL is saved in the draft.
    /// A form that was just opened does not give way to another export ([`platform::export_slots`]), so the draft is always saved.
    async fn enter(
        &self,
        stored: &StoredJob,
        location: &FormLocation,
        has_code: bool,
        redirect: Option<String>,
        step: &str,
    ) -> Result<Response> {
        let awaits = matches!(stored.job, Job::AwaitingInput(_));
        if awaits {
            let keep = |draft: &mut crate::draft::Draft| {
                if redirect.is_some() {
                    draft.redirect.clone_from(&redirect);
                }
                true
            };
            self.change_draft(&location.draft, keep).await?;
        }
        let clean = Step::parse(step).map_or_else(|| location.path.clone(), |step| location.step(step, &[]));
        let mut response = see_other(&self.settings.url(&clean));
        if has_code {
            let cookie = self.form_session(&stored.job).await?;
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
        Ok(response)
    }

    /// Starts a session of the form for a caller with the link's code, which is a sign-in; returns its cookie.
    pub(crate) async fn form_session(&self, job: &Job) -> Result<http::HeaderValue> {
        self.audit.record(Chooser::LinkHolder.event(Action::SignIn, job)).await?;
        let session = FormSession { job: job.id().clone() };
        let sources = (&*self.clock, &*self.random);
        let below = format!("/jobs/{}", job.id());
        begin_below(FORM, &below, &session, &*self.expiring, sources, &self.settings).await
    }

    /// Handles a form whose session has ended.
    async fn signed_out(
        &self,
        stored: &StoredJob,
        location: &FormLocation,
        sent: &Sent<'_>,
        login: &str,
    ) -> Result<Response> {
        let kept = match stored.job {
            Job::AwaitingInput(_) => self.keep_signed_out(location, sent).await?,
            _ => None,
        };
        Ok(kept.unwrap_or_else(|| see_other(login)))
    }

    /// Saves the fields after the session has ended, if the form's token is valid. The patient is then redirected to sign in, and returns
    /// to the same step. Returns `None` if the token is not valid.
    pub(crate) async fn keep_signed_out(
        &self,
        location: &FormLocation,
        sent: &Sent<'_>,
    ) -> Result<Option<Response>> {
        if !self.is_form_token(&location.draft, sent.token()) {
            return Ok(None);
        }
        let (_, is_other) = self.keep(location, sent).await?;
        let shows = [("show", Shows::Changed.name())];
        let next = location.step(sent.step, if is_other { &shows } else { &[] });
        let mut login = url::Url::parse(&self.settings.url("/patient-login")).map_err(Error::internal)?;
        login.query_pairs_mut().append_pair("saved", "1").append_pair("next", &next);
        if let Some(language) = sent.language() {
            login.query_pairs_mut().append_pair(web::site::LANGUAGE, language);
        }
        Ok(Some(see_other(login.as_str())))
    }

    /// Records the sign-out of a patient if one was signed in.
    pub(crate) async fn signed_out_by(&self, session: Option<PatientSession>) -> Result<()> {
        match session {
            Some(PatientSession { patient, .. }) => {
                self.audit.record(Event::new(Actor::patient(&patient), Action::SignOut)).await
            }
            None => Ok(()),
        }
    }

    /// Signs the patient out of the form and of the patient's pages.
    async fn leave(&self, stored: &StoredJob, cookies: &Cookies) -> Result<Response> {
        let below = format!("/jobs/{}", stored.job.id());
        let (expiring, settings) = (&*self.expiring, &*self.settings);
        let (_, form) = end_below::<FormSession>(FORM, &below, cookies, expiring, settings).await?;
        let (session, patient) = sign_out(cookies, expiring, settings).await?;
        self.signed_out_by(session).await?;
        let mut response = see_other(&self.settings.url("/"));
        response.headers_mut().append(SET_COOKIE, form);
        response.headers_mut().append(SET_COOKIE, patient);
        Ok(response)
    }
}
