//! The lake as it was before the load: a directory, or a bucket.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use domain::ids::PatientId;
use domain::patient::resource;
use domain::ports::files::Files;
use domain::ports::records::{Entries, Entry, Records};
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{self, StreamExt};
use storage::layout::PATIENTS;

use crate::Failure;

/// A callback that receives the Patient resource of a patient.
pub(super) type Show<'s> = &'s mut (dyn FnMut(&[u8]) -> Result<(), Failure> + Send);

/// Work with the records of a lake, which are `None` if it has no patients, and with the files of the lake.
pub(super) type Work<'w> = Box<
    dyn FnOnce(Option<Arc<dyn Records>>, Arc<dyn Files>) -> LocalBoxFuture<'w, Result<(), Failure>>
        + Send
        + 'w,
>;

/// The lake as it was before the load.
pub(super) trait Earlier: Sync {
    /// Copies the existing records of these patients to the directory of the load, or the shared resources if the list is empty.
    fn fetch(&self, patients: &[String]) -> Result<(), Failure>;

    /// Copies the existing Group resources with these ids to the directory of the load.
    fn fetch_groups(&self, groups: &[String]) -> Result<(), Failure>;

    fn run(&self, work: Work<'_>) -> Result<(), Failure>;

    /// Lets everyone who can read the records read the files in a directory of the lake.
    fn share(&self, directory: &str) -> Result<(), Failure>;

    /// Passes the Patient resource of each patient to `show`. Each is read at the beginning of the patient's record, like that for the
    /// index.
    fn each_patient(&self, show: Show<'_>) -> Result<(), Failure>;
}

/// A lake in the directory to which the load writes.
pub(super) struct Directory<'d>(pub(super) &'d Path);

impl Earlier for Directory<'_> {
    fn fetch(&self, _: &[String]) -> Result<(), Failure> {
        Ok(())
    }

    fn fetch_groups(&self, _: &[String]) -> Result<(), Failure> {
        Ok(())
    }

    fn run(&self, work: Work<'_>) -> Result<(), Failure> {
        let run = || {
            let has_patients = self.0.join(PATIENTS).is_dir();
            let records = has_patients.then(|| local::records_at(self.0)).transpose()?;
            let runtime = tokio::runtime::Builder::new_current_thread().build()?;
            runtime.block_on(work(records, local::files_at(self.0)?))
        };
        // The thread of the caller may belong to another runtime, which must not be blocked.
        let joined = std::thread::scope(|scope| scope.spawn(run).join());
        joined.unwrap_or_else(|_| Err(Failure::new("a thread of the loader failed")))
    }

    fn share(&self, directory: &str) -> Result<(), Failure> {
        let directory = self.0.join(directory);
        let share = || {
            let mode = std::fs::metadata(self.0)?.permissions().mode();
            let set = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode));
            for above in directory.ancestors().take_while(|above| *above != self.0) {
                set(above, mode & 0o777)?;
            }
            for entry in std::fs::read_dir(&directory)? {
                set(&entry?.path(), mode & 0o666)?;
            }
            Ok(())
        };
        share().map_err(|error: std::io::Error| Failure::of_path(&directory, &error))
    }

    fn each_patient(&self, show: Show<'_>) -> Result<(), Failure> {
        if !self.0.join(PATIENTS).is_dir() {
            return Ok(());
        }
        let read = || {
            let runtime = tokio::runtime::Builder::new_current_thread().build()?;
            runtime.block_on(each_patient(&*local::records_at(self.0)?, show))
        };
        // The thread of the caller may belong to another runtime, which must not be blocked.
        let joined = std::thread::scope(|scope| scope.spawn(read).join());
        joined.unwrap_or_else(|_| Err(Failure::new("a thread of the loader failed")))
    }
}

/// The number of patients whose records are listed at once.
const LISTED_AT_ONCE: usize = 500;
/// The number of records that are read at the same time.
pub(super) const READ_AT_ONCE: usize = 16;

/// Passes the Patient resource of each patient to `show`.
pub(super) async fn each_patient(records: &dyn Records, show: Show<'_>) -> Result<(), Failure> {
    let mut entries = records.entries(None);
    loop {
        let patients = next_patients(&mut *entries).await?;
        if patients.is_empty() {
            return Ok(());
        }
        let read = patients.iter().map(|patient| resource(records, patient));
        let mut read = stream::iter(read).buffered(READ_AT_ONCE);
        while let Some(text) = read.next().await {
            if let Some(text) = text? {
                show(&text)?;
            }
        }
    }
}

/// Returns the next patients of a listing, or none at its end.
pub(super) async fn next_patients(entries: &mut dyn Entries) -> domain::error::Result<Vec<PatientId>> {
    let mut patients = Vec::new();
    while patients.len() < LISTED_AT_ONCE
        && let Some(entry) = entries.next().await?
    {
        if let Entry::Patient(member) = entry {
            patients.push(member.patient);
        }
    }
    Ok(patients)
}
