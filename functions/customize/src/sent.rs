//! The pages after the form was sent: the confirmation, and later the state.

use axum::response::Response;
use domain::error::{Error, Result};
use domain::header::JobHeader;
use domain::job::{Job, JobState};
use domain::ports::jobs::StoredJob;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use settings::OWN_PAGES;
use web::pages::{SavedPage, SentPage, StatePage};
use web::rejection::{self, Why};
use web::request_context;
use web::respond::html;
use web::urls::ask_path;
use words::Words;

use crate::Customize;
use crate::form_location::{FormLocation, Step, path};

impl Customize {
    /// Returns the time by which the patient must get the copy.
    fn due(&self, requested: Timestamp) -> Result<Timestamp> {
        let days = SignedDuration::from_hours(24 * self.settings.pages.due_days);
        requested.saturating_add(days).map_err(Error::internal)
    }

    /// Returns the confirmation for a form that was just sent. `state` is the path of the page that shows the state later.
    pub(crate) fn sent_page(&self, job: &Job, state: String) -> Result<Response> {
        let words = request_context::words();
        let header = job.header();
        let due = words.date(self.due(header.created_at)?);
        Ok(html(
            StatusCode::OK,
            &SentPage {
                number: words.text("sent-number", &[("job", &header.id.to_string())]),
                review: header.review,
                get: words.text("sent-get", &[("date", &due)]),
                leave: path(&header.id),
                state,
            },
        ))
    }

    /// Returns the page with the state of an export whose form was sent, or of one that is no longer there. `again` is true if the form
    /// was sent a second time.
    pub(crate) fn state_page(&self, stored: &StoredJob, again: bool) -> Response {
        let (words, now) = (request_context::words(), self.clock.now());
        let job = &stored.job;
        let header = job.header();
        let state = if job.has_expired(now) { JobState::Expired } else { job.state() };
        let here = path(&header.id);
        let can_sign_in = self.settings.patients_can_sign_in();
        let page = StatePage {
            state: words.text(&format!("state-{}", state.name()), &[]),
            look: state.ehi_status(),
            rejected: match job {
                Job::Rejected(rejected) if state == JobState::Rejected => {
                    Some(Why::of(rejected, "rejected-why", &words))
                }
                _ => None,
            },
            next: self.next(job, state, &words),
            button: button(header, state).filter(|_| can_sign_in),
            can_sign_in,
            percent: matches!(state, JobState::Queued | JobState::Running).then(|| stored.percent()),
            asked: words.text("state-asked", &[("date", &words.date(header.created_at))]),
            number: words.text("sent-number", &[("job", &header.id.to_string())]),
            is_live: matches!(state, JobState::Queued | JobState::Running | JobState::InReview),
            leave: (!state.is_gone()).then(|| here.clone()),
            here,
            again,
        };
        html(if state.is_gone() { StatusCode::NOT_FOUND } else { StatusCode::OK }, &page)
    }

    /// Returns what happens next, or what the patient can do.
    fn next(&self, job: &Job, state: JobState, words: &Words) -> String {
        let owner = &job.header().owner;
        let is_for_app = !owner.is_staff() && (owner.client.as_str() != OWN_PAGES || owner.issuer.is_some());
        match (job, job.restorable_until(self.clock.now())) {
            (_, Some(until)) => words.text("my-next-restorable", &[("date", &words.moment(until))]),
            (Job::Rejected(rejected), _) if state == JobState::Rejected => {
                rejection::what_to_do(rejected, &self.settings.pages, words)
            }
            (Job::Complete(complete), _) if state == JobState::Complete && !is_for_app => {
                words.text("my-next-complete", &[("date", &words.moment(complete.expires_at))])
            }
            _ => {
                let key = if is_for_app { "next" } else { "my-next" };
                let key = format!("{key}-{}", state.name());
                // If nobody can sign in, the text must not say that the patient can do it here.
                let of_app = format!("{key}-app");
                let is_of_app = !self.settings.patients_can_sign_in() && words.has(&of_app);
                words.text(if is_of_app { &of_app } else { &key }, &[])
            }
        }
    }
}

/// Returns the page that confirms that the choices are saved until the given time. `can_sign_in` is whether patients can sign in here.
pub(crate) fn saved_page(location: &FormLocation, until: Timestamp, can_sign_in: bool) -> Response {
    let words = request_context::words();
    let lead = if can_sign_in { "saved-lead" } else { "saved-lead-link" };
    let lead = words.text(lead, &[("date", &words.date(until))]);
    html(
        StatusCode::OK,
        &SavedPage { lead, go_on: location.step(Step::Parts, &[]), leave: location.step(Step::Parts, &[]) },
    )
}

/// Returns the path and the words of the button for the next step, on the patient's own pages. They do not offer the export of another.
fn button(header: &JobHeader, state: JobState) -> Option<(String, &'static str)> {
    let patient = header.patient.as_ref().filter(|patient| header.is_own_copy_of(&patient.id))?;
    match state {
        JobState::Complete => Some((format!("/my/exports/{}", header.id), "state-download")),
        JobState::Rejected | JobState::Failed | JobState::Cancelled | JobState::Expired => {
            Some((ask_path(&patient.id), "my-ask-again"))
        }
        JobState::AwaitingInput | JobState::Queued | JobState::Running | JobState::InReview => None,
    }
}
