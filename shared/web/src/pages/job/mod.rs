//! The pages of one export for staff: the request, the state, the contents and the actions.
//!
//! - [`requested`] and [`account`]: the choices and the ledger as sentences;
//! - [`attach`]: the limits of the form that attaches files;
//! - [`contents`]: the list of a file's resources, and one resource;
//! - [`inside`]: the documents inside resources;
//! - [`decide`]: the pages that ask for confirmation before an action;
//! - [`ended`]: the page of an export that no longer exists for its client.

mod account;
mod attach;
mod contents;
mod decide;
mod ended;
mod inside;
mod requested;
mod upload;

use askama::Template;
use domain::header::{HistoryEntry, JobHeader};
use domain::job::{Job, JobState};
use domain::manifest::{NamedFile, StoredManifest};
use domain::ports::jobs::StoredJob;
use domain::redaction::{Redacted, Redaction};
use domain::request::Cohort;
use jiff::{SignedDuration, Timestamp};
use settings::OWN_PAGES;
use words::Words;

pub use self::account::{Account, ReasonRow};
use self::attach::AttachForm;
pub use self::attach::UploadLimits;
pub use self::contents::{FieldRow, ResourcePage, ResourceRow, RowsPage};
pub use self::decide::{ApprovePage, Decided, DeletePage, LeaveOutPage, OTHER, RejectPage};
pub use self::ended::EndedPage;
pub use self::inside::{InsidePage, InsidePlace, InsideRow};
pub use self::requested::PartRow;
pub use self::upload::{AttachPage, SendPage, UploadPage};
use crate::pages::filters;
use crate::pages::message::Message;
use crate::pages::queue::{identifiers, state};
use crate::rejection::Why;
use crate::request_context;

/// The maximum number of files or documents on one page of a list.
pub const LISTED: usize = 100;
/// The number of days before the due date from which the export is shown as late.
const LATE: i64 = 5;

/// The number of documents of an export.
pub struct DocumentCounts {
    /// `None` for an export of so many patients that they are not counted.
    pub counted: Option<Counted>,
    /// The number of documents that are marked as opened, if no more are marked.
    pub full_at: Option<u64>,
}

/// The number of documents of an export that were counted.
pub struct Counted {
    pub all: u64,
    /// Those that staff have not opened.
    pub not_opened: u64,
}

/// Returns the message that is shown if no more documents are marked as opened.
fn full(full_at: Option<u64>, words: &Words) -> Option<String> {
    full_at.map(|count| words.text("job-opened-full", &[("count", &words.number(count))]))
}

/// A document of an export.
pub struct DocumentRow {
    /// The last segment of its URL.
    pub name: String,
    pub title: String,
    pub size: u64,
    pub opened: bool,
    /// Whether staff attached it.
    pub is_attached: bool,
}

/// The data of a job that the page shows.
pub struct JobView<'v> {
    pub stored: &'v StoredJob,
    pub manifest: Option<&'v StoredManifest>,
    /// The page of the manifest, and the first file of it that is listed.
    pub files_from: (u32, usize),
    /// Documents of the record, and the place where the list continues.
    pub documents: (Vec<DocumentRow>, Option<usize>),
    pub attached: Vec<DocumentRow>,
    /// Why nothing can be left out of the export, which is in review.
    pub not_left_out: Option<String>,
    /// The number of documents that are marked as opened, if no more are marked.
    pub full_at: Option<u64>,
    /// The name of the client.
    pub app: String,
    pub due_days: i64,
    pub now: Timestamp,
    pub upload: UploadLimits,
    pub message: Option<Message>,
}

#[derive(Template)]
#[template(path = "staff_job.html")]
pub struct StaffJobPage {
    username: String,
    message: Option<Message>,
    path: String,
    version: u64,
    patient: String,
    state: String,
    /// The CSS class of the state.
    look: &'static str,
    facts: Vec<Fact>,
    /// The reason of a rejection.
    rejected: Option<Why>,
    /// The reason of a failure, which is always English.
    failed: Option<Why>,
    collected: Option<String>,
    percent: u8,
    waiting: Option<String>,
    in_review: bool,
    is_complete: bool,
    asked: Vec<String>,
    parts: Vec<PartRow>,
    topics: Vec<PartRow>,
    ledger: Option<Account>,
    redactions: Vec<String>,
    files: Vec<FileRow>,
    /// The key of the text if there are no files.
    no_files: &'static str,
    /// The query of the page on which the list continues.
    files_more: Option<String>,
    has_documents: bool,
    /// Whether resources of the export can have documents inside.
    may_have_inside: bool,
    /// Whether staff can attach files.
    can_attach: bool,
    document_groups: Vec<DocumentGroup>,
    /// Why no document of the record can be left out.
    not_left_out: Option<String>,
    /// The message if no more documents are marked.
    full: Option<String>,
    attach: AttachForm,
    history: Vec<HistoryRow>,
}

struct Fact {
    name: String,
    value: String,
    is_late: bool,
}

struct FileRow {
    name: String,
    count: String,
    size: String,
}

struct DocumentGroup {
    title: String,
    none: String,
    documents: Vec<SizedDocument>,
    more: Option<usize>,
}

struct SizedDocument {
    name: String,
    title: String,
    size: String,
    opened: bool,
    is_attached: bool,
}

struct HistoryRow {
    at: String,
    who: String,
    what: String,
    in_english: bool,
}

impl StaffJobPage {
    pub fn new(username: String, view: JobView<'_>) -> Self {
        let words = &request_context::words();
        let job = &view.stored.job;
        let header = job.header();
        let chosen = header.request.choices.as_ref().filter(|_| !matches!(job, Job::AwaitingInput(_)));
        let quotation = requested::quotation(header);
        let pages = job.summary().map_or(0, |summary| summary.pages);
        let (files, files_more) = file_rows(view.manifest, view.files_from, pages, words);
        let document_groups = document_groups(view.documents, view.attached, header.patient.is_some(), words);
        Self {
            username,
            message: view.message,
            path: path(job),
            version: view.stored.version,
            patient: patient(job, words),
            state: state(words, job.state()),
            look: job.state().ehi_status(),
            facts: facts(job, view.app, view.due_days, view.now, words),
            rejected: match job {
                Job::Rejected(rejected) => Some(Why::of(rejected, "job-rejected-why", words)),
                _ => None,
            },
            failed: match job {
                Job::Failed(failed) => Some(Why::of_failure(&failed.reason, "job-failed-why", words)),
                _ => None,
            },
            collected: job
                .is_active()
                .then(|| words.text("job-percent", &[("percent", &view.stored.percent().to_string())])),
            percent: view.stored.percent(),
            waiting: waiting(job, words),
            in_review: job.state() == JobState::InReview,
            is_complete: job.state() == JobState::Complete,
            asked: requested::sentences(job, words),
            parts: chosen.map(|it| requested::parts(it, quotation, words)).unwrap_or_default(),
            topics: chosen.map(|it| requested::topics(it, quotation, words)).unwrap_or_default(),
            ledger: job.summary().and_then(|summary| Some(Account::new(summary.ledger.as_ref()?, words))),
            redactions: job.summary().map(|it| redactions(&it.redactions, words)).unwrap_or_default(),
            files,
            no_files: match job {
                Job::Failed(_) => "job-no-files-failed",
                Job::Rejected(_) => "job-no-files-rejected",
                _ => "job-no-files",
            },
            files_more,
            may_have_inside: view
                .manifest
                .is_some_and(|manifest| manifest.files.iter().any(|named| named.file.purpose.is_data())),
            has_documents: job.summary().is_some() && (header.patient.is_some() || header.owner.is_staff()),
            can_attach: job.state() == JobState::InReview && header.patient.is_some(),
            document_groups,
            not_left_out: view.not_left_out,
            full: full(view.full_at, words),
            attach: AttachForm::new(&view.upload, words),
            history: header.history.iter().map(|event| HistoryRow::new(event, words)).collect(),
        }
    }
}

/// Returns the path of a job's page.
pub(super) fn path(job: &Job) -> String {
    format!("/staff/jobs/{}", job.id())
}

/// Returns the name of the patient, or the text for an export of several patients.
pub(super) fn patient(job: &Job, words: &Words) -> String {
    let header = job.header();
    match (&header.patient, &header.request.cohort) {
        (Some(patient), _) => patient.name.clone(),
        (None, Cohort::Group(group)) => words.text("queue-group", &[("group", group.as_str())]),
        (None, _) => words.text("job-several", &[]),
    }
}

/// Returns the birth date and the identifiers of the patient, which tell patients with the same name apart: their names and values.
fn identity(job: &Job, words: &Words) -> Vec<(String, String)> {
    let Some(patient) = &job.header().patient else { return Vec::new() };
    let born = patient.birth_date.as_deref().map(|born| ("queue-born", words.partial(born)));
    let numbers = ("queue-identifiers", identifiers(words, patient).join(", "));
    born.into_iter().chain([numbers]).map(|(key, value)| (words.text(key, &[]), value)).collect()
}

/// Returns whether an app loads the copy. A copy that staff or the patient's own pages have started is downloaded from pages.
fn has_app(header: &JobHeader) -> bool {
    !header.owner.is_staff() && header.owner.client.as_str() != OWN_PAGES
}

fn facts(job: &Job, app: String, due_days: i64, now: Timestamp, words: &Words) -> Vec<Fact> {
    let header = job.header();
    let fact = |key: &str, value: String| Fact { name: words.text(key, &[]), value, is_late: false };
    let identity = identity(job, words).into_iter();
    let mut facts: Vec<_> = identity.map(|(name, value)| Fact { name, value, is_late: false }).collect();
    facts.push(fact("job-app", app));
    facts.extend(header.request.receiver.clone().map(|receiver| fact("decide-receiver", receiver)));
    facts.push(fact("job-asked", words.moment(header.created_at)));
    let is_open = matches!(
        job.state(),
        JobState::AwaitingInput | JobState::Queued | JobState::Running | JobState::InReview
    );
    let due = header.created_at.checked_add(SignedDuration::from_hours(24 * due_days)).ok();
    if let Some(due) = due.filter(|_| is_open && header.patient.is_some()) {
        let left = due.duration_since(now).as_hours().div_euclid(24);
        let date = words.date(due);
        let value = match due > now {
            true => words.text("job-due-left", &[("date", &date), ("days", &left.to_string())]),
            false => words.text("job-overdue", &[("date", &date)]),
        };
        facts.push(Fact { is_late: left <= LATE, ..fact("job-due", value) });
    }
    facts.push(fact("job-number", header.id.to_string()));
    facts
}

fn waiting(job: &Job, words: &Words) -> Option<String> {
    let Job::Running(running) = job else { return None };
    let since = words.moment(running.waiting?.since);
    Some(words.text("job-waiting", &[("since", &since)]))
}

fn redactions(redactions: &[Redaction], words: &Words) -> Vec<String> {
    let sentence = |redaction: &Redaction| {
        let what = match &redaction.what {
            Redacted::Resource { resource_type, id: Some(id) } => format!("{resource_type}/{id}"),
            Redacted::Resource { resource_type, id: None } => resource_type.clone(),
            Redacted::Document { name } => name.clone(),
        };
        let (reason, actor) = (words::isolated(&redaction.reason), words::isolated(&redaction.actor));
        format!("{what}: {reason} ({actor}, {})", words.moment(redaction.at))
    };
    redactions.iter().map(sentence).collect()
}

/// Returns the documents of the records, and those that staff attached, which belong to the record of one patient.
fn document_groups(
    (of_record, more): (Vec<DocumentRow>, Option<usize>),
    attached: Vec<DocumentRow>,
    is_of_one_patient: bool,
    words: &Words,
) -> Vec<DocumentGroup> {
    let group = |title: &str, none: &str, documents: Vec<DocumentRow>, more| DocumentGroup {
        title: words.text(title, &[]),
        none: words.text(none, &[]),
        documents: documents.into_iter().map(|document| SizedDocument::new(document, words)).collect(),
        more,
    };
    let of_record = group("job-documents-of-record", "job-no-documents", of_record, more);
    let attached =
        is_of_one_patient.then(|| group("job-documents-attached", "job-attached-none", attached, None));
    [Some(of_record), attached].into_iter().flatten().collect()
}

/// Returns the files of a page of the manifest from a place in its list on, and the query with which the list continues.
fn file_rows(
    manifest: Option<&StoredManifest>,
    (part, from): (u32, usize),
    parts: u32,
    words: &Words,
) -> (Vec<FileRow>, Option<String>) {
    let files = manifest.map(|manifest| &manifest.files[..]).unwrap_or_default();
    let row = |named: &NamedFile| FileRow {
        name: named.name.clone(),
        count: words.number(named.file.count),
        size: words.size(named.file.size),
    };
    let rows = files.iter().skip(from).take(LISTED).map(row).collect();
    let (next, next_part) = (from.saturating_add(LISTED), part.saturating_add(1));
    let more = match (part, next < files.len()) {
        (0, true) => Some(format!("files={next}")),
        (part, true) => Some(format!("part={part}&files={next}")),
        (_, false) => (next_part < parts).then(|| format!("part={next_part}")),
    };
    (rows, more)
}

impl SizedDocument {
    fn new(document: DocumentRow, words: &Words) -> Self {
        let DocumentRow { name, title, size: bytes, opened, is_attached } = document;
        Self { name, title, size: words.size(bytes), opened, is_attached }
    }
}

impl HistoryRow {
    fn new(event: &HistoryEntry, words: &Words) -> Self {
        let key = format!("event-{}", event.action.replace(' ', "-"));
        let is_known = words.has(&key);
        Self {
            at: words.moment(event.at),
            who: match event.actor.as_str() {
                HistoryEntry::PATIENT => words.text("actor-patient", &[]),
                HistoryEntry::LINK_HOLDER => words.text("actor-link-holder", &[]),
                actor => actor.to_owned(),
            },
            what: if is_known { words.text(&key, &[]) } else { event.action.clone() },
            in_english: !is_known && words.language.tag() != "en",
        }
    }
}
