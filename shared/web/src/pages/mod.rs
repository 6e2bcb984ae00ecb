//! One struct per page; the templates are in `shared/web/templates`.

use askama::Template;
use domain::job::PatientSummary;

pub use self::audit::{AuditFilter, AuditPage};
pub use self::error::ErrorPage;
pub use self::form::{
    CheckPage, DateField, DateFields, FieldProblem, FormFrame, GonePage, PartAnswer, PartCard, PartsPage,
    SavedPage, SentPage, StatePage, TopicCard, TopicsPage,
};
pub use self::format::FormatPage;
pub(crate) use self::frame::{FRAME, Frame};
pub use self::my::{
    AccountRow, AppCard, AppsPage, Chosen, ChosenPart, ConfirmPage, ContentRow, CopiesPage, CopyCard,
    CopyPage, Downloads, FileLink, MyFrame,
};
pub use self::patients::{LastExport, PatientRow, PatientsPage, StartPage, Tick};
pub use self::queue::{
    Due, QueuePage, QueueRow, Refused, SeveralDonePage, SeveralPage, Tab, state as staff_state,
};
pub use self::settings::SettingsPage;
pub use self::staff::StaffLoginPage;
pub use self::zip::{ZipHead, ZipKind, ZipRow, ZipRows, ZipSection, ZipTail};

use self::frame::filters;

mod audit;
mod error;
mod form;
mod format;
mod frame;
pub mod job;
mod my;
mod patients;
mod queue;
mod settings;
mod staff;
mod zip;

#[derive(Template)]
#[template(path = "landing.html")]
pub struct LandingPage<'a> {
    pub base_url: &'a str,
    pub sandbox: bool,
}

/// Where a patient says who they are, for an app's request or for a page of ours (`next`).
#[derive(Template, Default)]
#[template(path = "patient_login.html")]
pub struct PatientLoginPage {
    pub sandbox: bool,
    pub request: String,
    pub next: String,
    /// The app that sent the patient.
    pub app: Option<String>,
    /// Whether the patient was signed out, and what was typed is kept.
    pub was_saved: bool,
    pub username: String,
    pub error: Option<String>,
    pub patients: Vec<PatientSummary>,
    pub from: String,
    pub more: Option<String>,
}

impl PatientLoginPage {
    /// The address that shows the page again.
    pub(crate) fn here(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let fields = [("request", &self.request), ("next", &self.next), ("from", &self.from)];
        query.extend_pairs(fields.into_iter().filter(|(_, value)| !value.is_empty()));
        if self.was_saved {
            query.append_pair("saved", "1");
        }
        format!("/patient-login?{}", query.finish())
    }
}

/// Where a patient lets an app have the record.
#[derive(Template)]
#[template(path = "consent.html")]
pub struct ConsentPage {
    pub title: String,
    pub you: String,
    pub may: String,
    /// What the scopes mean, each once.
    pub scopes: Vec<String>,
    /// Whose the app is not, and where what it gets goes.
    pub goes: String,
    pub request: String,
    /// The address that shows the sign-in page again.
    pub sign_in: String,
}
