//! Attachments inside the resources that refer to them, for clients that are registered for it.
//!
//! Such clients delete their job as soon as they have its NDJSON files, and fetch attachments afterwards, when the URLs of
//! the job are gone. URLs that outlive the job would help them too, and are not offered: after DELETE an export must be
//! gone for its owner (Bulk Data 2.0, delete request), and no file of a deleted export may stay readable. Bulk Data 2.0
//! allows `data` as well as absolute URLs in attachments. What is larger than the client's limit, or would make
//! a line too long to be read, keeps its URL.

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

/// What else may be written into a line: titles, types, URLs and a tag.
const ROOM: usize = 64 * 1024;

/// Which documents of a patient were put into resources, and which have URLs there.
#[derive(Default)]
pub(crate) struct Inlined {
    inside: HashSet<Target>,
    linked: HashSet<Target>,
}

impl Inlined {
    /// Notes that a resource has the document's URL.
    pub(crate) fn linked(&mut self, target: &Target) {
        self.linked.insert(target.clone());
    }

    /// Notes that a resource has the document's bytes.
    pub(crate) fn inside(&mut self, target: &Target) {
        self.inside.insert(target.clone());
    }

    /// Whether no resource has the document's URL, because those that refer to it have its bytes.
    pub(crate) fn is_spare(&self, target: &Target) -> bool {
        self.inside.contains(target) && !self.linked.contains(target)
    }
}

/// How much more a line can take.
pub(crate) struct Line {
    limit: u64,
    left: usize,
}

impl Line {
    /// A line of `length` bytes, of a client whose attachments are inside up to `limit` bytes.
    pub(crate) fn new(limit: u64, length: usize) -> Self {
        Self { limit, left: MAX_LINE.saturating_sub(length + ROOM) }
    }

    /// These bytes of a document as base64; `None` where it keeps its URL.
    pub(crate) fn encode(&mut self, bytes: &[u8]) -> Option<String> {
        let encoded = bytes.len().div_ceil(3).saturating_mul(4);
        if bytes.is_empty() || bytes.len() as u64 > self.limit || encoded > self.left {
            return None;
        }
        self.left -= encoded;
        Some(STANDARD.encode(bytes))
    }

    /// The bytes of a document as base64; `None` where it keeps its URL. Bytes that are not those that were written
    /// are an error of the store, and the attempt is repeated.
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

/// Puts a document into an attachment in the place of its URL.
pub(crate) fn put(attachment: &mut Value, data: String) {
    if let Some(members) = attachment.as_object_mut() {
        members.remove("url");
        members.insert("data".to_owned(), Value::String(data));
    }
}
