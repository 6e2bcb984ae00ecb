//! Files of a finished export (contract, sections 1 and 6). A file is only reachable when its job is complete.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use crypto::fingerprint;
use domain::audit::{Action, Actor, Event};
use domain::error::{Error, NO_FILE, Result};
use domain::ids::JobId;
use domain::job::Job;
use domain::manifest::{NamedFile, Names};
use domain::ports::jobs::StoredJob;
use fhir::FHIR_NDJSON;
use http::StatusCode;
use http::header::AUTHORIZATION;
use http::request::Parts;
use platform::Platform;
use platform::exports::running_page;
use security::verify::Caller;
use settings::LargeFiles;
use storage::packs::Attachments;
use web::ApiError;
use web::caller::{Bearer, living, owned};
use web::describe::{self as described, Kind, Parameter};
use web::download::{FileRequest, InlineLimit, Stored, download};
use web::exported;
use web::extract::{FilePath, JobPath, Query};
use web::manifest::is_signed;
use web::routes::{Access, At, Below, Route, Routes};
use web::urls::client_of;

web::ports! {
    /// The ports of this function.
    struct Download { jobs, files, clock, settings, keys, verifier, audit }
    with {
        /// The files that exports wrote.
        attachments: Arc<Attachments> = |platform| Ok(Arc::new(Attachments::new(platform.files()?))),
    }
}

/// The query parameters of a signed URL.
const SIGNATURE: [Parameter; 2] = [
    Parameter::query("signature", "The signature of a URL in the manifest"),
    Parameter::query("expires", "The time at which the URL expires, in seconds since 1970").of(Kind::Integer),
];

/// The query parameter of an attachment's URL, if the export's client needs no token.
const KEY: [Parameter; 1] =
    [Parameter::query("key", "The key in the URLs of the attachments of an export with signed URLs")];

/// Returns the routes of files.
pub fn routes() -> Vec<Route> {
    declared().list()
}

fn declared() -> Routes<Download> {
    const STATUSES: &[u16] = &[200, 206, 304, 307];
    let is_file = |at: At<Download>, media_type| {
        at.reading(&SIGNATURE)
            .reading(&FileRequest::PARAMETERS)
            .returning(&[described::file(200, media_type), described::file(206, media_type)])
    };
    Routes::new().below(Below::Root, |at| {
        let summary = ("Returns a file of a complete export, or a range of it", STATUSES);
        let at = at.get("/jobs/{job}/download/{file}", Access::OwnerOrSigned, summary, file);
        let at = is_file(at, FHIR_NDJSON);
        let summary = ("Returns an attachment of a complete export", STATUSES);
        let path = "/jobs/{job}/download/attachments/{file}";
        is_file(at.get(path, Access::OwnerOrSigned, summary, attachment).reading(&KEY), "*/*")
    })
}

pub fn router(platform: &(impl Platform + ?Sized)) -> Result<Router> {
    Ok(declared().with_state(Download::of(platform)?))
}

/// A file that the caller may download: its name and its job.
struct Requested {
    stored: StoredJob,
    file: String,
    asker: Asker,
}

impl FromRequestParts<Download> for Requested {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Download) -> Result<Self, ApiError> {
        let asker = Asker::from_request_parts(parts, state).await?;
        Self::of(asker, parts, state).await
    }
}

impl Requested {
    async fn of(asker: Asker, parts: &mut Parts, state: &Download) -> Result<Self, ApiError> {
        let JobPath(id) = JobPath::from_request_parts(parts, state).await?;
        let FilePath(file) = FilePath::from_request_parts(parts, state).await?;
        let stored = state.job(&id, &file, &asker).await?;
        Ok(Self { stored, file, asker })
    }
}

/// Like [`Requested`], for an attachment, to which the key in its URL gives access too.
struct RequestedAttachment(Requested);

impl FromRequestParts<Download> for RequestedAttachment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Download) -> Result<Self, ApiError> {
        let query = Query::from_request_parts(parts, state).await?;
        let requested = match query.get("key") {
            // A client that sends a token as well does not depend on the key.
            Some(key) if !parts.headers.contains_key(AUTHORIZATION) => {
                Requested::of(Asker::Key(key.to_owned()), parts, state).await
            }
            _ => Requested::from_request_parts(parts, state).await,
        };
        requested.map(Self)
    }
}

/// The caller: the holder of a token, of a signed URL of a manifest, or of the key in the URLs of attachments.
enum Asker {
    Caller(Arc<Caller>),
    Signed { expires: i64, signature: String },
    Key(String),
}

impl FromRequestParts<Download> for Asker {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Download) -> Result<Self, ApiError> {
        let query = Query::from_request_parts(parts, state).await?;
        let Some(signature) = query.get("signature") else {
            let Bearer(caller) = Bearer::from_request_parts(parts, state).await?;
            return Ok(Self::Caller(caller));
        };
        let expires = query.get("expires").and_then(|expires| expires.parse().ok()).unwrap_or(0);
        Ok(Self::Signed { expires, signature: signature.to_owned() })
    }
}

impl Download {
    /// Returns the job of a file that the caller may download.
    async fn job(&self, id: &JobId, file: &str, asker: &Asker) -> Result<StoredJob> {
        let stored = self.jobs.get(id).await?;
        match asker {
            Asker::Caller(caller) => owned(stored, caller, self.clock.now()),
            Asker::Signed { expires, signature } => {
                let is_good = *expires > self.clock.now().as_second()
                    && self.keys.is_file_signature(id, file, *expires, signature);
                if !is_good {
                    return Err(Error::Forbidden(
                        "the link is invalid or has expired; request the manifest again".to_owned(),
                    ));
                }
                let stored = living(stored, self.clock.now()).ok();
                stored.filter(|stored| is_signed(&stored.job, &self.settings)).ok_or(NO_FILE)
            }
            Asker::Key(key) => {
                let stored = stored.filter(|stored| self.has_key(&stored.job, key)).ok_or_else(|| {
                    Error::Forbidden(
                        "the link is invalid; use the URLs of attachments in the files of the export"
                            .to_owned(),
                    )
                })?;
                living(Some(stored), self.clock.now()).map_err(|_| NO_FILE)
            }
        }
    }

    fn has_key(&self, job: &Job, key: &str) -> bool {
        let own = job.header().request.output.attachment_key.as_ref();
        is_signed(job, &self.settings) && own.is_some_and(|own| crypto::same_secret(own.as_str(), key))
    }

    /// Finds a file by its name: in a complete export, or in a page of a running export that is already published.
    async fn named(&self, stored: &StoredJob, file: &str) -> Result<Option<NamedFile>> {
        match &stored.job {
            Job::Complete(_) => exported::named(&stored.job, file, &*self.files).await,
            Job::Running(running) if running.header.request.output.partial_manifests => {
                let files = running_page(stored, &*self.jobs, Names::page_of(file)).await?;
                Ok(files.unwrap_or_default().into_iter().find(|named| named.name == file))
            }
            _ => Ok(None),
        }
    }

    /// Sends a file after the audit trail has recorded it. `object` is its name in the trail.
    async fn send(
        &self,
        (stored, object): (&Stored<'_>, &str),
        job: &Job,
        asker: &Asker,
        request: &FileRequest,
    ) -> Result<Response> {
        let response = download(stored, request, &*self.files, self.inline_limit(job)).await?;
        // A redirect is a link to the whole file, even for HEAD.
        let gives_bytes = response.status() != StatusCode::NOT_MODIFIED && !request.is_head();
        if gives_bytes || response.status() == StatusCode::TEMPORARY_REDIRECT {
            let client = match asker {
                Asker::Caller(caller) => &caller.client,
                // The URL was made for the client of the job.
                Asker::Signed { .. } | Asker::Key(_) => &job.header().owner.client,
            };
            let event = Event::new(Actor::client(client), Action::Download).of(job);
            self.audit.record(event.about(object)).await?;
        }
        Ok(response)
    }

    fn inline_limit(&self, job: &Job) -> InlineLimit {
        let client = client_of(&self.settings, &job.header().owner);
        let on_larger = client.map_or(LargeFiles::default(), |client| client.large_files);
        InlineLimit { bytes: self.settings.max_direct_bytes, on_larger }
    }
}

async fn file(
    State(state): State<Download>,
    Requested { stored, file, asker }: Requested,
    request: FileRequest,
) -> Result<Response, ApiError> {
    let named = state.named(&stored, &file).await?.ok_or(NO_FILE)?;
    let job = stored.job;
    let location = named.file.location();
    let stored = Stored::of_file(&named, &location);
    Ok(state.send((&stored, &file), &job, &asker, &request).await?)
}

async fn attachment(
    State(state): State<Download>,
    RequestedAttachment(Requested { stored, file, asker }): RequestedAttachment,
    request: FileRequest,
) -> Result<Response, ApiError> {
    // Attachments are often named after patients, so the trail has only a digest of the name.
    let object = format!("attachment {}", &fingerprint(&file)[..16]);
    let is_running =
        matches!(stored.job, Job::Running(_)) && stored.job.header().request.output.partial_manifests;
    if !is_running && !matches!(stored.job, Job::Complete(_)) {
        return Err(NO_FILE.into());
    }
    let job = stored.job;
    let found = exported::attachment(&job, &file, &*state.jobs, &state.attachments).await?.ok_or(NO_FILE)?;
    Ok(state.send((&Stored::of_attachment(&found), &object), &job, &asker, &request).await?)
}
