//! The patient search of staff, and the form with which staff start an export.

use askama::Template;
use domain::ids::GroupId;
use domain::patient_summary::PatientSummary;
use domain::ports::jobs::StoredJob;
use words::Words;

use crate::pages::message::Message;
use crate::pages::queue::{identifiers, state};
use crate::pages::{FieldProblem, filters};
use crate::request_context;

/// The patients who are searched for.
#[derive(Default, Template)]
#[template(path = "staff_patients.html")]
pub struct PatientsPage {
    pub username: String,
    pub search: String,
    pub rows: Vec<PatientRow>,
    /// The message if there are no rows; `None` if the notes say why.
    pub nothing: Option<String>,
    /// Sentences on what the search could not do.
    pub notes: Vec<String>,
    /// How old the index is.
    pub made: Option<String>,
    /// The path and query of the first page, on another one.
    pub first: Option<String>,
    pub next: Option<String>,
}

/// A patient of the record store.
pub struct PatientRow {
    pub id: String,
    pub name: String,
    pub born: String,
    pub sex: String,
    pub identifiers: Vec<String>,
    pub last: Option<LastExport>,
    /// The id of the patient whose record replaces this one.
    pub replaced_by: Option<String>,
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
            replaced_by: None,
        }
    }
}

/// The groups of the record store.
#[derive(Template)]
#[template(path = "staff_groups.html")]
pub struct GroupsPage {
    pub username: String,
    pub rows: Vec<GroupRow>,
    /// The path and query of the first page, on another one.
    pub first: Option<String>,
    pub next: Option<String>,
}

/// A group of the record store.
pub struct GroupRow {
    pub id: String,
    pub name: String,
    /// The number of members that the group names, in words. Empty for a group that was not read.
    pub members: String,
    /// Why the group was not read.
    pub note: Option<String>,
    /// Whether staff can start an export of the group.
    pub can_start: bool,
}

impl GroupRow {
    /// Creates the row of a group. A group that has no name is shown by its id.
    pub fn new(id: &GroupId, name: Option<&str>, members: u64) -> Self {
        let words = request_context::words();
        let name: String =
            name.unwrap_or_default().chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
        let name = if name.trim().is_empty() { id.to_string() } else { name };
        Self { id: id.to_string(), name, members: words.number(members), note: None, can_start: true }
    }

    /// Creates the row of a group of which only the id is known, because it cannot be read.
    pub fn unread(id: &GroupId) -> Self {
        Self { id: id.to_string(), name: id.to_string(), members: String::new(), note: None, can_start: true }
    }

    /// Creates the row of a group of which only the beginning was read, which has these members and more.
    pub fn beginning(id: &GroupId, name: Option<&str>, members: u64) -> Self {
        let words = request_context::words();
        let more = words.text("groups-more-than", &[("count", &words.number(members))]);
        let members = if members == 0 { String::new() } else { more };
        Self { members, ..Self::new(id, name, 0) }
    }

    /// Creates the row of a group that is too large to be read for a page.
    pub fn too_large(id: &GroupId) -> Self {
        Self::unread(id).with_too_many()
    }

    /// Returns the row for a group that does not list its members, so that nobody can export it.
    #[must_use]
    pub fn without_list(self) -> Self {
        let note = request_context::words().text("groups-without-list", &[]);
        Self { note: Some(note), can_start: false, ..self }
    }

    /// Returns the row for a group that has too many members for an export that staff start.
    #[must_use]
    pub fn with_too_many(self) -> Self {
        let note = request_context::words().text("groups-too-large", &[("id", &self.id)]);
        Self { note: Some(note), can_start: false, ..self }
    }
}

/// The maximum number of characters of a group's name that are shown.
const MAX_NAME: usize = 120;

/// The form of an export that staff start.
#[derive(Template)]
#[template(path = "staff_start.html")]
pub struct StartPage {
    pub username: String,
    pub of: StartOf,
    /// The path of the form.
    pub path: String,
    pub parts: Vec<Tick>,
    pub topics: Vec<Tick>,
    pub from: String,
    pub to: String,
    pub receiver: String,
    pub reason: String,
    /// The id of the new export.
    pub number: String,
    pub problems: Vec<FieldProblem>,
    pub message: Option<Message>,
    /// The path of the export that the form has started before, with other choices.
    pub started: Option<String>,
}

/// Whose records the new export is of.
pub enum StartOf {
    Patient(PatientRow),
    Group {
        id: String,
        name: String,
        /// Active members who can be patients of this server, also in groups inside the group. Some may have no record.
        members: u64,
        /// Members who cannot be exported.
        others: u64,
        /// Groups inside the group that are missing or cannot be exported, and groups that do not list all their members.
        unread: u64,
        /// A digest of the name and the members.
        version: String,
    },
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
    /// Returns the sentences on the members of the group: their number, and those that are not exported.
    fn sentences(&self) -> Vec<String> {
        let words = request_context::words();
        match &self.of {
            StartOf::Patient(_) => Vec::new(),
            StartOf::Group { members, others, unread, .. } => {
                let count = |key: &str, count: u64| words.text(key, &[("count", &count.to_string())]);
                let others = (*others > 0).then(|| count("groups-others", *others));
                let unread = (*unread > 0).then(|| count("groups-unread", *unread));
                [count("groups-members", *members)].into_iter().chain(others).chain(unread).collect()
            }
        }
    }

    /// Returns the address of the form.
    fn action(&self) -> &str {
        &self.path
    }

    /// Returns the version of the group that the page shows.
    fn version(&self) -> Option<&str> {
        match &self.of {
            StartOf::Patient(_) => None,
            StartOf::Group { version, .. } => Some(version),
        }
    }

    fn problem_at(&self, field: &str) -> Option<&str> {
        FieldProblem::at(&self.problems, field)
    }
}
