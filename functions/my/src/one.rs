//! `/my/exports/{job}`, the page of one copy: its progress, the choices, what is in it, and what was left out and why.

use std::collections::BTreeMap;

use archive::{Plan, days_in_words, type_name};
use axum::extract::State;
use axum::response::Response;
use domain::audit::Action;
use domain::choices::Choices;
use domain::error::Result;
use domain::job::{Job, JobState};
use domain::ports::jobs::StoredJob;
use http::StatusCode;
use jiff::Timestamp;
use web::extract::{JobPath, Query};
use web::pages::{Chosen, ContentRow, CopyPage};
use web::rejection::{self, Why};
use web::request_context;
use web::respond::{PageError, html};
use web::urls::ask_path;
use words::Words;

use crate::signed_in::SignedIn;
use crate::{My, Said, account, files, live, state_of};

pub(crate) async fn show(
    State(state): State<My>,
    JobPath(id): JobPath,
    signed_in: SignedIn,
    Said(said): Said,
    query: Query,
) -> Result<Response, PageError> {
    let stored = state.listed(&id, &signed_in.patient).await?;
    let from = query.get(files::FROM.name).and_then(|from| from.parse().ok());
    let mut page = state.page(&stored, &signed_in, from).await?;
    if page.downloads.is_some() {
        state.audit.record(signed_in.event(Action::RecordViewed).of(&stored.job)).await?;
    }
    page.said = said;
    page.by_itself = live::is_by_itself(&query);
    let mut response = html(StatusCode::OK, &page);
    if page.by_itself && page.is_live {
        live::reload(&mut response);
    }
    Ok(response)
}

/// Returns whether the state can change without an action of the patient.
fn is_live(state: JobState) -> bool {
    matches!(state, JobState::Queued | JobState::Running | JobState::InReview)
}

/// Returns whether the copy has not ended, so that the patient can cancel it.
pub(crate) fn is_open(state: JobState) -> bool {
    state == JobState::AwaitingInput || is_live(state)
}

/// Returns whether the copy needs the patient's permission and the permission is still valid. It is valid while staff can undo a deletion,
/// because they would restore a copy with private topics.
pub(crate) fn has_permission(stored: &StoredJob, now: Timestamp) -> bool {
    let choices = stored.job.header().request.choices.as_ref();
    let state = state_of(&stored.job, now);
    let lasts = is_open(state) || state == JobState::Complete || stored.job.restorable_until(now).is_some();
    // What staff tick is not a permission that the patient gave on the form.
    lasts
        && !stored.job.header().owner.is_staff()
        && choices.is_some_and(|choices| {
            domain::sensitive::Sensitive::ALL.iter().any(|topic| choices.authorizes(*topic))
        })
}

impl My {
    /// Returns the next step, in words. `is_own` is whether the patient may download the copy.
    pub(crate) fn next(&self, job: &Job, is_own: bool) -> String {
        let (words, now) = (request_context::words(), self.clock.now());
        if let Some(until) = job.restorable_until(now) {
            return words.text("my-next-restorable", &[("date", &words.moment(until))]);
        }
        let until = match job {
            Job::Rejected(_) if !is_own => String::new(),
            Job::Rejected(rejected) if !job.has_expired(now) => {
                return rejection::what_to_do(rejected, &self.settings.pages, &words);
            }
            Job::Complete(complete) => words.moment(complete.expires_at),
            _ => String::new(),
        };
        let state = state_of(job, now);
        let header = job.header();
        let has_ticked = header.request.choices.is_some() && !account::is_chosen_by_another(header);
        if matches!(state, JobState::Queued | JobState::Running) && !has_ticked {
            return words.text("my-next-collecting", &[]);
        }
        let words_of = if is_own || is_live(state) { "my-next" } else { "my-next-other" };
        words.text(&format!("{words_of}-{}", state.name()), &[("date", &until)])
    }

    /// Returns the page of a copy. The list of its files begins at `from`, and is open if that is given.
    async fn page(&self, stored: &StoredJob, signed_in: &SignedIn, from: Option<usize>) -> Result<CopyPage> {
        let words = request_context::words();
        let header = stored.job.header();
        let now = self.clock.now();
        let state = state_of(&stored.job, now);
        let is_own = header.is_own_copy_of(&signed_in.patient);
        let complete = match &stored.job {
            Job::Complete(complete) if is_own && state == JobState::Complete => Some(complete),
            _ => None,
        };
        // If the export belongs to another owner, the patient must not see its content here.
        let plan = if is_own { self.plan(stored).await? } else { None };
        let ledger = complete.and_then(|complete| complete.summary.ledger.as_ref());
        Ok(CopyPage {
            my: signed_in.frame("copies"),
            said: None,
            title: words.text("my-copy-of", &[("date", &words.date(header.created_at))]),
            state: words.text(&format!("state-{}", state.name()), &[]),
            state_name: state.name(),
            look: state.ehi_status(),
            next: self.next(&stored.job, is_own),
            rejected: match &stored.job {
                Job::Rejected(rejected) if is_own && state == JobState::Rejected => {
                    Some(Why::of(rejected, "rejected-why", &words))
                }
                _ => None,
            },
            is_live: is_live(state),
            percent: matches!(state, JobState::Queued | JobState::Running).then(|| stored.percent()),
            by_itself: false,
            here: format!("/my/exports/{}", header.id),
            form: (state == JobState::AwaitingInput).then(|| format!("/jobs/{}/customize", header.id)),
            ask: ask_path(&signed_in.patient),
            can_ask: is_own
                && matches!(
                    state,
                    JobState::Rejected | JobState::Failed | JobState::Cancelled | JobState::Expired
                ),
            asked: self.asked(header, is_own),
            number: words.text("sent-number", &[("job", header.id.as_str())]),
            chosen: (state != JobState::AwaitingInput)
                .then(|| chosen(header.request.choices.as_ref(), &words)),
            contents: plan.as_ref().map(|plan| contents(plan, &words)).unwrap_or_default(),
            account: ledger.map(|ledger| account::total(ledger, &words)),
            left_out: complete
                .map(|it| account::left_out(&it.summary, account::is_chosen_by_another(header), &words))
                .unwrap_or_default(),
            downloads: self.downloads(plan.as_ref(), &header.id, from).await?,
            can_cancel: is_open(state),
            can_delete: state == JobState::Complete || stored.job.restorable_until(now).is_some(),
            can_take_back: has_permission(stored, now),
        })
    }
}

/// Returns the choices of the form in words; without a form, the copy is the complete record.
fn chosen(choices: Option<&Choices>, words: &Words) -> Chosen {
    Chosen {
        parts: choices.map(|choices| account::parts(choices, words)).unwrap_or_default(),
        topics: choices.map(|choices| account::topics(choices, words)).unwrap_or_default(),
        is_all: choices.is_none(),
    }
}

/// Returns the number of entries of each type, and their first and last days.
fn contents(plan: &Plan, words: &Words) -> Vec<ContentRow> {
    let mut counts = BTreeMap::<&str, u64>::new();
    for named in plan.files.iter().filter(|named| named.file.purpose.is_data()) {
        *counts.entry(&named.file.resource_type).or_default() += named.file.count;
    }
    let row = |(kind, count): (&str, u64)| ContentRow {
        name: type_name(kind, words).0,
        kind: kind.to_owned(),
        count: words.number(count),
        days: plan
            .days_of(kind)
            .map(|days| days_in_words(&days.first, &days.last, words))
            .unwrap_or_default(),
    };
    counts.into_iter().map(row).collect()
}
