//! The documents of an export: those of the record that it wrote as files, and those that staff attached.
//!
//! A document opens in a tab, never in a frame, and runs nothing: see [`super::sniff`] and the policy of the response.

use axum::extract::State;
use axum::response::Response;
use domain::chunk::RecordAttachment;
use domain::error::{NO_FILE, Result};
use domain::job::Job;
use domain::ports::jobs::StoredJob;
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use http::HeaderValue;
use http::header::CONTENT_SECURITY_POLICY;
use settings::LargeFiles;
use storage::packs;
use web::download::{FileRequest, InlineLimit, Stored, download};
use web::exported::{self, FoundAttachment};
use web::extract::{FilePath, JobPath};
use web::pages::job::{Counted, DocumentCounts, DocumentRow, LISTED};
use web::respond::PageError;

use super::opened::{Opened, Place};
use super::sniff::{self, shown_as};
use crate::Admin;
use crate::caller::PageStaff;

/// The number of chunks that are read in one call.
const CHUNKS: u32 = 64;
/// The number of chunks whose documents a page of an export of many patients lists.
const CHUNKS_OF_PAGE: u32 = 16;
/// The maximum number of chunks of an export of many patients whose documents are counted: each of them costs two calls of the store.
const COUNTED_CHUNKS: u32 = 128;
/// The number of chunks whose documents are listed at the same time.
const AT_ONCE: usize = 8;
/// A number that is greater than that of the documents of a chunk.
const OF_CHUNK: usize = 1 << 24;
/// Returns the Content Security Policy of a document of this type: a browser may only show it. Chromium shows a picture in a page of its
/// own, whose elements have styles.
pub(super) fn policy(shown: Option<&str>) -> HeaderValue {
    HeaderValue::from_static(match shown {
        Some(media_type) if media_type.starts_with("image/") => {
            "sandbox; default-src 'none'; style-src-attr 'unsafe-inline'; frame-ancestors 'none'"
        }
        _ => "sandbox; default-src 'none'; frame-ancestors 'none'",
    })
}

/// A document in the audit trail, which never has its name: people name files after patients.
pub(super) const DOCUMENT: &str = "document";

pub(crate) async fn show(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    JobPath(id): JobPath,
    FilePath(file): FilePath,
    request: FileRequest,
) -> Result<Response, PageError> {
    let stored = state.job(&id).await?;
    let document = state.document(&stored.job, &file).await?.ok_or(NO_FILE)?;
    let shown = shown_as(&state.head(&document).await?);
    state.viewed_part(&stored.job, DOCUMENT, &username).await?;
    let content_type = shown.unwrap_or(fhir::media_types::UNKNOWN);
    let stored = Stored { content_type, is_shown: shown.is_some(), ..Stored::of_attachment(&document) };
    let inline = InlineLimit { bytes: state.settings.max_direct_bytes, on_larger: LargeFiles::Redirect };
    let response = download(&stored, &request, &*state.files, inline).await?;
    let mut response = state.marking(response, &request, &id, &document).await;
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy(shown));
    Ok(response)
}

fn row((attachment, size): &(RecordAttachment, u64), opened: &Opened) -> DocumentRow {
    let (name, title) = (attachment.url_name(), attachment.name.to_string());
    DocumentRow { opened: opened.contains(&name), name, title, size: *size, is_attached: false }
}

impl Admin {
    /// Returns the first bytes of a document.
    async fn head(&self, document: &FoundAttachment) -> Result<Vec<u8>> {
        let range = 0..document.size.min(sniff::HEAD);
        let mut stream = packs::open(&*self.files, &document.location, Some(range)).await?;
        let mut head = Vec::new();
        while let Some(bytes) = stream.next().await {
            head.extend_from_slice(&bytes?);
        }
        Ok(head)
    }

    /// Returns the document with this name in URLs: one that staff attached, or one of the record that they did not leave out.
    pub(super) async fn document(&self, job: &Job, name: &str) -> Result<Option<FoundAttachment>> {
        match job.summary() {
            Some(_) => exported::attachment(job, name, &*self.jobs, &self.attachments).await,
            None => Ok(None),
        }
    }

    /// Returns the attachments of the records and their sizes, chunk by chunk in the order of their names. The caller has checked that
    /// there are not too many chunks.
    async fn record_attachments(&self, stored: &StoredJob) -> Result<Vec<(RecordAttachment, u64)>> {
        let Some(summary) = stored.job.summary() else { return Ok(Vec::new()) };
        let id = stored.job.id();
        let mut found = Vec::new();
        for from in (0..stored.progress.plan_end).step_by(CHUNKS as usize) {
            let results = self.jobs.results(id, from..stored.progress.plan_end.min(from + CHUNKS)).await?;
            for some in results.chunks(AT_ONCE) {
                let lists = some.iter().map(|stored| self.attachments.list(id, stored.chunk, &stored.result));
                for all in try_join_all(lists).await? {
                    found.extend(all.into_iter().map(|(attachment, _, size)| (attachment, size)));
                }
            }
        }
        found.retain(|(attachment, _)| !summary.has_left_out(&attachment.url_name()));
        Ok(found)
    }

    /// Returns the documents of the record from a place in their list on, and the place where the list continues.
    pub(super) async fn document_rows(
        &self,
        stored: &StoredJob,
        from: usize,
        opened: &Opened,
    ) -> Result<(Vec<DocumentRow>, Option<usize>)> {
        let header = stored.job.header();
        match header.patient {
            None if header.owner.is_staff() => return self.rows_of_many(stored, from, opened).await,
            None => return Ok((Vec::new(), None)),
            Some(_) => {}
        }
        let all = self.record_attachments(stored).await?;
        let rows = all.iter().skip(from).take(LISTED).map(|document| row(document, opened)).collect();
        let next = from.saturating_add(LISTED);
        Ok((rows, (next < all.len()).then_some(next)))
    }

    /// Returns the same as [`Self::document_rows`] for an export of many patients, of which a limited number of chunks is read for a page.
    /// A place in the list is the index of a chunk and the number of a document in it.
    async fn rows_of_many(
        &self,
        stored: &StoredJob,
        from: usize,
        opened: &Opened,
    ) -> Result<(Vec<DocumentRow>, Option<usize>)> {
        let Some(summary) = stored.job.summary() else { return Ok((Vec::new(), None)) };
        let (id, end) = (stored.job.id(), stored.progress.plan_end);
        let first = u32::try_from(from / OF_CHUNK).unwrap_or(end).min(end);
        let last = first.saturating_add(CHUNKS_OF_PAGE).min(end);
        let (mut rows, mut seen, mut chunk) = (Vec::new(), 0, first);
        for stored in self.jobs.results(id, first..last).await? {
            if stored.chunk.index != chunk {
                (seen, chunk) = (0, stored.chunk.index);
            }
            for (attachment, _, size) in self.attachments.list(id, stored.chunk, &stored.result).await? {
                let place = chunk as usize * OF_CHUNK + seen;
                seen += 1;
                if place < from || summary.has_left_out(&attachment.url_name()) {
                    continue;
                }
                if rows.len() == LISTED {
                    return Ok((rows, Some(place)));
                }
                rows.push(row(&(attachment, size), opened));
            }
        }
        Ok((rows, (last < end).then_some(last as usize * OF_CHUNK)))
    }

    /// Returns the documents that staff attached.
    pub(super) fn attached_rows(stored: &StoredJob, opened: &Opened) -> Vec<DocumentRow> {
        let row = |file: &domain::header::Attachment| DocumentRow {
            name: file.name.to_string(),
            title: file.title.clone(),
            size: file.size,
            opened: opened.contains(&file.hash),
            is_attached: true,
        };
        stored.job.header().attachments.iter().map(row).collect()
    }

    /// Returns the number of documents of the export, and of those that nobody has opened.
    pub(super) async fn count_documents(&self, stored: &StoredJob) -> Result<DocumentCounts> {
        let opened = self.opened(stored.job.id(), Place::Files).await?;
        let full_at = opened.full_at();
        let header = stored.job.header();
        // Staff see the documents of the groups that they export, and not those of clients' bulk exports.
        let is_counted = match header.patient {
            Some(_) => true,
            None => header.owner.is_staff() && stored.progress.plan_end <= COUNTED_CHUNKS,
        };
        if !is_counted {
            return Ok(DocumentCounts { counted: None, full_at });
        }
        let of_record = self.record_attachments(stored).await?;
        // The name of a document contains the attempt that wrote it, so it identifies the content.
        let of_record = of_record.iter().map(|(attachment, _)| attachment.url_name());
        let attached = stored.job.header().attachments.iter().map(|file| file.hash.clone());
        let contents: Vec<_> = of_record.chain(attached).collect();
        let not_opened = contents.iter().filter(|content| !opened.contains(content)).count();
        let counted = Counted { all: contents.len() as u64, not_opened: not_opened as u64 };
        Ok(DocumentCounts { counted: Some(counted), full_at })
    }
}
