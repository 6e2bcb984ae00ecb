//! Reads the files of patients: what there is of a record, and its first files, before the patient's turn comes.

use std::collections::VecDeque;
use std::sync::Arc;

use domain::error::{Error, Result};
use domain::ids::PatientId;
use domain::lines::Lines;
use domain::ports::records::{BlockReader, Part, Parts, Records};
use futures_util::future::join_all;
use futures_util::stream::{self, Stream, StreamExt};

/// Patients whose files are opened before their turn. A bound on memory: a store may fetch half a megabyte of each file.
const PATIENTS_AHEAD: usize = 4;
/// Files of one patient that are opened before their turn.
const OPENED_AHEAD: usize = 4;

/// One patient's files. A store far away is not waited for, because the first of them are open already.
pub(crate) struct PatientReader {
    records: Arc<dyn Records>,
    pub(crate) patient: PatientId,
    parts: Parts,
    /// Of the first files, in their order.
    readers: VecDeque<Result<Box<dyn BlockReader>>>,
}

impl PatientReader {
    /// Patients in their order, each with the first files open.
    pub(crate) fn ahead(
        records: &Arc<dyn Records>,
        patients: &[PatientId],
    ) -> impl Stream<Item = Result<Self>> + Send {
        let opening = records.clone();
        let open = move |found| Self::open(opening.clone(), found);
        listed(records.clone(), patients).map(open).buffered(PATIENTS_AHEAD)
    }

    async fn open(records: Arc<dyn Records>, found: Result<(PatientId, Parts)>) -> Result<Self> {
        let (patient, parts) = found?;
        let first = parts.records.iter().take(OPENED_AHEAD);
        let readers = join_all(first.map(|part| records.open_records(&patient, part))).await;
        Ok(Self { records, patient, parts, readers: readers.into() })
    }

    /// The files of resource lines.
    pub(crate) fn records(&self) -> &[Part] {
        &self.parts.records
    }

    /// The files that are no FHIR resources.
    pub(crate) fn documents(&self) -> &[Part] {
        &self.parts.documents
    }

    /// Whether there is nothing of the patient.
    pub(crate) fn is_absent(&self) -> bool {
        self.records().is_empty() && self.documents().is_empty()
    }

    /// Stored bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.records().iter().chain(self.documents()).map(|part| part.bytes).sum()
    }

    /// The lines of a file. Files are read in their order.
    pub(crate) async fn lines(&mut self, index: usize) -> Result<Lines> {
        let reader = match self.readers.pop_front() {
            Some(reader) => reader,
            None => self.records.open_records(&self.patient, &self.parts.records[index]).await,
        };
        still_there(reader).map(Lines::new)
    }

    /// The bytes of a document.
    pub(crate) async fn document(&mut self, part: &Part) -> Result<Box<dyn BlockReader>> {
        still_there(self.records.open_document(&self.patient, part).await)
    }
}

/// Patients with their files, many found at once.
fn listed(
    records: Arc<dyn Records>,
    patients: &[PatientId],
) -> impl Stream<Item = Result<(PatientId, Parts)>> + Send {
    let left: VecDeque<_> = patients.iter().cloned().collect();
    let state = (records, left, VecDeque::new());
    stream::try_unfold(state, |(records, mut left, mut found)| async move {
        if found.is_empty() && !left.is_empty() {
            found.extend(records.parts_of(left.make_contiguous()).await?);
        }
        let next = found.pop_front().and_then(|parts| left.pop_front().map(|patient| (patient, parts)));
        Ok(next.map(|next| (next, (records, left, found))))
    })
}

/// Turns [`Error::NotFound`] into [`Error::Conflict`], so that the chunk is collected again: a file that was listed has been
/// removed since.
fn still_there<T>(opened: Result<T>) -> Result<T> {
    opened.map_err(|error| match error {
        Error::NotFound(_) => Error::conflict("a file of a record was removed while its chunk was collected"),
        error => error,
    })
}

#[cfg(test)]
mod tests {
    use domain::error::Kind;

    use super::*;

    #[test]
    fn a_file_that_was_removed_meanwhile_is_no_reason_to_fail_the_export() {
        let kind = |error| still_there::<()>(Err(error)).map_err(|error| error.kind());
        assert_eq!(kind(Error::NotFound("there is no such file")), Err(Kind::Contended));
        assert_eq!(kind(Error::unavailable("later")), Err(Kind::Unavailable));
    }
}
