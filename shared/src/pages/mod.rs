//! One struct per page; the templates are in `shared/templates`.

use askama::Template;

use crate::domain::job::{Attachment, PatientSummary};

pub use self::form::FormPage;
pub use self::staff::{ChoiceRow, FileRow, HistoryRow, JobRow, StaffJobPage, StaffJobsPage, StaffLoginPage};

mod asked;
mod form;
mod staff;

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
