//! Makes the index of homes of a lake that has none: reads all records once.

use domain::error::{Error, Result};
use domain::ids::PatientId;
use domain::lines::Lines;
use domain::ports::files::Files;
use domain::ports::records::{Part, Records};
use fhir::head::{Plain, head};
use fhir::json::without_mark;
use futures_util::stream::{self, StreamExt};
use indicatif::ProgressBar;
use storage::sorter::{PlainRow, Sorter};

use super::files::{LIMITS, mark_complete, write};
use super::row::{key_hash, row};
use crate::Failure;
use crate::load::arriving::key_of;
use crate::load::earlier::{READ_AT_ONCE, next_patients};
use crate::load::streams::Load;

/// Makes the index of all records. Returns the number of patients. The temporary files are in the second store.
pub(super) async fn scan(
    load: &Load<'_>,
    records: &dyn Records,
    (files, temporary): (&dyn Files, &dyn Files),
    bar: &ProgressBar,
) -> Result<u64, Failure> {
    let mut sorter = Sorter::new(temporary, "scanned/", LIMITS);
    let (mut entries, mut count) = (records.entries(None), 0);
    loop {
        let patients = next_patients(&mut *entries).await?;
        if patients.is_empty() {
            break;
        }
        load.check_interrupted()?;
        count += patients.len() as u64;
        bar.set_message(format!("reading all records once, for the index of homes: {count} patients"));
        let mut read =
            stream::iter(patients.iter().map(|patient| rows_of(records, patient))).buffered(READ_AT_ONCE);
        while let Some(rows) = read.next().await {
            for row in rows? {
                sorter.push(row).await?;
            }
        }
    }
    let mut rows = sorter.finish().await?;
    write(load, files, &mut rows).await?;
    rows.remove().await?;
    mark_complete(files).await?;
    Ok(count)
}

/// Returns the rows of a patient's record. A part of the record that cannot be read has none: the load names it when it reads the record.
async fn rows_of(records: &dyn Records, patient: &PatientId) -> Result<Vec<PlainRow>> {
    let mut rows = Vec::new();
    for part in records.parts(patient).await?.records {
        match add(records, patient, &part, &mut rows).await {
            Ok(()) | Err(Error::Damaged(_) | Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(rows)
}

async fn add(
    records: &dyn Records,
    patient: &PatientId,
    part: &Part,
    rows: &mut Vec<PlainRow>,
) -> Result<()> {
    let mut lines = Lines::new(records.open_records(patient, part).await?);
    while let Some(line) = lines.next().await? {
        let Some(text) = line.text else { continue };
        let mut plain = Plain::default();
        if let Ok(head) = head(without_mark(text), &mut plain)
            && let Some(id) = head.id
        {
            rows.push(row(key_hash(&key_of(head.resource_type, id)), patient.as_str()));
        }
    }
    Ok(())
}
