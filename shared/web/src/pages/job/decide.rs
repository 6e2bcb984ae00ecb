//! The pages that ask before something is done to an export.

use askama::Template;
use domain::deletion::UndoEnd;
use domain::ids::FileName;
use domain::job::Job;
use domain::ports::jobs::StoredJob;
use domain::states::Gone;
use jiff::{SignedDuration, Timestamp};
use words::Words;

use super::{Message, path, patient, size};
use crate::pages::filters;
use crate::request_context;

/// The reasons of a rejection that staff can choose, by their keys in the catalogue without `reject-`.
pub const REJECT_REASONS: [&str; 5] = ["identity", "twice", "person", "harm", "other"];

/// What a decision is about.
pub struct Decided {
    path: String,
    version: u64,
    /// Names and values, in order.
    facts: Vec<(String, String)>,
    not_opened: Option<String>,
}

impl Decided {
    /// `documents` is the number of documents of the export and of those that nobody has opened.
    pub fn new(stored: &StoredJob, app: String, (documents, not_opened): (u64, u64)) -> Self {
        let words = &request_context::words();
        let job = &stored.job;
        let said = |key: &str| words.text(key, &[]);
        let mut facts = vec![(said("decide-patient"), patient(job, words)), (said("decide-receiver"), app)];
        if let Some(summary) = job.summary() {
            let values = [
                ("resources", &*words.number(summary.resources)),
                ("files", &*words.number(summary.files)),
                ("size", &*size(words, summary.bytes)),
                ("documents", &*words.number(documents)),
            ];
            facts.push((said("decide-what"), words.text("decide-contents", &values)));
            facts.push((said("decide-left-out"), words.number(summary.redactions.len() as u64)));
            facts.push((said("decide-not-opened"), words.number(not_opened)));
        }
        Self {
            path: path(job),
            version: stored.version,
            facts,
            not_opened: (not_opened > 0)
                .then(|| words.text("decide-review-first", &[("count", &words.number(not_opened))])),
        }
    }
}

#[derive(Template)]
#[template(path = "staff_job_approve.html")]
pub struct ApprovePage {
    pub username: String,
    pub decided: Decided,
}

#[derive(Template)]
#[template(path = "staff_job_reject.html")]
pub struct RejectPage {
    pub username: String,
    pub decided: Decided,
    /// What was wrong with the form.
    pub message: Option<Message>,
    pub because: String,
    pub reason: String,
}

impl RejectPage {
    fn reasons(&self) -> Vec<(&'static str, String, bool)> {
        let option = |reason: &'static str| (reason, format!("reject-{reason}"), self.because == reason);
        REJECT_REASONS.into_iter().map(option).collect()
    }
}

#[derive(Template)]
#[template(path = "staff_job_delete.html")]
pub struct DeletePage {
    username: String,
    decided: Decided,
    undo: String,
}

impl DeletePage {
    /// `undo` is how long a deletion can be undone.
    pub fn new(username: String, decided: Decided, job: &Job, undo: SignedDuration) -> Self {
        let words = request_context::words();
        let undo = match job.can_be_restored() && undo > SignedDuration::ZERO {
            true => words.text("delete-undo", &[("hours", &undo.as_hours().to_string())]),
            false => words.text("delete-no-undo", &[]),
        };
        Self { username, decided, undo }
    }
}

/// A job that was deleted: how long it can be brought back, or why it no longer can be.
#[derive(Template)]
#[template(path = "staff_job_deleted.html")]
pub struct DeletedPage {
    username: String,
    path: String,
    patient: String,
    by: String,
    /// How long the deletion can be undone, or why it cannot be.
    undo: String,
    can_undo: bool,
}

impl DeletedPage {
    /// `None` if the job's deletion cannot be undone, and not because of the patient.
    pub fn new(username: String, gone: &Gone, now: Timestamp) -> Option<Self> {
        let words = &request_context::words();
        let history = &gone.header.history;
        let (deletion, undo, can_undo) = match (gone.restorable(now), gone.undo_end()) {
            (Some(undo), _) => {
                let until = words.text("deleted-until", &[("time", &words.moment(undo.until))]);
                (history.last()?, until, true)
            }
            (None, Some((end, event))) => {
                let key = match end {
                    UndoEnd::TookBackPermission => "deleted-taken-back",
                    UndoEnd::DeletedForGood => "deleted-for-good",
                };
                (history.iter().rev().nth(1)?, words.text(key, &[("time", &words.moment(event.at))]), false)
            }
            (None, None) => return None,
        };
        let job = Job::Cancelled(gone.clone());
        let values = [("who", &*deletion.actor), ("time", &*words.moment(deletion.at))];
        Some(Self {
            username,
            path: path(&job),
            patient: patient(&job, words),
            by: words.text("deleted-by", &values),
            undo,
            can_undo,
        })
    }
}

/// Asks for the reason before a resource or a document is left out.
#[derive(Template)]
#[template(path = "staff_leave_out.html")]
pub struct LeaveOutPage {
    username: String,
    message: Option<Message>,
    title: String,
    what: String,
    path: String,
    version: u64,
    /// The fields that say what it is.
    fields: Vec<(&'static str, String)>,
    reason: String,
}

impl LeaveOutPage {
    /// For a resource: the fields of the form, its type, and what it is called.
    pub fn of_resource(
        username: String,
        stored: &StoredJob,
        fields: Vec<(&'static str, String)>,
        (resource_type, name): (&str, &str),
    ) -> Self {
        let words = &request_context::words();
        Self::new(username, stored, fields, (resource_type, name), words)
    }

    pub fn of_document(username: String, stored: &StoredJob, name: String, title: &FileName) -> Self {
        let words = &request_context::words();
        let kind = words.text("document-word", &[]);
        Self::new(username, stored, vec![("document", name)], (&kind, title.as_str()), words)
    }

    fn new(
        username: String,
        stored: &StoredJob,
        fields: Vec<(&'static str, String)>,
        (kind, name): (&str, &str),
        words: &Words,
    ) -> Self {
        Self {
            username,
            message: None,
            title: words.text("leave-out-title", &[("what", name)]),
            what: words.text("leave-out-what", &[("kind", kind)]),
            path: path(&stored.job),
            version: stored.version,
            fields,
            reason: String::new(),
        }
    }

    /// The same with what is wrong with the reason.
    pub fn again(self, message: Message, reason: String) -> Self {
        Self { message: Some(message), reason, ..self }
    }
}
