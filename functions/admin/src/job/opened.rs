//! Which documents of an export staff have opened.

use std::collections::BTreeSet;

use domain::error::Result;
use domain::ids::JobId;
use domain::ports::expiring::{EntryKind, ExpiringEntry};
use serde_json::json;

use crate::Admin;

/// The most documents that are remembered.
const MAX: usize = 2_000;

impl Admin {
    /// The names of the documents that somebody has opened.
    pub(super) async fn opened(&self, job: &JobId) -> Result<BTreeSet<String>> {
        match self.expiring.get(EntryKind::OpenedDocuments, job.as_str()).await? {
            Some(entry) => entry.read(),
            None => Ok(BTreeSet::new()),
        }
    }

    /// Remembers that a document was opened, for as long as a review may last. Two at once are both remembered.
    pub(super) async fn mark_opened(&self, job: &JobId, document: &str) -> Result<()> {
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
