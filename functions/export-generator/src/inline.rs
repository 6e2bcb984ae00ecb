//! Embeds attachments in the resources that refer to them, for clients with this setting.
//!
//! Such clients delete their job as soon as they have its NDJSON files and fetch attachments afterwards, when the URLs
//! of the job no longer work. URLs that outlive the job are not offered: after DELETE an export must no longer be
//! available (Bulk Data 2.0, delete request), and no file of a deleted export may stay readable. Bulk Data 2.0 allows
//! `data` as well as absolute URLs in attachments. A document keeps its URL if it is larger than the client's limit, or
//! if it would make the line too long to be read.

use std::collections::HashSet;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::error::Result;
use domain::ids::JobId;
use domain::ports::files::{Files, read_all};
use fhir::MAX_LINE;
use fhir::attachments::{Document, Target};
use serde_json::Value;

/// Reserved for other additions to a line: titles, types, URLs and a tag.
const ROOM: usize = 64 * 1024;

/// Tracks which documents of a patient are embedded in resources, and which have URLs there.
#[derive(Default)]
pub(crate) struct Inlined {
    inside: HashSet<Target>,
    linked: HashSet<Target>,
}

impl Inlined {
    /// Records that a resource has the document's URL.
    pub(crate) fn linked(&mut self, target: &Target) {
        self.linked.insert(target.clone());
    }

    /// Records that a resource embeds the document's bytes.
    pub(crate) fn inside(&mut self, target: &Target) {
        self.inside.insert(target.clone());
    }

    /// Returns whether every resource that refers to the document embeds its bytes, so that its file is not needed.
    pub(crate) fn is_spare(&self, target: &Target) -> bool {
        self.inside.contains(target) && !self.linked.contains(target)
    }
}

/// The remaining room in a line.
pub(crate) struct Line {
    limit: u64,
    left: usize,
}

impl Line {
    /// Creates the room of a line with `length` bytes, for a client that embeds attachments of up to `limit` bytes.
    pub(crate) fn new(limit: u64, length: usize) -> Self {
        Self { limit, left: MAX_LINE.saturating_sub(length + ROOM) }
    }

    /// Returns the bytes of a document as base64; `None` if the document keeps its URL.
    pub(crate) fn encode(&mut self, bytes: &[u8]) -> Option<String> {
        let encoded = bytes.len().div_ceil(3).saturating_mul(4);
        if bytes.is_empty() || bytes.len() as u64 > self.limit || encoded > self.left {
            return None;
        }
        self.left -= encoded;
        Some(STANDARD.encode(bytes))
    }

    /// Returns the bytes of a stored document as base64; `None` if it keeps its URL. Returns an error if the stored
    /// bytes differ from those that were written; the attempt is then repeated.
    pub(crate) async fn read(
        &mut self,
        document: &Document,
        key: &str,
        job: &JobId,
        files: &dyn Files,
    ) -> Result<Option<String>> {
        let Ok(size) = usize::try_from(document.size) else { return Ok(None) };
        let encoded = size.div_ceil(3).saturating_mul(4);
        if size == 0 || document.size > self.limit || encoded > self.left {
            return Ok(None);
        }
        let bytes = read_all(files, key, size).await?;
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &bytes);
        if STANDARD.encode(hash) != document.hash {
            let text = format!("an attachment of job {job} has other bytes in the store than were written");
            return Err(domain::error::Error::internal(text));
        }
        self.left -= encoded;
        Ok(Some(STANDARD.encode(bytes)))
    }
}

/// Replaces the URL of an attachment with the document's data.
pub(crate) fn put(attachment: &mut Value, data: String) {
    if let Some(members) = attachment.as_object_mut() {
        members.remove("url");
        members.insert("data".to_owned(), Value::String(data));
    }
}
