//! The staff's queue: its tabs, its rows, and the pages on which several exports are approved.

use askama::Template;
use domain::error::Result;
use domain::job::{Job, JobState, PatientSummary};
use domain::ports::jobs::StoredJob;
use domain::request::Cohort;
use jiff::{SignedDuration, Timestamp};
use settings::Settings;
use words::Words;

use crate::pages::{FieldProblem, filters};
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
    /// The apps to choose from, the id and the name of each, and whether it is chosen.
    pub apps: Vec<(String, String, bool)>,
    pub from: String,
    pub to: String,
    pub problems: Vec<FieldProblem>,
    pub rows: Vec<QueueRow>,
    /// What is said where there are no rows.
    pub nothing: String,
    /// The address of the same search in all exports, where there are no rows and more might be found.
    pub everywhere: Option<String>,
    /// The address of the next page.
    pub next: Option<String>,
    /// The address of the first page, on every other one.
    pub first: Option<String>,
    /// The button's words for a number of ticked exports, which stands as `#`.
    pub approve_counted: String,
}

impl QueuePage {
    fn has_ticks(&self) -> bool {
        self.rows.iter().any(|row| row.can_be_ticked)
    }
}

/// A tab, with the number of its exports.
pub struct Tab {
    pub words: String,
    pub count: Option<String>,
    pub href: String,
    pub is_shown: bool,
}

/// One export.
pub struct QueueRow {
    pub id: String,
    /// The id and the version that is shown, for the tick box.
    pub seen: String,
    pub can_be_ticked: bool,
    pub patient: String,
    pub born: String,
    pub identifiers: Vec<String>,
    pub app: String,
    /// The class of the state.
    pub look: &'static str,
    pub state: String,
    pub asked: String,
    pub due: Option<Due>,
}

/// The day on which an export must be ready.
pub struct Due {
    pub date: String,
    /// What is said where few days are left.
    pub urgent: Option<String>,
}

/// From so few days before the due date on, it is urgent.
const URGENT_DAYS: i64 = 5;

impl QueueRow {
    pub fn new(stored: &StoredJob, settings: &Settings, now: Timestamp) -> Result<Self> {
        let words = request_context::words();
        let header = stored.job.header();
        let client = settings.clients.iter().find(|client| client.id == header.owner.client);
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
            app: match client.and_then(|client| client.name.clone()) {
                Some(name) => name,
                None if header.owner.is_staff() => words.text("queue-staff", &[]),
                None => header.owner.client.to_string(),
            },
            look: stored.job.state().ehi_status(),
            state: state(&words, stored.job.state()),
            asked: words.date(header.created_at),
            due: due(&words, &stored.job, settings.pages.due_days, now)?,
        })
    }
}

/// The state of an export in the words of staff.
pub fn state(words: &Words, state: JobState) -> String {
    words.text(&format!("staff-state-{}", state.name()), &[])
}

/// Whose record an export is of.
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

/// The patient's id, and the identifiers that differ from it.
pub(super) fn identifiers(words: &Words, patient: &PatientSummary) -> Vec<String> {
    let known = patient.identifiers.iter().filter(|known| known.value != patient.id.as_str());
    let described = known.map(|known| match known.kind.as_str() {
        "" => known.value.clone(),
        // Many numbers say themselves what they are.
        kind if known.value.starts_with(kind) => known.value.clone(),
        "MR" => words.text("record-number", &[("number", &known.value)]),
        kind => format!("{kind} {}", known.value),
    });
    described.chain([patient.id.to_string()]).collect()
}

/// Only what a patient waits for is due, and not before the patient has chosen.
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

/// The question whether several exports are approved.
#[derive(Template)]
#[template(path = "staff_several.html")]
pub struct SeveralPage {
    pub username: String,
    pub title: String,
    pub rows: Vec<QueueRow>,
    pub refused: Vec<Refused>,
    pub button: String,
}

/// What has become of exports that were to be approved.
#[derive(Template)]
#[template(path = "staff_several_done.html")]
pub struct SeveralDonePage {
    pub username: String,
    pub title: String,
    pub approved: Vec<QueueRow>,
    pub refused: Vec<Refused>,
}

/// An export that is not approved, and why.
pub struct Refused {
    pub id: String,
    pub patient: String,
    pub why: String,
}

impl Refused {
    /// `stored` is the export, if there still is one.
    pub fn new(id: &str, stored: Option<&StoredJob>, why: String) -> Self {
        let patient = stored.map(|stored| name(&request_context::words(), &stored.job));
        Self { id: id.to_owned(), patient: patient.unwrap_or_else(|| id.to_owned()), why }
    }
}
