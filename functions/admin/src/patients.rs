//! The patients of the record store, for staff who start an export without an app (45 CFR 170.315(b)(10)): found by the index of
//! the store ([`storage::patient_index`]), or by the whole id.
//!
//! The index can be older than a record. So each patient whom the index finds is looked up in the record: one who is gone, or
//! is no longer searched for, is left out and counted.

use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::response::Response;
use domain::audit::{Action, Actor, Event};
use domain::error::{Error, Result};
use domain::ids::PatientId;
use domain::job::JobState;
use domain::patient::{Known, known};
use domain::patient_search::PatientSearch;
use domain::ports::jobs::{JobQuery, StoredJob, all};
use futures_util::TryStreamExt;
use futures_util::future::{join_all, try_join_all};
use http::StatusCode;
use storage::patient_index::{Found, PageLimits, PatientIndex};
use web::describe::Parameter;
use web::extract::Query;
use web::pages::{PatientRow, PatientsPage};
use web::request_context;
use web::respond::{PageError, html};

use crate::Admin;
use crate::caller::PageStaff;

/// The query parameters of the search.
pub(crate) const SEARCHED: [Parameter; 2] = [
    Parameter::query(
        "q",
        "Beginnings of the words of a name, a birth date, month or year, an identifier or the id of a patient; all words must match",
    ),
    Parameter::query("page", "The page token from the link to a page"),
];

/// The number of patients on a page, who are looked up at the same time, and the bytes of the index that a page reads at most.
const LIMITS: PageLimits = PageLimits { patients: 25, bytes: 2 * 1024 * 1024 };

/// `GET /staff/patients`: the patients who are searched for.
pub(crate) async fn search(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    query: Query,
) -> Result<Response, PageError> {
    let typed: String = query.get("q").unwrap_or_default().trim().chars().take(200).collect();
    if typed.is_empty() {
        return Ok(html(StatusCode::OK, &PatientsPage { username, ..PatientsPage::default() }));
    }
    let page = query.get("page").filter(|page| !page.is_empty());
    let mut shown = state.found(&typed, page).await?;
    // The entry names the patients who are shown, so that it is written when they are known, and before anybody sees them.
    let ids = shown.rows.iter().filter_map(|row| PatientId::parse(&row.id).ok());
    let event = Event::new(Actor::staff(&username), Action::RecordViewed).about("search of patients");
    state.audit.record(event.showing(ids)).await?;
    shown.username = username;
    Ok(html(StatusCode::OK, &shown))
}

/// The result of a search of the index.
enum Looked {
    Found { found: Found, made: jiff::Timestamp, is_of_earlier_version: bool },
    NoIndex,
    Damaged,
}

impl Looked {
    /// Returns the keys of the sentences on how the index was searched.
    fn notes(&self) -> impl Iterator<Item = &'static str> {
        let notes = match self {
            Self::Found { found, is_of_earlier_version, .. } => vec![
                (found.restarted, "patients-restarted"),
                (found.stopped, "patients-more-to-search"),
                (*is_of_earlier_version, "patients-index-earlier"),
            ],
            Self::NoIndex => vec![(true, "patients-no-index")],
            Self::Damaged => vec![(true, "patients-index-damaged")],
        };
        notes.into_iter().filter(|(is_said, _)| *is_said).map(|(_, key)| key)
    }
}

/// The number of exports of a patient that are read at a time to find the newest one that still exists.
const EXPORTS_READ: usize = 4;

/// Returns the path and query of a page of a search.
fn address(typed: &str, page: Option<&str>) -> Result<String> {
    let fields = [("q", Some(typed)), ("page", page)];
    let fields: Vec<_> = fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    Ok(format!("/staff/patients?{}", serde_urlencoded::to_string(fields).map_err(Error::internal)?))
}

impl Admin {
    /// Returns the page of a search, without the name of the caller.
    async fn found(&self, typed: &str, page: Option<&str>) -> Result<PatientsPage> {
        let words = request_context::words();
        let search = PatientSearch::parse(typed, words.text("date-order", &[]) == "day-first");
        let looked = self.look(&search, page).await?;
        let is_finished = matches!(&looked, Looked::Found { found, .. } if !found.stopped);
        let mut notes: Vec<_> = looked.notes().map(|key| words.text(key, &[])).collect();
        let (found, made) = match looked {
            Looked::Found { found, made, .. } => (found, Some(made)),
            Looked::NoIndex | Looked::Damaged => (Found::default(), None),
        };
        let page = page.filter(|_| !found.restarted);
        // Without an index, or with one that is older, a patient is found by the whole id: on the first page, and on no other one.
        let typed_id = PatientId::parse(typed.trim_start_matches("Patient/")).ok();
        let by_id = match &typed_id {
            Some(id) if page.is_none() => known(&*self.records, id).await?,
            _ => None,
        };
        let is_shown_before = |id: &PatientId| page.is_some() && typed_id.as_ref() == Some(id);
        let mut others = found.patients;
        others.retain(|patient| !is_shown_before(&patient.id));
        let (patients, left_out, unread) = self.looked_up(&search, others, by_id).await?;
        if left_out > 0 {
            let date = made.map(|made| words.moment(made)).unwrap_or_default();
            let values = [("count", &*left_out.to_string()), ("date", &*date)];
            notes.push(words.text("patients-left-out", &values));
        }
        if unread > 0 {
            notes.push(words.text("patients-unread", &[("count", &unread.to_string())]));
        }
        let rows = try_join_all(patients.into_iter().map(|known| self.patient_row(known))).await?;
        Ok(PatientsPage {
            username: String::new(),
            search: typed.to_owned(),
            nothing: match (search.is_empty(), is_finished && left_out + unread == 0) {
                (true, _) => Some("patients-nothing-typed"),
                (false, true) => {
                    Some(if page.is_none() { "patients-nobody" } else { "patients-nobody-else" })
                }
                // The notes say why nobody is shown.
                (false, false) => None,
            }
            .map(|key| words.text(key, &[])),
            rows,
            notes,
            made: made.map(|made| words.text("patients-index-of", &[("date", &words.moment(made))])),
            first: page.map(|_| address(typed, None)).transpose()?,
            next: found.next.as_deref().map(|next| address(typed, Some(next))).transpose()?,
        })
    }

    /// Searches the index from the beginning of the page.
    async fn look(&self, search: &PatientSearch, page: Option<&str>) -> Result<Looked> {
        let damaged = |error: Error| match error {
            // The page token is not one of this search.
            Error::Invalid(_) => Err(error),
            error => {
                tracing::warn!(error = %error, cause = error.causes(), "the index of patients cannot be read; 'ehi index' makes a new one");
                Ok(Looked::Damaged)
            }
        };
        let mut index = match PatientIndex::open(&*self.records).await {
            Ok(Some(index)) => index,
            Ok(None) => return Ok(Looked::NoIndex),
            Err(error) => return damaged(error),
        };
        let made = index.current().complete();
        let is_of_earlier_version = index.current().is_of_earlier_version();
        let found = index.search(search, page, LIMITS).await;
        let (reads, bytes) = (&index.cost().reads, &index.cost().bytes);
        let (reads, bytes) = (reads.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed));
        tracing::debug!(reads, bytes, "patients were searched for");
        found.map(|found| Looked::Found { found, made, is_of_earlier_version }).or_else(damaged)
    }

    /// Returns the patients as their records are now, after the one whose id was typed; then the number of patients who are left
    /// out, and of those whose records cannot be read.
    async fn looked_up(
        &self,
        search: &PatientSearch,
        patients: Vec<domain::patient_search::Findable>,
        by_id: Option<Known>,
    ) -> Result<(Vec<Known>, usize, usize)> {
        let is_by_id = |id: &PatientId| by_id.as_ref().is_some_and(|known| known.summary.id == *id);
        let ids: Vec<_> = patients.into_iter().map(|patient| patient.id).filter(|id| !is_by_id(id)).collect();
        let looked_up = join_all(ids.iter().map(|id| known(&*self.records, id))).await;
        let all = looked_up.len();
        let (mut found, mut left_out, mut unread) = (Vec::from_iter(by_id), 0, 0);
        for read in looked_up {
            match read {
                Ok(Some(known)) if search.finds(&known.findable) => found.push(known),
                Ok(_) => left_out += 1,
                // The store does not respond.
                Err(error @ Error::Unavailable(_)) if all == unread + 1 => return Err(error),
                Err(error) => {
                    tracing::warn!(error = %error, cause = error.causes(), "a record cannot be read");
                    unread += 1;
                }
            }
        }
        Ok((found, left_out, unread))
    }

    /// Returns the newest export of a patient that still exists.
    async fn last_export(&self, patient: &PatientId) -> Result<Option<StoredJob>> {
        let states = JobState::ALL.into_iter().filter(|state| !state.is_gone()).collect();
        let patient = Some(patient.clone());
        let query = JobQuery { states, patient, count: EXPORTS_READ, ..JobQuery::default() };
        let now = self.clock.now();
        let mut exports = all(&*self.jobs, query);
        while let Some(stored) = exports.try_next().await? {
            if !stored.job.has_expired(now) {
                return Ok(Some(stored));
            }
        }
        Ok(None)
    }

    async fn patient_row(&self, known: Known) -> Result<PatientRow> {
        let last = self.last_export(&known.summary.id).await?;
        let words = request_context::words();
        let row = PatientRow::new(&words, &known.summary, last.as_ref());
        Ok(PatientRow { replaced_by: known.replaced_by, ..row })
    }
}
