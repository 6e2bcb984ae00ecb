//! The pages that ask for confirmation before an export is changed.

use askama::Template;
use domain::ids::FileName;
use domain::ports::jobs::StoredJob;
use domain::rejection::RejectionReason;
use jiff::Timestamp;
use words::Words;

use super::{DocumentCounts, full, has_app, identity, path, patient};
use crate::pages::message::Message;
use crate::pages::{FieldProblem, filters};
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
    /// The message if no more documents are marked.
    full: Option<String>,
    has_app: bool,
}

impl Decided {
    /// Describes the export. `receiver` is who gets the copy.
    pub fn new(stored: &StoredJob, receiver: String, documents: &DocumentCounts) -> Self {
        let words = &request_context::words();
        let counted = documents.counted.as_ref();
        let not_opened = counted.map(|counted| counted.not_opened);
        let job = &stored.job;
        let text_of = |key: &str| words.text(key, &[]);
        let mut facts = vec![(text_of("decide-patient"), patient(job, words))];
        facts.extend(identity(job, words));
        facts.push((text_of("decide-receiver"), receiver));
        if let Some(summary) = job.summary() {
            let all = counted.map(|counted| words.number(counted.all)).unwrap_or_default();
            let values = [
                ("resources", &*words.number(summary.resources)),
                ("files", &*words.number(summary.files)),
                ("size", &*words.size(summary.bytes)),
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
            has_app: has_app(job.header()),
        }
    }

    /// Returns the key of what approval does at once.
    fn after_approval(&self) -> &'static str {
        if self.has_app { "job-approve-after" } else { "job-approve-after-here" }
    }

    /// Returns the key of what deletion does at once.
    fn after_deletion(&self) -> &'static str {
        if self.has_app { "delete-after" } else { "delete-after-here" }
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
    pub message: Option<Message>,
    /// The mistakes in the form.
    pub problems: Vec<FieldProblem>,
    pub because: String,
    pub reason: String,
}

impl RejectPage {
    /// The id of the first choice of the list, to which the message leads that none is chosen.
    pub const FIRST_REASON: &str = "because-identity";

    fn problem_at(&self, field: &str) -> Option<&str> {
        FieldProblem::at(&self.problems, field)
    }

    /// Returns the address of the form.
    fn action(&self) -> String {
        format!("{}/reject", self.decided.path)
    }

    /// Returns the choices of the list: the value, the key in the catalogue, and whether it is chosen.
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
    /// Returns the page. `undo_until` is the time until which the deletion can be undone, if it can be.
    pub fn new(username: String, decided: Decided, undo_until: Option<Timestamp>) -> Self {
        let words = request_context::words();
        let undo = undo_until.map_or_else(
            || words.text("delete-no-undo", &[]),
            |until| words.text("delete-undo", &[("time", &words.moment(until))]),
        );
        Self { username, decided, undo }
    }
}

/// Asks for the reason before a resource or a document is left out.
#[derive(Template)]
#[template(path = "staff_leave_out.html")]
pub struct LeaveOutPage {
    username: String,
    message: Option<Message>,
    problems: Vec<FieldProblem>,
    title: String,
    what: String,
    path: String,
    version: u64,
    /// The hidden fields that identify the resource or document.
    fields: Vec<(&'static str, String)>,
    /// The type and the id of the resource.
    shown: Option<String>,
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
            problems: Vec::new(),
            title: words.text("leave-out-title", &[("what", name)]),
            what: words.text("leave-out-what", &[("kind", kind)]),
            path: path(&stored.job),
            version: stored.version,
            fields,
            shown: None,
            reason: String::new(),
        }
    }

    /// Adds the type and the id of the resource, which the form sends back.
    pub fn showing(self, shown: Option<String>) -> Self {
        Self { shown, ..self }
    }

    /// Returns the same page with the typed reason, and with a message or what is wrong with the reason.
    #[must_use]
    pub fn again(self, message: Option<Message>, problems: Vec<FieldProblem>, reason: String) -> Self {
        Self { message, problems, reason, ..self }
    }

    fn problem_at(&self, field: &str) -> Option<&str> {
        FieldProblem::at(&self.problems, field)
    }

    /// Returns the address of the form.
    fn action(&self) -> String {
        format!("{}/leave-out?{}", self.path, self.query())
    }

    /// Returns the query of the form's address. With it the address shows the page again, if the form arrives after the session has
    /// ended.
    fn query(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.fields).finish()
    }
}
