//! The pages of staff.

use askama::Template;
use domain::choices::{Choices, RecordGroup, Sensitive};
use domain::job::{AuditEvent, Job};
use domain::ledger::{Ledger, LeftOut, Reason};
use domain::manifest::StoredManifest;
use domain::ports::jobs::StoredJob;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::pages::{Attachment, filters, requested};

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

#[derive(Template)]
#[template(path = "staff_job.html")]
pub struct StaffJobPage {
    pub username: String,
    pub message: Option<String>,
    pub job: JobRow,
    pub client: String,
    pub error: Option<String>,
    pub running: bool,
    pub percent: u8,
    /// The store that the export waits for.
    pub waiting: Option<String>,
    pub in_review: bool,
    pub asked: Vec<String>,
    pub choices: Vec<ChoiceRow>,
    /// `None` where no form was filled in.
    pub authorized: Option<String>,
    pub withheld: Vec<(&'static str, u64)>,
    pub ledger: Option<Ledger>,
    pub left_out: Vec<(&'static str, u64)>,
    pub documents_left_out: Vec<(&'static str, u64)>,
    pub documents_withheld: Vec<(&'static str, u64)>,
    pub files: Vec<FileRow>,
    pub attachments: Vec<Attachment>,
    pub max_upload: String,
    pub history: Vec<HistoryRow>,
}

pub struct JobRow {
    pub id: String,
    pub patient: String,
    pub patient_id: String,
    pub status: &'static str,
    pub created_at: String,
    pub resources: u64,
}

pub struct ChoiceRow {
    pub name: &'static str,
    pub from: String,
    pub to: String,
    pub notes: String,
}

pub struct FileRow {
    pub name: String,
    pub count: u64,
    pub size: u64,
}

pub struct HistoryRow {
    pub at: String,
    pub who: String,
    pub what: String,
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

impl StaffJobPage {
    pub fn new(
        stored: &StoredJob,
        manifest: Option<&StoredManifest>,
        username: String,
        message: Option<String>,
        max_upload_bytes: u64,
    ) -> Self {
        let header = stored.job.header();
        let choices = header.request.choices.as_ref();
        let (error, withheld) = match &stored.job {
            Job::Rejected(rejected) => (Some(rejected.reason.clone()), None),
            Job::Failed(failed) => (Some(failed.reason.clone()), None),
            Job::InReview(review) => (None, Some(&review.summary.withheld)),
            Job::Complete(complete) => (None, Some(&complete.summary.withheld)),
            Job::AwaitingInput(_)
            | Job::Queued(_)
            | Job::Running(_)
            | Job::Cancelled(_)
            | Job::Expired(_) => (None, None),
        };
        let ledger = stored.job.summary().and_then(|summary| summary.ledger.clone());
        let documents = ledger.as_ref().map(|ledger| ledger.documents.clone()).unwrap_or_default();
        let left_out = |left_out: &LeftOut| left_out.iter().map(left_out_row).collect::<Vec<_>>();
        let files = manifest.map(|manifest| {
            let row = |file: &domain::manifest::NamedFile| FileRow {
                name: file.name.clone(),
                count: file.file.count,
                size: file.file.size,
            };
            manifest.files.iter().map(row).collect()
        });
        Self {
            username,
            message,
            job: JobRow::new(stored),
            client: header.owner.client.to_string(),
            error,
            running: stored.job.is_active(),
            percent: stored.percent(),
            waiting: match &stored.job {
                Job::Running(running) => running.waiting.map(|waiting| waiting.describe()),
                _ => None,
            },
            in_review: matches!(stored.job, Job::InReview(_)),
            asked: requested::sentences(&stored.job),
            choices: choices.map(choice_rows).unwrap_or_default(),
            authorized: choices.map(requested::authorized),
            withheld: withheld.into_iter().flatten().map(withheld_row).collect(),
            left_out: ledger.as_ref().map(|ledger| left_out(&ledger.resources.left_out)).unwrap_or_default(),
            documents_left_out: left_out(&documents.left_out),
            documents_withheld: documents.withheld.iter().map(withheld_row).collect(),
            ledger,
            files: files.unwrap_or_default(),
            attachments: header.attachments.clone(),
            max_upload: format!("{} MiB", max_upload_bytes / 1024 / 1024),
            history: header.history.iter().map(HistoryRow::new).collect(),
        }
    }
}

impl HistoryRow {
    fn new(event: &AuditEvent) -> Self {
        Self { at: readable(event.at), who: event.actor.clone(), what: event.action.clone() }
    }
}

fn left_out_row((reason, count): (Reason, u64)) -> (&'static str, u64) {
    (reason.name(), count)
}

fn withheld_row((category, count): (&Sensitive, &u64)) -> (&'static str, u64) {
    (category.name(), *count)
}

fn choice_rows(choices: &Choices) -> Vec<ChoiceRow> {
    let chosen = |group: RecordGroup| {
        let choice = choices.choice(group).filter(|choice| choice.enabled)?;
        let day = |day: &Option<domain::choices::Day>| day.as_ref().map(|day| day.as_str().to_owned());
        Some(ChoiceRow {
            name: group.name(),
            from: day(&choice.from).unwrap_or_default(),
            to: day(&choice.to).unwrap_or_default(),
            notes: choice.notes.clone(),
        })
    };
    RecordGroup::ALL.into_iter().filter_map(chosen).collect()
}

fn readable(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
