//! The patient's pages: the list of copies, one copy, the apps with access, and the page that asks for confirmation.

use askama::Template;

use crate::pages::filters;
use crate::rejection::Why;

/// The common part of the pages for a signed-in patient.
#[derive(Debug, Clone)]
pub struct MyFrame {
    pub name: String,
    /// The section of the page: copies or apps.
    pub here: &'static str,
}

/// The list of copies.
#[derive(Template)]
#[template(path = "my_copies.html")]
pub struct CopiesPage {
    pub my: MyFrame,
    /// The message about the last action.
    pub said: Option<String>,
    /// The path at which the patient requests a new copy.
    pub ask: String,
    pub copies: Vec<CopyCard>,
    /// The path of the next page of the list.
    pub older: Option<String>,
}

pub struct CopyCard {
    pub href: String,
    pub title: String,
    pub state: String,
    /// The CSS class of the state.
    pub look: &'static str,
    /// The requester of the copy and the date.
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
    /// The CSS class of the state.
    pub look: &'static str,
    pub next: String,
    /// The reason of the rejection.
    pub rejected: Option<Why>,
    /// Whether the state can change without an action of the patient.
    pub is_live: bool,
    pub percent: Option<u8>,
    /// Whether the page reloads automatically.
    pub by_itself: bool,
    pub here: String,
    /// The path of the form, while the export waits for it.
    pub form: Option<String>,
    pub ask: String,
    pub can_ask: bool,
    pub asked: String,
    pub number: String,
    pub chosen: Option<Chosen>,
    pub contents: Vec<ContentRow>,
    /// The numbers of entries that were read and that are in the copy.
    pub account: Option<String>,
    pub left_out: Vec<AccountRow>,
    pub downloads: Option<Downloads>,
    pub can_cancel: bool,
    pub can_delete: bool,
    pub can_take_back: bool,
}

/// The patient's choices.
pub struct Chosen {
    pub parts: Vec<ChosenPart>,
    pub topics: Vec<String>,
    /// Whether the copy is the complete record, requested without a form.
    pub is_all: bool,
}

pub struct ChosenPart {
    pub name: String,
    pub dates: String,
    pub note: String,
}

/// The available downloads.
pub struct Downloads {
    /// The path of the ZIP.
    pub zip: String,
    /// Whether the ZIP must be prepared first, which a form asks for.
    pub is_asked_for: bool,
    pub all: String,
    pub files: Vec<FileLink>,
    /// The numbers of the listed files, if the list has more than one page.
    pub listed: Option<String>,
    /// The path of the first page of the list; `None` on that page.
    pub first: Option<String>,
    /// The path of the next page of the list.
    pub next: Option<String>,
    /// Whether the list is shown at once.
    pub is_open: bool,
}

/// The progress of a ZIP that workers make.
#[derive(Template)]
#[template(path = "my_zip.html")]
pub struct ZipPage {
    pub my: MyFrame,
    pub title: String,
    pub state: String,
    pub state_name: &'static str,
    /// The CSS class of the state.
    pub look: &'static str,
    pub next: String,
    /// The progress, while the ZIP is being prepared.
    pub percent: Option<u8>,
    /// Whether the page reloads automatically.
    pub by_itself: bool,
    pub here: String,
    /// The path of the page of the copy.
    pub copy: String,
    /// The path of the ZIP, which a form also asks for.
    pub zip: String,
    pub is_ready: bool,
    /// The text of the button that asks for the ZIP.
    pub ask: Option<String>,
}

pub struct FileLink {
    pub href: String,
    pub name: String,
    pub size: String,
}

/// The number of entries of one type.
pub struct ContentRow {
    /// The name of the type for patients.
    pub name: String,
    /// The FHIR type.
    pub kind: String,
    pub count: String,
    /// The first and the last day, as text. Empty if they are not known.
    pub days: String,
}

/// The entries that were left out for one reason.
pub struct AccountRow {
    pub why: String,
    /// The reasons of staff, which follow `why`.
    pub quotes: Vec<QuotedReason>,
    /// The end of the sentence, after the reasons of staff.
    pub after: String,
    pub entries: String,
    pub documents: String,
    pub is_empty: bool,
}

/// A reason as staff typed it, and the quotation marks around it.
pub struct QuotedReason {
    pub before: String,
    pub text: String,
    /// The tag of its language, if it is known.
    pub language: Option<String>,
    pub after: String,
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
    /// The meanings of the scopes, without repetition.
    pub may: Vec<String>,
    pub stop: String,
}

/// Asks the patient to confirm an action.
#[derive(Template)]
#[template(path = "my_confirm.html")]
pub struct ConfirmPage {
    pub my: MyFrame,
    pub title: String,
    pub lead: String,
    /// The path to which the confirmation is sent.
    pub action: String,
    pub fields: Vec<(&'static str, String)>,
    pub button: String,
    pub back: String,
}
