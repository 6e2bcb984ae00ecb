//! One struct per page; the templates are in `shared/web/templates`.

use askama::Template;
use domain::job::{Attachment, PatientSummary};

pub use self::form::FormPage;
pub use self::staff::{ChoiceRow, FileRow, HistoryRow, JobRow, StaffJobPage, StaffJobsPage, StaffLoginPage};

mod form;
mod requested;
mod staff;

/// The name under which a page finds the path of the public base URL.
pub const PREFIX: &str = "prefix";

#[expect(
    unreachable_pub,
    clippy::inline_always,
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "so the macro makes a filter"
)]
mod filters {
    use askama::{Values, filter_fn, get_value};

    /// A path of ours as a browser needs it: below the path of the public base URL.
    #[filter_fn]
    pub(super) fn at(path: &str, values: &dyn Values) -> askama::Result<String> {
        let prefix = get_value::<String>(values, super::PREFIX).map(String::as_str).unwrap_or_default();
        Ok(format!("{prefix}{path}"))
    }
}

#[derive(Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    pub status: u16,
    pub text: String,
}

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
    pub error: Option<String>,
    pub patients: Vec<PatientSummary>,
    pub from: String,
    pub more: Option<String>,
}

#[derive(Template)]
#[template(path = "consent.html")]
pub struct ConsentPage {
    pub client: String,
    pub patient: String,
    pub request: String,
    pub scopes: Vec<String>,
    pub redirect_origin: String,
}

#[derive(Template)]
#[template(path = "form_done.html")]
pub struct FormDonePage {
    pub job: String,
    pub review: bool,
}
