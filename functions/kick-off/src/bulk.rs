//! `$export`, `Patient/$export`, `Group/{group}/$export` (Bulk Data 3.0, kick-off request; contract, sections 2 and 3).

use axum::extract::State;
use axum::response::Response;
use crypto::fingerprint;
use domain::access::Coverage;
use domain::audit::{Action, Actor, Event};
use domain::dialect::Dialect;
use domain::error::{Error, NO_GROUP, Result};
use domain::group;
use domain::ids::{GroupId, JobId, PatientId};
use domain::job::{Job, Owner};
use domain::ports::expiring::{EntryKind, ExpiringEntry};
use domain::request::{Cohort, ExportRequest, OutputOptions};
use futures_util::{StreamExt, TryStreamExt, stream};
use http::StatusCode;
use http::header::{CONTENT_LOCATION, HeaderName, HeaderValue};
use jiff::SignedDuration;
use platform::export_slots::ExportSlots;
use platform::exports::{NewExport, start};
use security::verify::Caller;
use serde::{Deserialize, Serialize};
use serde_json::json;
use web::ApiError;
use web::caller::Bearer;
use web::extract::{GroupPath, Unread};
use web::respond::notice;
use web::urls::{client_of, status_url};

use crate::KickOff;
use crate::headers::KickoffHeaders;
use crate::parameters::KickoffParameters;
use crate::request::KickoffRequest;
use crate::selection::{CompiledRequest, Context, ExportLevel, compile};

/// The time during which a repeated kick-off returns the first job.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);
/// The number of patients of a request that are looked up at the same time. There can be a thousand of them, and on AWS each
/// look-up is a request to S3.
const LOOK_UPS: usize = 32;
/// The maximum number of attempts while other requests change the record of the same key.
const RACES: u32 = 10;
/// The stored record of an `Idempotency-Key`.
#[derive(Serialize, Deserialize)]
struct Repeatable {
    job: JobId,
    /// A fingerprint of the request, so that a key is never used for two different requests.
    request: String,
}

/// The operation that was called.
#[derive(Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) dialect: &'static Dialect,
    pub(crate) level: ExportLevel,
}

pub(crate) async fn export(
    operation: Operation,
    State(state): State<KickOff>,
    Bearer(caller): Bearer,
    group: Result<GroupPath, ApiError>,
    request: Unread<KickoffRequest>,
) -> Result<Response, ApiError> {
    let group = match operation.level {
        ExportLevel::Group => Some(group?.0),
        ExportLevel::System | ExportLevel::Patient => None,
    };
    let own = own_patient(&caller, operation)?;
    let coverage = coverage(&caller, operation)?;
    // The body is read only if the token covers at least one type.
    let KickoffRequest { query, headers, parameters } = request.read().await?;
    let compiled = state.compile(operation, &coverage, own.as_ref(), &parameters, &headers)?;
    let place = place(operation.level, group.as_ref());
    let export = state.request(operation, compiled, own, group, &headers).await?;
    // The URL includes the query; the parameters of a body are not part of it (Bulk Data 3.0, `request`).
    let url = state.settings.url(&format!("{}/{place}{query}", operation.dialect.base.path()));
    let new = state.new_export(caller.owner(), ExportRequest { url, ..export });
    let started = state.begin_once(new, headers.idempotency_key.as_deref(), &parameters);
    let job = Box::pin(started).await?;
    web::request_context::started(job.id());
    Ok(accepted(&state, &job, headers.separate_status)?)
}

/// Returns the part of the export's URL that follows the base.
fn place(level: ExportLevel, group: Option<&GroupId>) -> String {
    match (level, group) {
        (ExportLevel::System, _) => "$export".to_owned(),
        (_, Some(group)) => format!("Group/{group}/$export"),
        (_, None) => "Patient/$export".to_owned(),
    }
}

/// Returns the coverage of the token, which limits the export.
fn coverage(caller: &Caller, operation: Operation) -> Result<Coverage> {
    let coverage = caller.coverage(operation.dialect);
    match coverage.is_empty() {
        true => {
            Err(Error::Forbidden("the token has no scope to read and search, such as system/*.rs".to_owned()))
        }
        false => Ok(coverage),
    }
}

/// Returns the patient of the token, if the dialect permits patients to export their records; `None` for a token that is not limited to
/// one patient.
fn own_patient(caller: &Caller, operation: Operation) -> Result<Option<PatientId>> {
    let Some(patient) = caller.patient.clone().filter(|_| !caller.is_reviewer()) else { return Ok(None) };
    if !operation.dialect.roles || operation.level == ExportLevel::Group {
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

/// The compiled parameters and the level of the export.
struct Compiled {
    level: ExportLevel,
    request: CompiledRequest,
}

impl KickOff {
    fn compile(
        &self,
        Operation { dialect, level }: Operation,
        coverage: &Coverage,
        own: Option<&PatientId>,
        parameters: &KickoffParameters,
        headers: &KickoffHeaders,
    ) -> Result<Compiled> {
        // With a patient's token, every URL exports that patient. A request at the system level that names patients exports those
        // patients, if the dialect accepts this.
        let names_patients = level == ExportLevel::System && dialect.tolerant && parameters.has("patient");
        let level = if own.is_some() || names_patients { ExportLevel::Patient } else { level };
        let context = Context {
            level,
            dialect,
            coverage,
            lenient: headers.lenient,
            tolerant: dialect.tolerant && !headers.strict,
            now: self.clock.now(),
            own: self.settings.own_bases(),
        };
        Ok(Compiled { level, request: compile(parameters, &context)? })
    }

    /// Builds the export request, without its URL.
    async fn request(
        &self,
        operation: Operation,
        Compiled { level, request }: Compiled,
        own: Option<PatientId>,
        group: Option<GroupId>,
        headers: &KickoffHeaders,
    ) -> Result<ExportRequest> {
        let CompiledRequest { mut selection, output, patients } = request;
        let cohort = match own {
            Some(own) => {
                if patients.is_some_and(|patients| patients.iter().any(|patient| *patient != own)) {
                    let text = "the token is for the records of one patient".to_owned();
                    return Err(Error::Forbidden(text));
                }
                Cohort::of(vec![own])
            }
            None => self.cohort(level, group, patients, headers.lenient, &mut selection.ignored).await?,
        };
        let output = OutputOptions { separate_status: headers.separate_status, ..output };
        let base = operation.dialect.base;
        Ok(ExportRequest {
            url: String::new(),
            base,
            cohort,
            confirmed_members: None,
            choices: None,
            receiver: None,
            selection: Some(selection),
            output,
        })
    }

    /// Adds the registered options of the client.
    fn new_export(&self, owner: Owner, mut request: ExportRequest) -> NewExport {
        let client = client_of(&self.settings, &owner);
        request.output.one_document_per_file = client.is_some_and(|client| client.one_document_per_file);
        request.output.inline_attachments_bytes = client.map_or(0, |client| client.inline_attachments_bytes);
        request.output.manifest_v4 = client.is_some_and(|client| client.manifest_v4);
        let request_id = web::request_context::request_id();
        NewExport {
            id: None,
            owner,
            patient: None,
            request,
            form: false,
            review: false,
            request_id,
            by_patient: false,
            language: None,
        }
    }

    /// Starts the export, or returns the job of an earlier kick-off with the same key.
    async fn begin_once(
        &self,
        mut new: NewExport,
        key: Option<&str>,
        parameters: &KickoffParameters,
    ) -> Result<Job> {
        if let Some(key) = key
            && let Some(job) = self.repeated(key, &mut new, parameters).await?
        {
            return Ok(job);
        }
        let now = self.clock.now();
        let id = new.id.get_or_insert_with(|| self.random.job(now)).clone();
        let client = client_of(&self.settings, &new.owner);
        let limit = client.and_then(|client| client.max_running_exports);
        let limit = limit.unwrap_or(self.settings.max_running_exports);
        let slots = ExportSlots { expiring: &*self.expiring, jobs: &*self.jobs };
        if !slots.acquire(&new.owner, limit, &id, now).await? {
            return Err(Error::TooMany(format!(
                "this client has {limit} unfinished exports, which is the limit: wait until one ends, or cancel one"
            )));
        }
        let event = Event::new(Actor::client(&new.owner.client), Action::ExportStarted).of_job(&id);
        let event = new.patient.iter().fold(event, |event, patient| event.of_patient(&patient.id));
        let started = start(new, &*self.jobs, &*self.queue, (&*self.clock, &*self.random));
        match self.audit.around(event, started).await {
            // An identical kick-off at the same time created the job first.
            Err(Error::Conflict(_)) => {
                self.jobs.get(&id).await?.map(|stored| stored.job).ok_or_else(handled_elsewhere)
            }
            started => started,
        }
    }

    /// Returns the patients to export. A named patient who does not exist, or is not in the group, is an error; for a lenient client that
    /// patient is ignored and reported. It is an error if no named patient is left, because the export would otherwise contain all patients.
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
                return match group::exists(&*self.records, group).await? {
                    true => Ok(Cohort::Group(group.clone())),
                    false => Err(NO_GROUP),
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
        let is_known = async |patient: PatientId| -> Result<(PatientId, bool)> {
            let is_member = members.as_ref().is_none_or(|members| members.patients.contains_key(&patient));
            let is_known = is_member && self.records.member(&patient).await?.is_some();
            Ok((patient, is_known))
        };
        let mut looked_up = stream::iter(patients).map(is_known).buffered(LOOK_UPS);
        let mut known = Vec::new();
        while let Some((patient, is_known)) = looked_up.try_next().await? {
            if is_known {
                known.push(patient);
                continue;
            }
            let text =
                format!("'patient' names Patient/{patient}, who does not exist or is not in the group");
            if !lenient {
                return Err(Error::invalid(text));
            }
            ignored.push(format!("{text}; it was ignored"));
        }
        match known.is_empty() {
            true => Err(Error::invalid("'patient' names no patient who can be exported")),
            false => Ok(Cohort::of(known)),
        }
    }

    /// Returns the job of an earlier kick-off with the same `Idempotency-Key`. If there is none, sets the job id of the new export and stores
    /// it for later requests with the key.
    async fn repeated(
        &self,
        key: &str,
        new: &mut NewExport,
        parameters: &KickoffParameters,
    ) -> Result<Option<Job>> {
        let owner = json!(new.owner);
        let key = fingerprint(&format!("{owner} {key}"));
        let request = fingerprint(&format!("{} {:?}", new.request.url, parameters.0));
        let now = self.clock.now();
        let expires_at = now.saturating_add(REMEMBERED).map_err(Error::internal)?;
        for _ in 0..RACES {
            let fresh = Repeatable { job: self.random.job(now), request: request.clone() };
            if self.expiring.put(EntryKind::Idempotency, &key, json!(fresh), expires_at).await? {
                new.id = Some(fresh.job);
                return Ok(None);
            }
            // The entry expired in the meantime, so the key can be used again.
            let Some(entry) = self.expiring.get(EntryKind::Idempotency, &key).await? else { continue };
            let known: Repeatable = entry.read()?;
            if known.request != request {
                return Err(Error::Reused(
                    "this 'Idempotency-Key' was used for another request; use a new one",
                ));
            }
            match self.jobs.get(&known.job).await? {
                Some(stored) if !stored.job.state().is_gone() => return Ok(Some(stored.job)),
                // The job of the key was deleted, so this request starts a new job.
                Some(_) => {
                    let renewed = ExpiringEntry { value: json!(fresh), expires_at, ..entry };
                    if self.expiring.replace(EntryKind::Idempotency, &key, &renewed).await? {
                        new.id = Some(fresh.job);
                        return Ok(None);
                    }
                }
                // The first request did not create its job, because it was interrupted or the client had reached its limit. This request
                // creates the job with the same id.
                None => {
                    new.id = Some(known.job);
                    return Ok(None);
                }
            }
        }
        Err(handled_elsewhere())
    }
}

fn handled_elsewhere() -> Error {
    Error::conflict("the same kick-off is being handled by another request; try again in a few seconds")
}
