//! Which documents of an export staff have opened: whoever gets the whole document with one request has opened it. A document is
//! remembered by its content, so that another file of the same name is not opened yet.

use std::collections::BTreeSet;

use axum::response::Response;
use domain::error::Result;
use domain::ids::JobId;
use domain::ports::expiring::{EntryKind, ExpiringEntry};
use http::StatusCode;
use serde_json::json;
use web::download::FileRequest;
use web::exported::FoundAttachment;
use web::when_sent::when_sent;

use crate::Admin;

/// The maximum number of documents that are remembered for an export.
const MAX: usize = 2_000;

impl Admin {
    /// The documents that somebody has opened, by [`FoundAttachment::etag`]; those inside resources by the SHA-256 of their base64.
    pub(super) async fn opened(&self, job: &JobId) -> Result<BTreeSet<String>> {
        match self.expiring.get(EntryKind::OpenedDocuments, job.as_str()).await? {
            Some(entry) => entry.read(),
            None => Ok(BTreeSet::new()),
        }
    }

    /// Marks the document as opened when its whole body is sent: not for a HEAD, a range, or a browser that has it already. The
    /// store sends a document that is too large for a response of this host, so there the redirect counts.
    pub(super) async fn marking(
        &self,
        response: Response,
        request: &FileRequest,
        job: &JobId,
        document: &FoundAttachment,
    ) -> Result<Response> {
        match response.status() {
            StatusCode::TEMPORARY_REDIRECT if request.is_whole() => {
                self.mark_opened(job, &document.etag).await?;
                Ok(response)
            }
            StatusCode::OK if request.is_whole() => {
                Ok(self.marked_when_sent(response, job, document.etag.clone()))
            }
            _ => Ok(response),
        }
    }

    /// Marks the document that this response has as opened, when its whole body is sent.
    pub(super) fn marked_when_sent(&self, response: Response, job: &JobId, document: String) -> Response {
        let (state, job) = (self.clone(), job.clone());
        let mark = async move {
            if let Err(error) = state.mark_opened(&job, &document).await {
                tracing::warn!(error = %error, cause = error.causes(), "a document could not be marked as opened");
            }
        };
        when_sent(response, mark)
    }

    /// Remembers that a document was opened, for as long as a review may last. Nothing is lost if two are opened at once.
    async fn mark_opened(&self, job: &JobId, document: &str) -> Result<()> {
        let (kind, key) = (EntryKind::OpenedDocuments, job.as_str());
        let expires_at = self.clock.now() + self.settings.retention.unfinished;
        for _ in 0..5 {
            let Some(entry) = self.expiring.get(kind, key).await? else {
                if self.expiring.put(kind, key, json!([document]), expires_at).await? {
                    return Ok(());
                }
                continue;
            };
            let mut opened: BTreeSet<String> = entry.read()?;
            if opened.len() >= MAX || !opened.insert(document.to_owned()) {
                return Ok(());
            }
            let entry = ExpiringEntry { value: json!(opened), expires_at, ..entry };
            if self.expiring.replace(kind, key, &entry).await? {
                return Ok(());
            }
        }
        Ok(())
    }
}
