//! The patient's own pages: copies, one copy, apps with access, and the question whether something is meant.

use askama::Template;

use crate::pages::filters;

/// What stands around the pages of a patient who is signed in.
#[derive(Debug, Clone)]
pub struct MyFrame {
    pub name: String,
    /// The part that the page belongs to: copies or apps.
    pub here: &'static str,
}

/// The list of copies.
#[derive(Template)]
#[template(path = "my_copies.html")]
pub struct CopiesPage {
    pub my: MyFrame,
    /// What has just happened.
    pub said: Option<String>,
    /// Where a new copy is asked for.
    pub ask: String,
    pub copies: Vec<CopyCard>,
    /// Where the list goes on.
    pub older: Option<String>,
}

pub struct CopyCard {
    pub href: String,
    pub title: String,
    pub state: String,
    /// The class of the state.
    pub look: &'static str,
    /// Who asked for it, and when.
    pub asked: String,
    pub next: String,
}

/// One copy.
#[derive(Template)]
#[template(path = "my_copy.html")]
pub struct CopyPage {
    pub my: MyFrame,
    pub said: Option<String>,
    pub title: String,
    pub state: String,
    pub state_name: &'static str,
    /// The class of the state.
    pub look: &'static str,
    pub next: String,
    /// Why it was not sent.
    pub rejected: Option<String>,
    /// Whether the state changes without the patient.
    pub is_live: bool,
    pub percent: Option<u8>,
    /// Whether the page loads again by itself.
    pub by_itself: bool,
    pub here: String,
    /// The form, while it waits for the patient.
    pub form: Option<String>,
    pub ask: String,
    pub can_ask: bool,
    pub asked: String,
    pub number: String,
    pub chosen: Option<Chosen>,
    pub contents: Vec<ContentRow>,
    /// How much was read, and how much of it is in the copy.
    pub account: Option<String>,
    pub left_out: Vec<AccountRow>,
    pub downloads: Option<Downloads>,
    pub can_cancel: bool,
    pub can_delete: bool,
    pub can_take_back: bool,
}

/// What the patient chose.
pub struct Chosen {
    pub parts: Vec<ChosenPart>,
    pub topics: Vec<String>,
    /// Without a form: the complete record.
    pub is_all: bool,
}

pub struct ChosenPart {
    pub name: String,
    pub dates: String,
    pub note: String,
}

/// What can be downloaded.
pub struct Downloads {
    /// Where all of it is; `None` where it is too large for one ZIP.
    pub zip: Option<String>,
    pub all: String,
    pub files: Vec<FileLink>,
    /// Whether there are more files than are listed.
    pub is_more: bool,
}

pub struct FileLink {
    pub href: String,
    pub name: String,
    pub size: String,
}

/// The entries of one type.
pub struct ContentRow {
    /// What the patient calls it; may be empty.
    pub name: String,
    /// The FHIR type.
    pub kind: String,
    pub count: String,
    /// From when to when; may be empty.
    pub days: String,
}

/// What was left out for one reason.
pub struct AccountRow {
    pub why: String,
    pub entries: String,
    pub documents: String,
    pub is_empty: bool,
}

/// The apps with access.
#[derive(Template)]
#[template(path = "my_apps.html")]
pub struct AppsPage {
    pub my: MyFrame,
    pub said: Option<String>,
    pub apps: Vec<AppCard>,
}

pub struct AppCard {
    pub name: String,
    pub since: String,
    pub used: String,
    /// What the scopes mean, each once.
    pub may: Vec<String>,
    pub stop: String,
}

/// Whether something is meant.
#[derive(Template)]
#[template(path = "my_confirm.html")]
pub struct ConfirmPage {
    pub my: MyFrame,
    pub title: String,
    pub lead: String,
    /// The path that the answer is sent to.
    pub action: String,
    pub fields: Vec<(&'static str, String)>,
    pub button: String,
    pub back: String,
}
