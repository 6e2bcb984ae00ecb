//! Reads files and sorts their resources into the streams of a load.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;

use super::input::Inputs;
use super::parallel::parallel;
use super::report::{Notes, Place};
use super::settle;
use super::sort::{Priority, Sorter};
use super::spill::Stream;
use super::streams::{Load, Unnamed};
use crate::Failure;

/// The threads that read for a load.
pub(super) struct Reader<'r> {
    pub(super) load: &'r Load<'r>,
    pub(super) workers: usize,
    /// The directory of the streams.
    pub(super) directory: &'r Path,
}

/// Reads files, and then resolves the `urn:` references. Returns the files that could not be read completely. `round` is part of the names
/// of temporary files.
pub(super) fn read(
    reader: &Reader<'_>,
    inputs: &Inputs,
    round: &str,
    priority: Priority,
    bar: &ProgressBar,
    notes: &mut Notes,
) -> Result<BTreeSet<PathBuf>, Failure> {
    let Reader { load, workers, directory } = *reader;
    let unnamed = Unnamed::new(directory, round, load.texts.len());
    let begin = || Sorter::new(load, &unnamed, priority);
    let sorted = parallel(workers, inputs.pieces.len(), begin, |sorter, index| {
        let number = u32::try_from(index).unwrap_or(Place::LAKE).saturating_add(inputs.first);
        sorter.read(number, &inputs.pieces[index], bar)
    })?;
    let mut damaged = BTreeSet::new();
    for sorter in sorted {
        let (more, files) = sorter.finish()?;
        notes.add(more);
        damaged.extend(files);
    }
    let found = Stream::new(directory, &format!("named-{round}"), load.texts.len());
    notes.add(settle::names(load, workers, &unnamed, &found, priority)?);
    Ok(damaged)
}
