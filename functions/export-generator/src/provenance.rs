//! Provenance that goes along with what is exported of a patient (Bulk Data 3.0, `includeAssociatedData`): held back
//! until the patient was read, because what it is about may stand behind it.

use std::collections::HashSet;

use shared::error::Result;
use shared::fhir::ndjson::Lines;
use shared::ports::files::Files;

use crate::spool::Spool;

/// What was exported of one patient, and the Provenance lines that wait. Nothing is kept where nobody asks.
#[derive(Default)]
pub(crate) struct Associated {
    wanted: bool,
    /// `Type/id`, about 80 bytes a resource.
    exported: HashSet<String>,
    held: Spool,
}

impl Associated {
    pub(crate) fn new(wanted: bool) -> Self {
        Self { wanted, ..Self::default() }
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted
    }

    pub(crate) fn exported(&mut self, reference: &str) {
        if self.wanted {
            self.exported.insert(reference.to_owned());
        }
    }

    pub(crate) async fn hold(&mut self, line: &[u8], key: String, files: &dyn Files) -> Result<()> {
        self.held.push(line, || key, files).await
    }

    /// What was exported and the lines that wait, once; and the key of a file to remove when they were read.
    pub(crate) async fn replay(
        &mut self,
        files: &dyn Files,
    ) -> Result<(HashSet<String>, Lines, Option<String>)> {
        let exported = std::mem::take(&mut self.exported);
        let (lines, spilled) = std::mem::take(&mut self.held).replay(files).await?;
        Ok((exported, lines, spilled))
    }
}
