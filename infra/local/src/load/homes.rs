//! The index of homes: the patients in whose records the lake has each resource. A load looks up its resources there, so that it finds
//! the record in which an earlier version is, if the new one belongs to another patient.
//!
//! The index consists of sorted [`files`] of [rows](row) `HASH PATIENT`, below `index/homes/` of the lake. A load adds a file with the rows
//! of its resources before it writes any record. So there is a row for each resource of each record, even if a load is interrupted. Rows
//! of resources that are no longer there cost only time. The index is complete only if there is a file `complete-…`, which has no content,
//! and which is created after the rows. A load [searches](mod@search) it with [reads of blocks](rows). If the index is missing, a
//! [scan] makes it.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use domain::ports::files::Files;
use indicatif::ProgressBar;
use storage::sorter::Sorter;

use self::files::{LIMITS, mark_complete, merge, write};
pub(super) use self::row::key_hash;
use self::search::search;
use super::earlier::Earlier;
use super::spill::{Writer, put_text};
use super::streams::{Load, hash};
use crate::Failure;
use crate::home_files::{directory, is_complete};

mod files;
mod row;
mod rows;
mod scan;
mod search;

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
        let (mut writer, mut known) = (Writer::new(&load.patients), HashSet::new());
        let (results, patients) = (&mut homes, &mut writer);
        earlier.run(Box::new(move |records, files| {
            Box::pin(async move {
                let temporary = results.temporary.clone();
                let is_complete = is_complete(&*files).await?;
                match records {
                    None if !is_complete => results.is_first = true,
                    Some(records) if !is_complete => {
                        results.scanned =
                            Some(scan::scan(load, &*records, (&*files, &*temporary), bar).await?);
                        // The scan has read the same records again whose rows earlier files have.
                        merge(load, &*files, true).await?;
                    }
                    _ => {}
                }
                search(load, &*files, &*temporary, &mut |patient| {
                    let patient = patient.as_str().as_bytes();
                    match known.insert(hash(patient)) {
                        true => patients.push(hash(patient), |buffer| put_text(buffer, patient)),
                        false => Ok(()),
                    }
                })
                .await
            })
        }))?;
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
                    let mut records = load.homes.records(index, 0)?;
                    while let Some((hash, mut patient)) = records.next()? {
                        sorter.push(row::row(hash, &String::from_utf8_lossy(patient.text()?))).await?;
                    }
                    load.homes.remove(index);
                }
                let mut rows = sorter.finish().await?;
                write(load, &*files, &mut rows).await?;
                rows.remove().await?;
                if is_first {
                    mark_complete(&*files).await?;
                }
                merge(load, &*files, false).await
            })
        }))?;
        earlier.share(&directory())
    }
}
