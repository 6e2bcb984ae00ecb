//! The documents of an export: those of the record that it wrote as files, and those that staff attached.
//!
//! A document opens in a tab, never in a frame, and runs nothing: see [`super::sniff`] and the policy of the response.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use domain::chunk::{ChunkResult, RecordAttachment};
use domain::error::{NO_FILE, Result};
use domain::ids::JobId;
use domain::pack::Location;
use domain::ports::jobs::StoredJob;
use futures_util::StreamExt;
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY};
use settings::LargeFiles;
use storage::packs;
use web::download::{FileRequest, InlineLimit, Stored, download};
use web::extract::{FilePath, JobPath};
use web::pages::job::{DocumentRow, LISTED};
use web::respond::PageError;

use super::sniff::{self, shown_as};
use crate::Admin;
use crate::caller::PageStaff;

/// Chunks that are read at once.
const CHUNKS: u32 = 64;
/// What a browser may do with a document: nothing but show it.
const POLICY: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";

/// A document in the audit trail, which never has its name: people name files after patients.
pub(super) const DOCUMENT: &str = "document";

/// A document that can be opened.
struct Document {
    location: Location,
    size: u64,
    /// What it is saved as.
    file_name: String,
    etag: String,
}

pub(crate) async fn show(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    JobPath(id): JobPath,
    FilePath(file): FilePath,
    request: FileRequest,
) -> Result<Response, PageError> {
    let stored = state.job(&id).await?;
    let document = state.document(&stored, &file).await?.ok_or(NO_FILE)?;
    let shown = shown_as(&state.head(&document).await?);
    state.viewed_part(&stored.job, DOCUMENT, &username).await?;
    state.mark_opened(&id, &file).await?;
    let stored = Stored {
        location: &document.location,
        content_type: shown.unwrap_or(fhir::media_types::UNKNOWN),
        file_name: &document.file_name,
        etag: document.etag,
        size: document.size,
    };
    let inline = InlineLimit { bytes: state.settings.max_direct_bytes, on_larger: LargeFiles::Redirect };
    let mut response = download(&stored, &request, &*state.files, inline).await?;
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    if shown.is_some() && headers.contains_key(CONTENT_DISPOSITION) {
        let disposition = format!("inline; filename=\"{}\"", document.file_name);
        headers.insert(
            CONTENT_DISPOSITION,
            HeaderValue::from_str(&disposition).map_err(domain::error::Error::internal)?,
        );
    }
    Ok(response)
}

impl Admin {
    /// The first bytes of a document.
    async fn head(&self, document: &Document) -> Result<Vec<u8>> {
        let range = 0..document.size.min(sniff::HEAD);
        let mut stream = packs::open(&*self.files, &document.location, Some(range)).await?;
        let mut head = Vec::new();
        while let Some(bytes) = stream.next().await {
            head.extend_from_slice(&bytes?);
        }
        Ok(head)
    }

    /// The document of this name in URLs: one that staff attached, or one of the record that they did not leave out.
    async fn document(&self, stored: &StoredJob, name: &str) -> Result<Option<Document>> {
        let attachments = &stored.job.header().attachments;
        if let Some(file) = attachments.iter().find(|file| file.name.as_str() == name) {
            return Ok(Some(Document {
                location: Location::object(file.key.clone()),
                size: file.size,
                file_name: file.name.to_string(),
                etag: format!("\"{}\"", file.hash),
            }));
        }
        let Some(attachment) = RecordAttachment::parse(name) else { return Ok(None) };
        let found = self.record_attachment(stored, &attachment).await?;
        Ok(found.map(|(location, size)| Document {
            location,
            size,
            file_name: attachment.name.to_string(),
            etag: format!("\"{}\"", attachment.url_name()),
        }))
    }

    /// Where an attachment of the record is, and its size, unless staff left it out.
    pub(super) async fn record_attachment(
        &self,
        stored: &StoredJob,
        attachment: &RecordAttachment,
    ) -> Result<Option<(Location, u64)>> {
        let Some(summary) = stored.job.summary() else { return Ok(None) };
        if summary.has_left_out(&attachment.url_name()) {
            return Ok(None);
        }
        let chunk = self.jobs.chunk(stored.job.id(), attachment.chunk).await?;
        let result = chunk.and_then(|chunk| chunk.result).filter(|it| it.attempt == attachment.attempt);
        match result {
            Some(result) => self.attachments.find(stored.job.id(), attachment, &result).await,
            None => Ok(None),
        }
    }

    /// The attachments of the record, in the order of their names, each with the result of its chunk. Only exports of one
    /// patient are reviewed, so that there are few.
    async fn record_attachments(
        &self,
        stored: &StoredJob,
    ) -> Result<Vec<(RecordAttachment, Arc<ChunkResult>)>> {
        let Some(summary) = stored.job.summary().filter(|_| stored.job.header().patient.is_some()) else {
            return Ok(Vec::new());
        };
        let id: &JobId = stored.job.id();
        let mut found = Vec::new();
        for from in (0..stored.progress.plan_end).step_by(CHUNKS as usize) {
            for stored in self.jobs.results(id, from..stored.progress.plan_end.min(from + CHUNKS)).await? {
                let result = Arc::new(stored.result);
                let listed = self.attachments.list(id, stored.chunk, &result).await?;
                found.extend(listed.into_iter().map(|(attachment, ..)| (attachment, result.clone())));
            }
        }
        found.retain(|(attachment, _)| !summary.has_left_out(&attachment.url_name()));
        found.sort_by_key(|(attachment, _)| attachment.url_name());
        Ok(found)
    }

    /// The documents of the record from a place in their list on, and where the list goes on.
    pub(super) async fn document_rows(
        &self,
        stored: &StoredJob,
        from: usize,
        opened: &BTreeSet<String>,
    ) -> Result<(Vec<DocumentRow>, Option<usize>)> {
        let all = self.record_attachments(stored).await?;
        let mut rows = Vec::new();
        for (attachment, result) in all.iter().skip(from).take(LISTED) {
            let name = attachment.url_name();
            let found = self.attachments.find(stored.job.id(), attachment, result).await?;
            let Some((_, size)) = found else { continue };
            let title = attachment.name.to_string();
            rows.push(DocumentRow { opened: opened.contains(&name), name, title, size, is_attached: false });
        }
        let next = from.saturating_add(LISTED);
        Ok((rows, (next < all.len()).then_some(next)))
    }

    /// The documents that staff attached.
    pub(super) fn attached_rows(stored: &StoredJob, opened: &BTreeSet<String>) -> Vec<DocumentRow> {
        let row = |file: &domain::job::Attachment| DocumentRow {
            name: file.name.to_string(),
            title: file.title.clone(),
            size: file.size,
            opened: opened.contains(file.name.as_str()),
            is_attached: true,
        };
        stored.job.header().attachments.iter().map(row).collect()
    }

    /// The number of documents of the export, and of those that nobody has opened.
    pub(super) async fn count_documents(&self, stored: &StoredJob) -> Result<(u64, u64)> {
        let opened = self.opened(stored.job.id()).await?;
        let of_record = self.record_attachments(stored).await?;
        let names = of_record.iter().map(|(attachment, _)| attachment.url_name());
        let attached = stored.job.header().attachments.iter().map(|file| file.name.to_string());
        let names: Vec<_> = names.chain(attached).collect();
        let not_opened = names.iter().filter(|name| !opened.contains(*name)).count();
        Ok((names.len() as u64, not_opened as u64))
    }
}
