//! One struct per page; the templates are in `shared/templates`.

use askama::Template;

use crate::domain::choices::{RecordGroup, Sensitive};
use crate::domain::job::{Attachment, PatientSummary};

pub use self::staff::{ChoiceRow, FileRow, HistoryRow, JobRow, StaffJobPage, StaffJobsPage, StaffLoginPage};

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

/// The form. Everything but what is sensitive is chosen to begin with.
#[derive(Template)]
#[template(path = "form.html")]
pub struct FormPage {
    pub patient: String,
    pub action: String,
    pub hidden: Vec<(&'static str, String)>,
    pub parts: [FormPart; 2],
    pub categories: [Sensitive; 8],
}

pub struct FormPart {
    pub title: &'static str,
    pub groups: Vec<RecordGroup>,
}

impl FormPage {
    pub fn new(patient: String, action: String, hidden: Vec<(&'static str, String)>) -> Self {
        let groups = |part| RecordGroup::ALL.into_iter().filter(|group| group.part() == part).collect();
        Self {
            patient,
            action,
            hidden,
            parts: [
                FormPart { title: "Electronic records", groups: groups(1) },
                FormPart { title: "Other documents", groups: groups(2) },
            ],
            categories: Sensitive::ALL,
        }
    }
}

#[derive(Template)]
#[template(path = "form_done.html")]
pub struct FormDonePage {
    pub job: String,
    pub review: bool,
}
