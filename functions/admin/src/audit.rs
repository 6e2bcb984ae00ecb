//! The audit trail for auditors: as a page, and as AuditEvents in NDJSON. Reading it is recorded as well.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::audit::{Action, Actor, Event, Outcome};
use domain::error::{self, Error};
use domain::ids::PatientId;
use domain::ports::audit::{AuditPage as Entries, AuditQuery};
use fhir::FHIR_NDJSON;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LINK};
use http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use jiff::civil::Date;
use storage::audit_chain::verify_newest;
use web::Result;
use web::audit_event::line;
use web::describe::{Kind, Parameter};
use web::extract::{Fields, Query};
use web::pages::{AuditFilter, AuditPage, FieldProblem};
use web::request_context;
use web::respond::{PageError, html};

use crate::Admin;
use crate::api::{next_link, next_query};
use crate::caller::{Auditor, PageAuditor};

/// The number of entries on a page for people.
const PAGE: usize = 25;
/// The number of entries in a response of NDJSON: the default, and the maximum, which fits into a response of Lambda.
const LINES: usize = 1_000;
const MAX_LINES: usize = 2_000;
/// How many of the newest entries of each chain a page verifies. `ehi audit verify` verifies all of them.
const VERIFIED: usize = 100;

/// The parameters of both routes.
pub(crate) const FILTER: [Parameter; 7] = [
    Parameter::query("who", "Only entries of this actor, by id or user name"),
    Parameter::query(
        "patient",
        "Only entries about the record of this patient, or that show the patient in a list",
    ),
    Parameter::query("action", "Only entries of this action, such as download"),
    Parameter::query("result", "Only entries with this result: success, refused or failed"),
    Parameter::query("from", "Only entries from this date or instant on"),
    Parameter::query("until", "Only entries until the end of this date, or before this instant"),
    Parameter::query("page", "The page token from the link to a page"),
];
pub(crate) const COUNT: Parameter =
    Parameter::query("_count", "The maximum number of entries in a response, up to 2000").of(Kind::Integer);

/// `GET /staff/audit`.
pub(crate) async fn page(
    State(state): State<Admin>,
    PageAuditor(name): PageAuditor,
    query: Query,
) -> Result<Response, PageError> {
    let problems = state.filter_problems(&query);
    let wrong: Vec<_> = problems.iter().map(|problem| problem.field.as_str()).collect();
    let wanted = state.audit_query(&query.fields().without(&wrong).into(), PAGE)?;
    state.audit.record(Event::new(Actor::staff(&name), Action::AuditRead)).await?;
    let log = state.audit.log();
    let found = match problems.is_empty() {
        true => log.list(&wanted).await?,
        false => Entries { entries: Vec::new(), next: None },
    };
    let verified = verify_newest(&**log, state.clock.now(), VERIFIED).await?;
    let older = found.next.map(|next| next_query(&query, &next)).transpose()?;
    let lines = query.fields().without(&["page"]).encode()?;
    let text = |name: &str| query.get(name).unwrap_or_default().to_owned();
    let filter = AuditFilter {
        who: text("who"),
        patient: text("patient"),
        action: wanted.action,
        outcome: wanted.outcome,
        from: text("from"),
        until: text("until"),
    };
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = AuditPage::new(name, filter, &found.entries, &verified, older, lines);
    Ok(html(status, &AuditPage { problems, ..page }))
}

/// The path of the audit trail as AuditEvents.
pub(crate) const NDJSON: &str = "/admin/audit";

/// `GET /admin/audit`.
pub(crate) async fn ndjson(
    State(state): State<Admin>,
    Auditor(name): Auditor,
    query: Query,
) -> Result<Response> {
    let count = query.get("_count").map(str::parse::<usize>).transpose();
    let count = count.map_err(|_| Error::invalid("'_count' is no number"))?;
    let wanted = state.audit_query(&query, count.unwrap_or(LINES).clamp(1, MAX_LINES))?;
    state.audit.record(Event::new(Actor::staff(&name), Action::AuditRead)).await?;
    let found = state.audit.log().list(&wanted).await?;
    let lines: String = found.entries.iter().map(|entry| line(entry, &state.settings.base_url)).collect();
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(FHIR_NDJSON)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    let mut response = (headers, lines).into_response();
    if let Some(next) = found.next {
        let link = next_link(&state.settings.url(NDJSON), &query, &next)?;
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

impl Admin {
    /// Returns the problems of the filters that people type. The other filters of the page are lists.
    fn filter_problems(&self, query: &Query) -> Vec<FieldProblem> {
        let words = request_context::words();
        let is_wrong = |name: &str| {
            let typed = query.get(name).unwrap_or_default();
            let alone = Query::from(Fields::default().with(name, typed));
            self.audit_query(&alone, PAGE).is_err()
        };
        let problem = |(name, words_of, wrong): (&str, &str, &str)| {
            let text = words.text(wrong, &[("part", &words.text(words_of, &[]))]);
            is_wrong(name).then(|| FieldProblem { field: name.to_owned(), text })
        };
        let typed = [
            ("patient", "audit-patient", "audit-patient-wrong"),
            ("from", "audit-from", "not-a-date"),
            ("until", "audit-until", "not-a-date"),
        ];
        typed.into_iter().filter_map(problem).collect()
    }

    fn audit_query(&self, query: &Query, count: usize) -> error::Result<AuditQuery> {
        let get = |name| query.get(name).map(str::trim).filter(|value| !value.is_empty());
        let patient =
            get("patient").map(|id| id.strip_prefix("Patient/").unwrap_or(id)).map(PatientId::parse);
        let action = get("action").map(|name| {
            Action::named(name).ok_or_else(|| Error::invalid("'action' is no action of the audit trail"))
        });
        let outcome = get("result").map(|name| {
            Outcome::named(name).ok_or_else(|| Error::invalid("'result' is not success, refused or failed"))
        });
        Ok(AuditQuery {
            actor: get("who").map(str::to_owned),
            patient: patient.transpose().map_err(|_| Error::invalid("'patient' is no patient id"))?,
            action: action.transpose()?,
            outcome: outcome.transpose()?,
            from: get("from").map(|text| self.instant(text, "from", 0)).transpose()?,
            until: get("until").map(|text| self.instant(text, "until", 1)).transpose()?,
            count,
            after: get("page").map(str::to_owned),
        })
    }

    /// Reads an instant, or a date, which is the beginning of that day in the time zone of the pages, and adds `days`.
    fn instant(&self, text: &str, name: &str, days: i64) -> error::Result<Timestamp> {
        if let Ok(instant) = text.parse() {
            return Ok(instant);
        }
        let wrong =
            || Error::invalid(format!("'{name}' is neither a date such as 2026-03-01 nor an instant"));
        let date: Date = text.parse().map_err(|_| wrong())?;
        let date = date.checked_add(jiff::Span::new().days(days)).map_err(|_| wrong())?;
        let midnight = date.to_zoned(self.settings.pages.zone.clone()).map_err(|_| wrong())?;
        Ok(midnight.timestamp())
    }
}
