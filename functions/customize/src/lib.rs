//! The patient's form: shown, and its choices taken (contract, section 1).
//!
//! - [`access`]: who may: the holder of the link from the kick-off, which carries a code bound to the job; the patient,
//!   signed in; the bearer of the job's token; and staff, until a worker has begun;
//! - [`portal`]: the form before any job.

mod access;
mod portal;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::response::{IntoResponse, Response};
use domain::choices::Choices;
use domain::choices::reading::{Problem, from_form, from_json};
use domain::clock::{Clock, Random};
use domain::error::{Error, Result};
use domain::ids::JobId;
use domain::job::Job;
use domain::ports::expiring::ExpiringStore;
use domain::ports::jobs::{Jobs, StoredJob};
use domain::ports::queue::Queue;
use domain::ports::records::Records;
use domain::request::Base;
use domain::states::Illegal;
use http::StatusCode;
use platform::Platform;
use platform::exports::{change, resume};
use platform::telemetry::staff_action;
use security::keys::Keys;
use security::verify::Verifier;
use settings::Settings;
use url::Url;
use web::ApiError;
use web::describe::{Parameter, Place, json as json_body, page};
use web::extract::{Content, JobPath, Query, field};
use web::job_json::job_json;
use web::pages::{FormDonePage, FormPage};
use web::respond::{PageError, found, html, json, see_other};
use web::routes::{Access, Below, FORM, JSON_OR_FORM, Route, Routes};
use web::session::Cookies;
use web::urls::client_of;

use self::access::{Chooser, Credentials};

/// The ports of the form.
#[derive(Clone)]
pub(crate) struct Customize {
    jobs: Arc<dyn Jobs>,
    queue: Arc<dyn Queue>,
    expiring: Arc<dyn ExpiringStore>,
    records: Arc<dyn Records>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    settings: Arc<Settings>,
    keys: Arc<Keys>,
    verifier: Arc<Verifier>,
}

impl FromRef<Customize> for Arc<Settings> {
    fn from_ref(state: &Customize) -> Self {
        state.settings.clone()
    }
}

const CODE: Parameter = Parameter::query("code", "The code of the link to the form");
const REDIRECT: Parameter =
    Parameter::query("redirect", "Where the browser goes afterwards: an address of the app's own");
const CLIENT: Parameter =
    Parameter::query("client_id", "The app that the export is for; may be left out where there is one");

/// The routes of the form.
pub fn routes() -> Vec<Route> {
    declared().list()
}

fn declared() -> Routes<Customize> {
    let mut routes = Routes::new().below(Below::Root, |at| {
        at.get("/jobs/{job}/customize", Access::PatientPage, ("Shows the form of an export", &[200]), show)
            .reading(&[CODE, REDIRECT])
            .returning(&[page(200)])
            .post(
                "/jobs/{job}",
                Access::FormFiller,
                ("Takes the choices of the form and starts the export", &[200, 303]),
                submit,
            )
            .taking(JSON_OR_FORM)
            .reading(&[CODE, REDIRECT])
            .returning(&[json_body(200, "Job"), page(200)])
    });
    for base in Base::ALL {
        let path = "/Patient/{patient}/$ehi-export/customize";
        let show = async move |state, patient, query| portal::show(base, state, patient, query).await;
        let start =
            async move |state, patient, query, form| portal::submit(base, state, patient, query, form).await;
        routes = routes.below(Below::Base(base), |at| {
            at.get(path, Access::PatientPage, ("Shows the form before there is an export", &[200]), show)
                .reading(&[CLIENT, REDIRECT])
                .returning(&[page(200)])
                .post(
                    path,
                    Access::PatientPage,
                    ("Starts an export with the choices of the form", &[200, 303]),
                    start,
                )
                .taking(FORM)
                .reading(&[CLIENT])
                .reading(&[
                    Parameter { place: Place::Body, ..CLIENT },
                    Parameter { place: Place::Body, ..REDIRECT },
                ])
                .returning(&[page(200)])
        });
    }
    routes
}

pub fn router(platform: &dyn Platform) -> Result<Router> {
    Ok(declared().with_state(Customize {
        jobs: platform.jobs()?,
        queue: platform.queue()?,
        expiring: platform.expiring()?,
        records: platform.records()?,
        clock: platform.clock(),
        random: platform.random(),
        settings: platform.settings(),
        keys: platform.keys()?,
        verifier: platform.verifier()?,
    }))
}

const ALREADY_CUSTOMIZED: &str = "this export was customized before; its choices cannot change any more";

async fn show(
    State(state): State<Customize>,
    JobPath(id): JobPath,
    query: Query,
    cookies: Cookies,
) -> Result<Response, PageError> {
    let stored = match state.job(&id).await {
        // Signing in would not help.
        Err(error @ Error::Unavailable(_)) => return Err(error.into()),
        stored => stored,
    };
    let code = query.get("code").filter(|code| state.keys.is_form_code(&id, code));
    let is_known = match &stored {
        Ok(stored) => code.is_some() || state.is_patient_of(stored, &cookies).await?,
        Err(_) => code.is_some(),
    };
    // Strangers learn nothing of which jobs exist.
    if !is_known {
        let next = format!("/jobs/{id}/customize");
        return Ok(found(&state.settings.url(&format!("/patient-login?next={next}"))));
    }
    let stored = stored?;
    let redirect = state.redirect(&stored, query.get("redirect"))?;
    let Job::AwaitingInput(_) = &stored.job else { return Err(Error::invalid(ALREADY_CUSTOMIZED).into()) };
    Ok(html(StatusCode::OK, &form_page(&stored, code, redirect)))
}

async fn submit(
    State(state): State<Customize>,
    JobPath(id): JobPath,
    query: Query,
    credentials: Credentials,
    content: Result<Content, ApiError>,
) -> Response {
    match content {
        // A form comes from a page and is answered with one.
        Ok(Content::Form(fields)) => {
            let submitted = state.submit_form(&id, &fields, &query, &credentials).await;
            submitted.map_err(PageError::from).into_response()
        }
        Ok(Content::Json(value)) => {
            let choices = from_json(&value);
            state
                .submit_json(&id, choices, &query, &credentials)
                .await
                .map_err(ApiError::from)
                .into_response()
        }
        Ok(Content::Empty) => {
            let choices = from_form(&[], &[]);
            state
                .submit_json(&id, choices, &query, &credentials)
                .await
                .map_err(ApiError::from)
                .into_response()
        }
        Err(error) => error.into_response(),
    }
}

impl Customize {
    /// Where to send the patient afterwards: only to an origin that the job's client registered.
    fn redirect(&self, stored: &StoredJob, redirect: Option<&str>) -> Result<Option<String>> {
        let Some(text) = redirect.filter(|text| !text.is_empty()) else { return Ok(None) };
        let client = client_of(&self.settings, &stored.job.header().owner);
        allowed_return(text, client).map(Some)
    }

    async fn submit_json(
        &self,
        id: &JobId,
        choices: Result<Choices, Problem>,
        query: &Query,
        credentials: &Credentials,
    ) -> Result<Response> {
        let (stored, chooser) = self.known_to(id, query.get("code"), credentials).await?;
        let customized = self.customize(&stored, &choices?, &chooser).await?;
        Ok(json(StatusCode::OK, &job_json(&customized, &self.settings, None)))
    }

    /// Saves what a browser's form says. A form with a mistake comes back with everything that was entered, and the
    /// mistake named at its field.
    async fn submit_form(
        &self,
        id: &JobId,
        fields: &[(String, String)],
        query: &Query,
        credentials: &Credentials,
    ) -> Result<Response> {
        let code = field(fields, "code").or(query.get("code"));
        let (stored, chooser) = self.known_to(id, code, credentials).await?;
        let redirect = self.redirect(&stored, field(fields, "redirect").or(query.get("redirect")))?;
        let choices = match from_form(fields, &["code", "redirect", "_patient"]) {
            Ok(choices) => choices,
            Err(problem) => {
                let page = form_page(&stored, code, redirect).again(fields, &problem);
                return Ok(html(StatusCode::BAD_REQUEST, &page));
            }
        };
        let customized = self.customize(&stored, &choices, &chooser).await?;
        Ok(match redirect {
            Some(redirect) => see_other(&redirect),
            None => done(&customized.job),
        })
    }

    /// Saves the choices. The patient chooses once; staff can correct the choices until a worker has begun.
    async fn customize(&self, stored: &StoredJob, choices: &Choices, chooser: &Chooser) -> Result<StoredJob> {
        let now = self.clock.now();
        let customized = change(&*self.jobs, stored.job.id(), |job| match (job, chooser) {
            (Job::AwaitingInput(state), _) => {
                Ok(Job::Queued(state.customize(choices.clone(), chooser.actor(), now)))
            }
            (Job::Queued(state), Chooser::Staff(name)) => {
                Ok(Job::Queued(state.choose_again(choices.clone(), name, now)?))
            }
            (job, Chooser::Staff(_)) => {
                Err(Illegal { state: job.state(), action: "change the choices of" }.into())
            }
            (_, Chooser::Patient) => Err(Error::invalid(ALREADY_CUSTOMIZED)),
        })
        .await?;
        if let Chooser::Staff(name) = chooser {
            staff_action("choices changed", stored.job.id(), name);
        }
        resume(&customized.job, &*self.queue).await?;
        Ok(customized)
    }
}

fn form_page(stored: &StoredJob, code: Option<&str>, redirect: Option<String>) -> FormPage {
    let mut hidden = Vec::new();
    hidden.extend(code.map(|code| ("code", code.to_owned())));
    hidden.extend(redirect.map(|redirect| ("redirect", redirect)));
    let patient = stored.job.header().patient.as_ref();
    let name = patient.map(|patient| patient.name.clone()).unwrap_or_default();
    FormPage::new(name, format!("/jobs/{}", stored.job.id()), hidden)
}

/// An address of the client's own, in the spelling of a browser.
pub(crate) fn allowed_return(text: &str, client: Option<&settings::Client>) -> Result<String> {
    let url = Url::parse(text).ok().filter(|url| client.is_some_and(|client| client.allows_return(url)));
    url.map(String::from).ok_or_else(|| {
        Error::invalid("'redirect' is not an http or https address of an origin that the app registered")
    })
}

pub(crate) fn done(job: &Job) -> Response {
    html(StatusCode::OK, &FormDonePage { job: job.id().to_string(), review: job.header().review })
}
