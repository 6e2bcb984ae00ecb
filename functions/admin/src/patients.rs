//! The patients of the record store, for staff who start an export without an app (45 CFR 170.315(b)(10)).

use axum::extract::State;
use axum::response::Response;
use domain::audit::{Action, Actor, Event};
use domain::error::Result;
use domain::ids::PatientId;
use domain::patient::summary;
use domain::ports::jobs::JobQuery;
use http::StatusCode;
use web::describe::Parameter;
use web::extract::Query;
use web::pages::{PatientRow, PatientsPage};
use web::request_context;
use web::respond::{PageError, html};

use crate::Admin;
use crate::caller::PageStaff;

/// What the search reads.
pub(crate) const SEARCHED: Parameter = Parameter::query("q", "The id of a patient");

/// `GET /staff/patients`: the patient of an id.
pub(crate) async fn search(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    query: Query,
) -> Result<Response, PageError> {
    let typed: String = query.get("q").unwrap_or_default().trim().chars().take(200).collect();
    let mut patient = None;
    if !typed.is_empty() {
        let event = Event::new(Actor::staff(&username), Action::RecordViewed).about("search of patients");
        state.audit.record(event).await?;
        patient = state.patient_row(typed.trim_start_matches("Patient/")).await?;
    }
    Ok(html(StatusCode::OK, &PatientsPage { username, search: typed, patient }))
}

impl Admin {
    async fn patient_row(&self, id: &str) -> Result<Option<PatientRow>> {
        let Ok(id) = PatientId::parse(id) else { return Ok(None) };
        let Some(patient) = summary(&*self.records, &id).await? else { return Ok(None) };
        let query = JobQuery { patient: Some(id), count: 1, ..JobQuery::default() };
        let last = self.jobs.list(&query).await?.jobs.pop();
        let words = request_context::words();
        let last = last.filter(|stored| !stored.job.state().is_gone());
        Ok(Some(PatientRow::new(&words, &patient, last.as_ref())))
    }
}
