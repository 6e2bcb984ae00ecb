//! Sums the ledgers of an export's chunks and checks that they account for everything.

use std::fmt;

use domain::chunk::{ChunkResult, Covered};
use domain::ids::ChunkId;
use domain::ledger::{Imbalance, Ledger};

/// The sum over the chunks, in the order of their ids.
pub(crate) struct Balance {
    /// `None` if a chunk was recorded by a version without ledgers.
    ledger: Option<Ledger>,
    /// The last chunk that the plan cut, and the number of its patients that are in no ledger yet. The chunks for its
    /// remaining patients follow it.
    open: Option<(ChunkId, u64)>,
}

/// The reason why an export must not complete.
#[derive(Debug)]
pub(crate) struct Unbalanced {
    /// `None` if every chunk balances, but the manifest does not list all that they wrote.
    pub(crate) chunk: Option<ChunkId>,
    pub(crate) imbalance: Imbalance,
    /// The counters of the chunk, or of the whole export.
    pub(crate) ledger: Box<Ledger>,
}

impl fmt::Display for Unbalanced {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = self.chunk.map_or("the manifest".to_owned(), |chunk| format!("chunk {chunk}"));
        write!(
            formatter,
            "the export does not account for everything it read ({part}: {}), so it was not completed; start it again",
            self.imbalance
        )
    }
}

impl Balance {
    pub(crate) fn new() -> Self {
        Self { ledger: Some(Ledger::default()), open: None }
    }

    /// Checks the ledger of a chunk and adds it.
    pub(crate) fn add(
        &mut self,
        chunk: ChunkId,
        covered: &Covered,
        result: &ChunkResult,
    ) -> Result<(), Unbalanced> {
        let (Some(sum), Some(ledger)) = (&mut self.ledger, &result.ledger) else {
            self.ledger = None;
            return Ok(());
        };
        let unbalanced =
            |imbalance| Unbalanced { chunk: Some(chunk), imbalance, ledger: Box::new(ledger.clone()) };
        ledger.check().map_err(unbalanced)?;
        // A merge lists again what other chunks wrote.
        if !matches!(covered, Covered::Merge { .. }) {
            let files = result.files.iter().filter(|file| file.purpose.is_data());
            let lines = files.map(|file| file.count).sum();
            Imbalance::check("resources in files", lines, ledger.lines()).map_err(unbalanced)?;
        }
        sum.add(ledger);
        if chunk.part == 0 {
            self.settle()?;
            self.open = Some((chunk, patients_of(covered)));
        }
        if let Some((first, left)) = &mut self.open {
            let planned = ledger.patients.planned;
            let (first, before) = (*first, *left);
            *left = before.checked_sub(planned).ok_or_else(|| Unbalanced {
                chunk: Some(first),
                imbalance: Imbalance { what: "patients planned", expected: before, found: planned },
                ledger: Box::new(ledger.clone()),
            })?;
        }
        Ok(())
    }

    /// Returns the sum. `listed` is the number of resources in the files that the manifest lists.
    pub(crate) fn finish(mut self, listed: u64) -> Result<Option<Ledger>, Unbalanced> {
        self.settle()?;
        let Some(ledger) = self.ledger else { return Ok(None) };
        match Imbalance::check("resources in files", ledger.lines(), listed) {
            Ok(()) => Ok(Some(ledger)),
            Err(imbalance) => Err(Unbalanced { chunk: None, imbalance, ledger: Box::new(ledger) }),
        }
    }

    /// Checks that every patient of a chunk is in its ledger or in that of a chunk for its remaining patients.
    fn settle(&mut self) -> Result<(), Unbalanced> {
        match (self.open.take(), &self.ledger) {
            (Some((chunk, left)), Some(ledger)) if left > 0 => Err(Unbalanced {
                chunk: Some(chunk),
                imbalance: Imbalance { what: "patients left to collect", expected: left, found: 0 },
                ledger: Box::new(ledger.clone()),
            }),
            _ => Ok(()),
        }
    }
}

fn patients_of(covered: &Covered) -> u64 {
    match covered {
        Covered::Patients(patients) => *patients,
        Covered::Areas | Covered::Supporting | Covered::Merge { .. } | Covered::Gather | Covered::Relist => 0,
    }
}

#[cfg(test)]
mod tests;
