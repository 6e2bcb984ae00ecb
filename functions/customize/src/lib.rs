//! The patient's form: shows it and accepts its choices (contract, section 1).
//!
//! - [`access`]: authorizes callers: the holder of the kick-off's link, which has a code for the job; the signed-in patient; the bearer
//!   of the job's token; and staff, until a worker has started;
//! - [`link`]: the form of a job; [`portal`]: the form without a job; [`form_location`]: the differences between them;
//! - [`submitted`]: what the form sends; [`steps`]: the actions of the buttons in the three steps; [`view`]: the pages of the steps;
//!   [`sent`]: the pages after sending;
//! - [`draft`]: the fields that are not sent yet; [`typed_date`]: a date field; [`mistakes`]: finds mistakes in a draft.
//!
//! `POST /jobs/{job}` accepts the whole form at once, from a page or as JSON.

mod access;
mod draft;
mod form_location;
mod link;
mod mistakes;
mod portal;
mod sent;
mod steps;
mod submitted;
mod typed_date;
mod view;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::audit::Action;
use domain::choices::Choices;
use domain::choices::reading::Problem;
use domain::error::{Error, Result};
use domain::ids::JobId;
use domain::job::Job;
use domain::moves::Illegal;
use domain::ports::jobs::StoredJob;
use domain::request::Base;
use http::StatusCode;
use http::header::SET_COOKIE;
use platform::Platform;
use platform::exports::{change, resume};
use platform::telemetry::staff_action;
use url::Url;
use web::ApiError;
use web::describe::ParameterIn::Body;
use web::describe::{Parameter, json as json_body, page};
use web::extract::{JobPath, Query};
use web::job_json::job_json;
use web::request_context;
use web::respond::{PageError, json, see_other};
use web::routes::{Access, Below, FORM, JSON_OR_FORM, Route, Routes};
use web::session::Cookies;
use web::urls::client_of;

use self::access::{Chooser, Credentials};
use self::draft::Draft;
use self::form_location::Step;
use self::submitted::{SentChoices, WholeForm};
use self::view::Shows;

web::ports! {
    /// The ports of the form.
    pub(crate) struct Customize {
        jobs, queue, expiring, records, clock, random, settings, keys, verifier, audit
    }
}

const CODE: Parameter = Parameter::query("code", "The code of the link to the form");
const REDIRECT: Parameter = Parameter::query(
    "redirect",
    "The URL that the browser is redirected to afterwards; it must belong to the app",
);
const CLIENT: Parameter =
    Parameter::query("client_id", "The app that the export is for; optional if there is only one app");

const STEP: Parameter =
    Parameter::query("step", "The page: parts, topics or check; saved or sent after a button");
const SHOW: Parameter = Parameter::query("show", "The message on the page: problems, changed or agree");
/// The fields of a step that are not choices.
const STEP_FIELDS: [Parameter; 5] = [
    Parameter::field("step", "The step: parts, topics or check; without it the fields are the complete form"),
    Parameter::field(
        "go",
        "The button: next, back, parts, topics, all, none, stay, later, leave, end, send or language:TAG",
    ),
    Parameter::field("version", "The version of the content that the page showed"),
    Parameter::field("token", "The token that allows the fields to be saved after the session has ended"),
    Parameter::field("agree", "on: the patient agrees to the permission"),
];

/// Returns the routes of the form.
pub fn routes() -> Vec<Route> {
    declared().list()
}

fn declared() -> Routes<Customize> {
    let mut routes = Routes::new().below(Below::Root, |at| {
        at.get(
            FORM_PATH,
            Access::PatientPage,
            ("Shows the form of an export, or its state", &[200, 303]),
            link::show,
        )
        .reading(&[CODE, REDIRECT, STEP, SHOW])
        .returning(&[page(200)])
        .post(FORM_PATH, Access::PatientPage, ("Processes a step of the form", &[204, 303]), link::submit)
        .taking(FORM)
        .reading(&STEP_FIELDS)
        .post(
            "/jobs/{job}",
            Access::FormFiller,
            ("Accepts the choices of the form and starts the export", &[200, 303]),
            submit,
        )
        .taking(JSON_OR_FORM)
        .reading(&[CODE, REDIRECT])
        .returning(&[json_body(200, "Job"), page(200)])
    });
    for base in Base::ALL {
        let path = "/Patient/{patient}/$ehi-export/customize";
        let show = async move |state, patient, query| portal::show(base, state, patient, query).await;
        let start = async move |state, patient, cookies, query, form| {
            portal::submit(base, state, patient, cookies, query, form).await
        };
        routes = routes.below(Below::Base(base), |at| {
            at.get(path, Access::PatientPage, ("Shows the form before there is an export", &[200, 303]), show)
                .reading(&[CLIENT, REDIRECT, STEP, SHOW])
                .returning(&[page(200)])
                .post(
                    path,
                    Access::PatientPage,
                    (
                        "Processes a step of the form, or the complete form, which starts an export",
                        &[200, 204, 303],
                    ),
                    start,
                )
                .taking(FORM)
                .reading(&[CLIENT])
                .reading(&[Parameter { place: Body, ..CLIENT }, Parameter { place: Body, ..REDIRECT }])
                .reading(&STEP_FIELDS)
                .returning(&[page(200)])
        });
    }
    routes
}

pub fn router(platform: &(impl Platform + ?Sized)) -> Result<Router> {
    Ok(declared().with_state(Customize::of(platform)?))
}

const FORM_PATH: &str = "/jobs/{job}/customize";

const ALREADY_CUSTOMIZED: &str = "this export was customized before; its choices cannot change any more";

async fn submit(
    State(state): State<Customize>,
    JobPath(id): JobPath,
    query: Query,
    credentials: Credentials,
    form: Result<WholeForm, ApiError>,
) -> Response {
    match form {
        // Pages send forms, so the response to a form is a page.
        Ok(WholeForm::Page(sent)) => {
            let submitted = state.submit_form(&id, &sent, &query, &credentials).await;
            submitted.map_err(PageError::from).into_response()
        }
        Ok(WholeForm::Program(choices)) => {
            let submitted = state.submit_json(&id, choices, &query, &credentials).await;
            submitted.map_err(ApiError::from).into_response()
        }
        Err(error) => error.into_response(),
    }
}

impl Customize {
    /// Returns the URL to which the patient is redirected after sending. It must have an origin that the job's client registered.
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
        let customized = self.customize(&stored, &choices?, &chooser, None).await?;
        Ok(json(StatusCode::OK, &job_json(&customized, &self.settings, None)))
    }

    /// Saves the choices of a one-page form. If the form has a mistake, the response is the step with the mistake and all input.
    async fn submit_form(
        &self,
        id: &JobId,
        sent: &SentChoices,
        query: &Query,
        credentials: &Credentials,
    ) -> Result<Response> {
        let code = sent.code().or(query.get("code"));
        let (stored, chooser) = self.known_to(id, code, credentials).await?;
        let redirect = self.redirect(&stored, sent.redirect().or(query.get("redirect")))?;
        let choices = match sent.choices(&["code", "redirect", "_patient"]) {
            Ok(choices) => choices,
            // The page with the mistake is for people who fill in the form.
            Err(problem) if matches!(chooser, Chooser::Staff(_) | Chooser::App(_)) => {
                return Err(problem.into());
            }
            Err(problem) => {
                let mistakes = (redirect, problem);
                return self.mend(&stored, sent, mistakes, &credentials.cookies).await;
            }
        };
        let language = request_context::words().language.tag();
        let customized = self.customize(&stored, &choices, &chooser, Some(language)).await?;
        Ok(match redirect {
            Some(redirect) => see_other(&redirect),
            None => self.sent_page(&customized.job, form_location::path(id))?,
        })
    }

    /// Returns the step of the form that shows the mistake of a one-page form.
    async fn mend(
        &self,
        stored: &StoredJob,
        sent: &SentChoices,
        (redirect, problem): (Option<String>, Problem),
        cookies: &Cookies,
    ) -> Result<Response> {
        let location = self.location(stored);
        let (parts, topics) = sent.typed();
        let words = request_context::words();
        let mut step = None;
        let keep = |draft: &mut Draft| {
            draft.parts.clone_from(&parts);
            draft.topics.clone_from(&topics);
            draft.parts_version += 1;
            draft.topics_version += 1;
            draft.redirect.clone_from(&redirect);
            step = match (mistakes::of_parts(draft, &words), mistakes::of_topics(draft, &words)) {
                (parts, _) if !parts.is_empty() => Some(Step::Parts),
                (_, topics) if !topics.is_empty() => Some(Step::Topics),
                _ => None,
            };
            step.is_some()
        };
        let draft = self.change_draft(&location.draft, keep).await?;
        // The problem is not in a field of the steps, for example an unknown field.
        let Some(step) = step else { return Err(problem.into()) };
        let mut page = self.step_page(StatusCode::BAD_REQUEST, &location, &draft, step, Shows::Mistakes)?;
        if !self.may_fill_in(stored, cookies).await? {
            page.headers_mut().insert(SET_COOKIE, self.form_session(&stored.job).await?);
        }
        Ok(page)
    }

    /// Saves the choices. The patient can send them once; staff can change them until a worker has started. `language` is
    /// the language of the page on which they were made.
    async fn customize(
        &self,
        stored: &StoredJob,
        choices: &Choices,
        chooser: &Chooser,
        language: Option<&str>,
    ) -> Result<StoredJob> {
        // Staff and apps read another language than the patient.
        let language = language.filter(|_| matches!(chooser, Chooser::Patient | Chooser::LinkHolder));
        let is_open = match (&stored.job, chooser) {
            (Job::AwaitingInput(_), _) | (Job::Queued(_), Chooser::Staff(_)) => true,
            (_, Chooser::Staff(_) | Chooser::Patient | Chooser::LinkHolder | Chooser::App(_)) => false,
        };
        if !is_open {
            return self.customize_recorded(stored, choices, (chooser, language)).await;
        }
        let event = chooser.event(Action::ChoicesSent, &stored.job);
        self.audit.around(event, self.customize_recorded(stored, choices, (chooser, language))).await
    }

    async fn customize_recorded(
        &self,
        stored: &StoredJob,
        choices: &Choices,
        (chooser, language): (&Chooser, Option<&str>),
    ) -> Result<StoredJob> {
        let now = self.clock.now();
        let customized = change(&*self.jobs, stored.job.id(), |job| match (job, chooser) {
            (Job::AwaitingInput(state), Chooser::Staff(name)) => {
                Ok(Job::Queued(state.customize_by_staff(choices.clone(), name, now)?))
            }
            (Job::AwaitingInput(state), _) => {
                let queued = state.customize(choices.clone(), chooser.actor(), now);
                Ok(Job::Queued(queued.in_language(language)))
            }
            (Job::Queued(state), Chooser::Staff(name)) => {
                Ok(Job::Queued(state.choose_again(choices.clone(), name, now)?))
            }
            (job, Chooser::Staff(_)) => {
                Err(Illegal { state: job.state(), action: "change the choices of" }.into())
            }
            _ => Err(Error::invalid(ALREADY_CUSTOMIZED)),
        })
        .await?;
        if let Chooser::Staff(name) = chooser {
            staff_action("choices changed", stored.job.id(), name);
        }
        resume(&customized.job, &*self.queue).await?;
        Ok(customized)
    }
}

/// Returns the URL as a browser writes it, if the client may use it; otherwise an error.
pub(crate) fn allowed_return(text: &str, client: Option<&settings::Client>) -> Result<String> {
    let url = Url::parse(text).ok().filter(|url| client.is_some_and(|client| client.allows_return(url)));
    url.map(String::from).ok_or_else(|| {
        Error::invalid("'redirect' is not an http or https address of an origin that the app registered")
    })
}
