//! Exports that staff start (45 CFR 170.315(b)(10)), of one patient or of a [group](crate::groups): what is asked, and how the job
//! begins. No app owns them: their owner is [`Owner::STAFF`] with the patient.

use axum::extract::State;
use axum::response::Response;
use domain::audit::{Action, Actor, Event};
use domain::choices::reading::from_form;
use domain::choices::{Choices, Day, RecordGroup};
use domain::error::{Error, NO_PATIENT, Result};
use domain::header::JobHeader;
use domain::ids::{ClientId, JobId, PatientId};
use domain::job::Job;
use domain::owner::Owner;
use domain::patient_summary::PatientSummary;
use domain::request::{Base, Cohort, ExportRequest, OutputOptions};
use domain::sensitive::Sensitive;
use http::StatusCode;
use platform::exports::{NewExport, patient_of_job, start_as};
use web::describe::Parameter;
use web::extract::{Fields, Form, PatientPath, Query};
use web::pages::{FieldProblem, Message, PatientRow, StartOf, StartPage, Tick};
use web::request_context;
use web::respond::{PageError, html, see_other};

use crate::Admin;
use crate::caller::PageStaff;
use crate::kept::{STAY, StaffForm};

const REASON: &str = "reason";
const RECEIVER: &str = "receiver";
const NUMBER: &str = "number";
const FROM: &str = "from";
const TO: &str = "to";
const VERSION: &str = "version";
/// The fields of the form in addition to the choices.
const OTHERS: [&str; 7] = [REASON, RECEIVER, NUMBER, FROM, TO, VERSION, STAY.name];
/// The maximum number of characters of the reason and of the receiver.
const MAX_TEXT: usize = 300;

/// Returns the fields that the form sends.
pub(crate) fn fields() -> Vec<Parameter> {
    let others = [
        Parameter::field(REASON, "The reason for the export"),
        Parameter::field(RECEIVER, "The person who receives the copy"),
        Parameter::field(NUMBER, "The number of the new export, so that a repeated request starts it once"),
        Parameter::field(FROM, "The first day of the record that is exported"),
        Parameter::field(TO, "The last day of the record that is exported"),
        Parameter::field(VERSION, "The group and its members that the page showed, as a digest"),
        STAY,
    ];
    let choice = |name| Parameter::field(name, "on: this part of the record is exported");
    let named = PARTS.into_iter().chain(TOPICS).map(choice);
    others.into_iter().chain(named).collect()
}

const PARTS: [&str; 10] = [
    "parameters.visits.enabled",
    "parameters.labs.enabled",
    "parameters.billing.enabled",
    "parameters.medicalRecord.enabled",
    "parameters.dischargeSummary.enabled",
    "parameters.operative.enabled",
    "parameters.pathology.enabled",
    "parameters.radiology.enabled",
    "parameters.photographs.enabled",
    "parameters.other.enabled",
];
const TOPICS: [&str; 8] = [
    "authorizations.hiv",
    "authorizations.alcoholAndDrug",
    "authorizations.mentalHealth",
    "authorizations.confidential",
    "authorizations.domesticViolence",
    "authorizations.sexualAssault",
    "authorizations.genetic",
    "authorizations.other",
];

/// The patient or the group whose records a new export has.
pub(crate) struct Target {
    /// The path of the form.
    pub(crate) path: String,
    /// `None` for a group.
    pub(crate) patient: Option<PatientSummary>,
    /// The name of the viewed page in the audit trail.
    pub(crate) about: String,
    pub(crate) cohort: Cohort,
    /// The digest of the members that the form shows, for a group.
    pub(crate) confirmed_members: Option<String>,
    pub(crate) shown: StartOf,
}

/// `GET /staff/patients/{patient}/export`: the form. All parts are ticked, and no private topic.
pub(crate) async fn ask(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    PatientPath(id): PatientPath,
    query: Query,
) -> Result<Response, PageError> {
    let target = state.patient_target(id).await?;
    state.ask_for(username, target, &query).await
}

/// `POST /staff/patients/{patient}/export`: starts the export and redirects to its page.
pub(crate) async fn begin(
    State(state): State<Admin>,
    StaffForm((PageStaff(username), PatientPath(id)), form): StaffForm<(PageStaff, PatientPath)>,
) -> Result<Response, PageError> {
    let target = state.patient_target(id).await?;
    state.begin_for(username, target, form).await
}

impl Admin {
    async fn patient_target(&self, id: PatientId) -> Result<Target> {
        let now = self.clock.now();
        let patient = patient_of_job(&*self.records, &id, &self.settings, now).await?.ok_or(NO_PATIENT)?;
        let row = PatientRow::new(&request_context::words(), &patient, None);
        Ok(Target {
            path: format!("/staff/patients/{id}/export"),
            patient: Some(patient),
            about: "form of a new export".to_owned(),
            cohort: Cohort::of(vec![id]),
            confirmed_members: None,
            shown: StartOf::Patient(row),
        })
    }

    /// Shows the form of a new export.
    pub(crate) async fn ask_for(
        &self,
        username: String,
        target: Target,
        query: &Query,
    ) -> Result<Response, PageError> {
        self.viewed_form(&username, &target).await?;
        let (fields, said) = match self.kept(query, &username).await? {
            Some(typed) => (typed, Said { message: Some("staff-kept"), ..Said::default() }),
            None => {
                let parts = PARTS.iter().map(|name| ((*name).to_owned(), "on".to_owned()));
                (parts.collect::<Fields>().with(NUMBER, self.new_number()), Said::default())
            }
        };
        Ok(html(StatusCode::OK, &page(username, target, &fields, said)))
    }

    /// Starts an export as its form says.
    pub(crate) async fn begin_for(
        &self,
        username: String,
        target: Target,
        form: Form,
    ) -> Result<Response, PageError> {
        let number = JobId::parse(form.get(NUMBER)).ok().filter(|number| *number != JobId::of_no_job());
        let number = number.ok_or_else(|| Error::invalid("'number' is not that of a new export"))?;
        let (choices, mut problems) = read(&form);
        let asked = Asked::of(&form, target.cohort.clone(), choices.clone());
        let mut status = StatusCode::UNPROCESSABLE_ENTITY;
        let stays = form.find(STAY.name).is_some();
        if stays {
            (status, problems) = (StatusCode::OK, Vec::new());
        }
        if target.has_changed(&form) {
            // The button was pressed twice, and the group has changed after the first time.
            if let Some(stored) = self.jobs.get(&number).await? {
                return self.started_before(username, target, form, (&asked, &stored.job)).await;
            }
            status = StatusCode::CONFLICT;
            let text = request_context::words().text("groups-changed", &[]);
            problems.insert(0, FieldProblem { field: "members".to_owned(), text });
        }
        let Some(choices) = choices.filter(|_| problems.is_empty() && !stays) else {
            self.viewed_form(&username, &target).await?;
            let said = Said { problems, ..Said::default() };
            return Ok(html(status, &page(username, target, form.fields(), said)));
        };
        let event = target.event(&username, Action::ExportStarted).of_job(&number);
        let receiver = form.get(RECEIVER).trim();
        let new = self.new_export((&username, receiver), &target, choices, number.clone())?;
        let (sources, actor) = ((&*self.clock, &*self.random), (username.as_str(), asked.text.as_str()));
        let started = start_as(new, actor, &*self.jobs, &*self.queue, sources, &self.settings);
        match self.audit.around(event, started).await {
            Ok(job) => {
                request_context::started(job.id());
                Ok(self.to_job(&number))
            }
            // The button was pressed twice, or the form was sent again after "back".
            Err(Error::Conflict(_)) => match self.jobs.get(&number).await? {
                Some(stored) => self.started_before(username, target, form, (&asked, &stored.job)).await,
                None => Ok(self.to_job(&number)),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Redirects to the export that the form has started before. If the form asks for another export now, it is shown again, with a new
    /// number: sent again, it starts a second export.
    async fn started_before(
        &self,
        username: String,
        target: Target,
        form: Form,
        (asked, job): (&Asked, &Job),
    ) -> Result<Response, PageError> {
        if asked.is_of(job) {
            return Ok(self.to_job(job.id()));
        }
        self.viewed_form(&username, &target).await?;
        let fields = form.fields().without(&[NUMBER]).with(NUMBER, self.new_number());
        let said = Said { started: Some(format!("/staff/jobs/{}", job.id())), ..Said::default() };
        Ok(html(StatusCode::CONFLICT, &page(username, target, &fields, said)))
    }

    fn to_job(&self, number: &JobId) -> Response {
        see_other(&self.settings.url(&format!("/staff/jobs/{number}")))
    }

    /// Returns the number of a new export.
    fn new_number(&self) -> String {
        self.random.job(self.clock.now()).to_string()
    }

    async fn viewed_form(&self, username: &str, target: &Target) -> Result<()> {
        self.audit.record(target.event(username, Action::RecordViewed).about(&target.about)).await
    }

    fn new_export(
        &self,
        (who, receiver): (&str, &str),
        target: &Target,
        choices: Choices,
        number: JobId,
    ) -> Result<NewExport> {
        let client = ClientId::parse(Owner::STAFF).map_err(Error::internal)?;
        let id = target.patient.as_ref().map(|patient| patient.id.clone());
        Ok(NewExport {
            id: Some(number),
            owner: Owner::new(client, None, id, who),
            patient: target.patient.clone(),
            form: false,
            review: self.settings.review,
            request_id: request_context::request_id(),
            by_patient: false,
            language: None,
            request: ExportRequest {
                url: self.settings.url(&target.path),
                base: Base::Fhir,
                cohort: target.cohort.clone(),
                confirmed_members: target.confirmed_members.clone(),
                choices: Some(choices),
                receiver: Some(receiver.to_owned()),
                selection: None,
                output: OutputOptions::default(),
            },
        })
    }
}

/// The export that a form asks for.
struct Asked {
    cohort: Cohort,
    choices: Option<Choices>,
    /// The first action in the history of the export: for whom, and why.
    text: String,
}

impl Asked {
    fn of(form: &Form, cohort: Cohort, choices: Option<Choices>) -> Self {
        let (reason, receiver) = (form.get(REASON).trim(), form.get(RECEIVER).trim());
        Self { cohort, choices, text: format!("asked for an export for {receiver}: {reason}") }
    }

    /// Returns whether a job is this export.
    fn is_of(&self, job: &Job) -> bool {
        let JobHeader { request, history, .. } = job.header();
        request.cohort == self.cohort
            && request.choices == self.choices
            && history.first().is_some_and(|begun| begun.action == self.text)
    }
}

impl Target {
    /// Returns whether the group has changed, or has other members, since the form was shown.
    fn has_changed(&self, form: &Form) -> bool {
        match &self.shown {
            StartOf::Patient(_) => false,
            StartOf::Group { version, .. } => form.get(VERSION) != version,
        }
    }

    fn event(&self, username: &str, action: Action) -> Event {
        let event = Event::new(Actor::staff(username), action);
        match (&self.patient, &self.cohort) {
            (Some(patient), _) => event.of_patient(&patient.id),
            (None, Cohort::Group(group)) => event.of_group(group),
            (None, _) => event,
        }
    }
}

/// Returns the choices of the form, if they can be read, and the problems of the form.
fn read(form: &Form) -> (Option<Choices>, Vec<FieldProblem>) {
    let words = request_context::words();
    let mut problems = texts_and_dates(form);
    if !PARTS.iter().any(|name| form.find(name).is_some()) {
        let text = words.text("none-chosen", &[]);
        problems.push(FieldProblem { field: "part-visits".to_owned(), text });
        return (None, problems);
    }
    let mut fields = form.fields().without(&OTHERS);
    for group in RecordGroup::ALL {
        let name = format!("parameters.{}", group.key());
        if fields.find(&format!("{name}.enabled")).is_some() {
            fields.extend([FROM, TO].map(|end| (format!("{name}.{end}"), form.get(end).to_owned())));
        }
    }
    let choices = from_form(fields.pairs(), &[]).ok();
    // The boxes are those of the page. Apart from the problems found above, only the order of the days can be wrong.
    if choices.is_none() && problems.is_empty() {
        let text = words.text("wrong-order", &[("part", &words.text("start-days", &[]))]);
        problems.push(FieldProblem { field: FROM.to_owned(), text });
    }
    (choices, problems)
}

/// Returns the problems of the texts and the dates.
fn texts_and_dates(form: &Form) -> Vec<FieldProblem> {
    let words = request_context::words();
    let mut problems = Vec::new();
    let mut problem = |field: &str, text: String| {
        problems.push(FieldProblem { field: field.to_owned(), text });
    };
    for (name, missing) in [(RECEIVER, "start-no-receiver"), (REASON, "start-no-reason")] {
        let typed = form.get(name).trim();
        if typed.is_empty() {
            problem(name, words.text(missing, &[]));
        } else if typed.chars().count() > MAX_TEXT || typed.chars().any(char::is_control) {
            problem(name, words.text("start-too-long", &[("limit", &MAX_TEXT.to_string())]));
        }
    }
    for name in [FROM, TO] {
        if !form.get(name).is_empty() && Day::first(form.get(name)).is_none() {
            problem(name, words.text("not-a-date", &[("part", &words.text(name, &[]))]));
        }
    }
    problems
}

/// The messages of the page in addition to the form.
#[derive(Default)]
struct Said {
    problems: Vec<FieldProblem>,
    /// The key of a message.
    message: Option<&'static str>,
    /// The path of the export that the form has started with other choices.
    started: Option<String>,
}

fn page(username: String, target: Target, fields: &Fields, said: Said) -> StartPage {
    let words = request_context::words();
    let text = |name: &str| fields.get(name).to_owned();
    let tick = |kind: &str, key: &str, name: String| Tick {
        id: format!("{kind}-{key}"),
        label: words.text(&format!("{kind}-{key}"), &[]),
        hint: words.text(&format!("{kind}-{key}-hint"), &[]),
        ticked: fields.find(&name).is_some(),
        name,
    };
    let part = |group: RecordGroup| tick("part", group.key(), format!("parameters.{}.enabled", group.key()));
    let topic = |topic: Sensitive| tick("topic", topic.key(), format!("authorizations.{}", topic.key()));
    StartPage {
        username,
        of: target.shown,
        path: target.path,
        parts: RecordGroup::ALL.into_iter().map(part).collect(),
        topics: Sensitive::ALL.into_iter().map(topic).collect(),
        from: text(FROM),
        to: text(TO),
        receiver: text(RECEIVER),
        reason: text(REASON),
        number: text(NUMBER),
        problems: said.problems,
        message: said.message.map(|key| Message::of_catalogue(key, &[])),
        started: said.started,
    }
}
