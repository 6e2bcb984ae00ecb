//! What one attempt at a chunk counts: the ledger, and how many problems are still reported.

use domain::decision::Decision;
use domain::ledger::Ledger;

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

    /// Counts a problem. Returns whether it is reported: there are not too many yet.
    pub(crate) fn is_reported(&mut self) -> bool {
        let problems = &mut self.ledger.problems;
        if problems.reported >= MAX_PROBLEMS {
            problems.unlisted += 1;
            return false;
        }
        problems.reported += 1;
        true
    }

    /// The ledger, where the files have so many lines of resources, and so many of those came from other chunks.
    pub(crate) fn finish(mut self, lines: u64, joined: u64) -> Ledger {
        let resources = &mut self.ledger.resources;
        // What the files have more than what the export made and other chunks wrote was read here.
        resources.written = (lines + resources.attachments).saturating_sub(resources.made + joined);
        self.ledger
    }
}
