//! The form without a job: a signed-in patient makes the choices, and the export starts with these choices as its Parameters. The export
//! belongs to the app that `client_id` names. The app finds it with `GET /jobs`.

use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use domain::audit::{Action, Actor, Event};
use domain::choices::Choices;
use domain::choices::reading::{from_parameters, to_parameters};
use domain::error::{Error, NO_PATIENT, Result};
use domain::ids::{JobId, PatientId};
use domain::job::Job;
use domain::owner::Owner;
use domain::patient::summary;
use domain::patient_summary::PatientSummary;
use domain::request::{Base, Cohort, ExportRequest, OutputOptions};
use domain::scopes::ScopeLevel;
use http::StatusCode;
use http::header::SET_COOKIE;
use http::request::Parts;
use platform::export_slots::ExportSlots;
use platform::exports::{NewExport, patient_of_job, start};
use settings::{Client, OWN_PAGES};
use web::ApiError;
use web::ehi_slot::acquire_ehi;
use web::extract::{PatientPath, Query, SameSiteForm};
use web::pages::GonePage;
use web::patient_session::{current_patient, glimpse_patient, sign_out};
use web::request_context;
use web::respond::{PageError, found, html, see_other, unkept};
use web::session::Cookies;

use crate::draft::{Draft, REPEAT};
use crate::form_location::{FormLocation, Step, path, receiver};
use crate::sent::saved_page;
use crate::steps::Next;
use crate::submitted::SentChoices;
use crate::view::Shows;
use crate::{Customize, allowed_return};

/// The patient in the path, who is signed in. People who are not signed in are redirected to do so. Another patient gets a page that
/// offers it.
pub(crate) struct SignedInPatient(PatientId);

impl FromRequestParts<Customize> for SignedInPatient {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &Customize) -> Result<Self, Response> {
        let named = PatientPath::from_request_parts(parts, state).await.ok();
        let cookies = Cookies::of(&parts.headers);
        let session = current_patient(&cookies, &*state.expiring, &*state.clock, &state.settings).await;
        let session = session.map_err(|error| PageError(error).into_response())?;
        match named.zip(session) {
            Some((PatientPath(named), session)) if named == session.patient => Ok(Self(named)),
            // A redirect to the sign-in page would lead back here.
            Some(_) => {
                let here = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
                Err(html(StatusCode::NOT_FOUND, &GonePage { here }))
            }
            None => Err(state.to_sign_in(parts)),
        }
    }
}

pub(crate) async fn show(
    base: Base,
    State(state): State<Customize>,
    SignedInPatient(patient): SignedInPatient,
    query: Query,
) -> Result<Response, PageError> {
    let client = state.client(query.get("client_id"))?;
    let summary = summary(&*state.records, &patient).await?.ok_or(NO_PATIENT)?;
    let location = location(&summary, base, client, state.settings.review);
    let redirect = query.get("redirect").filter(|text| !text.is_empty());
    let redirect = redirect.map(|text| allowed_return(text, Some(client))).transpose()?;
    if let Some(redirect) = redirect {
        let keep = |draft: &mut Draft| {
            draft.redirect = Some(redirect.clone());
            true
        };
        state.change_draft(&location.draft, keep).await?;
        return Ok(see_other(&state.settings.url(&location.step(Step::Parts, &[]))));
    }
    let step = query.get("step").unwrap_or_default();
    if step == "saved" {
        let until = state.draft_ends(&location.draft).await?;
        return Ok(saved_page(&location, until, state.settings.patients_can_sign_in()));
    }
    let mut draft = state.draft(&location.draft).await?;
    if let Some(job) = draft.sent.clone() {
        let is_there = state.jobs.get(&job).await?.is_some();
        if is_there && !draft.is_started {
            // The request that started the export could not record it.
            let recorded = state.change_draft(&location.draft, |draft| draft.record_start(&job)).await;
            recorded.inspect_err(|error| unmarked(&job, error)).ok();
        }
        match (is_there, matches!(step, "" | "parts")) {
            (true, false) => return Ok(see_other(&state.settings.url(&again(&job, client)))),
            // The export was removed, and another copy begins with the first step.
            (false, false) if draft.is_started => {
                return Ok(see_other(&state.settings.url(&location.step(Step::Parts, &[]))));
            }
            // If the export was not started, the request that made the claim was interrupted, and the draft can still be sent.
            (false, _) if !draft.is_started => {}
            _ => draft = Draft::default(),
        }
    }
    let (step, shows) = (Step::parse(step).unwrap_or(Step::Parts), Shows::parse(query.get("show")));
    Ok(state.step_page(StatusCode::OK, &location, &draft, step, shows)?)
}

fn unmarked(job: &JobId, error: &Error) {
    tracing::warn!(job.id = %job, error = %error, cause = error.causes(), "the form of an export that was started could not be marked as sent");
}

/// Returns the path of the state page for a form that is sent a second time.
fn again(job: &JobId, client: &Client) -> String {
    match client.id.as_str() {
        OWN_PAGES => format!("/my/exports/{job}?said=already"),
        _ => format!("{}?step={}", path(job), Step::Check.name()),
    }
}

/// Returns the path of the page that confirms the sending.
fn receipt(job: &JobId, client: &Client) -> String {
    match client.id.as_str() {
        OWN_PAGES => format!("/my/exports/{job}?said=sent"),
        _ => format!("{}?step=sent", path(job)),
    }
}

fn location(patient: &PatientSummary, base: Base, client: &Client, review: bool) -> FormLocation {
    FormLocation {
        path: format!("{}/Patient/{}/$ehi-export/customize", base.path(), patient.id),
        query: vec![("client_id", client.id.to_string())],
        draft: format!("{} for {}", patient.id, client.id),
        patient: patient.name.clone(),
        review,
        receiver: receiver(&client.id, Some(client)),
    }
}

pub(crate) async fn submit(
    base: Base,
    State(state): State<Customize>,
    patient: Result<PatientPath, ApiError>,
    cookies: Cookies,
    query: Query,
    form: Result<SameSiteForm<SentChoices>, PageError>,
) -> Result<Response, PageError> {
    let named = patient.ok().map(|PatientPath(patient)| patient);
    let is_end = form.as_ref().is_ok_and(|SameSiteForm(sent)| sent.is_end());
    if is_end && glimpse_patient(&cookies, &*state.expiring, &state.settings).await?.is_some() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let Some(patient) = state.signed_in(named.clone(), &cookies).await? else {
        let sent = form.map(|SameSiteForm(sent)| sent).unwrap_or_default();
        return Ok(state.signed_out_of_portal(named, &sent, &query, base).await?);
    };
    let SameSiteForm(form) = form?;
    let client = state.client(form.client_id().or(query.get("client_id")))?;
    let redirect = form.redirect().filter(|text| !text.is_empty());
    let redirect = redirect.map(|text| allowed_return(text, Some(client))).transpose()?;
    let summary = patient_of_job(&*state.records, &patient, &state.settings, state.clock.now()).await?;
    let summary = summary.ok_or(NO_PATIENT)?;
    let Some(sent) = form.step() else {
        // This is a one-page form.
        let choices = form.choices(&["client_id", "redirect"])?;
        let job = match state.begin(base, client, summary, &choices, None).await {
            Ok(job) => job,
            Err(error) => return Ok(unkept(&error)),
        };
        let receipt = || state.sent_page(&job, format!("/my/exports/{}", job.id()));
        return Ok(redirect.map_or_else(receipt, |redirect| Ok(see_other(&redirect)))?);
    };
    let location = location(&summary, base, client, state.settings.review);
    match state.press(&location, &sent).await? {
        Next::GoTo(address) => Ok(see_other(&state.settings.url(&address))),
        Next::Leave => {
            let mut response = see_other(&state.settings.url("/"));
            let (session, cookie) = sign_out(&cookies, &*state.expiring, &state.settings).await?;
            state.signed_out_by(session).await?;
            response.headers_mut().insert(SET_COOKIE, cookie);
            Ok(response)
        }
        Next::Send(choices, draft) => {
            let begun = state.begin_once(base, client, summary, &choices, (&location, draft)).await?;
            let job = &begun.job;
            let shown = if begun.is_new { receipt(job, client) } else { again(job, client) };
            let to = state.return_to(&location, begun).await.filter(|_| client.id.as_str() != OWN_PAGES);
            Ok(see_other(&to.unwrap_or_else(|| state.settings.url(&shown))))
        }
    }
}

/// The export of a draft that was sent.
struct Begun {
    job: JobId,
    /// Whether this request has started it.
    is_new: bool,
    /// The draft before the export was started.
    draft: Draft,
}

impl Customize {
    /// Redirects to the sign-in page. After signing in, the patient returns to the requested page.
    fn to_sign_in(&self, request: &Parts) -> Response {
        let next = request.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", &next).finish();
        found(&self.settings.url(&format!("/patient-login?{query}")))
    }

    /// Handles a form whose session has ended: see [`Customize::keep_signed_out`].
    async fn signed_out_of_portal(
        &self,
        patient: Option<PatientId>,
        sent: &SentChoices,
        query: &Query,
        base: Base,
    ) -> Result<Response> {
        const UNAUTHORIZED: Error = Error::Unauthorized("sign in as the patient first");
        let (Some(patient), Some(sent)) = (patient, sent.step()) else { return Err(UNAUTHORIZED) };
        let Ok(client) = self.client(query.get("client_id")) else { return Err(UNAUTHORIZED) };
        let unnamed = PatientSummary::new(patient, "");
        let kept =
            self.keep_signed_out(&location(&unnamed, base, client, self.settings.review), &sent).await?;
        kept.ok_or(UNAUTHORIZED)
    }

    /// Starts the export of a draft once, even if the patient clicks twice. If the export cannot be started, the draft can be sent again,
    /// and keeps the app's URL.
    async fn begin_once(
        &self,
        base: Base,
        client: &Client,
        summary: PatientSummary,
        choices: &Choices,
        (location, draft): (&FormLocation, Draft),
    ) -> Result<Begun> {
        if let Some(earlier) = &draft.sent
            && self.jobs.get(earlier).await?.is_some()
        {
            return Ok(Begun { job: earlier.clone(), is_new: false, draft });
        }
        // If the claimed job does not exist and was not started, the request that made the claim was interrupted or failed. The job gets
        // the claimed id. The id of an export that was removed is not used again.
        let id = draft.claimed().cloned().unwrap_or_else(|| self.random.job(self.clock.now()));
        let claim = |claimed: &mut Draft| claimed.sent == draft.sent && claimed.claim(&id);
        let claimed = self.change_draft(&location.draft, claim).await?;
        // Another click may have claimed the draft in the meantime.
        let id = match claimed.sent.clone().filter(|claimed| *claimed != id) {
            Some(job) if self.jobs.get(&job).await?.is_some() => {
                return Ok(Begun { job, is_new: false, draft: claimed });
            }
            other => other.unwrap_or(id),
        };
        let is_new = match self.begin(base, client, summary, choices, Some(id.clone())).await {
            Ok(_) => true,
            // Of two clicks, the other one has started the export in the meantime.
            Err(Error::Conflict(_)) => false,
            Err(error) => return Err(error),
        };
        Ok(Begun { job: id, is_new, draft: claimed })
    }

    /// Returns the app's URL to which the patient is redirected after sending, if there is one. It is kept for a short time, for a second
    /// click. The export is started, so an error does not change the response.
    async fn return_to(&self, location: &FormLocation, begun: Begun) -> Option<String> {
        let job = begun.job;
        let marked = match self.after(REPEAT) {
            Ok(until) => self.change_draft(&location.draft, |draft| draft.mark_started(&job, until)).await,
            Err(error) => Err(error),
        };
        let draft = marked.unwrap_or_else(|error| {
            unmarked(&job, &error);
            begun.draft
        });
        draft.returned_to(self.clock.now()).map(str::to_owned)
    }

    /// Starts the export.
    async fn begin(
        &self,
        base: Base,
        client: &Client,
        summary: PatientSummary,
        choices: &Choices,
        id: Option<JobId>,
    ) -> Result<Job> {
        let patient = summary.id.clone();
        let id = id.unwrap_or_else(|| self.random.job(self.clock.now()));
        let event = Event::new(Actor::patient(&patient), Action::ExportStarted).of_job(&id);
        let event = event.of_patient(&patient);
        let new = NewExport {
            id: Some(id.clone()),
            owner: Owner::new(client.id.clone(), None, Some(patient.clone()), &format!("Patient/{patient}")),
            patient: Some(summary),
            request: ExportRequest {
                url: self.settings.url(&format!("{}/Patient/{patient}/$ehi-export", base.path())),
                base,
                cohort: Cohort::of(vec![patient.clone()]),
                confirmed_members: None,
                // The choices are parsed like the Parameters of a kick-off.
                choices: from_parameters(&to_parameters(choices))?,
                receiver: None,
                selection: None,
                output: OutputOptions {
                    one_document_per_file: client.one_document_per_file,
                    inline_attachments_bytes: client.inline_attachments_bytes,
                    ..OutputOptions::default()
                },
            },
            form: false,
            review: self.settings.review,
            request_id: request_context::request_id(),
            by_patient: false,
            language: Some(request_context::words().language.tag().to_owned()),
        };
        let slots = ExportSlots {
            expiring: &*self.expiring,
            jobs: &*self.jobs,
            unfinished: self.settings.retention.unfinished,
        };
        let limit = self.settings.max_running_exports_of(Some(client));
        let acquired = acquire_ehi(&slots, (&new.owner, &patient), limit, &id, self.clock.now(), &self.audit);
        Box::pin(acquired).await?;
        let sources = (&*self.clock, &*self.random);
        let started = Box::pin(start(new, &*self.jobs, &*self.queue, sources, &self.settings));
        let job = self.audit.around(event, started).await?;
        request_context::started(job.id());
        Ok(job)
    }

    /// Returns the patient in the path, if the session is of this patient.
    async fn signed_in(&self, named: Option<PatientId>, cookies: &Cookies) -> Result<Option<PatientId>> {
        let session = current_patient(cookies, &*self.expiring, &*self.clock, &self.settings).await?;
        Ok(named.filter(|named| session.is_some_and(|session| session.patient == *named)))
    }

    /// Returns the app that receives the export. `id` is optional if there is only one app.
    fn client(&self, id: Option<&str>) -> Result<&Client> {
        if id == Some(OWN_PAGES) {
            return Ok(&self.settings.own_pages);
        }
        let mut candidates = self
            .settings
            .clients
            .iter()
            .filter(|client| client.scopes.allows_operation(ScopeLevel::Patient, "$ehi-export"))
            // EHI exports cannot be limited by tags, so a client with `access/` scopes could not read the result.
            .filter(|client| client.scopes.access_tags().is_none());
        let client = match id {
            Some(id) => candidates.find(|client| client.id.as_str() == id),
            None => candidates.next().filter(|_| candidates.next().is_none()),
        };
        client.ok_or_else(|| Error::invalid("'client_id' must name an app that may export records"))
    }
}
