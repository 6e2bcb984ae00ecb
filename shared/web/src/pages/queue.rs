//! The queue of staff: its tabs, its rows, and the pages for approving several exports.

use askama::Template;
use domain::error::Result;
use domain::job::{Job, JobState};
use domain::patient_summary::PatientSummary;
use domain::ports::jobs::StoredJob;
use domain::request::Cohort;
use jiff::{SignedDuration, Timestamp};
use settings::Settings;
use words::Words;

use crate::pages::message::Message;
use crate::pages::{FieldProblem, filters};
use crate::receiver::client_name;
use crate::request_context;

/// A list of exports.
#[derive(Template)]
#[template(path = "staff_queue.html")]
pub struct QueuePage {
    pub username: String,
    pub tabs: Vec<Tab>,
    /// The name of the tab that is shown.
    pub tab: &'static str,
    pub search: String,
    /// The apps of the filter: id, name, and whether the app is chosen.
    pub apps: Vec<(String, String, bool)>,
    pub from: String,
    pub to: String,
    pub problems: Vec<FieldProblem>,
    pub rows: Vec<QueueRow>,
    /// The text that is shown if there are no rows.
    pub nothing: String,
    /// The URL of the same search in all exports, if there are no rows and that search could find some.
    pub everywhere: Option<String>,
    /// The URL of the next page.
    pub next: Option<String>,
    /// The URL of the first page; `None` on the first page.
    pub first: Option<String>,
    /// The text of the button, with `#` for the number of ticked exports.
    pub approve_counted: String,
}

impl QueuePage {
    fn has_ticks(&self) -> bool {
        self.rows.iter().any(|row| row.can_be_ticked)
    }

    /// Returns the message at a field of the filters.
    fn problem_at(&self, field: &str) -> Option<&str> {
        FieldProblem::at(&self.problems, field)
    }
}

/// A tab with the number of its exports.
pub struct Tab {
    pub words: String,
    pub count: Option<String>,
    pub href: String,
    pub is_shown: bool,
}

/// An export in the list.
pub struct QueueRow {
    pub id: String,
    /// The id and the shown version, for the checkbox.
    pub seen: String,
    pub can_be_ticked: bool,
    pub patient: String,
    pub born: String,
    pub identifiers: Vec<String>,
    /// The client that started the export.
    pub app: String,
    /// Who gets the copy, as staff typed it who started the export.
    pub receiver: Option<String>,
    /// The CSS class of the state.
    pub look: &'static str,
    pub state: String,
    pub asked: String,
    pub due: Option<Due>,
}

/// The day on which an export must be ready.
pub struct Due {
    pub date: String,
    /// The text that is shown if few days are left.
    pub urgent: Option<String>,
}

/// The number of days before the due date from which an export is urgent.
const URGENT_DAYS: i64 = 5;

impl QueueRow {
    pub fn new(stored: &StoredJob, settings: &Settings, now: Timestamp) -> Result<Self> {
        let words = request_context::words();
        let header = stored.job.header();
        let patient = header.patient.as_ref();
        Ok(Self {
            id: header.id.to_string(),
            seen: format!("{}.{}", header.id, stored.version),
            can_be_ticked: matches!(stored.job, Job::InReview(_)),
            patient: name(&words, &stored.job),
            born: patient
                .and_then(|patient| patient.birth_date.as_deref())
                .map(|date| words.partial(date))
                .unwrap_or_default(),
            identifiers: patient.map(|patient| identifiers(&words, patient)).unwrap_or_default(),
            app: client_name(&header.owner, settings, &words),
            receiver: header.request.receiver.clone(),
            look: stored.job.state().ehi_status(),
            state: stored.job.restorable_until(now).map_or_else(
                || state(&words, stored.job.state()),
                |until| words.text("queue-deleted-until", &[("time", &words.moment(until))]),
            ),
            asked: words.date(header.created_at),
            due: due(&words, &stored.job, settings.pages.due_days, now)?,
        })
    }

    /// Returns who gets the copy.
    fn goes_to(&self) -> &str {
        self.receiver.as_deref().unwrap_or(&self.app)
    }
}

/// Returns the state of an export as staff read it.
pub fn state(words: &Words, state: JobState) -> String {
    words.text(&format!("staff-state-{}", state.name()), &[])
}

/// Returns the name of the patient or group whose record is exported.
fn name(words: &Words, job: &Job) -> String {
    let header = job.header();
    match (&header.patient, &header.request.cohort) {
        (Some(patient), _) => patient.name.clone(),
        (None, Cohort::Everyone) => words.text("queue-everyone", &[]),
        (None, Cohort::Group(group)) => words.text("queue-group", &[("group", group.as_str())]),
        (None, Cohort::Patients(patients)) => {
            words.text("queue-patients", &[("count", &patients.len().to_string())])
        }
    }
}

/// Returns the identifiers that differ from the patient's id, and then the id.
pub(super) fn identifiers(words: &Words, patient: &PatientSummary) -> Vec<String> {
    let known = patient.identifiers.iter().filter(|known| known.value != patient.id.as_str());
    let described = known.map(|known| match known.kind.as_str() {
        "" => known.value.clone(),
        // Many identifiers begin with their kind.
        kind if known.value.starts_with(kind) => known.value.clone(),
        "MR" => words.text("record-number", &[("number", &known.value)]),
        kind => format!("{kind} {}", known.value),
    });
    described.chain([patient.id.to_string()]).collect()
}

/// Returns the due date of an export of one patient; `None` before the patient has sent the form and after the export has ended.
fn due(words: &Words, job: &Job, due_days: i64, now: Timestamp) -> Result<Option<Due>> {
    let header = job.header();
    let waits = matches!(job, Job::Queued(_) | Job::Running(_) | Job::InReview(_));
    if !waits || header.patient.is_none() {
        return Ok(None);
    }
    let days = SignedDuration::from_hours(24 * due_days);
    let due = header.created_at.saturating_add(days).map_err(domain::error::Error::internal)?;
    let left = due.duration_since(now).as_hours().div_euclid(24);
    let urgent = match left {
        _ if left > URGENT_DAYS => None,
        ..0 => Some(words.text("due-over", &[])),
        left => Some(words.text("due-left", &[("count", &left.to_string())])),
    };
    Ok(Some(Due { date: words.date(due), urgent }))
}

/// Asks for confirmation before several exports are approved.
#[derive(Template)]
#[template(path = "staff_several.html")]
pub struct SeveralPage {
    pub username: String,
    pub message: Option<Message>,
    pub title: String,
    pub rows: Vec<QueueRow>,
    pub refused: Vec<Refused>,
    pub button: String,
}

/// The result of approving several exports.
#[derive(Template)]
#[template(path = "staff_several_done.html")]
pub struct SeveralDonePage {
    pub username: String,
    /// The path and query of the page that asks about the same exports, and says of each that it is approved.
    pub here: String,
    pub title: String,
    pub approved: Vec<QueueRow>,
    pub refused: Vec<Refused>,
}

/// An export that cannot be approved, with the reason.
pub struct Refused {
    pub id: String,
    pub patient: String,
    pub why: String,
}

impl Refused {
    /// Returns the row of an export. `stored` is the export, if it still exists.
    pub fn new(id: &str, stored: Option<&StoredJob>, why: String) -> Self {
        let patient = stored.map(|stored| name(&request_context::words(), &stored.job));
        Self { id: id.to_owned(), patient: patient.unwrap_or_else(|| id.to_owned()), why }
    }
}
