//! The documents of an export that staff have opened: a document is opened if one request of a member of staff gets all of it. A document
//! is remembered by its content, so that another file of the same name is not opened yet.

use std::collections::BTreeSet;

use aws_lc_rs::digest;
use axum::response::Response;
use domain::clock::hex;
use domain::error::Result;
use domain::ids::JobId;
use domain::ports::expiring::{EntryKind, ExpiringEntry};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use web::download::FileRequest;
use web::exported::FoundAttachment;
use web::when_sent::when_sent;

use crate::Admin;

/// The maximum number of documents that are remembered in an entry of an export.
const MAX: usize = 2_000;
/// The bytes of a digest that are kept. An entry with [`MAX`] digests has 70 KB; an item of DynamoDB may have 400 KB.
const DIGEST_BYTES: usize = 16;

/// Where documents are. The documents of each place have an entry of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In files: those of the record and those that staff attached.
    Files,
    /// Inside resources.
    Resources,
}

impl Place {
    fn kind(self) -> EntryKind {
        match self {
            Self::Files => EntryKind::OpenedDocuments,
            Self::Resources => EntryKind::OpenedInside,
        }
    }
}

/// The digests of the documents that somebody has opened.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Opened(BTreeSet<String>);

impl Opened {
    /// Returns whether somebody has opened the document. `document` is its [`FoundAttachment::etag`], or the SHA-256 of its base64.
    pub(super) fn contains(&self, document: &str) -> bool {
        self.0.contains(&short(document))
    }

    /// Returns the maximum number of remembered documents if it is reached, and `None` otherwise.
    pub(super) fn full_at(&self) -> Option<u64> {
        (self.0.len() >= MAX).then_some(MAX as u64)
    }

    /// Adds a document. Returns `false` if it is remembered already, or if there is no room.
    fn add(&mut self, document: &str) -> bool {
        self.0.len() < MAX && self.0.insert(short(document))
    }
}

fn short(document: &str) -> String {
    hex(&digest::digest(&digest::SHA256, document.as_bytes()).as_ref()[..DIGEST_BYTES])
}

impl Admin {
    /// Returns the documents in a place that somebody has opened.
    pub(super) async fn opened(&self, job: &JobId, place: Place) -> Result<Opened> {
        match self.expiring.get(place.kind(), job.as_str()).await? {
            Some(entry) => entry.read(),
            None => Ok(Opened::default()),
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
    ) -> Response {
        match response.status() {
            StatusCode::TEMPORARY_REDIRECT if request.is_whole() => {
                self.mark_logged(job, Place::Files, &document.etag).await;
                response
            }
            StatusCode::OK if request.is_whole() => {
                self.marked_when_sent(response, job, Place::Files, document.etag.clone())
            }
            _ => response,
        }
    }

    /// Marks the document that this response has as opened, when its whole body is sent.
    pub(super) fn marked_when_sent(
        &self,
        response: Response,
        job: &JobId,
        place: Place,
        document: String,
    ) -> Response {
        let (state, job) = (self.clone(), job.clone());
        when_sent(response, async move { state.mark_logged(&job, place, &document).await })
    }

    /// Marks the document as opened. An error is logged, and the document is sent nevertheless.
    pub(super) async fn mark_logged(&self, job: &JobId, place: Place, document: &str) {
        if let Err(error) = self.mark_opened(job, place, document).await {
            tracing::warn!(error = %error, cause = error.causes(), "a document could not be marked as opened");
        }
    }

    /// Remembers that a document was opened, for as long as a review may last. Nothing is lost if two are opened at once.
    async fn mark_opened(&self, job: &JobId, place: Place, document: &str) -> Result<()> {
        let (kind, key) = (place.kind(), job.as_str());
        let expires_at = self.clock.now() + self.settings.retention.unfinished;
        for _ in 0..5 {
            let Some(entry) = self.expiring.get(kind, key).await? else {
                let mut opened = Opened::default();
                opened.add(document);
                if self.expiring.put(kind, key, json!(opened), expires_at).await? {
                    return Ok(());
                }
                continue;
            };
            let mut opened: Opened = entry.read()?;
            if !opened.add(document) {
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

#[cfg(test)]
mod tests;
