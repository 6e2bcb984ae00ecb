//! The steps of a load into a records directory.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use indicatif::ProgressBar;

use super::commit::{self, Changes, TEMPORARY};
use super::earlier::Earlier;
use super::existing::read_existing;
use super::homes::Homes;
use super::input::Inputs;
use super::lock::lock_inputs;
use super::read::{Reader, read};
use super::report::{Changed, Loaded, Notes};
use super::sizes::Sizes;
use super::sort::Priority;
use super::spill::Stream;
use super::streams::Load;
use super::{files, matching, settle, write};
use crate::{Failure, renewal};

const MAX_PARTITIONS: u64 = 1_024;

/// Loads the inputs into a records directory. `lake` is the directory with the patients and documents of earlier loads, if it is on this
/// machine; `earlier` reads their records wherever they are.
pub(super) fn fill(
    inputs: &[PathBuf],
    into: &Path,
    lake: Option<PathBuf>,
    bar: &ProgressBar,
    stop: &AtomicBool,
    earlier: &dyn Earlier,
    sizes: Sizes,
) -> Result<Loaded, Failure> {
    let _locks = lock_inputs(inputs, lake.as_deref(), bar)?;
    let mut notes = Notes::default();
    let inputs = Inputs::new(files::files(inputs, &mut notes)?);
    std::fs::create_dir_all(into).map_err(|error| Failure::of_path(into, &error))?;
    let is_lake = lake.is_some();
    let must_renew = is_lake && complete_earlier(into, earlier, bar)?;
    // The temporary directory is in the records directory, because its file system has space for the records.
    let directory = private().tempdir_in(into)?;
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let partitions = partitions(inputs.bytes(), workers, sizes);
    let load = Load::new(directory.path(), partitions, lake, stop, sizes);
    let stream = |name: &str, partitions| Stream::new(directory.path(), name, partitions);
    let reader = Reader { load: &load, workers, directory: directory.path() };
    bar.set_length(inputs.bytes());
    read(&reader, &inputs, "incoming", Priority::Incoming, bar, &mut notes)?;
    bar.set_message("finding patients by identifiers");
    notes.add(matching::resolve(&load, workers, earlier, directory.path())?);
    bar.set_message("finding existing records");
    let homes = Homes::find(&load, earlier, directory.path(), bar)?;
    let damaged = read_existing(&reader, into, earlier, bar, &mut notes)?;
    bar.set_message("sorting");
    let (losers, more) = settle::decide(&load, workers)?;
    notes.add(more);
    notes.add(matching::unmatched(&load, &losers)?);
    notes.add(settle::follow(&load, workers, &losers, &stream("followed", partitions))?);
    homes.add(&load, earlier)?;
    bar.set_message("writing");
    // A staging directory for a bucket is not a lake.
    let changes = Changes::new(directory.path(), is_lake)?;
    notes.add(write::patients(&load, workers, into, &losers, &damaged, &changes)?);
    let runs = stream("runs", load.shared.len());
    notes.add(write::shared(&load, workers, into, &losers, &damaged, (&runs, &changes))?);
    if is_lake {
        mark(earlier)?;
    }
    if let Err(failure) = changes.make() {
        if !commit::is_listed(directory.path()) {
            return Err(failure);
        }
        // The directory has the files that have no names yet.
        let kept = directory.keep();
        return Err(Failure::new(format!(
            "{failure}; the new files that have no names yet are in {}, and the next load gives them their names before it begins",
            kept.display()
        )));
    }
    let mut loaded = notes.loaded(|place| inputs.name(place));
    loaded.scanned = homes.scanned;
    written_patients(&load, must_renew, &mut loaded.changed)?;
    Ok(loaded)
}

/// Returns the number of partitions for an input of this size.
fn partitions(bytes: u64, workers: usize, sizes: Sizes) -> usize {
    let partitions = (bytes / sizes.partition.max(1)).clamp(workers as u64 * 2, MAX_PARTITIONS);
    usize::try_from(partitions).unwrap_or(1)
}

/// Marks that the index of patients must be renewed.
fn mark(earlier: &dyn Earlier) -> Result<(), Failure> {
    earlier.run(Box::new(|_, files| Box::pin(async move { Ok(renewal::set(&*files).await?) })))?;
    earlier.share(&renewal::directory())
}

/// Completes the changes of loads that were stopped. Returns whether the whole index of patients must be renewed, because a load was stopped
/// before it had renewed it.
fn complete_earlier(into: &Path, earlier: &dyn Earlier, bar: &ProgressBar) -> Result<bool, Failure> {
    let completed = commit::complete(into)?;
    if completed > 0 {
        bar.println("A load was stopped before it had renamed all of its files: the rest was renamed now.");
    }
    let mut is_marked = false;
    let found = &mut is_marked;
    earlier.run(Box::new(move |_, files| {
        Box::pin(async move {
            *found = renewal::mark(&*files).await?.is_some();
            Ok(())
        })
    }))?;
    Ok(is_marked || completed > 0)
}

/// Adds the patients whose records were written, or all of them.
fn written_patients(load: &Load<'_>, must_renew: bool, changed: &mut Changed) -> Result<(), Failure> {
    if must_renew {
        changed.add_all();
        return Ok(());
    }
    for index in 0..load.patients.len() {
        let mut records = load.patients.records(index, 0)?;
        while let Some((_, mut fields)) = records.next()? {
            changed.add(&String::from_utf8_lossy(fields.text()?));
        }
    }
    Ok(())
}

/// Returns a builder of temporary directories that only their owner can read, because they contain records.
pub(super) fn private() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY).permissions(std::fs::Permissions::from_mode(0o700));
    builder
}
