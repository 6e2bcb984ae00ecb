//! `/my`: the copies of a patient's record, newest first.

use axum::extract::State;
use axum::response::Response;
use domain::error::Result;
use domain::ids::PatientId;
use domain::ports::jobs::{JobQuery, StoredJob};
use http::StatusCode;
use web::extract::Query;
use web::pages::{CopiesPage, CopyCard};
use web::request_context;
use web::respond::{PageError, html};
use web::urls::ask_path;

use crate::signed_in::SignedIn;
use crate::{My, Said, state_of};

/// The number of copies on a page.
const PAGE: usize = 25;
/// The number of pages of the store that are read for one page: the store also lists jobs that are not shown to the patient.
const ROUNDS: usize = 10;

pub(crate) async fn show(
    State(state): State<My>,
    signed_in: SignedIn,
    Said(said): Said,
    query: Query,
) -> Result<Response, PageError> {
    let after = query.get("after").map(str::to_owned);
    let (copies, next) = state.copies(&signed_in.patient, after).await?;
    let page = CopiesPage {
        said,
        ask: ask_path(&signed_in.patient),
        copies: copies.iter().map(|stored| state.card(stored, &signed_in.patient)).collect(),
        older: next.map(|next| {
            let query =
                url::form_urlencoded::Serializer::new(String::new()).append_pair("after", &next).finish();
            format!("/my?{query}")
        }),
        my: signed_in.frame("copies"),
    };
    Ok(html(StatusCode::OK, &page))
}

impl My {
    /// Returns a page of a patient's copies, and the position of the next page.
    async fn copies(
        &self,
        patient: &PatientId,
        mut after: Option<String>,
    ) -> Result<(Vec<StoredJob>, Option<String>)> {
        let mut copies = Vec::new();
        for _ in 0..ROUNDS {
            let query = JobQuery {
                patient: Some(patient.clone()),
                count: PAGE - copies.len(),
                after,
                ..JobQuery::default()
            };
            let page = self.jobs.list(&query).await?;
            copies
                .extend(page.jobs.into_iter().filter(|stored| stored.job.header().may_be_ended_by(patient)));
            after = page.next;
            if after.is_none() || copies.len() == PAGE {
                break;
            }
        }
        Ok((copies, after))
    }

    fn card(&self, stored: &StoredJob, patient: &PatientId) -> CopyCard {
        let words = request_context::words();
        let header = stored.job.header();
        let is_own = header.is_own_copy_of(patient);
        let state = state_of(&stored.job, self.clock.now());
        CopyCard {
            href: format!("/my/exports/{}", header.id),
            title: words.text("my-copy-of", &[("date", &words.date(header.created_at))]),
            state: words.text(&format!("state-{}", state.name()), &[]),
            look: state.ehi_status(),
            asked: self.asked(header, is_own),
            next: self.next(&stored.job, is_own),
        }
    }
}
