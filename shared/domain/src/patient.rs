//! Finds a patient and the Patient resource in the record store, for staff who review an export and for the pages.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use fhir::head::{Plain, head};
use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::identity;
use crate::ids::PatientId;
use crate::lines::Lines;
use crate::patient_search::{Beyond, Findable};
use crate::patient_summary::PatientSummary;
use crate::ports::records::{BlockReader, Part, Parts, Records};

/// The number of bytes of a record that are searched for the Patient resource. The last block may exceed it.
const MAX_SEARCHED: u64 = 4 * 1024 * 1024;

/// Returns the details by which staff know the patient; `None` if there is no such patient. If there is no Patient
/// resource near the beginning of the record, only the id is known, and is used as the name.
pub async fn summary(records: &dyn Records, patient: &PatientId) -> Result<Option<PatientSummary>> {
    Ok(known(records, patient).await?.map(|known| known.summary))
}

/// Like [`summary`], with the patient's own address for mails.
pub async fn summary_for_mails(
    records: &dyn Records,
    patient: &PatientId,
    now: Timestamp,
) -> Result<Option<PatientSummary>> {
    let Some(line) = stored(records, patient).await? else { return Ok(None) };
    let mut summary = Known::of(patient, line.as_deref()).summary;
    let mut plain = Plain::default();
    let head = line.as_deref().and_then(|line| head(line, &mut plain).ok());
    summary.email = head.and_then(|head| identity::email(head.text, now));
    Ok(Some(summary))
}

/// What a record says of its patient.
#[derive(Debug)]
pub struct Known {
    pub summary: PatientSummary,
    /// By what an index finds the patient.
    pub findable: Findable,
    /// The parts of the Patient that are beyond the limits of an index.
    pub beyond: Beyond,
    /// The id of the patient whose record replaces this one, because both were of one person.
    pub replaced_by: Option<String>,
}

impl Known {
    fn of(patient: &PatientId, line: Option<&[u8]>) -> Self {
        let mut plain = Plain::default();
        match line.and_then(|line| head(line, &mut plain).ok()) {
            Some(head) => {
                let (findable, beyond) = Findable::and_beyond(patient.clone(), head.text);
                let summary = identity::of_resource(patient.clone(), head.text);
                Self { summary, findable, beyond, replaced_by: identity::replaced_by(head.text) }
            }
            None => Self {
                summary: PatientSummary::new(patient.clone(), patient.as_str()),
                findable: Findable::unnamed(patient.clone()),
                beyond: Beyond::default(),
                replaced_by: None,
            },
        }
    }
}

/// Returns what is known of a patient; `None` if there is no such patient.
pub async fn known(records: &dyn Records, patient: &PatientId) -> Result<Option<Known>> {
    Ok(stored(records, patient).await?.map(|line| Known::of(patient, line.as_deref())))
}

/// Returns the Patient resource, if the record has one near its beginning; `None` if there is no such patient.
async fn stored(records: &dyn Records, patient: &PatientId) -> Result<Option<Option<Vec<u8>>>> {
    if records.member(patient).await?.is_none() {
        return Ok(None);
    }
    match resource(records, patient).await {
        Ok(line) => Ok(Some(line)),
        // A file can have been replaced after the files were listed.
        Err(_) if records.member(patient).await?.is_none() => Ok(None),
        Err(_) => resource(records, patient).await.map(Some),
    }
}

/// Returns the names, the birth date and the identifiers by which a patient is found, and how much of them is beyond the limits of an
/// index. `parts` are the files that the record had when they were listed. The result is `None` if there is no such patient any more. If a
/// file cannot be read, the files are listed again once, because it can have been replaced.
pub async fn findable(
    records: &dyn Records,
    patient: &PatientId,
    parts: &[Part],
) -> Result<Option<(Findable, Beyond)>> {
    let line = match resource_in(records, patient, parts).await {
        Ok(line) => line,
        Err(_) => {
            let parts = records.parts(patient).await?;
            if parts == Parts::default() {
                return Ok(None);
            }
            resource_in(records, patient, &parts.records).await?
        }
    };
    let Known { findable, beyond, .. } = Known::of(patient, line.as_deref());
    Ok(Some((findable, beyond)))
}

/// Returns the Patient resource as it is stored; `None` if there is none near the beginning of the record. A damaged
/// file is read up to the damage.
pub async fn resource(records: &dyn Records, patient: &PatientId) -> Result<Option<Vec<u8>>> {
    resource_in(records, patient, &records.parts(patient).await?.records).await
}

async fn resource_in(records: &dyn Records, patient: &PatientId, parts: &[Part]) -> Result<Option<Vec<u8>>> {
    let left = Arc::new(AtomicU64::new(MAX_SEARCHED));
    for part in parts {
        if left.load(Ordering::Relaxed) == 0 {
            break;
        }
        match search(records, patient, part, &left).await {
            Ok(None) | Err(Error::Damaged(_)) => {}
            found => return found,
        }
    }
    Ok(None)
}

/// A reader that ends when no bytes are left to search.
struct Limited {
    inner: Box<dyn BlockReader>,
    left: Arc<AtomicU64>,
}

#[async_trait]
impl BlockReader for Limited {
    async fn read(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>> {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            return Ok(buffer);
        }
        let before = buffer.len();
        let buffer = self.inner.read(buffer).await?;
        let read = (buffer.len() - before) as u64;
        self.left.store(left.saturating_sub(read), Ordering::Relaxed);
        Ok(buffer)
    }
}

/// Searches one file of a record. `left` is the number of bytes that can still be read of all its files.
async fn search(
    records: &dyn Records,
    patient: &PatientId,
    part: &Part,
    left: &Arc<AtomicU64>,
) -> Result<Option<Vec<u8>>> {
    let inner = records.open_records(patient, part).await?;
    let mut lines = Lines::new(Box::new(Limited { inner, left: left.clone() }));
    while let Some(line) = lines.next().await? {
        // Fast path: skips lines that cannot be a Patient. A type name with escapes is rare, but possible.
        let may_be = |text: &[u8]| {
            [&b"\"Patient\""[..], b"\\u"].iter().any(|part| memchr::memmem::find(text, part).is_some())
        };
        let Some(text) = line.text.filter(|text| may_be(text)) else { continue };
        let mut plain = Plain::default();
        let Ok(head) = head(text, &mut plain) else { continue };
        if head.resource_type == "Patient" && head.id == Some(patient.as_str()) {
            return Ok(Some(text.to_vec()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader of endless blocks without a line end.
    struct Endless(Arc<AtomicU64>);

    #[async_trait]
    impl BlockReader for Endless {
        async fn read(&mut self, mut buffer: Vec<u8>) -> Result<Vec<u8>> {
            self.0.fetch_add(1 << 18, Ordering::Relaxed);
            buffer.resize(buffer.len() + (1 << 18), b' ');
            Ok(buffer)
        }
    }

    #[test]
    fn no_file_is_read_beyond_the_search_limit() {
        let (read, left) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(MAX_SEARCHED)));
        let mut lines =
            Lines::new(Box::new(Limited { inner: Box::new(Endless(read.clone())), left: left.clone() }));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        assert_eq!(runtime.block_on(lines.next()).expect("memory"), None);
        assert_eq!((read.load(Ordering::Relaxed), left.load(Ordering::Relaxed)), (MAX_SEARCHED, 0));
    }
}
