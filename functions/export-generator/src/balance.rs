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
        Covered::Areas | Covered::Supporting | Covered::Merge { .. } | Covered::Gather => 0,
    }
}

#[cfg(test)]
mod tests {
    use domain::chunk::{OutputFile, Purpose};
    use domain::dated::DaysByType;
    use domain::ids::Attempt;
    use domain::ledger::{Patients, Reason};

    use super::*;

    fn work(patients: &[&str]) -> Covered {
        Covered::Patients(patients.len() as u64)
    }

    /// Returns the result of a chunk with this many patients: 7 resources read, 5 written, 2 left out.
    fn result(patients: u64) -> ChunkResult {
        let patients = Patients { planned: patients, exported: patients, absent: 0, failed: 0 };
        let mut ledger = Ledger { patients, ..Ledger::default() };
        (ledger.resources.read, ledger.resources.written) = (7, 5);
        ledger.resources.left_out.add(Reason::Type, 2);
        let file = OutputFile {
            purpose: Purpose::Output,
            resource_type: "Patient".to_owned(),
            key: String::new(),
            place: None,
            count: 5,
            size: 50,
            sha256: String::new(),
        };
        let attempt = Attempt::from_bytes([0; 8]);
        let files = vec![file];
        ChunkResult {
            attempt,
            files,
            ledger: Some(ledger),
            references: None,
            attachments: None,
            days: DaysByType::default(),
            bytes_read: 0,
        }
    }

    #[test]
    fn a_chunk_and_its_rest_share_their_patients() {
        let (first, next) = (ChunkId::first(0), ChunkId::first(1));
        let mut balance = Balance::new();
        balance.add(first, &work(&["a", "b", "c"]), &result(2)).expect("in balance");
        balance.add(first.rest(), &work(&["c"]), &result(1)).expect("in balance");
        balance.add(next, &work(&["d"]), &result(1)).expect("in balance");
        let ledger = balance.finish(15).expect("in balance").expect("counted");
        assert_eq!((ledger.patients.planned, ledger.resources.read), (4, 21));
    }

    #[test]
    fn a_chunk_that_lost_a_resource_a_file_or_a_patient_is_named() {
        let id = ChunkId::first(3);
        let refused = |covered: &Covered, result: &ChunkResult| {
            let mut balance = Balance::new();
            let added = balance.add(id, covered, result).and_then(|()| balance.finish(5).map(|_| ()));
            added.expect_err("out of balance").to_string()
        };
        let mut lost = result(1);
        lost.ledger.as_mut().expect("a ledger").resources.read = 8;
        let said = refused(&work(&["a"]), &lost);
        assert!(said.contains("chunk 000003.0: 8 resources read, 7 accounted for"), "{said}");
        let mut lost = result(1);
        lost.files.clear();
        assert!(refused(&work(&["a"]), &lost).contains("chunk 000003.0: 0 resources in files"));
        // The chunk for the remaining patients was never recorded.
        assert!(refused(&work(&["a", "b"]), &result(1)).contains("chunk 000003.0: 1 patients left"));
        assert!(refused(&work(&["a"]), &result(2)).contains("chunk 000003.0"));
    }

    #[test]
    fn a_manifest_that_does_not_list_a_file_is_refused() {
        let mut balance = Balance::new();
        balance.add(ChunkId::first(0), &work(&["a"]), &result(1)).expect("in balance");
        assert!(
            balance.finish(4).expect_err("out of balance").to_string().contains("the manifest: 5 resources")
        );
    }

    #[test]
    fn results_of_versions_without_ledgers_are_not_checked() {
        let mut balance = Balance::new();
        let old = ChunkResult { ledger: None, ..result(0) };
        balance.add(ChunkId::first(0), &work(&["a"]), &old).expect("nothing to check");
        balance.add(ChunkId::first(1), &work(&["b"]), &result(1)).expect("nothing to check");
        assert_eq!(balance.finish(9).expect("nothing to check"), None);
    }
}
