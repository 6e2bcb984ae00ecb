//! The new manifest and the new files of an export in review, before the job names them.

use domain::chunk::job_prefix;
use domain::ids::{Attempt, JobId};
use domain::manifest::{ExportTotals, Names, StoredManifest};

use super::target::LineOf;

/// A redaction that is being written.
pub(super) struct Draft<'a> {
    pub(super) job: &'a JobId,
    pub(super) attempt: Attempt,
    pub(super) summary: ExportTotals,
    pub(super) pages: Vec<StoredManifest>,
}

impl Draft<'_> {
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix())
    }

    /// Returns the page of the manifest that lists the file of a line, and its position on the page; `None` if there is no such
    /// file.
    pub(super) fn position(&self, line: &LineOf) -> Option<(usize, usize)> {
        let page = Names::page_of(&line.file) as usize;
        let index = self.pages.get(page)?.files.iter().position(|named| named.name == line.file)?;
        Some((page, index))
    }

    /// Returns the prefix of the objects that the change writes, except the pages of the manifest.
    pub(super) fn prefix(&self) -> String {
        format!("{}left-out-{}/", job_prefix(self.job), self.attempt)
    }
}
