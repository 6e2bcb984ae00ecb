//! The pages that ask for confirmation before an export is changed.

use askama::Template;
use domain::deletion::UndoEnd;
use domain::ids::FileName;
use domain::job::Job;
use domain::ports::jobs::StoredJob;
use domain::rejection::RejectionReason;
use domain::states::Gone;
use jiff::{SignedDuration, Timestamp};
use words::Words;

use super::{DocumentCounts, Message, full, path, patient, size};
use crate::pages::filters;
use crate::request_context;

/// The choice of the list with which the reason of a rejection must be typed.
pub const OTHER: &str = "other";

/// The export that a decision is about.
pub struct Decided {
    path: String,
    version: u64,
    /// Names and values, in order.
    facts: Vec<(String, String)>,
    not_opened: Option<String>,
    /// What is said if no more documents are marked.
    full: Option<String>,
}

impl Decided {
    /// Describes the export. `receiver` is who gets the copy.
    pub fn new(stored: &StoredJob, receiver: String, documents: &DocumentCounts) -> Self {
        let words = &request_context::words();
        let counted = documents.counted.as_ref();
        let not_opened = counted.map(|counted| counted.not_opened);
        let job = &stored.job;
        let text_of = |key: &str| words.text(key, &[]);
        let mut facts =
            vec![(text_of("decide-patient"), patient(job, words)), (text_of("decide-receiver"), receiver)];
        if let Some(summary) = job.summary() {
            let all = counted.map(|counted| words.number(counted.all)).unwrap_or_default();
            let values = [
                ("resources", &*words.number(summary.resources)),
                ("files", &*words.number(summary.files)),
                ("size", &*size(words, summary.bytes)),
                ("documents", &*all),
            ];
            let key = if counted.is_some() { "decide-contents" } else { "decide-contents-uncounted" };
            facts.push((text_of("decide-what"), words.text(key, &values)));
            facts.push((text_of("decide-left-out"), words.number(summary.redactions.len() as u64)));
            facts.push((
                text_of("decide-not-opened"),
                not_opened.map_or_else(|| text_of("decide-not-counted"), |count| words.number(count)),
            ));
        }
        Self {
            path: path(job),
            version: stored.version,
            facts,
            not_opened: match not_opened {
                Some(0) => None,
                Some(count) => Some(words.text("decide-review-first", &[("count", &words.number(count))])),
                None => job.header().owner.is_staff().then(|| words.text("decide-too-many", &[])),
            },
            full: full(documents.full_at, words),
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
    /// The error in the form.
    pub message: Option<Message>,
    pub because: String,
    pub reason: String,
}

impl RejectPage {
    /// The choices of the list: the value, the key in the catalogue, and whether it is chosen.
    fn reasons(&self) -> Vec<(&'static str, String, bool)> {
        let option = |reason: &'static str| (reason, format!("reject-{reason}"), self.because == reason);
        RejectionReason::ALL.into_iter().map(RejectionReason::key).chain([OTHER]).map(option).collect()
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
    /// Returns the page. `undo` is the time during which the deletion can be undone.
    pub fn new(username: String, decided: Decided, job: &Job, undo: SignedDuration) -> Self {
        let words = request_context::words();
        let undo = match job.can_be_restored() && undo > SignedDuration::ZERO {
            true => words.text("delete-undo", &[("hours", &undo.as_hours().to_string())]),
            false => words.text("delete-no-undo", &[]),
        };
        Self { username, decided, undo }
    }
}

/// The page of a deleted job. It says until when the deletion can be undone, or why it cannot.
#[derive(Template)]
#[template(path = "staff_job_deleted.html")]
pub struct DeletedPage {
    username: String,
    /// Why the deletion was not undone.
    message: Option<Message>,
    path: String,
    patient: String,
    by: String,
    /// The time until which the deletion can be undone, or the reason why it cannot.
    undo: String,
    can_undo: bool,
}

impl DeletedPage {
    /// Returns the page; `None` if the deletion cannot be undone, unless the patient or the app is the reason.
    pub fn new(username: String, gone: &Gone, now: Timestamp, message: Option<Message>) -> Option<Self> {
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
                    UndoEnd::DeletedByClient => "deleted-by-app",
                };
                (history.iter().rev().nth(1)?, words.text(key, &[("time", &words.moment(event.at))]), false)
            }
            (None, None) => return None,
        };
        let job = Job::Cancelled(gone.clone());
        let values = [("who", &*deletion.actor), ("time", &*words.moment(deletion.at))];
        Some(Self {
            username,
            message,
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
    /// The hidden fields that identify the resource or document.
    fields: Vec<(&'static str, String)>,
    reason: String,
}

impl LeaveOutPage {
    /// Returns the page for a resource. `fields` are the hidden fields of the form; the pair is the type and the name of the resource.
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

    /// Returns the same page with the typed reason and a message about it.
    pub fn again(self, message: Option<Message>, reason: String) -> Self {
        Self { message, reason, ..self }
    }

    /// Returns the query of the form's address. With it the address shows the page again, if the form arrives after the session has
    /// ended.
    fn query(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.fields).finish()
    }
}
