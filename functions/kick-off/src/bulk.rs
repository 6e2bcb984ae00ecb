//! `$export`, `Patient/$export`, `Group/{group}/$export` (Bulk Data 3.0, kick-off request; contract, sections 2 and 3).

use axum::extract::State;
use axum::response::Response;
use domain::access::Coverage;
use domain::dialect::Dialect;
use domain::error::{Error, NO_GROUP, Result};
use domain::group::{Limits, Reader};
use domain::ids::{GroupId, PatientId};
use domain::job::Job;
use domain::owner::Owner;
use domain::request::{Cohort, ExportRequest, OutputOptions};
use domain::selection::Selection;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::StatusCode;
use http::header::{CONTENT_LOCATION, HeaderName, HeaderValue};
use platform::exports::NewExport;
use security::verify::Caller;
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

/// The number of patients of a request that are looked up at the same time. There can be a thousand of them, and on AWS each
/// look-up is a request to S3.
const LOOK_UPS: usize = 32;

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
    let own = own_patient(&caller, operation)?;
    let coverage = coverage(&caller, operation)?;
    // The token is checked first, so that the status for a caller without access does not depend on the id of a group.
    let group = match operation.level {
        ExportLevel::Group => Some(group?.0),
        ExportLevel::System | ExportLevel::Patient => None,
    };
    // The body is read only if the token covers at least one type.
    let KickoffRequest { query, headers, parameters } = request.read().await?;
    let compiled = state.compile(operation, &caller, &coverage, own.as_ref(), &parameters, &headers)?;
    let place = place(operation.level, group.as_ref());
    let export = state.request(operation, compiled, own, group, &headers).await?;
    // The URL includes the query; the parameters of a body are not part of it (Bulk Data 3.0, `request`).
    let url = state.settings.url(&format!("{}/{place}{query}", operation.dialect.base.path()));
    let new = state.new_export(caller.owner(), ExportRequest { url, ..export });
    let content = parameters.content();
    let started = state.begin_once(new, headers.idempotency_key.as_deref(), &content);
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
        caller: &Caller,
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
            since_dates: client_of(&self.settings, &caller.owner()).is_some_and(|client| client.since_dates),
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
        // The patient has not ticked any private topic.
        selection.withholds_topics = own.is_some();
        let cohort = match own {
            Some(own) => {
                if patients.is_some_and(|patients| patients.iter().any(|patient| *patient != own)) {
                    let text = "the token is for the records of one patient".to_owned();
                    return Err(Error::Forbidden(text));
                }
                Cohort::of(vec![own])
            }
            None => self.cohort(level, group, patients, headers.lenient, &mut selection).await?,
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

    /// Returns the patients to export. A named patient who does not exist, or is not in the group, is an error; for a lenient client that
    /// patient is ignored and reported. It is an error if no named patient is left, because the export would otherwise contain all patients.
    async fn cohort(
        &self,
        level: ExportLevel,
        group: Option<GroupId>,
        patients: Option<Vec<PatientId>>,
        lenient: bool,
        selection: &mut Selection,
    ) -> Result<Cohort> {
        let (records, now, own) = (&*self.records, self.clock.now(), self.settings.own_bases());
        let reader = Reader { records, now, own: &own, access: Some(&*selection), limits: Limits::NONE };
        let members = match (&group, &patients) {
            (Some(group), None) => {
                reader.check(group).await?.ok_or(NO_GROUP)?;
                return Ok(Cohort::Group(group.clone()));
            }
            (Some(group), Some(_)) => Some(reader.members(group).await?.ok_or(NO_GROUP)?),
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
            selection.ignored.push(format!("{text}; it was ignored"));
        }
        match known.is_empty() {
            true => Err(Error::invalid("'patient' names no patient who can be exported")),
            false => Ok(Cohort::of(known)),
        }
    }
}
