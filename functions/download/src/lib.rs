//! Files of a finished export (contract, sections 1 and 6). A file is only reachable when its job is complete.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::HeaderMap;
use shared::config::{LargeFiles, Settings};
use shared::domain::chunk::RecordAttachment;
use shared::domain::job::Job;
use shared::domain::states::Complete;
use shared::error::Result;
use shared::fhir::{FHIR_NDJSON, media_types};
use shared::http::caller::{Bearer, HasVerifier, owned};
use shared::http::download::{Directly, Stored, download};
use shared::http::extract::{FilePath, JobPath, NO_FILE};
use shared::http::job_json::stored_manifest;
use shared::platform::Platform;
use shared::ports::files::Files;
use shared::ports::jobs::Jobs;
use shared::security::verify::{Caller, Verifier};

/// The ports of the download.
#[derive(Clone)]
struct Download {
    jobs: Arc<dyn Jobs>,
    files: Arc<dyn Files>,
    settings: Arc<Settings>,
    verifier: Arc<Verifier>,
}

impl HasVerifier for Download {
    fn verifier(&self) -> &Verifier {
        &self.verifier
    }
}

pub fn router(platform: &dyn Platform) -> Router {
    Router::new()
        .route("/jobs/{job}/download/{file}", get(file))
        .route("/jobs/{job}/download/attachments/{file}", get(attachment))
        .with_state(Download {
            jobs: platform.jobs(),
            files: platform.files(),
            settings: platform.settings(),
            verifier: platform.verifier(),
        })
}

impl Download {
    async fn complete(&self, JobPath(id): JobPath, caller: &Caller) -> Result<Job> {
        let stored = owned(self.jobs.get(&id).await?, caller)?;
        if matches!(stored.job, Job::Complete(_)) { Ok(stored.job) } else { Err(NO_FILE) }
    }

    fn directly(&self, caller: &Caller) -> Directly {
        let client = self.settings.client(caller.client.as_str()).filter(|_| caller.issuer.is_none());
        let beyond = client.map_or(LargeFiles::default(), |client| client.large_files);
        Directly { bytes: self.settings.max_direct_bytes, beyond }
    }
}

async fn file(
    State(state): State<Download>,
    job: JobPath,
    FilePath(file): FilePath,
    Bearer(caller): Bearer,
    headers: HeaderMap,
) -> Result<Response> {
    let job = state.complete(job, &caller).await?;
    let Job::Complete(Complete { attached, .. }) = &job else { return Err(NO_FILE) };
    let manifest = stored_manifest(&job, &*state.files).await?.ok_or(NO_FILE)?;
    let attached = attached.as_ref().filter(|named| named.name == file);
    let named = attached.or_else(|| manifest.find(&file)).ok_or(NO_FILE)?;
    let stored = Stored {
        key: &named.file.key,
        content_type: FHIR_NDJSON,
        file_name: &named.name,
        etag: format!("\"{}\"", named.file.sha256),
        size: named.file.size,
    };
    download(&stored, &headers, &*state.files, state.directly(&caller)).await
}

async fn attachment(
    State(state): State<Download>,
    job: JobPath,
    FilePath(file): FilePath,
    Bearer(caller): Bearer,
    headers: HeaderMap,
) -> Result<Response> {
    let job = state.complete(job, &caller).await?;
    let by_staff = job.core().attachments.iter().find(|attachment| attachment.name.as_str() == file);
    if let Some(attachment) = by_staff {
        let stored = Stored {
            key: &attachment.key,
            content_type: media_types::safe(&attachment.content_type),
            file_name: attachment.name.as_str(),
            etag: format!("\"{}\"", attachment.hash),
            size: attachment.size,
        };
        return download(&stored, &headers, &*state.files, state.directly(&caller)).await;
    }
    let of_record = RecordAttachment::parse(&file).ok_or(NO_FILE)?;
    let chunk = state.jobs.chunk(job.id(), of_record.chunk).await?;
    // Only what the recorded attempt wrote exists.
    let recorded =
        chunk.and_then(|chunk| chunk.result).is_some_and(|result| result.attempt == of_record.attempt);
    let key = of_record.key(job.id());
    let size = if recorded { state.files.size(&key).await? } else { None };
    let stored = Stored {
        key: &key,
        content_type: media_types::of_extension(&of_record.name.extension()),
        file_name: of_record.name.as_str(),
        etag: format!("\"{}\"", of_record.url_name()),
        size: size.ok_or(NO_FILE)?,
    };
    download(&stored, &headers, &*state.files, state.directly(&caller)).await
}
