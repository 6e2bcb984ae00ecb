//! The page of an export that no longer exists for its client: whose it was, how, by whom and when it ended, and whether staff can
//! bring it back. It shows nothing of the record.

use askama::Template;
use domain::deletion::{End, Ended, UndoEnd};
use domain::header::HistoryEntry;
use domain::job::{Job, JobState};
use jiff::Timestamp;
use words::Words;

use super::{has_app, identity, path, patient};
use crate::pages::filters;
use crate::pages::message::Message;
use crate::pages::queue::state;
use crate::request_context;

#[derive(Template)]
#[template(path = "staff_job_ended.html")]
pub struct EndedPage {
    username: String,
    /// Why the deletion was not undone.
    message: Option<Message>,
    path: String,
    /// The key of the heading.
    title: &'static str,
    /// The CSS class of the state, and the state. The heading has it after a deletion.
    state: Option<(&'static str, String)>,
    /// Names and values, in order.
    facts: Vec<(String, String)>,
    sentences: Vec<String>,
    can_undo: bool,
}

impl EndedPage {
    /// Returns the page; `None` if the export still exists. `app` is the name of the client.
    pub fn new(
        username: String,
        job: &Job,
        app: String,
        now: Timestamp,
        message: Option<Message>,
    ) -> Option<Self> {
        let words = &request_context::words();
        let ended = job.ended(now)?;
        let undo = undo(job, now, words);
        let header = job.header();
        let state_now = if ended.end == End::Expired { JobState::Expired } else { JobState::Cancelled };
        let text_of = |key: &str| words.text(key, &[]);
        let sentences = match &undo {
            Some(undo) => vec![deleted(job, undo.deletion, words), undo.text.clone()],
            None => vec![how(job, ended, &app, words), text_of("ended-lead")],
        };
        let mut facts = vec![(text_of("decide-patient"), patient(job, words))];
        facts.extend(identity(job, words));
        facts.push((text_of("job-app"), app));
        facts.push((text_of("job-asked"), words.moment(header.created_at)));
        facts.push((text_of("job-number"), header.id.to_string()));
        Some(Self {
            username,
            message,
            path: path(job),
            title: if undo.is_some() { "deleted-title" } else { "ended-title" },
            state: undo.is_none().then(|| (state_now.ehi_status(), state(words, state_now))),
            facts,
            sentences,
            can_undo: undo.is_some_and(|undo| undo.can_undo),
        })
    }
}

/// Whether a deletion by staff can be undone.
struct Undoing<'j> {
    deletion: &'j HistoryEntry,
    /// The time until which it can be undone, or the reason why it cannot.
    text: String,
    can_undo: bool,
}

/// Returns whether the deletion of the export can be undone; `None` if staff have not deleted it on its page.
fn undo<'j>(job: &'j Job, now: Timestamp, words: &Words) -> Option<Undoing<'j>> {
    let Job::Cancelled(gone) = job else { return None };
    let mut newest = gone.header.history.iter().rev();
    let last = newest.next()?;
    if let Some(until) = job.restorable_until(now) {
        let text = words.text("deleted-until", &[("time", &words.moment(until))]);
        return Some(Undoing { deletion: last, text, can_undo: true });
    }
    let Some((end, event)) = gone.undo_end() else {
        let is_deleted = job.ended(now).is_some_and(|ended| ended.end == End::Deleted);
        let text = words.text("deleted-final", &[]);
        return is_deleted.then_some(Undoing { deletion: last, text, can_undo: false });
    };
    let key = match end {
        UndoEnd::TookBackPermission => "deleted-taken-back",
        UndoEnd::DeletedForGood => "deleted-for-good",
        UndoEnd::DeletedByClient => "deleted-by-app",
    };
    let text = words.text(key, &[("time", &words.moment(event.at))]);
    Some(Undoing { deletion: newest.next()?, text, can_undo: false })
}

/// Returns who deleted the export and when.
fn deleted(job: &Job, deletion: &HistoryEntry, words: &Words) -> String {
    let values = [("who", &*deletion.actor), ("time", &*words.moment(deletion.at))];
    words.text(if has_app(job.header()) { "deleted-by" } else { "deleted-by-here" }, &values)
}

/// Returns how, by whom and when an export ended that staff have not deleted.
fn how(job: &Job, ended: Ended<'_>, app: &str, words: &Words) -> String {
    let key = match ended.end {
        End::Expired if job.state() == JobState::Expired => "ended-expired",
        End::Expired => "ended-expires",
        End::GaveWay => "ended-gave-way",
        End::TookBackPermission => "ended-taken-back",
        End::Cancelled | End::Deleted if ended.actor == HistoryEntry::PATIENT => "ended-cancelled-by-patient",
        End::Cancelled | End::Deleted => "ended-cancelled",
    };
    let is_client = ended.actor == job.header().owner.client.as_str();
    let who = if is_client { app } else { ended.actor };
    words.text(key, &[("who", who), ("time", &*words.moment(ended.at))])
}
