//! `$export`, `Patient/$export`, `Group/{group}/$export` (Bulk Data 3.0, kick-off request; contract, sections 2 and 3).

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use crypto::fingerprint;
use domain::dialect::Dialect;
use domain::error::{Error, NO_GROUP, Result};
use domain::group;
use domain::ids::{GroupId, JobId, PatientId};
use domain::job::Job;
use domain::ports::expiring::{EntryKind, ExpiringEntry};
use domain::request::{Cohort, ExportRequest};
use http::header::{CONTENT_LOCATION, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use jiff::SignedDuration;
use platform::export_slots::ExportSlots;
use platform::exports::{NewExport, start};
use security::verify::Caller;
use serde::{Deserialize, Serialize};
use serde_json::json;
use web::ApiError;
use web::caller::Bearer;
use web::extract::{GroupPath, Query};
use web::respond::notice;
use web::urls::{client_of, status_url};

use crate::KickOff;
use crate::parameters::KickoffParameters;
use crate::selection::{CompiledRequest, Compiler, ExportLevel};

/// How long a repeated kick-off finds the job of the first.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);
/// How often a kick-off looks again when others with its key are faster.
const RACES: u32 = 10;
/// The longest `Idempotency-Key`.
const MAX_KEY: usize = 255;

/// What `Prefer` says (RFC 7240).
struct Preferences {
    lenient: bool,
    strict: bool,
    separate_status: bool,
}

impl Preferences {
    fn of(headers: &HeaderMap) -> Self {
        let all: Vec<_> = headers
            .get_all("prefer")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split([',', ';']))
            .map(|word| word.trim().to_ascii_lowercase())
            .collect();
        let has = |word: &str| all.iter().any(|known| known == word);
        Self {
            lenient: has("handling=lenient"),
            strict: has("handling=strict"),
            separate_status: has("separate-export-status"),
        }
    }
}

/// A kick-off that may come again.
#[derive(Serialize, Deserialize)]
struct Repeatable {
    job: JobId,
    /// Of the request, so that one key is never two requests.
    request: String,
}

/// A request to start an export.
pub(crate) struct Request {
    pub(crate) dialect: &'static Dialect,
    pub(crate) level: ExportLevel,
    pub(crate) method: Method,
    pub(crate) query: Query,
    pub(crate) raw_query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

pub(crate) async fn export(
    request: Request,
    State(state): State<KickOff>,
    Bearer(caller): Bearer,
    group: Result<GroupPath, ApiError>,
) -> Result<Response, ApiError> {
    let Request { dialect, level, method, query, raw_query, headers, body } = request;
    let group = match level {
        ExportLevel::Group => Some(group?.0),
        ExportLevel::System | ExportLevel::Patient => None,
    };
    let group_name = group.as_ref().map(ToString::to_string);
    let own = own_patient(&caller, dialect, level)?;
    let coverage = caller.coverage(dialect);
    if coverage.is_empty() {
        return Err(Error::Forbidden(
            "the token has no scope to read and search, such as system/*.rs".to_owned(),
        )
        .into());
    }
    let preferences = Preferences::of(&headers);
    let asked = KickoffParameters::read(&method, query, &headers, body).await?;
    // What a patient starts is an export of that patient, whatever the address.
    // So is one that names patients, where the dialect takes them at the level of the system.
    let names_patients = level == ExportLevel::System && dialect.tolerant && asked.has("patient");
    let compiled_level = if own.is_some() || names_patients { ExportLevel::Patient } else { level };
    let now = state.clock.now();
    let compiler = Compiler {
        asked: &asked,
        level: compiled_level,
        dialect,
        coverage: &coverage,
        lenient: preferences.lenient,
        tolerant: dialect.tolerant && !preferences.strict,
        now,
        own: state.settings.own_bases(),
        ignored: Vec::new(),
    };
    let CompiledRequest { mut selection, mut output, patients } = compiler.compile()?;
    let cohort = match (own, group) {
        (Some(own), _) => {
            if patients.is_some_and(|patients| patients.iter().any(|patient| *patient != own)) {
                return Err(Error::Forbidden("the token is for the records of one patient".to_owned()).into());
            }
            Cohort::of(vec![own])
        }
        (None, group) => {
            state.cohort(compiled_level, group, patients, preferences.lenient, &mut selection.ignored).await?
        }
    };
    let owner = caller.owner();
    let client = client_of(&state.settings, &owner);
    output.one_document_per_file = client.is_some_and(|client| client.one_document_per_file);
    output.inline_attachments_bytes = client.map_or(0, |client| client.inline_attachments_bytes);
    output.manifest_v4 = client.is_some_and(|client| client.manifest_v4);
    output.separate_status = preferences.separate_status;
    let most = client.and_then(|client| client.max_running_exports);
    let place = match (level, &cohort) {
        (ExportLevel::System, _) => "$export".to_owned(),
        (_, Cohort::Group(group)) => format!("Group/{group}/$export"),
        (ExportLevel::Group, _) => format!("Group/{}/$export", group_name.unwrap_or_default()),
        (ExportLevel::Patient, _) => "Patient/$export".to_owned(),
    };
    // The whole URL of a GET; a POST's parameters are in its body (Bulk Data 3.0, `request`).
    let query = raw_query.map(|query| format!("?{query}")).unwrap_or_default();
    let mut new = NewExport {
        id: None,
        owner,
        patient: None,
        request: ExportRequest {
            url: state.settings.url(&format!("{}/{place}{query}", dialect.base.path())),
            base: dialect.base,
            cohort,
            choices: None,
            selection: Some(selection),
            output,
        },
        form: false,
        review: false,
        request_id: web::request_context::request_id(),
    };
    if let Some(job) = state.repeated(&headers, &mut new, &asked).await? {
        return Ok(accepted(&state, &job, preferences.separate_status)?);
    }
    let most = most.unwrap_or(state.settings.max_running_exports);
    let id = new.id.get_or_insert_with(|| state.random.job(now)).clone();
    let slots = ExportSlots { expiring: &*state.expiring, jobs: &*state.jobs };
    if !slots.acquire(&new.owner, most, &id, now).await? {
        return Err(Error::TooMany(format!(
            "{most} exports of this client are under way, which is as many as it may have: wait for one, or cancel it"
        )).into());
    }
    let started = start(new, &*state.jobs, &*state.queue, (&*state.clock, &*state.random)).await;
    let job = match started {
        // The same kick-off at the same time was faster.
        Err(Error::Conflict(_)) => {
            let stored = state.jobs.get(&id).await?;
            stored
                .ok_or_else(|| {
                    Error::conflict(
                        "the same kick-off is being handled by another request; try again in a few seconds",
                    )
                })?
                .job
        }
        started => started?,
    };
    Ok(accepted(&state, &job, preferences.separate_status)?)
}

/// The patient whose token this is, where the dialect lets patients export their own records.
fn own_patient(caller: &Caller, dialect: &Dialect, level: ExportLevel) -> Result<Option<PatientId>> {
    let Some(patient) = caller.patient.clone().filter(|_| !caller.is_staff) else { return Ok(None) };
    if !dialect.roles || level == ExportLevel::Group {
        return Err(Error::Forbidden(
            "the token is for the records of one patient; this operation needs system/ scopes".to_owned(),
        ));
    }
    Ok(Some(patient))
}

fn accepted(state: &KickOff, job: &Job, separate_status: bool) -> Result<Response> {
    let mut response = notice(StatusCode::ACCEPTED, "The export has begun; see the Content-Location header");
    let location = HeaderValue::from_str(&status_url(&state.settings, job)).map_err(Error::internal)?;
    response.headers_mut().insert(CONTENT_LOCATION, location);
    if separate_status {
        let applied = HeaderValue::from_static("respond-async, separate-export-status");
        response.headers_mut().insert(HeaderName::from_static("preference-applied"), applied);
    }
    Ok(response)
}

impl KickOff {
    /// Whose records are exported. Patients who are not there, or not in the group, are refused, or left out and
    /// noted; that none is left is never everybody.
    async fn cohort(
        &self,
        level: ExportLevel,
        group: Option<GroupId>,
        patients: Option<Vec<PatientId>>,
        lenient: bool,
        ignored: &mut Vec<String>,
    ) -> Result<Cohort> {
        let members = match (&group, &patients) {
            (Some(group), None) => {
                return match group::text(&*self.records, group).await? {
                    Some(_) => Ok(Cohort::Group(group.clone())),
                    None => Err(NO_GROUP),
                };
            }
            (Some(group), Some(_)) => {
                let (now, own) = (self.clock.now(), self.settings.own_bases());
                Some(group::members(&*self.records, group, now, &own).await?.ok_or(NO_GROUP)?)
            }
            (None, _) => None,
        };
        let Some(patients) = patients.filter(|_| level != ExportLevel::System) else {
            return Ok(Cohort::Everyone);
        };
        let mut known = Vec::new();
        for patient in patients {
            let is_member = members.as_ref().is_none_or(|members| members.patients.contains_key(&patient));
            if is_member && self.records.member(&patient).await?.is_some() {
                known.push(patient);
                continue;
            }
            let text =
                format!("'patient' names Patient/{patient}, who is not among those that can be exported");
            if !lenient {
                return Err(Error::invalid(text));
            }
            ignored.push(format!("{text}; it was ignored"));
        }
        match known.is_empty() {
            true => Err(Error::invalid("'patient' names nobody who can be exported")),
            false => Ok(Cohort::of(known)),
        }
    }

    /// The job of an earlier kick-off with the same `Idempotency-Key`; otherwise gives the new one an id under which
    /// it is found.
    async fn repeated(
        &self,
        headers: &HeaderMap,
        new: &mut NewExport,
        asked: &KickoffParameters,
    ) -> Result<Option<Job>> {
        let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
        let key = key.to_str().ok().filter(|key| (1..=MAX_KEY).contains(&key.len())).ok_or_else(|| {
            Error::invalid(format!("'Idempotency-Key' must have 1 to {MAX_KEY} characters"))
        })?;
        let owner = json!(new.owner);
        let key = fingerprint(&format!("{owner} {key}"));
        let request = fingerprint(&format!("{} {:?}", new.request.url, asked.0));
        let now = self.clock.now();
        let expires_at = now.saturating_add(REMEMBERED).map_err(Error::internal)?;
        for _ in 0..RACES {
            let fresh = Repeatable { job: self.random.job(now), request: request.clone() };
            if self.expiring.put(EntryKind::Idempotency, &key, json!(fresh), expires_at).await? {
                new.id = Some(fresh.job);
                return Ok(None);
            }
            // One that expired meanwhile is free again.
            let Some(grant) = self.expiring.get(EntryKind::Idempotency, &key).await? else { continue };
            let known: Repeatable = grant.read()?;
            if known.request != request {
                return Err(Error::Reused(
                    "this 'Idempotency-Key' was used for another request; use a new one",
                ));
            }
            match self.jobs.get(&known.job).await? {
                Some(stored) if !stored.job.state().is_gone() => return Ok(Some(stored.job)),
                // Its job was deleted: the key begins a new one.
                Some(_) => {
                    let renewed = ExpiringEntry { value: json!(fresh), expires_at, ..grant };
                    if self.expiring.replace(EntryKind::Idempotency, &key, &renewed).await? {
                        new.id = Some(fresh.job);
                        return Ok(None);
                    }
                }
                // The first one broke off before its job was there, or its limit was reached: this one goes on in its
                // place.
                None => {
                    new.id = Some(known.job);
                    return Ok(None);
                }
            }
        }
        Err(Error::conflict(
            "the same kick-off is being handled by another request; try again in a few seconds",
        ))
    }
}
