//! The patient search of staff, and the form with which staff start an export.

use askama::Template;
use domain::job::PatientSummary;
use domain::ports::jobs::StoredJob;
use words::Words;

use crate::pages::queue::{identifiers, state};
use crate::pages::{FieldProblem, filters};

/// The search for a patient by an id.
#[derive(Template)]
#[template(path = "staff_patients.html")]
pub struct PatientsPage {
    pub username: String,
    pub search: String,
    pub patient: Option<PatientRow>,
}

/// A patient of the record store.
pub struct PatientRow {
    pub id: String,
    pub name: String,
    pub born: String,
    pub sex: String,
    pub identifiers: Vec<String>,
    pub last: Option<LastExport>,
}

/// The newest export of a patient.
pub struct LastExport {
    pub id: String,
    /// The CSS class of the state.
    pub look: &'static str,
    pub state: String,
    pub date: String,
}

impl PatientRow {
    pub fn new(words: &Words, patient: &PatientSummary, last: Option<&StoredJob>) -> Self {
        Self {
            id: patient.id.to_string(),
            name: patient.name.clone(),
            born: patient.birth_date.as_deref().map(|date| words.partial(date)).unwrap_or_default(),
            sex: patient.sex.map(|sex| words.text(&format!("sex-{}", sex.code()), &[])).unwrap_or_default(),
            identifiers: identifiers(words, patient),
            last: last.map(|stored| LastExport {
                id: stored.job.id().to_string(),
                look: stored.job.state().ehi_status(),
                state: state(words, stored.job.state()),
                date: words.date(stored.job.header().created_at),
            }),
        }
    }
}

/// The form with which staff start an export.
#[derive(Template)]
#[template(path = "staff_start.html")]
pub struct StartPage {
    pub username: String,
    pub patient: PatientRow,
    pub parts: Vec<Tick>,
    pub topics: Vec<Tick>,
    pub from: String,
    pub to: String,
    pub receiver: String,
    pub reason: String,
    /// The id of the new export.
    pub number: String,
    pub problems: Vec<FieldProblem>,
}

/// A checkbox of the form.
pub struct Tick {
    pub id: String,
    pub name: String,
    pub label: String,
    pub hint: String,
    pub ticked: bool,
}

impl StartPage {
    fn problem_at(&self, field: &str) -> Option<&str> {
        self.problems.iter().find(|problem| problem.field == field).map(|problem| problem.text.as_str())
    }
}
