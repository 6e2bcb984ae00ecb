//! The index of homes: the patients in whose records the lake has each resource. A load looks up its resources there, so that it finds
//! the record in which an earlier version is, if the new one belongs to another patient.
//!
//! The index consists of sorted files of rows `HASH PATIENT`, below `index/homes/` of the lake. A load adds a file with the rows of its
//! resources before it writes any record. So there is a row for each resource of each record, even if a load is interrupted. Rows of
//! resources that are no longer there cost only time. The index is complete only
//! if there is a file `complete-…`, which has no content, and which is created after the rows.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use domain::error::{Error, Result};
use domain::ids::PatientId;
use domain::ports::files::Files;
use indicatif::ProgressBar;
use storage::sorter::{self, Limits, Merged, Sorter};

use super::earlier::Earlier;
use super::spill::{Fields, Writer, put_text};
use super::streams::{Load, hash};
use super::versions::keys;
use crate::Failure;
use crate::generation::generation;
use crate::home_files::{COMPLETE, ROWS, directory, is_complete, names};

mod scan;

/// If there are more files than this, they are merged.
const MAX_FILES: usize = 8;
/// The number of attempts of a search while another load merges the files.
const TRIES: usize = 3;
const LIMITS: Limits = Limits { run: 64 * 1024 * 1024, fan_in: 64 };

/// A row of the index. A row that is looked up has no patient.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row(Vec<u8>);

/// The number of digits of a hash.
const DIGITS: usize = 16;

impl Row {
    fn wanted(key: &[u8]) -> Self {
        Self(format!("{:0DIGITS$x}", key_hash(key)).into_bytes())
    }

    fn new(hash: u64, patient: &str) -> Self {
        Self(format!("{hash:0DIGITS$x} {patient}").into_bytes())
    }

    fn hash(&self) -> &[u8] {
        &self.0[..self.0.len().min(DIGITS)]
    }

    fn patient(&self) -> Option<PatientId> {
        let id = self.0.get(DIGITS + 1..)?;
        PatientId::parse(std::str::from_utf8(id).ok()?).ok()
    }
}

impl sorter::Row for Row {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.0.len()
    }

    fn replaces(&self, before: &Self) -> bool {
        self == before
    }

    fn write(&self, buffer: &mut Vec<u8>) -> Result<()> {
        buffer.extend_from_slice(&self.0);
        Ok(())
    }

    fn read(line: &[u8]) -> Result<Self> {
        Ok(Self(line.to_vec()))
    }
}

/// Returns the hash of `Type/id` that is stored. It must never change: a lake has the hashes of all earlier loads. If two resources have
/// the same hash, one more record is read.
pub(super) fn key_hash(key: &[u8]) -> u64 {
    let of_bytes = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (of_bytes ^ (of_bytes >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

/// The index of homes for one load.
pub(super) struct Homes {
    /// The store of the temporary files.
    temporary: Arc<dyn Files>,
    /// Whether the rows that this load adds are the first ones, so that the index is complete with them.
    is_first: bool,
    /// The number of patients whose records were read to make the index, if it was missing.
    pub(super) scanned: Option<u64>,
}

impl Homes {
    /// Finds the records of the lake that have versions of the incoming resources, and adds their patients to those whose records are
    /// read. Makes the index first if it is missing. `directory` is for temporary files.
    pub(super) fn find(
        load: &Load<'_>,
        earlier: &dyn Earlier,
        directory: &Path,
        bar: &ProgressBar,
    ) -> Result<Self, Failure> {
        let mut homes = Self { temporary: local::files_at(directory)?, is_first: false, scanned: None };
        if load.versions.is_empty() {
            return Ok(homes);
        }
        let (mut found, results) = (BTreeSet::new(), &mut homes);
        let patients = &mut found;
        earlier.run(Box::new(move |records, files| {
            Box::pin(async move {
                let temporary = results.temporary.clone();
                let is_complete = is_complete(&names(&*files).await?);
                match records {
                    None if !is_complete => results.is_first = true,
                    Some(records) if !is_complete => {
                        results.scanned =
                            Some(scan::scan(load, &*records, (&*files, &*temporary), bar).await?);
                    }
                    _ => {}
                }
                *patients = search(load, &*files, &*temporary).await?;
                Ok(())
            })
        }))?;
        let mut writer = Writer::new(&load.patients);
        for patient in &found {
            let patient = patient.as_str().as_bytes();
            writer.push(hash(patient), |buffer| put_text(buffer, patient))?;
        }
        writer.finish()?;
        Ok(homes)
    }

    /// Adds the rows of the resources that the load writes to records.
    pub(super) fn add(&self, load: &Load<'_>, earlier: &dyn Earlier) -> Result<(), Failure> {
        if load.homes.is_empty() {
            return Ok(());
        }
        let (temporary, is_first) = (&*self.temporary, self.is_first);
        earlier.run(Box::new(move |_, files| {
            Box::pin(async move {
                let mut sorter = Sorter::new(temporary, "homes/", LIMITS);
                for index in 0..load.homes.len() {
                    load.check_interrupted()?;
                    let bytes = load.homes.read(index)?;
                    let mut fields = Fields(&bytes);
                    while !fields.is_empty() {
                        let hash = fields.number()?;
                        sorter.push(Row::new(hash, &String::from_utf8_lossy(fields.text()?))).await?;
                    }
                    load.homes.remove(index);
                }
                let rows = sorter.finish().await?;
                write(&*files, rows).await?;
                if is_first {
                    mark_complete(&*files).await?;
                }
                merge(&*files).await
            })
        }))?;
        earlier.share(&directory())
    }
}

async fn open<'f>(files: &'f dyn Files, names: &[String]) -> Result<Merged<'f, Row>> {
    let rows = names.iter().filter(|name| name.starts_with(ROWS));
    Merged::open(files, rows.map(|name| format!("{}{name}", directory())).collect()).await
}

/// Returns the patients in whose records the lake has the incoming resources.
async fn search(
    load: &Load<'_>,
    files: &dyn Files,
    temporary: &dyn Files,
) -> Result<BTreeSet<PatientId>, Failure> {
    for _ in 0..TRIES {
        let names = names(files).await?;
        if names.is_empty() {
            return Ok(BTreeSet::new());
        }
        let mut sorter = Sorter::new(temporary, "wanted/", LIMITS);
        for index in 0..load.versions.len() {
            load.check_interrupted()?;
            let bytes = load.versions.read(index)?;
            for key in keys(&bytes)? {
                sorter.push(Row::wanted(key)).await?;
            }
        }
        if let Some(found) = join(load, sorter.finish().await?, files, &names).await? {
            return Ok(found);
        }
    }
    Err(Failure::new("another program changed the index of homes during this load: run the load again"))
}

/// Returns the patients of the rows that are looked up; `None` if another load has merged the files meanwhile.
async fn join(
    load: &Load<'_>,
    mut wanted: Merged<'_, Row>,
    files: &dyn Files,
    names: &[String],
) -> Result<Option<BTreeSet<PatientId>>, Failure> {
    let mut rows = match open(files, names).await {
        Err(Error::NotFound(_)) => return Ok(None),
        rows => rows?,
    };
    let (mut found, mut next) = (BTreeSet::new(), wanted.next().await?);
    while let Some(row) = rows.next().await? {
        load.check_interrupted()?;
        while next.as_ref().is_some_and(|wanted| wanted.hash() < row.hash()) {
            next = wanted.next().await?;
        }
        match &next {
            None => break,
            Some(wanted) if wanted.hash() == row.hash() => {
                found.insert(row.patient().ok_or_else(damaged)?);
            }
            Some(_) => {}
        }
    }
    wanted.remove().await?;
    Ok(Some(found))
}

fn damaged() -> Failure {
    Failure::new(
        "the index of homes is damaged: remove the directory index/homes of the lake, then run the load again",
    )
}

async fn mark_complete(files: &dyn Files) -> Result<(), Failure> {
    let writer = files.create(&format!("{}{COMPLETE}{}", directory(), generation().0)).await?;
    Ok(writer.finish().await?)
}

/// Writes a file of rows.
async fn write(files: &dyn Files, mut rows: Merged<'_, Row>) -> Result<(), Failure> {
    /// The file is written when the buffer has this many bytes.
    const FLUSH: usize = 512 * 1024;

    let mut writer = files.create(&format!("{}{ROWS}{}", directory(), generation().0)).await?;
    let mut buffer = Vec::new();
    while let Some(row) = rows.next().await? {
        sorter::Row::write(&row, &mut buffer)?;
        buffer.push(b'\n');
        if buffer.len() >= FLUSH {
            buffer = writer.write(buffer).await?;
        }
    }
    writer.write(buffer).await?;
    Ok(writer.finish().await?)
}

/// Merges the files if there are many.
async fn merge(files: &dyn Files) -> Result<(), Failure> {
    let names = names(files).await?;
    if names.len() <= MAX_FILES {
        return Ok(());
    }
    let rows = match open(files, &names).await {
        // Another load merges them.
        Err(Error::NotFound(_)) => return Ok(()),
        rows => rows?,
    };
    write(files, rows).await?;
    if is_complete(&names) {
        mark_complete(files).await?;
    }
    for name in &names {
        match files.remove(&format!("{}{name}", directory())).await {
            Ok(()) | Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::key_hash;

    #[test]
    fn the_stored_hashes_do_not_change() {
        assert_eq!(key_hash(b"Observation/1"), 0x7f25_d435_4a51_1283);
        assert_eq!(key_hash(b"Patient/ann"), 0x18ef_2f04_b1f0_63bb);
    }
}
