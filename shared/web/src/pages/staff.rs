//! The pages of staff.

use askama::Template;
use domain::ports::jobs::StoredJob;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::pages::filters;

#[derive(Template)]
#[template(path = "staff_login.html")]
pub struct StaffLoginPage {
    pub error: Option<String>,
}

#[derive(Template)]
#[template(path = "staff_jobs.html")]
pub struct StaffJobsPage {
    pub username: String,
    pub statuses: Vec<(&'static str, bool)>,
    pub patient: String,
    pub jobs: Vec<JobRow>,
    pub next: Option<String>,
}

pub struct JobRow {
    pub id: String,
    pub patient: String,
    pub patient_id: String,
    pub status: &'static str,
    pub created_at: String,
    pub resources: u64,
}

impl JobRow {
    pub fn new(stored: &StoredJob) -> Self {
        let header = stored.job.header();
        let patient = header.patient.as_ref();
        Self {
            id: header.id.to_string(),
            patient: patient.map_or_else(|| "Several patients".to_owned(), |patient| patient.name.clone()),
            patient_id: patient.map(|patient| patient.id.to_string()).unwrap_or_default(),
            status: stored.job.state().ehi_status(),
            created_at: readable(header.created_at),
            resources: stored.progress.resources,
        }
    }
}

fn readable(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
