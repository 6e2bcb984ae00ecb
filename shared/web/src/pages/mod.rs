//! One struct per page; the templates are in `shared/web/templates`.

use askama::Template;
use domain::patient_summary::PatientSummary;

pub use self::audit::{AuditFilter, AuditPage};
pub use self::error::{ErrorPage, Wait};
pub use self::form::{
    CheckPage, DateField, DateFields, FieldProblem, FormFrame, GonePage, PartAnswer, PartCard, PartsPage,
    SavedPage, SentPage, StatePage, TopicCard, TopicsPage,
};
pub use self::format::FormatPage;
pub(crate) use self::frame::{FRAME, Frame};
pub use self::message::Message;
pub use self::my::{
    AccountRow, AppCard, AppsPage, Chosen, ChosenPart, ConfirmPage, ContentRow, CopiesPage, CopyCard,
    CopyPage, Downloads, FileLink, MyFrame, QuotedReason, ZipPage,
};
pub use self::patients::{
    GroupRow, GroupsPage, LastExport, PatientRow, PatientsPage, StartOf, StartPage, Tick,
};
pub use self::queue::{
    Due, QueuePage, QueueRow, Refused, SeveralDonePage, SeveralPage, Tab, state as staff_state,
};
pub use self::settings::SettingsPage;
pub use self::staff::{SIGN_IN_WRONG, StaffLoginPage};
pub use self::zip::{ZipHead, ZipKind, ZipRow, ZipRows, ZipSection, ZipTail};

use self::frame::filters;

mod audit;
mod error;
mod form;
mod format;
mod frame;
pub mod job;
mod message;
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
    /// Whether staff check each copy.
    pub review: bool,
    /// Whether patients can sign in here.
    pub can_sign_in: bool,
}

/// The sign-in page of patients, for the request of an app or for a page of this server (`next`).
#[derive(Template, Default)]
#[template(path = "patient_login.html")]
pub struct PatientLoginPage {
    pub sandbox: bool,
    pub request: String,
    pub next: String,
    /// The app that redirected the patient to this page.
    pub app: Option<String>,
    /// Whether the patient was signed out and the typed values are saved.
    pub was_saved: bool,
    /// Whether patients can sign in here. Otherwise the page only says where the patient can continue.
    pub can_sign_in: bool,
    pub username: String,
    pub error: Option<String>,
    /// The key of the error, if the page can show it again in another language.
    pub said: Option<&'static str>,
    pub patients: Vec<PatientSummary>,
    pub from: String,
    pub more: Option<String>,
}

impl PatientLoginPage {
    /// Returns whether the patient comes from the form of an export, which the app's link opens as well.
    fn is_for_form(&self) -> bool {
        let path = self.next.split(['?', '#']).next().unwrap_or_default();
        path.starts_with("/jobs/") && path.ends_with("/customize")
    }

    /// Returns the path and query that show the page again.
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

/// The page on which a patient gives an app access to the record.
#[derive(Template)]
#[template(path = "consent.html")]
pub struct ConsentPage {
    pub title: String,
    pub you: String,
    pub may: String,
    /// The meanings of the scopes, without repetition.
    pub scopes: Vec<String>,
    /// The notice that the app belongs to another organization, and where it stores the data.
    pub goes: String,
    pub request: String,
    /// The path and query of the sign-in page.
    pub sign_in: String,
}
