//! Reads the files of patients. The files of the next patients are listed, and the first ones opened, ahead of time.

use std::collections::VecDeque;
use std::sync::Arc;

use domain::error::{Error, Result};
use domain::ids::PatientId;
use domain::lines::Lines;
use domain::ports::records::{BlockReader, Part, Parts, Records};
use futures_util::future::join_all;
use futures_util::stream::{self, Stream, StreamExt};

/// The number of patients whose files are opened ahead. It bounds the memory: a store may fetch half a megabyte of each
/// file.
const PATIENTS_AHEAD: usize = 4;
/// The number of files of one patient that are opened ahead.
const OPENED_AHEAD: usize = 4;

/// The files of one patient. The first ones are open already, so that a remote store causes no wait.
pub(crate) struct PatientReader {
    records: Arc<dyn Records>,
    pub(crate) patient: PatientId,
    parts: Parts,
    /// The open readers of the first files, in order.
    readers: VecDeque<Result<Box<dyn BlockReader>>>,
}

impl PatientReader {
    /// Returns patients in order, each with its first files open.
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

    /// Returns the store of the record.
    pub(crate) fn store(&self) -> &dyn Records {
        &*self.records
    }

    /// Returns the NDJSON files.
    pub(crate) fn records(&self) -> &[Part] {
        &self.parts.records
    }

    /// Returns the files that are not FHIR resources.
    pub(crate) fn documents(&self) -> &[Part] {
        &self.parts.documents
    }

    /// Returns whether the patient has no record.
    pub(crate) fn is_absent(&self) -> bool {
        self.records().is_empty() && self.documents().is_empty()
    }

    /// Returns the stored bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.records().iter().chain(self.documents()).map(|part| part.bytes).sum()
    }

    /// Returns the lines of a file. Files are read in order.
    pub(crate) async fn lines(&mut self, index: usize) -> Result<Lines> {
        let reader = match self.readers.pop_front() {
            Some(reader) => reader,
            None => self.records.open_records(&self.patient, &self.parts.records[index]).await,
        };
        still_there(reader).map(Lines::new)
    }

    /// Returns the bytes of a document.
    pub(crate) async fn document(&mut self, part: &Part) -> Result<Box<dyn BlockReader>> {
        still_there(self.records.open_document(&self.patient, part).await)
    }
}

/// Returns patients with their files, which are listed for many patients at once.
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

/// Turns [`Error::NotFound`] into [`Error::Conflict`], so that the chunk is collected again: a listed file was removed
/// meanwhile.
fn still_there<T>(opened: Result<T>) -> Result<T> {
    opened.map_err(|error| match error {
        Error::NotFound(_) => Error::conflict("a file of a record was removed while its chunk was collected"),
        error => error,
    })
}

#[cfg(test)]
mod tests;
