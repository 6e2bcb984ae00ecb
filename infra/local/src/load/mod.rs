//! `ehi load`: converts bulk NDJSON and FHIR Bundles into the lake layout, on all cores and in bounded memory.
//!
//! - [`files`] finds the files, and [`input`] reads them in pieces: the [`objects`] of each piece, and what is [`found`] there.
//! - [`mod@sort`] reads each resource once ([`arriving`], [`belongs`]) and appends it to a partition on disk ([`spill`], [`streams`]),
//!   by a hash of its patient.
//! - [`matching`] finds the patients whom resources name by an identifier ([`mention`], [`identities`]), also in the lake as it was
//!   ([`earlier`]).
//! - [`homes`] finds the records of the lake that have earlier versions.
//! - [`settle`] makes the decisions that need all resources: which of the [`versions`] of a resource are the [`losers`], and the
//!   patients of a Binary ([`follows`]).
//! - [`mod@write`] sorts the partitions one by one and writes new files, [`commit`] gives them their names in the lake, and [`report`] prints
//!   the result.
//!
//! The loader needs one bit of memory for each resource, eight bytes for each patient and each identifier by which a patient is named,
//! and one partition for each worker.

mod arriving;
mod belongs;
#[cfg(feature = "s3")]
mod bucket;
mod commit;
mod earlier;
mod files;
mod follows;
mod found;
mod homes;
mod identities;
mod input;
mod links;
mod losers;
mod matching;
mod mention;
mod objects;
mod parallel;
mod report;
mod settle;
mod sort;
mod spill;
mod streams;
mod versions;
mod write;

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use fhir::ids::is_fhir_id;
use indicatif::{ProgressBar, ProgressStyle};

use self::commit::{Changes, TEMPORARY};
use self::earlier::{Directory, Earlier};
use self::homes::Homes;
use self::input::Inputs;
use self::parallel::parallel;
pub use self::report::{Changed, Loaded, Noted};
use self::report::{Notes, Place};
use self::sort::{Priority, Sorter};
use self::spill::{Fields, Stream};
use self::streams::{Load, Unnamed};
use crate::Failure;
use crate::index::Lake;
use crate::server::Signals;

#[derive(Args)]
#[command(
    after_help = "Exit status: 0 if everything was loaded (the report lists replaced versions, unresolved references and patients who were not found), 1 if some input could not be used, if it has deletions, which are not carried out, or if the load failed, 2 if the command line is not valid."
)]
pub struct Options {
    /// Files or directories with NDJSON or FHIR Bundles in JSON, compressed with gzip or not
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// The records directory to fill, or s3://bucket/prefix; existing records are kept
    #[arg(long, value_name = "DIR")]
    pub into: PathBuf,
}

/// The number of bytes of input for each partition.
const PARTITION: u64 = 16 * 1024 * 1024;
const MAX_PARTITIONS: u64 = 1_024;

/// Loads the inputs and prints a report.
///
/// # Errors
///
/// Some input could not be used or has deletions, although the rest was loaded, or the load failed.
pub async fn run(options: Options) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let bar = progress();
    let stop = Arc::new(AtomicBool::new(false));
    let into = options.into.clone();
    let mut loading = Box::pin(loading(options, bar.clone(), stop.clone()));
    let loaded = tokio::select! {
        loaded = &mut loading => loaded,
        () = signals.received() => {
            // The temporary directory contains records, so it is removed before the program ends.
            stop.store(true, Ordering::Relaxed);
            loading.await
        }
    };
    let mut loaded = match loaded {
        Ok(loaded) => loaded,
        Err(failure) => {
            bar.finish_and_clear();
            return Err(failed(&failure, &into));
        }
    };
    let changed = std::mem::take(&mut loaded.changed).patients();
    let indexing = Box::pin(async {
        let lake = Lake::open(&into.to_string_lossy()).await?;
        lake.renew(changed, &bar).await?;
        bar.suspend(|| lake.say_omissions());
        Ok(())
    });
    let indexed = tokio::select! {
        indexed = indexing => indexed,
        // The temporary directory of the index is removed with the future that is dropped.
        () = signals.received() => Err(Failure::new(format!(
            "interrupted: the records are loaded, but the index of patients was not renewed; run 'ehi index --keep-homes {}'",
            into.display()
        ))),
    };
    bar.finish_and_clear();
    loaded.print(&into);
    indexed?;
    match loaded.fault() {
        None => Ok(()),
        Some(fault) => Err(Failure::new(fault)),
    }
}

/// A load that was interrupted or failed. Records that it has written are not in the index.
fn failed(failure: &Failure, into: &Path) -> Failure {
    let has_records = into.to_string_lossy().starts_with("s3:") || into.join("Patient").is_dir();
    match has_records {
        true => Failure::new(format!(
            "{failure}; patients whose records were already written may be missing in the index: run 'ehi index --keep-homes {}'",
            into.display()
        )),
        false => Failure::new(failure.to_string()),
    }
}

async fn loading(options: Options, bar: ProgressBar, stop: Arc<AtomicBool>) -> Result<Loaded, Failure> {
    if let Some(url) = options.into.to_str().filter(|into| into.starts_with("s3:")) {
        return into_bucket(&options, url, &bar, &stop).await;
    }
    let done = tokio::task::spawn_blocking(move || {
        let (into, earlier) = (&options.into, Directory(&options.into));
        fill(&options.inputs, into, Some(into.clone()), &bar, &stop, &earlier)
    });
    done.await.map_err(|error| Failure::new(error.to_string()))?
}

#[cfg(feature = "s3")]
async fn into_bucket(
    options: &Options,
    url: &str,
    bar: &ProgressBar,
    stop: &Arc<AtomicBool>,
) -> Result<Loaded, Failure> {
    let url = format!("s3://{}", url.trim_start_matches("s3:").trim_start_matches('/'));
    bucket::load(options, &url, bar, stop).await
}

#[cfg(not(feature = "s3"))]
#[expect(clippy::unused_async, reason = "it is async with the feature s3")]
async fn into_bucket(_: &Options, _: &str, _: &ProgressBar, _: &Arc<AtomicBool>) -> Result<Loaded, Failure> {
    Err(Failure::new("this build cannot write to a bucket: build it with --features s3"))
}

/// Loads the inputs into a records directory.
pub fn load(inputs: &[PathBuf], into: &Path, bar: &ProgressBar) -> Result<Loaded, Failure> {
    fill(inputs, into, Some(into.to_owned()), bar, &AtomicBool::new(false), &Directory(into))
}

/// Loads the inputs into a records directory. `lake` is the directory with the patients and documents of earlier loads, if it is on this
/// machine; `earlier` reads their records wherever they are.
fn fill(
    inputs: &[PathBuf],
    into: &Path,
    lake: Option<PathBuf>,
    bar: &ProgressBar,
    stop: &AtomicBool,
    earlier: &dyn Earlier,
) -> Result<Loaded, Failure> {
    let mut notes = Notes::default();
    let inputs = Inputs::new(files::files(inputs, &mut notes)?);
    std::fs::create_dir_all(into).map_err(|error| Failure::of_path(into, &error))?;
    if commit::complete(into)? > 0 {
        bar.println("A load was stopped before it had renamed all of its files: the rest was renamed now.");
    }
    // The temporary directory is in the records directory, because its file system has space for the records.
    let directory = private().tempdir_in(into)?;
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let partitions = (inputs.bytes() / PARTITION).clamp(workers as u64 * 2, MAX_PARTITIONS);
    let partitions = usize::try_from(partitions).unwrap_or(1);
    let load = Load::new(directory.path(), partitions, lake, stop);
    let stream = |name: &str, partitions| Stream::new(directory.path(), name, partitions);
    bar.set_length(inputs.bytes());
    read(&load, workers, &inputs, directory.path(), "incoming", Priority::Incoming, bar, &mut notes)?;
    bar.set_message("finding patients by identifiers");
    notes.add(matching::resolve(&load, workers, earlier, directory.path())?);
    bar.set_message("finding existing records");
    let homes = Homes::find(&load, earlier, directory.path(), bar)?;
    bar.set_message("reading existing records");
    let damaged = existing(&load, workers, into, directory.path(), &mut notes, earlier)?;
    bar.set_message("sorting");
    let (losers, more) = settle::decide(&load, workers)?;
    notes.add(more);
    notes.add(matching::unmatched(&load, &losers)?);
    notes.add(settle::follow(&load, workers, &losers, &stream("followed", partitions))?);
    homes.add(&load, earlier)?;
    bar.set_message("writing");
    let changes = Changes::new(directory.path())?;
    notes.add(write::patients(&load, workers, into, &losers, &damaged, &changes)?);
    let runs = stream("runs", load.shared.len());
    notes.add(write::shared(&load, workers, into, &losers, &damaged, (&runs, &changes))?);
    if let Err(failure) = changes.make() {
        // The directory has the files that have no names yet: the next load completes the changes.
        let _ = directory.keep();
        return Err(failure);
    }
    let mut loaded = notes.loaded(|place| inputs.name(place));
    loaded.scanned = homes.scanned;
    written_patients(&load, &mut loaded.changed)?;
    Ok(loaded)
}

/// Adds the patients whose records were written.
fn written_patients(load: &Load<'_>, changed: &mut Changed) -> Result<(), Failure> {
    for index in 0..load.patients.len() {
        let bytes = load.patients.read(index)?;
        let mut fields = Fields(&bytes);
        while !fields.is_empty() {
            changed.add(&String::from_utf8_lossy(fields.text()?));
        }
    }
    Ok(())
}

/// Reads files, and then resolves the `urn:` references. Returns the files that could not be read completely.
#[expect(clippy::too_many_arguments, reason = "called twice, with different values for most of them")]
fn read(
    load: &Load<'_>,
    workers: usize,
    inputs: &Inputs,
    directory: &Path,
    round: &str,
    priority: Priority,
    bar: &ProgressBar,
    notes: &mut Notes,
) -> Result<BTreeSet<PathBuf>, Failure> {
    let unnamed = Unnamed::new(directory, round, load.texts.len());
    let begin = || Sorter::new(load, &unnamed, priority);
    let sorted = parallel(workers, inputs.pieces.len(), begin, |sorter, index| {
        let number = u32::try_from(index).unwrap_or(Place::LAKE);
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

/// Reads the existing records of the same patients, of patients who have other versions of the same resources, and the existing shared
/// resources and groups. They are treated like an input, but of two versions
/// with the same time the incoming one is kept. Therefore a second load of the same input changes nothing. If these resources also belong
/// to other patients, the records of those patients are read too.
fn existing(
    load: &Load<'_>,
    workers: usize,
    into: &Path,
    directory: &Path,
    notes: &mut Notes,
    earlier: &dyn Earlier,
) -> Result<BTreeSet<PathBuf>, Failure> {
    let mut damaged = BTreeSet::new();
    let mut known: HashSet<u64> = HashSet::new();
    let hidden = ProgressBar::hidden();
    earlier.fetch(&[])?;
    let mut files = write::records_in(&into.join("shared"))?;
    files.extend(groups(load, into, earlier)?);
    for round in 0_u64.. {
        let patients = new_patients(load, &mut known)?;
        if !patients.is_empty() {
            earlier.fetch(&patients)?;
        }
        if into.join("Patient").is_dir() {
            for patient in &patients {
                files.extend(write::records_in(&into.join("Patient").join(patient))?);
            }
        }
        if files.is_empty() {
            return Ok(damaged);
        }
        let inputs = Inputs::whole(std::mem::take(&mut files));
        let round = format!("existing-{round}");
        damaged.extend(read(load, workers, &inputs, directory, &round, Priority::Existing, &hidden, notes)?);
    }
    Ok(damaged)
}

/// Returns the files of the existing Group resources that the input has as well.
fn groups(load: &Load<'_>, into: &Path, earlier: &dyn Earlier) -> Result<Vec<PathBuf>, Failure> {
    let mut ids = BTreeSet::new();
    for index in 0..load.versions.len() {
        let bytes = load.versions.read(index)?;
        let id = |key: &[u8]| Some(std::str::from_utf8(key.strip_prefix(b"Group/")?).ok()?.to_owned());
        ids.extend(versions::keys(&bytes)?.into_iter().filter_map(id).filter(|id| is_fhir_id(id)));
    }
    let ids: Vec<_> = ids.into_iter().collect();
    if !ids.is_empty() {
        earlier.fetch_groups(&ids)?;
    }
    let paths = ids.iter().map(|id| into.join("Group").join(format!("{id}.json")));
    Ok(paths.filter(|path| path.is_file()).collect())
}

/// Returns the patients that were not known before, sorted by id.
fn new_patients(load: &Load<'_>, known: &mut HashSet<u64>) -> Result<Vec<String>, Failure> {
    let mut new = Vec::new();
    for index in 0..load.patients.len() {
        let bytes = load.patients.read(index)?;
        let mut fields = Fields(&bytes);
        while !fields.is_empty() {
            let patient = fields.text()?;
            if known.insert(streams::hash(patient)) {
                new.push(String::from_utf8_lossy(patient).into_owned());
            }
        }
    }
    new.sort();
    Ok(new)
}

/// Returns a builder of temporary directories that only their owner can read, because they contain records.
fn private() -> tempfile::Builder<'static, 'static> {
    use std::os::unix::fs::PermissionsExt as _;

    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY).permissions(std::fs::Permissions::from_mode(0o700));
    builder
}

fn progress() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
