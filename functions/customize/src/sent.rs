//! The pages after the form was sent: the confirmation, and later the state.

use axum::response::Response;
use domain::error::{Error, Result};
use domain::job::{Job, JobState};
use domain::ports::jobs::StoredJob;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use settings::Pages;
use web::pages::{SavedPage, SentPage, StatePage};
use web::rejection::{self, Why};
use web::request_context;
use web::respond::html;

use crate::Customize;
use crate::link::path;
use crate::place::{Place, Step};

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
}

/// Returns the page that confirms that the choices are saved until the given time.
pub(crate) fn saved_page(place: &Place, until: Timestamp) -> Response {
    let words = request_context::words();
    let lead = words.text("saved-lead", &[("date", &words.date(until))]);
    html(
        StatusCode::OK,
        &SavedPage { lead, go_on: place.step(Step::Parts, &[]), leave: place.step(Step::Parts, &[]) },
    )
}

/// Returns the page with the state of an export whose form was sent. `again` is true if the form was sent a second time.
pub(crate) fn state_page(stored: &StoredJob, here: String, again: bool, pages: &Pages) -> Response {
    let words = request_context::words();
    let header = stored.job.header();
    let state = stored.job.state();
    let (rejected, next) = match &stored.job {
        Job::Rejected(rejected) => {
            let why = Why::of(rejected, "rejected-why", &words);
            (Some(why), rejection::what_to_do(rejected, pages, &words))
        }
        Job::AwaitingInput(_) => (None, words.text("next-queued", &[])),
        _ => (None, words.text(&format!("next-{}", state.name()), &[])),
    };
    let page = StatePage {
        state: words.text(&format!("state-{}", state.name()), &[]),
        look: state.ehi_status(),
        rejected,
        next,
        percent: matches!(state, JobState::Queued | JobState::Running).then(|| stored.percent()),
        asked: words.text("state-asked", &[("date", &words.date(header.created_at))]),
        number: words.text("sent-number", &[("job", &header.id.to_string())]),
        leave: here.clone(),
        here,
        again,
    };
    html(StatusCode::OK, &page)
}
