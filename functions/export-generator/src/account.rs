//! Counts what one attempt at a chunk did: its ledger, and how many more problems it may report.

use domain::decision::Decision;
use domain::ledger::Ledger;

/// The maximum number of problems of a chunk that get their own OperationOutcome. Further ones are only counted.
const MAX_PROBLEMS: u64 = 1_000;

/// The counters of one attempt at a chunk.
#[derive(Default)]
pub(crate) struct Account {
    pub(crate) ledger: Ledger,
}

impl Account {
    /// Counts a resource that is not exported. An exported resource is counted when it is written.
    pub(crate) fn decided(&mut self, decision: Decision) {
        let resources = &mut self.ledger.resources;
        match decision {
            // An unreadable resource is reported as a problem, and that report counts it.
            Decision::Keep | Decision::Unreadable => {}
            Decision::LeaveOut(reason) => resources.left_out.add(reason, 1),
            Decision::Withhold(category) => *resources.withheld.entry(category).or_default() += 1,
        }
    }

    /// Counts a document in `files/` that is not exported. An exported document is counted when it is written.
    pub(crate) fn document(&mut self, decision: Decision) {
        let documents = &mut self.ledger.documents;
        match decision {
            Decision::Keep => documents.written += 1,
            Decision::LeaveOut(reason) => documents.left_out.add(reason, 1),
            Decision::Withhold(category) => *documents.withheld.entry(category).or_default() += 1,
            Decision::Unreadable => documents.problems += 1,
        }
    }

    /// Counts a problem. Returns whether the problem is still reported, because the limit is not reached.
    pub(crate) fn is_reported(&mut self) -> bool {
        let problems = &mut self.ledger.problems;
        if problems.reported >= MAX_PROBLEMS {
            problems.unlisted += 1;
            return false;
        }
        problems.reported += 1;
        true
    }

    /// Returns the ledger. `lines` is the number of resources in the files, and `joined` the number of those that other
    /// chunks wrote.
    pub(crate) fn finish(mut self, lines: u64, joined: u64) -> Ledger {
        let resources = &mut self.ledger.resources;
        // Every line that the export did not make and no other chunk wrote was read by this chunk.
        resources.written = (lines + resources.attachments).saturating_sub(resources.made + joined);
        self.ledger
    }
}
