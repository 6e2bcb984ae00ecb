//! The patient's form: shown, and its choices taken (contract, section 1).
//!
//! Who may: the holder of the link from the kick-off, which carries a code bound to the job; the patient, signed in; or
//! the bearer of the job's token.

mod portal;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use shared::clock::{Clock, Ids};
use shared::config::Settings;
use shared::domain::choices::Choices;
use shared::domain::ids::JobId;
use shared::domain::job::Job;
use shared::domain::request::Base;
use shared::error::{Error, Result};
use shared::exports::{change, resume};
use shared::fhir::choices::{from_form, from_json};
use shared::http::caller::{bearer_token, owned};
use shared::http::extract::{Content, JobPath, NO_JOB, Query, field};
use shared::http::job_json::job_json;
use shared::http::links::client_of;
use shared::http::respond::{PageError, found, html, json, see_other};
use shared::http::session::{PATIENT, PatientSession, check_origin, current};
use shared::pages::{FormDonePage, FormPage};
use shared::platform::Platform;
use shared::ports::grants::Grants;
use shared::ports::jobs::{Jobs, StoredJob};
use shared::ports::queue::Queue;
use shared::ports::records::Records;
use shared::security::keys::Keys;
use shared::security::verify::Verifier;
use url::Url;

/// The ports of the form.
#[derive(Clone)]
pub(crate) struct Customize {
    jobs: Arc<dyn Jobs>,
    queue: Arc<dyn Queue>,
    grants: Arc<dyn Grants>,
    records: Arc<dyn Records>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    settings: Arc<Settings>,
    keys: Arc<Keys>,
    verifier: Arc<Verifier>,
}

pub fn router(platform: &dyn Platform) -> Router {
    let mut router =
        Router::new().route("/jobs/{job}/customize", get(show)).route("/jobs/{job}", post(submit));
    for base in Base::ALL {
        let path = format!("{}/Patient/{{patient}}/$ehi-export/customize", base.path());
        router = router.route(
            &path,
            get(portal::show).post(async move |state, patient, query, headers, body| {
                portal::submit(base, state, patient, query, headers, body).await
            }),
        );
    }
    router.with_state(Customize {
        jobs: platform.jobs(),
        queue: platform.queue(),
        grants: platform.grants(),
        records: platform.records(),
        clock: platform.clock(),
        ids: platform.ids(),
        settings: platform.settings(),
        keys: platform.keys(),
        verifier: platform.verifier(),
    })
}

const ALREADY_CUSTOMIZED: &str = "this export was customized before; its choices cannot change any more";
const UNAUTHORIZED: Error =
    Error::Unauthorized("the link's code, the patient's session or the job's token is needed");

async fn show(
    State(state): State<Customize>,
    JobPath(id): JobPath,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let stored = state.job(&id).await?;
    let code = query.get("code").filter(|code| state.keys.is_form_code(&id, code));
    if code.is_none() && !state.is_patient_of(&stored, &headers).await? {
        let next = format!("/jobs/{id}/customize");
        return Ok(found(&state.settings.url(&format!("/patient-login?next={next}"))));
    }
    let redirect = state.redirect(&stored, query.get("redirect"))?;
    let Job::AwaitingInput(_) = &stored.job else { return Err(Error::invalid(ALREADY_CUSTOMIZED).into()) };
    let patient = stored.job.core().patient.as_ref();
    let mut hidden = Vec::new();
    hidden.extend(code.map(|code| ("code", code.to_owned())));
    hidden.extend(redirect.map(|redirect| ("redirect", redirect)));
    let name = patient.map(|patient| patient.name.clone()).unwrap_or_default();
    Ok(html(StatusCode::OK, &FormPage::new(name, format!("/jobs/{id}"), hidden)))
}

async fn submit(
    State(state): State<Customize>,
    JobPath(id): JobPath,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match Content::read(&headers, body).await {
        // A form comes from a page and is answered with one.
        Ok(Content::Form(fields)) => {
            let submitted = state.submit_form(&id, &fields, &query, &headers).await;
            submitted.map_err(PageError::from).into_response()
        }
        Ok(Content::Json(value)) => {
            let choices = from_json(&value);
            state.submit_json(&id, choices, &query, &headers).await.into_response()
        }
        Ok(Content::Empty) => {
            let choices = Err(Error::invalid("the body has no choices"));
            state.submit_json(&id, choices, &query, &headers).await.into_response()
        }
        Err(error) => error.into_response(),
    }
}

impl Customize {
    async fn job(&self, id: &JobId) -> Result<StoredJob> {
        self.jobs.get(id).await?.filter(|stored| !stored.job.state().is_gone()).ok_or(NO_JOB)
    }

    async fn is_patient_of(&self, stored: &StoredJob, headers: &HeaderMap) -> Result<bool> {
        let session: Option<PatientSession> = current(PATIENT, headers, &*self.grants, &*self.clock).await?;
        let patient = stored.job.core().patient.as_ref();
        Ok(session.zip(patient).is_some_and(|(session, patient)| session.patient == patient.id))
    }

    /// Where to send the patient afterwards: only to an origin that the job's client registered.
    fn redirect(&self, stored: &StoredJob, redirect: Option<&str>) -> Result<Option<String>> {
        let Some(text) = redirect.filter(|text| !text.is_empty()) else { return Ok(None) };
        let client = client_of(&self.settings, &stored.job.core().owner);
        allowed_return(text, client).map(Some)
    }

    /// The code, the patient's session or the job's token.
    async fn authorize(&self, stored: &StoredJob, code: Option<&str>, headers: &HeaderMap) -> Result<()> {
        if code.is_some_and(|code| self.keys.is_form_code(stored.job.id(), code)) {
            return Ok(());
        }
        if let Some(token) = bearer_token(headers) {
            let caller = self.verifier.verify(token).await?;
            return owned(Some(stored.clone()), &caller).map(|_| ());
        }
        if self.is_patient_of(stored, headers).await? {
            return check_origin(headers, &self.settings);
        }
        Err(UNAUTHORIZED)
    }

    async fn submit_json(
        &self,
        id: &JobId,
        choices: Result<Choices>,
        query: &Query,
        headers: &HeaderMap,
    ) -> Result<Response> {
        let stored = self.known_to(id, query.get("code"), headers).await?;
        let customized = self.customize(&stored, choices?).await?;
        Ok(json(StatusCode::OK, &job_json(&customized, &self.settings, None)))
    }

    async fn submit_form(
        &self,
        id: &JobId,
        fields: &[(String, String)],
        query: &Query,
        headers: &HeaderMap,
    ) -> Result<Response> {
        let code = field(fields, "code").or(query.get("code"));
        let stored = self.known_to(id, code, headers).await?;
        let redirect = self.redirect(&stored, field(fields, "redirect").or(query.get("redirect")))?;
        let choices = from_form(fields, &["code", "redirect", "_patient"])?;
        let customized = self.customize(&stored, choices).await?;
        Ok(match redirect {
            Some(redirect) => see_other(&redirect),
            None => done(&customized.job),
        })
    }

    /// The job, for those who may know of it.
    async fn known_to(&self, id: &JobId, code: Option<&str>, headers: &HeaderMap) -> Result<StoredJob> {
        let stored = self.job(id).await;
        match &stored {
            Ok(stored) => self.authorize(stored, code, headers).await?,
            // Strangers learn nothing of which jobs exist.
            Err(_) => match bearer_token(headers) {
                Some(token) => self.verifier.verify(token).await.map(|_| ())?,
                None => return Err(UNAUTHORIZED),
            },
        }
        stored
    }

    async fn customize(&self, stored: &StoredJob, choices: Choices) -> Result<StoredJob> {
        let who = stored.job.core().patient.as_ref().map_or("patient", |_| "the patient");
        let customized = change(&*self.jobs, stored.job.id(), |job| match job {
            Job::AwaitingInput(state) => {
                Ok(Job::Queued(state.customize(choices.clone(), who, self.clock.now())))
            }
            _ => Err(Error::invalid(ALREADY_CUSTOMIZED)),
        })
        .await?;
        resume(&customized.job, &*self.queue).await?;
        Ok(customized)
    }
}

/// An address of the client's own, in the spelling of a browser.
pub(crate) fn allowed_return(text: &str, client: Option<&shared::config::Client>) -> Result<String> {
    let url = Url::parse(text).ok().filter(|url| client.is_some_and(|client| client.allows_return(url)));
    url.map(String::from).ok_or_else(|| {
        Error::invalid("'redirect' is not an http or https address of an origin that the app registered")
    })
}

pub(crate) fn done(job: &Job) -> Response {
    html(StatusCode::OK, &FormDonePage { job: job.id().to_string(), review: job.core().review })
}
