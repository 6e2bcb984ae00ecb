//! What one attempt at a chunk counts and reports: the ledger, and the error files with their limit.

use domain::chunk::Purpose;
use domain::error::Result;
use domain::filter::Decision;
use domain::ledger::Ledger;
use fhir::outcome::outcome;

use crate::outputs::{Finished, Outputs};

/// Problems of one chunk that get an OperationOutcome each; beyond that they are counted.
const MAX_PROBLEMS: u64 = 1_000;

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Account {
    pub(crate) ledger: Ledger,
}

impl Account {
    /// Counts a resource that a decision keeps out of the output; one that is kept is counted where it is written.
    pub(crate) fn decided(&mut self, decision: Decision) {
        let resources = &mut self.ledger.resources;
        match decision {
            // What cannot be read for certain is a problem, and counted with its report.
            Decision::Keep | Decision::Unreadable => {}
            Decision::LeaveOut(reason) => resources.left_out.add(reason, 1),
            Decision::Withhold(category) => *resources.withheld.entry(category).or_default() += 1,
        }
    }

    /// Counts a document of `files/` by what was decided on it; one that is kept is written.
    pub(crate) fn document(&mut self, decision: Decision) {
        let documents = &mut self.ledger.documents;
        match decision {
            Decision::Keep => documents.written += 1,
            Decision::LeaveOut(reason) => documents.left_out.add(reason, 1),
            Decision::Withhold(category) => *documents.withheld.entry(category).or_default() += 1,
            Decision::Unreadable => documents.problems += 1,
        }
    }

    /// Reports a resource that cannot be used.
    pub(crate) async fn unusable(&mut self, outputs: &mut Outputs<'_>, code: &str, text: &str) -> Result<()> {
        self.ledger.resources.problems += 1;
        self.problem(outputs, code, text).await
    }

    /// Writes an OperationOutcome to the error file, or only counts it where there are too many.
    pub(crate) async fn problem(&mut self, outputs: &mut Outputs<'_>, code: &str, text: &str) -> Result<()> {
        self.report(outputs, "error", code, text).await
    }

    /// The same for what is no error of this export.
    pub(crate) async fn warning(&mut self, outputs: &mut Outputs<'_>, code: &str, text: &str) -> Result<()> {
        self.report(outputs, "warning", code, text).await
    }

    async fn report(
        &mut self,
        outputs: &mut Outputs<'_>,
        severity: &str,
        code: &str,
        text: &str,
    ) -> Result<()> {
        let problems = &mut self.ledger.problems;
        if problems.reported >= MAX_PROBLEMS {
            problems.unlisted += 1;
            return Ok(());
        }
        problems.reported += 1;
        let line = outcome(severity, code, text).to_string();
        outputs.write(Purpose::Error, "OperationOutcome", line.as_bytes()).await
    }

    /// Ends all streams. Returns what was written, and the ledger with what is in it.
    pub(crate) async fn finish(mut self, mut outputs: Outputs<'_>) -> Result<(Finished, Ledger)> {
        let unlisted = self.ledger.problems.unlisted;
        if unlisted > 0 {
            let line = outcome("error", "too-costly", &format!("{unlisted} more problems are not listed"));
            outputs.write(Purpose::Error, "OperationOutcome", line.to_string().as_bytes()).await?;
        }
        let joined = outputs.joined();
        let written = outputs.finish().await?;
        let data = written.files.iter().filter(|file| file.purpose.is_data());
        let lines: u64 = data.map(|file| file.count).sum();
        let resources = &mut self.ledger.resources;
        // What the files have more than what the export made and other chunks wrote was read here.
        resources.written = (lines + resources.attachments).saturating_sub(resources.made + joined);
        Ok((written, self.ledger))
    }
}
