//! The patient's form: its three steps and the pages that follow them.

use askama::Template;

use crate::pages::filters;
use crate::rejection::Why;

/// An error in the form, with its field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// The id of the field.
    pub field: String,
    pub text: String,
}

impl FieldProblem {
    /// Returns the message at a field.
    pub(crate) fn at<'p>(problems: &'p [Self], field: &str) -> Option<&'p str> {
        problems.iter().find(|problem| problem.field == field).map(|problem| problem.text.as_str())
    }
}

/// The elements that the three steps have in common.
#[derive(Debug, Clone)]
pub struct FormFrame {
    pub title: String,
    pub step: &'static str,
    pub step_words: String,
    pub patient: String,
    /// The path to which the form is sent.
    pub action: String,
    /// Whether there is a previous step.
    pub has_back: bool,
    pub token: String,
    pub version: String,
    /// The button that the Enter key presses.
    pub default_button: &'static str,
    pub problems: Vec<FieldProblem>,
    /// Whether another tab has changed the shown values.
    pub changed: bool,
    pub session_seconds: i64,
    pub session_words: String,
}

impl FormFrame {
    /// Returns the message at a field.
    pub fn problem_at(&self, field: &str) -> Option<String> {
        FieldProblem::at(&self.problems, field).map(str::to_owned)
    }
}

/// Step 1: the parts of the record.
#[derive(Template)]
#[template(path = "form_parts.html")]
pub struct PartsPage {
    pub form: FormFrame,
    pub for_whom: String,
    pub note_hint: String,
    /// The message if no part is ticked.
    pub none_chosen: Option<String>,
    pub parts: Vec<PartCard>,
}

pub struct PartCard {
    pub key: &'static str,
    pub name: String,
    pub hint: String,
    pub ticked: bool,
    /// Whether the dates and the note are shown.
    pub open: bool,
    pub dates: [DateFields; 2],
    pub note: String,
    pub note_error: Option<String>,
}

impl PartCard {
    fn is_wrong(&self) -> bool {
        self.note_error.is_some() || self.dates.iter().any(|date| date.error.is_some())
    }
}

/// A date as the patient typed it.
pub struct DateFields {
    pub id: String,
    pub name: String,
    pub legend: String,
    /// Day, month and year, in the order of the language.
    pub fields: [DateField; 3],
    pub error: Option<String>,
}

pub struct DateField {
    pub unit: &'static str,
    pub label: String,
    pub value: String,
}

/// Step 2: the private topics.
#[derive(Template)]
#[template(path = "form_topics.html")]
pub struct TopicsPage {
    pub form: FormFrame,
    /// The label of the boxes for a text about a topic.
    pub box_words: String,
    pub topics: Vec<TopicCard>,
}

pub struct TopicCard {
    pub key: &'static str,
    pub name: String,
    pub hint: String,
    pub ticked: bool,
    pub has_text: bool,
    pub text: String,
    pub error: Option<String>,
}

/// Step 3: a summary of the choices, and the permission.
#[derive(Template)]
#[template(path = "form_check.html")]
pub struct CheckPage {
    pub form: FormFrame,
    pub parts: Vec<PartAnswer>,
    pub parts_left_out: String,
    pub topics: Vec<TopicCard>,
    /// The text of the permission; `None` if no topic is ticked.
    pub permission: Option<String>,
    pub agree_words: String,
    /// Whether the patient ticked the box for this content before.
    pub agreed: bool,
    pub agree_missing: bool,
}

pub struct PartAnswer {
    pub name: String,
    pub dates: String,
    pub note: String,
}

/// Confirms that the choices are saved, so that the patient can continue later.
#[derive(Template)]
#[template(path = "form_saved.html")]
pub struct SavedPage {
    pub lead: String,
    pub go_on: String,
    /// The path that signs the patient out.
    pub leave: String,
}

/// Confirms that the form was sent.
#[derive(Template)]
#[template(path = "form_sent.html")]
pub struct SentPage {
    pub number: String,
    pub review: bool,
    pub get: String,
    /// The path of the page with the state.
    pub state: String,
    /// The path that signs the patient out.
    pub leave: String,
}

/// The state of the export after the form was sent, or after the export has ended.
#[derive(Template)]
#[template(path = "form_state.html")]
pub struct StatePage {
    pub state: String,
    /// The CSS class of the state.
    pub look: &'static str,
    /// The reason of a rejection.
    pub rejected: Option<Why>,
    pub next: String,
    /// The path of the next step and the key of its words.
    pub button: Option<(String, &'static str)>,
    /// Whether patients can sign in to their own pages.
    pub can_sign_in: bool,
    pub percent: Option<u8>,
    pub asked: String,
    pub number: String,
    /// Whether the state can change without an action of the patient.
    pub is_live: bool,
    pub here: String,
    /// The path that signs the patient out, if the form is still there.
    pub leave: Option<String>,
    /// Whether the form was sent again.
    pub again: bool,
}

/// The page for a signed-in person whose form belongs to an export that does not exist or has another owner.
#[derive(Template)]
#[template(path = "gone.html")]
pub struct GonePage {
    /// The path of the form.
    pub here: String,
}
